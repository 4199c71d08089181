//! What the bank's answers say, in the port's words.

use std::borrow::Cow;

use shared::domain::{Currency, Money};

use super::{
    codes,
    fields::Fields,
    words::{heard, status_of},
};
use crate::providers::{Cancelled, ErrorClass, PaymentState, ProviderError, Route, Session};

/// Characters of a page's address.
const URL_CHARS_MAX: usize = 1_000;

/// An answer that lacks what it must have: something was done, and we do not know what.
fn unreadable(lacks: &'static str) -> ProviderError {
    ProviderError::new(ErrorClass::OutcomeUnknown, Cow::Owned(format!("the answer lacks {lacks}")))
}

fn required(answer: &Fields, name: &'static str) -> Result<String, ProviderError> {
    answer.text(name).map(Cow::into_owned).ok_or_else(|| unreadable(name))
}

/// A page to pay on, and whether it is the one that was asked for.
pub(super) fn session(answer: &Fields, order_ref: &str, amount: Money) -> Result<Session, ProviderError> {
    let provider_payment_id = required(answer, "PaymentId")?;
    let payment_url = required(answer, "PaymentURL")?;
    let is_url = payment_url.starts_with("https://") || payment_url.starts_with("http://");
    if !is_url || payment_url.len() > URL_CHARS_MAX || !payment_url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unreadable("an address of a page"));
    }
    let is_ours = answer.text("OrderId").is_none_or(|answered| answered == order_ref)
        && answer.integer("Amount").is_none_or(|answered| answered == amount.minor());
    if !is_ours {
        return Err(unreadable("our own reference and amount"));
    }
    let word = answer.text("Status").unwrap_or(Cow::Borrowed("NEW"));
    let status = heard(&word, &provider_payment_id).ok_or_else(|| unreadable("a status"))?;
    Ok(Session { provider_payment_id, payment_url, status })
}

/// Where a payment stands; `order_ref` is what it must be about, if that is known.
pub(super) fn state(answer: &Fields, order_ref: Option<&str>) -> Result<PaymentState, ProviderError> {
    let provider_payment_id = required(answer, "PaymentId")?;
    let word = required(answer, "Status")?;
    let order_ref = match answer.text("OrderId") {
        Some(answered) => answered.into_owned(),
        None => order_ref.map(str::to_owned).ok_or_else(|| unreadable("OrderId"))?,
    };
    let amount = answer.integer("Amount").and_then(|minor| Money::from_minor(minor, Currency::RUB).ok());
    let error_code = answer.text("ErrorCode").filter(|code| code != "0").map(Cow::into_owned);
    Ok(PaymentState {
        status: heard(&word, &provider_payment_id),
        provider_payment_id,
        order_ref,
        word: Cow::Owned(word),
        amount,
        customer_retryable: error_code.as_deref().is_none_or(codes::is_customer_retryable),
        error_code,
        route: route(answer),
    })
}

/// Everything that was opened under one reference.
pub(super) fn states(answer: &Fields, order_ref: &str) -> Result<Vec<PaymentState>, ProviderError> {
    let payments = answer.list("Payments").ok_or_else(|| unreadable("Payments"))?;
    payments.iter().map(|payment| state(payment, Some(order_ref))).collect()
}

/// What calling off did.
pub(super) fn cancelled(answer: &Fields) -> Result<Cancelled, ProviderError> {
    let word = required(answer, "Status")?;
    let original_minor = answer.integer("OriginalAmount").ok_or_else(|| unreadable("OriginalAmount"))?;
    let new_minor = answer.integer("NewAmount").ok_or_else(|| unreadable("NewAmount"))?;
    Ok(Cancelled { status: status_of(&word), word: Cow::Owned(word), original_minor, new_minor })
}

/// The way the money came: `Params` holds pairs of `Key` and `Value`, one of them the source.
fn route(answer: &Fields) -> Route {
    let params = answer.list("Params").unwrap_or_default();
    let source = params.iter().find(|pair| pair.text("Key").is_some_and(|key| key.eq_ignore_ascii_case("source")));
    match source.and_then(|pair| pair.text("Value")) {
        Some(source) if source.eq_ignore_ascii_case("qrsbp") => Route::Sbp,
        Some(source) if source.eq_ignore_ascii_case("cards") => Route::Card,
        Some(_) | None => Route::Unknown,
    }
}
