//! What the bank tells without being asked. Whoever reads it knows that it is genuine, and nothing more: see the
//! warning at [`super::token`].

use std::borrow::Cow;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shared::{
    domain::{Currency, Money, payment::ProviderStatus},
    runtime::Secret,
};

use super::{
    fields::Fields,
    token::{TOKEN, is_genuine},
    words::heard,
};

/// A notification whose Token is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Names the notification: the same news again has the same.
    pub fingerprint: [u8; 32],
    /// What it is about.
    pub kind: NotificationKind,
    /// What we called the payment.
    pub order_ref: String,
    /// The bank's own id of it.
    pub provider_payment_id: String,
    /// The bank's word.
    pub word: String,
    /// What the word means, if it means anything.
    pub status: Option<ProviderStatus>,
    /// The amount that it names; joined to its neighbours without a mark, so perhaps another one.
    pub amount: Option<Money>,
    /// The bank's code, if something failed.
    pub error_code: Option<String>,
    /// What may be kept of it: no card, no Token.
    pub facts: String,
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// A payment.
    Payment,
    /// A fiscal receipt.
    Receipt,
    /// A card that a customer let the bank keep.
    Card,
    /// An account for faster payments.
    Qr,
}

impl NotificationKind {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "PAYMENT",
            Self::Receipt => "RECEIPT",
            Self::Card => "CARD",
            Self::Qr => "QR",
        }
    }
}

/// Not a notification of ours. Why is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the notification is not genuine")]
pub struct Forged;

/// What is kept of a notification.
const KEPT: &[&str] = &[
    "OrderId",
    "PaymentId",
    "Status",
    "Success",
    "Amount",
    "ErrorCode",
    "NotificationType",
    "RequestKey",
    "DataType",
    "FiscalNumber",
    "FiscalDocumentNumber",
    "FiscalDocumentAttribute",
    "ReceiptDatetime",
    "Type",
    "Url",
];
/// Characters of a text that is kept.
const KEPT_CHARS_MAX: usize = 200;

impl Notification {
    pub(super) fn read(body: &[u8], terminal_key: &Secret, passwords: &[Secret]) -> Result<Self, Forged> {
        let fields = Fields::parse(body).map_err(|_| Forged)?;
        if !is_genuine(&fields, passwords) {
            return Err(Forged);
        }
        if fields.text("TerminalKey").as_deref() != Some(terminal_key.expose()) {
            return Err(Forged);
        }
        let text = |name| fields.text(name).map(Cow::into_owned).unwrap_or_default();
        let (word, provider_payment_id) = (text("Status"), text("PaymentId"));
        let kind = kind_of(&fields, &word);
        Ok(Self {
            fingerprint: fingerprint(&fields),
            kind,
            order_ref: text("OrderId"),
            status: if kind == NotificationKind::Payment { heard(&word, &provider_payment_id) } else { None },
            provider_payment_id,
            word,
            amount: fields.integer("Amount").and_then(|minor| Money::from_minor(minor, Currency::RUB).ok()),
            error_code: fields.text("ErrorCode").filter(|code| code != "0").map(Cow::into_owned),
            facts: facts(&fields),
        })
    }
}

fn kind_of(fields: &Fields, word: &str) -> NotificationKind {
    let notification_type = fields.text("NotificationType").unwrap_or_default().to_ascii_uppercase();
    if word == "RECEIPT" || fields.text("FiscalNumber").is_some() {
        NotificationKind::Receipt
    } else if notification_type == "LINKCARD" || (fields.text("RequestKey").is_some() && word == "COMPLETED") {
        NotificationKind::Card
    } else if notification_type == "LINKACCOUNT" || fields.text("AccountToken").is_some() {
        NotificationKind::Qr
    } else {
        NotificationKind::Payment
    }
}

/// SHA-256 over names and values in the order of the names, without the Token: the password may have changed meanwhile.
fn fingerprint(fields: &Fields) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (name, raw) in fields.raw().filter(|(name, _)| *name != TOKEN) {
        let value: Value = serde_json::from_str(raw).unwrap_or_default();
        // Numbers by their lexeme; a nested object without its blanks.
        let value = if value.is_number() { raw.to_owned() } else { value.to_string() };
        for part in [name, &value] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().into()
}

fn facts(fields: &Fields) -> String {
    let kept = |name: &&str| {
        let text: String = fields.text(name)?.chars().filter(|c| !c.is_control()).take(KEPT_CHARS_MAX).collect();
        Some(((*name).to_owned(), Value::String(text)))
    };
    Value::Object(KEPT.iter().filter_map(kept).collect::<Map<_, _>>()).to_string()
}
