//! What the bank tells without being asked, and how badly.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{FakeBank, books::Payment, token::signed};

/// How long the bank waits for `OK`.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How news is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Telling {
    /// How often; 0 tells nothing. Left out, the kopecks decide.
    pub deliveries: Option<u32>,
    /// How long after the deed, in milliseconds.
    pub delay_ms: u64,
    /// The later news first.
    pub reorder: bool,
    /// Signed with another password, and nothing genuine after it.
    pub forged: bool,
    /// Before the genuine one comes one whose digits moved from one value to the next: its Token is right.
    pub malleated: bool,
    /// Names this amount instead, signed properly.
    pub amount: Option<i64>,
    /// It is held back, and comes after what other payments and this one have to tell meanwhile: with
    /// [`FakeBank::release`], or when enough has gathered.
    pub held_back: bool,
    /// Before the genuine one comes one with a right Token and an amount that is none of ours.
    pub wrong_amount: bool,
}

impl Telling {
    /// Nobody is told.
    pub fn nothing() -> Self {
        Self { deliveries: Some(0), ..Self::default() }
    }
}

/// News that was made under the lock and is sent outside it.
pub(crate) struct News {
    pub id: u64,
    pub words: Vec<&'static str>,
    pub telling: Telling,
}

/// A notification that waits to be sent.
pub(crate) struct Letter {
    payment: Payment,
    body: String,
}

/// So many notifications are held back; then all are sent, the last first.
const HELD_BACK_MAX: usize = 8;

impl Telling {
    /// What is odd about it, as it is counted.
    fn name(&self) -> Option<&'static str> {
        match self {
            Self { deliveries: Some(0), .. } => Some("notification_lost"),
            Self { forged: true, .. } => Some("notification_forged"),
            Self { malleated: true, .. } => Some("notification_malleated"),
            Self { held_back: true, .. } => Some("notification_held_back"),
            Self { wrong_amount: true, .. } | Self { amount: Some(_), .. } => Some("notification_wrong_amount"),
            Self { reorder: true, .. } => Some("notification_reordered"),
            Self { deliveries: Some(2..), .. } => Some("notification_repeated"),
            Self { delay_ms: 1.., .. } => Some("notification_late"),
            Self { .. } => None,
        }
    }
}

impl FakeBank {
    /// Sends the news in the background.
    pub(crate) fn tell_later(&self, news: News) {
        let bank = self.clone();
        tokio::spawn(async move { bank.tell(news).await });
    }

    /// Sends the news, one after the other.
    pub(crate) async fn tell(&self, news: News) {
        let mut telling = news.telling;
        if let Some(odd) = self.inner.chaos.lock().as_mut().and_then(crate::chaos::Dice::telling) {
            telling = odd;
        }
        if let Some(name) = telling.name() {
            self.inner.faults.lock().did(name);
        }
        if telling.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(telling.delay_ms)).await;
        }
        let Some(payment) = self.books().by_id(news.id).cloned() else { return };
        let mut words = news.words;
        if telling.reorder {
            words.reverse();
        }
        let deliveries = telling.deliveries.unwrap_or(if payment.kopecks() == 7 { 3 } else { 1 });
        for word in words {
            for body in self.bodies(&payment, word, &telling) {
                for _ in 0..deliveries {
                    if telling.held_back {
                        self.hold_back(&payment, &body).await;
                    } else {
                        self.deliver(&payment, body.clone()).await;
                    }
                }
            }
        }
    }

    async fn hold_back(&self, payment: &Payment, body: &str) {
        let is_full = {
            let mut held = self.inner.held_back.lock();
            held.push(Letter { payment: payment.clone(), body: body.to_owned() });
            held.len() >= HELD_BACK_MAX
        };
        if is_full {
            self.release().await;
        }
    }

    /// Sends what was held back, the last first; says how much that was.
    pub async fn release(&self) -> usize {
        let held = std::mem::take(&mut *self.inner.held_back.lock());
        let count = held.len();
        for Letter { payment, body } in held.into_iter().rev() {
            self.deliver(&payment, body).await;
        }
        count
    }

    /// Sends again what nobody has heard yet; says how much that was.
    pub async fn redeliver(&self, order_ref: &str) -> usize {
        let Some(payment) = self.books().newest(order_ref).map(|payment| {
            let unheard = std::mem::take(&mut payment.unheard);
            (payment.clone(), unheard)
        }) else {
            return 0;
        };
        let (payment, unheard) = payment;
        let count = unheard.len();
        for body in unheard {
            self.deliver(&payment, body).await;
        }
        count
    }

    /// Sends everything again that was ever told of the newest page.
    pub async fn repeat_everything(&self, order_ref: &str) {
        let Some(payment) = self.books().newest(order_ref).cloned() else { return };
        for body in payment.told.clone() {
            self.deliver(&payment, body).await;
        }
    }

    /// Sends any body to where the newest page's news goes, with a right Token; answers the HTTP status.
    pub async fn tell_anything(&self, order_ref: &str, mut fields: Map<String, Value>) -> Option<u16> {
        let payment = self.books().newest(order_ref).cloned()?;
        fields.insert("TerminalKey".to_owned(), self.terminal_key().into());
        let body = Value::Object(signed(fields, &self.password())).to_string();
        self.post(&payment.notification_url, body).await.map(|(status, _)| status)
    }

    fn bodies(&self, payment: &Payment, word: &str, telling: &Telling) -> Vec<String> {
        let password = self.password();
        let amount = telling.amount.unwrap_or_else(|| payment.named_amount());
        let body = notification(self.terminal_key(), payment, word, amount);
        let written = |body: Map<String, Value>| Value::Object(body).to_string();
        if telling.forged {
            return vec![written(signed(body, "somebody else's password"))];
        }
        let mut bodies = Vec::new();
        if telling.wrong_amount {
            let wrong = notification(self.terminal_key(), payment, word, amount + 1_000_000);
            bodies.push(written(signed(wrong, &password)));
        }
        let genuine = signed(body, &password);
        if telling.malleated {
            bodies.push(written(malleated(genuine.clone())));
        }
        bodies.push(written(genuine));
        bodies
    }

    async fn deliver(&self, payment: &Payment, body: String) {
        let heard = matches!(
            self.post(&payment.notification_url, body.clone()).await,
            Some((200, answer)) if answer == "OK"
        );
        if let Some(payment) = self.books().by_id(payment.id) {
            if !payment.told.contains(&body) {
                payment.told.push(body.clone());
            }
            if !heard {
                payment.unheard.push(body);
            }
        }
    }

    async fn post(&self, url: &str, body: String) -> Option<(u16, String)> {
        let request = self.inner.http.post(url).header("Content-Type", "application/json").body(body);
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.text().await.ok()?))
    }
}

fn notification(terminal_key: &str, payment: &Payment, word: &str, amount: i64) -> Map<String, Value> {
    let is_refusal = matches!(word, "REJECTED" | "AUTH_FAIL" | "DEADLINE_EXPIRED");
    let value = json!({
        "TerminalKey": terminal_key,
        "OrderId": payment.order_id,
        "Success": !is_refusal,
        "Status": word,
        "PaymentId": payment.id,
        "ErrorCode": payment.error_code,
        "Amount": amount,
        "CardId": 322_264,
        "Pan": "430000******0777",
        "ExpDate": "1122",
        "RebillId": 101_709,
        "Data": { "Route": "ACQ", "Source": "cards" },
    });
    value.as_object().cloned().unwrap_or_default()
}

/// The first digit of the card's id becomes the last of the amount: the joined text, and so the Token, stay the same.
fn malleated(mut body: Map<String, Value>) -> Map<String, Value> {
    let digits = |body: &Map<String, Value>, key: &str| body.get(key).map(ToString::to_string).unwrap_or_default();
    let (amount, card) = (digits(&body, "Amount"), digits(&body, "CardId"));
    let (first, rest) = card.split_at(1);
    let number = |text: &str| Value::from(text.parse::<i64>().unwrap_or_default());
    body.insert("Amount".to_owned(), number(&format!("{amount}{first}")));
    body.insert("CardId".to_owned(), number(rest));
    body
}
