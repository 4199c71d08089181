//! 9 to 13: money that goes back.

use super::{
    Facts, Moment, Rest, Verdict,
    facts::{OrderFacts, OwedRefund},
    hold,
    report::Left,
};
use crate::domain::{
    DomainEvent, Money,
    ids::{OrderId, PaymentId, RefundId},
    order::{Funds, OrderEvent, OrderRefundAuthorized},
    payment::{PaymentEvent, PaymentRefundRequested, PaymentRefundSource},
};

/// 9: no more goes back through a payment than it captured, refunds that failed aside; no more is said to be back without
/// us than the bank took or gave back; and what it gave back stands for a refused refund of the same amount or for none.
pub(super) fn goes_back_within_captured(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Payment(event) = now.domain else { return Ok(()) };
    let Some(payment) = now.before.payments.get(&PaymentId(now.event.aggregate_id)) else { return Ok(()) };
    let more = match event {
        PaymentEvent::PaymentRefundRequested(refund) => refund.amount.minor(),
        PaymentEvent::PaymentRefundSubmitted(refund) => payment.failed_minor(refund.refund_id),
        PaymentEvent::PaymentRefundUnknown(refund) => payment.failed_minor(refund.refund_id),
        PaymentEvent::PaymentRefundSucceeded(refund) => payment.failed_minor(refund.refund_id),
        PaymentEvent::PaymentRefundResolved(resolved) => {
            let Some(amount) = resolved.back_already else { return Ok(()) };
            let (said, gone) = (payment.back_already_minor() + amount.minor(), payment.bank_minor);
            return hold(said <= gone, || format!("{said} is said to be back, the bank took {gone}"));
        }
        PaymentEvent::PaymentExternalRefundRecorded(act) => {
            let Some(refund_id) = act.stands_for else { return Ok(()) };
            let mut refused = payment.refunds.iter().filter(|back| back.has_failed && !back.is_over());
            let stood_for = refused.find(|back| back.refund_id == refund_id).map(|back| back.amount);
            return hold(stood_for == Some(act.amount), || format!("{} stands for {stood_for:?}", act.amount));
        }
        _ => return Ok(()),
    };
    let (claimed, captured) = (payment.claimed_minor() + more, payment.captured.map_or(0, Money::minor));
    hold(claimed <= captured, || format!("{claimed} of {captured} would go back"))
}

/// 10: a refund arrives once, and one cause is refunded once.
pub(super) fn happens_once(now: &Moment<'_>) -> Verdict {
    match now.domain {
        DomainEvent::Payment(PaymentEvent::PaymentRefundSucceeded(refund)) => {
            let payment = now.before.payments.get(&PaymentId(now.event.aggregate_id));
            let same = payment.and_then(|it| it.refunds.iter().find(|back| back.refund_id == refund.refund_id));
            hold(same.is_none_or(|back| back.succeeded == 0), || {
                format!("refund {} arrived before", refund.refund_id)
            })?;
            hold(same.is_none_or(|back| back.amount == refund.amount), || "another amount arrived".to_owned())
        }
        DomainEvent::Payment(PaymentEvent::PaymentRefundRequested(refund)) => {
            let payment = now.before.payments.get(&PaymentId(now.event.aggregate_id));
            let again = payment.is_some_and(|it| it.refunds.iter().any(|back| back.refund_id == refund.refund_id));
            hold(!again, || format!("refund {} was asked for before", refund.refund_id))
        }
        DomainEvent::Order(OrderEvent::OrderRefundAuthorized(refund)) => {
            let order = now.before.orders.get(&OrderId(now.event.aggregate_id));
            let is_same = |owed: &OwedRefund| {
                owed.refund_id == refund.refund_id || (owed.source, owed.source_id) == (refund.source, refund.source_id)
            };
            hold(!order.is_some_and(|order| order.refunds.iter().any(is_same)), || {
                format!("{:?} {} was refunded before", refund.source, refund.source_id)
            })
        }
        _ => Ok(()),
    }
}

/// 11: no more is owed back than was paid: in all, to the card, and to the gift.
pub(super) fn is_owed_within_paid(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Order(OrderEvent::OrderRefundAuthorized(refund)) = now.domain else { return Ok(()) };
    let Some(order) = now.before.orders.get(&OrderId(now.event.aggregate_id)) else { return Ok(()) };
    let ((card, gift), (card_paid, gift_paid)) = (owed_after(order, refund), order.paid_minor());
    hold(card <= card_paid && gift <= gift_paid, || {
        format!("card {card} of {card_paid} and gift {gift} of {gift_paid} would be owed")
    })
}

fn owed_after(order: &OrderFacts, refund: &OrderRefundAuthorized) -> (i64, i64) {
    let (card, gift) = order.owed_minor();
    (card + refund.card_amount.minor(), gift + refund.gift_amount.minor())
}

/// 12: a payment sends back what its order or gift owes, or what bought nothing.
pub(super) fn has_its_reason(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Payment(PaymentEvent::PaymentRefundRequested(refund)) = now.domain else { return Ok(()) };
    let payment_id = PaymentId(now.event.aggregate_id);
    let Some(payment) = now.before.payments.get(&payment_id) else { return Ok(()) };
    let owed = match refund.source {
        PaymentRefundSource::OrderRefund => payment.order_id().and_then(|id| owed_by_order(now.before, id, refund)),
        PaymentRefundSource::GiftRefund => {
            payment.gift_id().and_then(|id| now.before.gifts.get(&id)?.refunds.get(&refund.refund_id).copied())
        }
        PaymentRefundSource::Unapplied => {
            let is_its_own = refund.refund_id == RefundId::of_unapplied(payment_id);
            payment.captured.filter(|_| is_its_own && payment.unapplied > 0)
        }
    };
    hold(owed == Some(refund.amount), || format!("{:?} owes {owed:?}, not {}", refund.source, refund.amount))
}

fn owed_by_order(facts: &Facts, order_id: OrderId, refund: &PaymentRefundRequested) -> Option<Money> {
    let refunds = &facts.orders.get(&order_id)?.refunds;
    refunds.iter().find(|owed| owed.refund_id == refund.refund_id).map(|owed| owed.card)
}

/// 13: a cancelled order has authorised everything that was taken, and all of it has arrived.
pub(super) fn cancelled_gave_back(facts: &Facts, rest: &Rest) -> Vec<Left> {
    let mut left = Vec::new();
    for (id, order) in &facts.orders {
        if order.cancelled.is_none() || rest.excused.contains(&id.0) {
            continue;
        }
        let ((card_paid, gift_paid), (card, gift)) = (order.paid_minor(), order.owed_minor());
        let taken = if was_taken(facts, order) { card_paid } else { 0 };
        if (card < taken) || gift < gift_paid {
            let detail = format!("called off, but card {card} of {taken} and gift {gift} of {gift_paid} are owed back");
            left.push((Some(id.0), detail));
        }
        let payment = order.paid.as_ref().and_then(|paid| paid.payment_id);
        if payment.is_some_and(|payment_id| rest.excused.contains(&payment_id.0)) {
            continue;
        }
        for refund in order.refunds.iter().filter(|refund| !refund.is_settled()) {
            left.push((Some(id.0), format!("called off, but refund {} has not arrived", refund.refund_id)));
        }
    }
    left.sort();
    left
}

/// A hold that was let go in time took nothing.
fn was_taken(facts: &Facts, order: &OrderFacts) -> bool {
    let Some(paid) = &order.paid else { return false };
    let captured = paid.payment_id.and_then(|id| facts.payments.get(&id)).is_some_and(|it| it.captured.is_some());
    paid.funds == Funds::Captured || captured
}
