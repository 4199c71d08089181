//! What customers do on the bank's page, and clerks in its cabinet.

use crate::{
    FakeBank,
    books::{Act, Payment, Source},
    notify::{News, Telling},
};

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No page under that reference.
    Unknown,
    /// The payment is past that; the bank's word.
    NotNow(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("the bank knows no such payment"),
            Self::NotNow(word) => write!(f, "the payment is {word} at the bank"),
        }
    }
}

impl std::error::Error for Refused {}

impl FakeBank {
    /// The customer pays on the newest page of a payment; answers the bank's word.
    pub async fn pay(&self, order_ref: &str, telling: Telling) -> Result<String, Refused> {
        let now = self.now();
        self.act(order_ref, telling, |payment, kopecks, telling| pay(payment, kopecks, telling, now)).await
    }

    /// The customer pays by faster payments.
    pub async fn pay_by_sbp(&self, order_ref: &str, telling: Telling) -> Result<String, Refused> {
        let now = self.now();
        let pay = |payment: &mut Payment, kopecks, telling: &mut Telling| {
            payment.source = Source::Sbp;
            pay(payment, kopecks, telling, now)
        };
        self.act(order_ref, telling, pay).await
    }

    /// The bank says no, with a code.
    pub async fn decline(&self, order_ref: &str, code: &str, telling: Telling) -> Result<String, Refused> {
        let now = self.now();
        let refuse = |payment: &mut Payment, _, _: &mut Telling| match payment.word(now) {
            "NEW" | "FORM_SHOWED" => Ok(step(payment, "REJECTED", code)),
            "3DS_CHECKING" => Ok(step(payment, "AUTH_FAIL", "101")),
            word => Err(Refused::NotNow(word.to_owned())),
        };
        self.act(order_ref, telling, refuse).await
    }

    /// The page dies before its time.
    pub async fn expire(&self, order_ref: &str, telling: Telling) -> Result<String, Refused> {
        let expire = |payment: &mut Payment, _, _: &mut Telling| match payment.status.as_str() {
            "NEW" | "FORM_SHOWED" | "3DS_CHECKING" => Ok(step(payment, "DEADLINE_EXPIRED", "0")),
            word => Err(Refused::NotNow(word.to_owned())),
        };
        self.act(order_ref, telling, expire).await
    }

    /// A clerk gives money back in the cabinet: so many kopecks, or all that is left.
    pub async fn refund_in_cabinet(
        &self,
        order_ref: &str,
        amount: Option<i64>,
        telling: Telling,
    ) -> Result<String, Refused> {
        self.act(order_ref, telling, |payment, _, _| clerk_gives_back(payment, amount)).await
    }

    async fn act(
        &self,
        order_ref: &str,
        telling: Telling,
        act: impl FnOnce(&mut Payment, i64, &mut Telling) -> Result<Vec<&'static str>, Refused>,
    ) -> Result<String, Refused> {
        let mut telling = telling;
        let (news, word) = {
            let mut books = self.books();
            let payment = books.newest(order_ref).ok_or(Refused::Unknown)?;
            let kopecks = if self.inner.options.kopecks_choose { payment.kopecks() } else { 0 };
            let words = act(payment, kopecks, &mut telling)?;
            (News { id: payment.id, words, telling }, payment.status.clone())
        };
        self.tell_later(news);
        Ok(word)
    }
}

/// The customer pays: what becomes of it, and what is told.
pub(crate) fn pay(
    payment: &mut Payment,
    kopecks: i64,
    telling: &mut Telling,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<&'static str>, Refused> {
    let word = payment.word(now).to_owned();
    let late = kopecks == 13 && matches!(word.as_str(), "DEADLINE_EXPIRED" | "CANCELED");
    if !late && !matches!(word.as_str(), "NEW" | "FORM_SHOWED" | "3DS_CHECKING") {
        return Err(Refused::NotNow(word));
    }
    payment.visits += 1;
    let first = payment.visits == 1;
    match kopecks {
        1 => return Ok(step(payment, "REJECTED", "1005")),
        2 => return Ok(step(payment, "REJECTED", "1051")),
        3 if first => return Ok(step(payment, "3DS_CHECKING", "0")),
        12 => {
            "FORM_SHOWED".clone_into(&mut payment.status);
            return Ok(Vec::new());
        }
        15 if first => {
            telling.forged = true;
            return Ok(vec!["CONFIRMED"]);
        }
        8 => telling.reorder = true,
        _ => {}
    }
    let amount = if kopecks == 11 { payment.amount - 100 } else { payment.amount };
    let told = take(payment, amount);
    Ok(if telling.reorder {
        vec![if payment.two_stage { "3DS_CHECKING" } else { "AUTHORIZED" }, told]
    } else {
        vec![told]
    })
}

fn take(payment: &mut Payment, amount: i64) -> &'static str {
    "0".clone_into(&mut payment.error_code);
    if payment.two_stage {
        payment.held = amount;
        "AUTHORIZED".clone_into(&mut payment.status);
        return "AUTHORIZED";
    }
    payment.captured = amount;
    "CONFIRMED".clone_into(&mut payment.status);
    "CONFIRMED"
}

pub(crate) fn clerk_gives_back(payment: &mut Payment, amount: Option<i64>) -> Result<Vec<&'static str>, Refused> {
    let amount = amount.unwrap_or(payment.left());
    let is_possible = matches!(payment.status.as_str(), "CONFIRMED" | "PARTIAL_REFUNDED");
    if !is_possible || amount <= 0 || amount > payment.left() {
        return Err(Refused::NotNow(payment.status.clone()));
    }
    payment.clerk_was_here = true;
    Ok(vec![give_back(payment, None, amount)])
}

/// Books money that goes back; answers the word that follows.
pub(crate) fn give_back(payment: &mut Payment, name: Option<String>, amount: i64) -> &'static str {
    payment.acts.push(Act { name, amount });
    payment.refunded += amount;
    let word = if payment.left() == 0 { "REFUNDED" } else { "PARTIAL_REFUNDED" };
    word.clone_into(&mut payment.status);
    word
}

fn step(payment: &mut Payment, word: &'static str, code: &str) -> Vec<&'static str> {
    word.clone_into(&mut payment.status);
    code.clone_into(&mut payment.error_code);
    vec![word]
}
