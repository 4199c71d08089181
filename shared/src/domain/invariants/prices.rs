//! 24 to 27: payouts, totals, currencies, portions.

use iso_currency::Currency;
use serde_json::Value;

use super::{Moment, Verdict, hold};
use crate::domain::{
    DomainEvent, Money,
    ids::OrderId,
    order::{OrderCreated, OrderEvent},
};

/// 24: the cook's share and the commission are what was paid less what was authorised back, and the commission is its
/// part of that.
pub(super) fn payout_adds_up(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Order(OrderEvent::OrderPayoutReleased(released)) = now.domain else { return Ok(()) };
    let Some(order) = now.before.orders.get(&OrderId(now.event.aggregate_id)) else { return Ok(()) };
    let ((card, gift), (card_owed, gift_owed)) = (order.paid_minor(), order.owed_minor());
    let (paid, owed) = (card + gift, card_owed + gift_owed);
    let (gross, refunded) = (released.gross.minor(), released.refunded.minor());
    hold((gross, refunded) == (paid, owed), || format!("{gross} less {refunded}, but it was {paid} less {owed}"))?;
    let commission = half_even(paid - owed, order.commission_bps);
    hold(released.commission.minor() == commission, || format!("the commission is {commission}"))?;
    let net = paid - owed - commission;
    hold(released.producer_net.minor() == net, || format!("the cook's share is {net}"))
}

/// `minor` · `bps` / 10 000, halves to the even neighbour; counted here, not by `Money`.
fn half_even(minor: i64, bps: u32) -> i64 {
    let product = i128::from(minor) * i128::from(bps);
    let (whole, rest) = (product.div_euclid(10_000), product.rem_euclid(10_000));
    let up = rest > 5_000 || (rest == 5_000 && whole % 2 != 0);
    i64::try_from(whole + i128::from(up)).unwrap_or(i64::MAX)
}

/// 25: lines and fee make the total, the gift's share lowers what is due, and what is due can be paid or is nothing.
pub(super) fn totals_add_up(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Order(OrderEvent::OrderCreated(created)) = now.domain else { return Ok(()) };
    let total = sum(created).ok_or("the lines cannot be added")?;
    hold(created.total_price.minor() == total, || format!("lines and fee make {total}"))?;
    let gift = created.gift.as_ref().map_or(0, |gift| gift.amount.minor());
    let due = created.amount_due.minor();
    hold(due == total - gift && due >= 0, || format!("{due} is due of {total} less {gift}"))?;
    let min = now.before.payable_min_minor;
    hold(due == 0 || due >= min, || format!("{due} is due, a card pays {min} at least"))
}

fn sum(created: &OrderCreated) -> Option<i64> {
    let lines = created.items.iter().try_fold(0_i64, |sum, item| {
        let line = item.unit_price.minor().checked_mul(i64::from(item.quantity))?;
        if item.line_total.minor() == line { sum.checked_add(line) } else { None }
    });
    lines?.checked_add(created.delivery_fee.minor())
}

/// 26: everything in a flow has one currency, and no amount has more decimals than it.
pub(super) fn one_currency(now: &Moment<'_>) -> Verdict {
    let known = now.before.flows.get(&now.event.correlation_id).and_then(|flow| flow.currency.as_deref());
    let mut flow = known.map(str::to_owned);
    let payload = parse(&now.event.payload);
    for (amount, currency) in amounts(&payload) {
        let is_one = flow.get_or_insert_with(|| currency.to_owned()) == currency;
        hold(is_one, || format!("{currency} in a flow of {flow:?}"))?;
        hold(Money::parse(amount, currency).is_ok() && Currency::from_code(currency).is_some(), || {
            format!("{amount} {currency} is no exact amount")
        })?;
    }
    Ok(())
}

fn parse(payload: &str) -> Value {
    serde_json::from_str(payload).unwrap_or(Value::Null)
}

/// The currencies that a payload names.
pub(super) fn currencies(payload: &str) -> impl Iterator<Item = String> {
    // Most events move nothing; they need not be read.
    let value = if payload.contains("\"currency\"") { parse(payload) } else { Value::Null };
    let names: Vec<String> = amounts(&value).into_iter().map(|(_, currency)| currency.to_owned()).collect();
    names.into_iter()
}

/// Every amount in a payload with its currency, wherever it stands.
fn amounts(value: &Value) -> Vec<(&str, &str)> {
    match value {
        Value::Object(fields) => match (fields.get("amount"), fields.get("currency")) {
            (Some(Value::String(amount)), Some(Value::String(currency))) => vec![(amount, currency)],
            _ => fields.values().flat_map(amounts).collect(),
        },
        Value::Array(values) => values.iter().flat_map(amounts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// 27, as far as the log goes: an order's portions come free once. How many there are is known from outside.
pub(super) fn portions_return_once(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Order(OrderEvent::OrderCancelled(_)) = now.domain else { return Ok(()) };
    let order = now.before.orders.get(&OrderId(now.event.aggregate_id));
    hold(order.is_none_or(|order| order.cancelled.is_none()), || "its portions came free before".to_owned())
}
