//! The six calls of the API.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::{
    FakeBank,
    acts::{clerk_gives_back, give_back, pay},
    books::{Payment, Source},
    faults::{Fault, Operation},
    notify::{News, Telling},
    token::token_of,
};

/// An answer in the bank's form, and the news that follows from the call.
pub(crate) struct Answer {
    pub body: Map<String, Value>,
    pub news: Option<News>,
    /// Whether the answer waits until the news has been told.
    pub news_first: bool,
}

/// A refusal: its code, and what it says.
type Refusal = (&'static str, &'static str);
type Done = Result<(Map<String, Value>, Option<News>), Refusal>;

/// The bank does not take less.
const AMOUNT_MIN: i64 = 100;
const DUE_IN: TimeDelta = TimeDelta::hours(24);

impl FakeBank {
    /// The reference that a call is about, for rules that are about one payment.
    pub(crate) fn order_of(&self, body: &Map<String, Value>) -> String {
        match (text(body, "OrderId"), number(body, "PaymentId")) {
            (Some(order_id), _) => order_id,
            (None, Some(id)) => self.books().by_id(id).map(|it| it.order_id.clone()).unwrap_or_default(),
            (None, None) => String::new(),
        }
    }

    /// What the kopecks of an amount make go wrong with a call.
    pub(crate) fn fault_of_kopecks(&self, operation: Operation, body: &Map<String, Value>) -> Option<Fault> {
        if !self.inner.options.kopecks_choose {
            return None;
        }
        let mut books = self.books();
        match operation {
            Operation::Init => {
                let order_id = text(body, "OrderId")?;
                let kopecks = body.get("Amount")?.as_i64()? % 100;
                let mut faults = self.inner.faults.lock();
                let tries = faults.tries_of(&order_id);
                match kopecks {
                    4 if tries == 1 => Some(Fault::DropBefore),
                    5 if tries == 1 => Some(Fault::DropAfter),
                    14 if faults.server_errors_left() => Some(Fault::StatusBefore { status: 500 }),
                    _ => None,
                }
            }
            Operation::Cancel => {
                let payment = books.by_id(number(body, "PaymentId")?)?;
                let is_refund = matches!(payment.status.as_str(), "CONFIRMED" | "PARTIAL_REFUNDED");
                let first = is_refund && payment.cancels == 0;
                payment.cancels += u32::from(is_refund);
                match payment.kopecks() {
                    9 if first => Some(Fault::Code { code: "3029".to_owned(), message: String::new() }),
                    10 if first => Some(Fault::DropAfter),
                    _ => None,
                }
            }
            Operation::Confirm | Operation::GetState | Operation::CheckOrder | Operation::GetQrState => None,
        }
    }

    /// Does a call.
    pub(crate) fn answer(&self, operation: Operation, body: &Map<String, Value>) -> Answer {
        let done = self.admit(body).and_then(|()| match operation {
            Operation::Init => self.init(body),
            Operation::Confirm => self.confirm(body),
            Operation::Cancel => self.cancel(body),
            Operation::GetState | Operation::GetQrState => self.get_state(body),
            Operation::CheckOrder => self.check_order(body),
        });
        match done {
            Ok((body, news)) => {
                let news_first = operation == Operation::Init && news.is_some();
                Answer { body: well(body, self.terminal_key()), news, news_first }
            }
            Err((code, message)) => Answer { body: refusal(code, message), news: None, news_first: false },
        }
    }

    fn admit(&self, body: &Map<String, Value>) -> Result<(), Refusal> {
        if text(body, "TerminalKey").as_deref() != Some(self.terminal_key()) {
            return Err(("205", "Указан некорректный терминал"));
        }
        let expected = token_of(body, &self.password());
        if text(body, "Token") == Some(expected) { Ok(()) } else { Err(("204", "Неверный токен")) }
    }

    fn init(&self, body: &Map<String, Value>) -> Done {
        let wrong = |message| ("9999", message);
        let amount = body.get("Amount").and_then(Value::as_i64).ok_or(wrong("Неверные параметры"))?;
        let order_id = text(body, "OrderId").filter(|id| id.len() <= 36).ok_or(wrong("Неверные параметры"))?;
        if amount < AMOUNT_MIN || text(body, "Description").is_some_and(|text| text.chars().count() > 140) {
            return Err(wrong("Неверные параметры"));
        }
        let now = self.now();
        let due = text(body, "RedirectDueDate").and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
        let due = due.map_or(now + DUE_IN, |due| due.with_timezone(&Utc));
        if due < now + TimeDelta::minutes(1) {
            return Err(("212", "Неверный срок жизни ссылки"));
        }
        let mut books = self.books();
        let id = books.open(Payment {
            id: 0,
            order_id,
            amount,
            two_stage: text(body, "PayType").as_deref() == Some("T"),
            status: "NEW".to_owned(),
            error_code: "0".to_owned(),
            held: 0,
            captured: 0,
            refunded: 0,
            acts: Vec::new(),
            chargebacks: Vec::new(),
            source: Source::Card,
            due,
            notification_url: text(body, "NotificationURL").unwrap_or_default(),
            success_url: text(body, "SuccessURL").unwrap_or_default(),
            fail_url: text(body, "FailURL").unwrap_or_default(),
            visits: 0,
            cancels: 0,
            clerk_was_here: false,
            told: Vec::new(),
            unheard: Vec::new(),
        });
        let payment = books.by_id(id).ok_or(("9999", "bank"))?;
        let mut answer = about(payment, now);
        answer.insert("PaymentURL".to_owned(), format!("{}/pay/{id}", self.url()).into());
        let mut news = None;
        if self.inner.options.kopecks_choose && payment.kopecks() == 6 {
            let mut telling = Telling::default();
            let words = pay(payment, 6, &mut telling, now).unwrap_or_default();
            news = Some(News { id, words, telling });
        }
        Ok((answer, news))
    }

    fn confirm(&self, body: &Map<String, Value>) -> Done {
        let mut books = self.books();
        let payment = find(&mut books, body)?;
        if payment.status != "AUTHORIZED" {
            return Err(("8", "Неверный статус транзакции"));
        }
        let amount = body.get("Amount").and_then(Value::as_i64).unwrap_or(payment.held);
        if amount <= 0 || amount > payment.held {
            return Err(("251", "Сумма подтверждения больше заблокированной"));
        }
        (payment.captured, payment.held) = (amount, 0);
        "CONFIRMED".clone_into(&mut payment.status);
        Ok((about(payment, self.now()), Some(news(payment, "CONFIRMED"))))
    }

    fn cancel(&self, body: &Map<String, Value>) -> Done {
        let now = self.now();
        let mut books = self.books();
        let payment = find(&mut books, body)?;
        let wanted = body.get("Amount").and_then(Value::as_i64);
        let name = text(body, "ExternalRequestId");
        let known = payment.source == Source::Card && name.is_some();
        if known && payment.acts.iter().any(|act| act.name == name) {
            let original = payment.left();
            return Ok((moved(payment, original, now), None));
        }
        match payment.word(now) {
            "NEW" => {
                "CANCELED".clone_into(&mut payment.status);
                let amount = payment.amount;
                let mut answer = moved(payment, amount, now);
                answer.insert("NewAmount".to_owned(), 0.into());
                Ok((answer, Some(news(payment, "CANCELED"))))
            }
            "AUTHORIZED" => {
                let held = payment.held;
                payment.held = 0;
                "REVERSED".clone_into(&mut payment.status);
                Ok((moved(payment, held, now), Some(news(payment, "REVERSED"))))
            }
            "CONFIRMED" | "PARTIAL_REFUNDED" => {
                let (original, amount) = (payment.left(), wanted.unwrap_or(payment.left()));
                if amount <= 0 || amount > original {
                    return Err(("251", "Сумма возврата больше суммы платежа"));
                }
                let word = give_back(payment, name, amount);
                Ok((moved(payment, original, now), Some(news(payment, word))))
            }
            _ => Err(("8", "Неверный статус транзакции")),
        }
    }

    fn get_state(&self, body: &Map<String, Value>) -> Done {
        let now = self.now();
        let mut books = self.books();
        let payment = find(&mut books, body)?;
        let mut answer = about(payment, now);
        let source = match payment.source {
            Source::Card => "cards",
            Source::Sbp => "qrsbp",
        };
        let params = json!([{ "Key": "Route", "Value": "ACQ" }, { "Key": "Source", "Value": source }]);
        answer.insert("Params".to_owned(), params);
        if payment.error_code != "0" {
            // The state of a refused payment comes as a refusal.
            answer.extend(refusal(&payment.error_code, "Отказ"));
        }
        let clerk = self.inner.options.kopecks_choose && payment.kopecks() == 16 && !payment.clerk_was_here;
        let words = if clerk { clerk_gives_back(payment, None).unwrap_or_default() } else { Vec::new() };
        let news = words.first().map(|word| news(payment, word));
        Ok((answer, news))
    }

    fn check_order(&self, body: &Map<String, Value>) -> Done {
        let now = self.now();
        let order_id = text(body, "OrderId").ok_or(("201", "Поле OrderId не должно быть пустым"))?;
        let found = self.books().of(&order_id);
        let found: Vec<Value> = found
            .iter()
            .filter(|payment| payment.order_id == order_id)
            .map(|payment| {
                let mut state = about(payment, now);
                state.remove("OrderId");
                Value::Object(well(state, self.terminal_key()))
            })
            .collect();
        if found.is_empty() {
            return Err(("255", "Заказ не найден"));
        }
        let mut answer = Map::new();
        answer.insert("OrderId".to_owned(), order_id.into());
        answer.insert("Payments".to_owned(), found.into());
        Ok((answer, None))
    }
}

fn find<'a>(books: &'a mut crate::books::Books, body: &Map<String, Value>) -> Result<&'a mut Payment, Refusal> {
    number(body, "PaymentId").and_then(|id| books.by_id(id)).ok_or(("255", "Платеж не найден"))
}

fn news(payment: &Payment, word: &'static str) -> News {
    News { id: payment.id, words: vec![word], telling: Telling::default() }
}

/// The bank writes ids now as text, now as numbers.
fn about(payment: &Payment, now: DateTime<Utc>) -> Map<String, Value> {
    let id = if payment.id.is_multiple_of(2) { json!(payment.id) } else { json!(payment.id.to_string()) };
    let fields = [
        ("Status", json!(payment.word(now))),
        ("PaymentId", id),
        ("OrderId", json!(payment.order_id)),
        ("Amount", json!(payment.named_amount())),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn moved(payment: &Payment, original: i64, now: DateTime<Utc>) -> Map<String, Value> {
    let mut answer = about(payment, now);
    answer.remove("Amount");
    answer.insert("OriginalAmount".to_owned(), original.into());
    answer.insert("NewAmount".to_owned(), payment.left().into());
    answer
}

fn well(mut body: Map<String, Value>, terminal_key: &str) -> Map<String, Value> {
    let is_odd = body.get("PaymentId").is_none_or(Value::is_string);
    body.entry("Success").or_insert(if is_odd { json!(true) } else { json!("true") });
    body.entry("ErrorCode").or_insert(if is_odd { json!("0") } else { json!(0) });
    body.insert("TerminalKey".to_owned(), terminal_key.into());
    body
}

/// A refusal in the bank's form.
pub(crate) fn refusal(code: &str, message: &str) -> Map<String, Value> {
    let fields = [("Success", json!(false)), ("ErrorCode", json!(code)), ("Message", json!(message))];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(str::to_owned)
}

fn number(body: &Map<String, Value>, name: &str) -> Option<u64> {
    let value = body.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
