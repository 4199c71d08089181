//! 28: what has a deadline does not outlive it, once everything due has been done.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Facts, Rest, report::Left};
use crate::domain::order::OrderStatus;

/// How much later than due it may be: for an order's payment the grace of a customer who is being checked by the bank is
/// in it.
const PAYMENT: TimeDelta = TimeDelta::minutes(15);
const ACCEPTANCE: TimeDelta = TimeDelta::minutes(1);
const RESPONSE: TimeDelta = TimeDelta::minutes(1);
const EXPIRY: TimeDelta = TimeDelta::hours(1);

pub(super) fn were_kept(facts: &Facts, rest: &Rest) -> Vec<Left> {
    let Some(now) = rest.now else { return Vec::new() };
    let is_over = |due: DateTime<Utc>, grace: TimeDelta| now > due + grace;
    let mut left = Vec::new();
    for (id, order) in &facts.orders {
        if order.status == OrderStatus::WaitingForPayment && is_over(order.payment_deadline, PAYMENT) {
            left.push((Some(id.0), format!("waits for its payment since {}", order.payment_deadline)));
        }
        if let (OrderStatus::Paid, Some(due)) = (order.status, order.accept_deadline)
            && is_over(due, ACCEPTANCE)
        {
            left.push((Some(id.0), format!("waits for the cook since {due}")));
        }
    }
    for (id, dispute) in &facts.disputes {
        let is_waiting = dispute.resolved == 0 && !dispute.is_under_review;
        if is_waiting && is_over(dispute.response_due, RESPONSE) {
            left.push((Some(id.0), format!("waits for an answer since {}", dispute.response_due)));
        }
    }
    for (id, gift) in &facts.gifts {
        let is_open = !gift.is_expired && !gift.is_cancelled && gift.pots.available > 0;
        if let Some(due) = gift.expires_at.filter(|due| is_open && is_over(*due, EXPIRY)) {
            left.push((Some(id.0), format!("should have expired at {due}")));
        }
    }
    left.retain(|(id, _)| id.is_none_or(|id| !rest.excused.contains(&id)));
    left.sort();
    left
}
