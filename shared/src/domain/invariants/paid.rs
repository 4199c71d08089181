//! 4 to 8: an order and its money.

use super::{Moment, Verdict, hold};
use crate::domain::{
    DomainEvent,
    gift::GiftEvent,
    ids::{GiftId, OrderId, PaymentId},
    order::OrderEvent,
    payment::PaymentEvent,
};

/// 4: an order is paid once.
pub(super) fn is_paid_once(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Order(OrderEvent::OrderPaid(_)) = now.domain else { return Ok(()) };
    let order = now.before.orders.get(&OrderId(now.event.aggregate_id));
    hold(order.is_none_or(|order| order.paid.is_none()), || "the order was paid before".to_owned())
}

/// 5: card and gift make the total, and the card's part came through a payment of this order that nobody sent back.
pub(super) fn has_its_money(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Order(OrderEvent::OrderPaid(paid)) = now.domain else { return Ok(()) };
    let order_id = OrderId(now.event.aggregate_id);
    let Some(order) = now.before.orders.get(&order_id) else { return Err("the order was not placed".to_owned()) };
    let sum = paid.card_amount.add(paid.gift_amount);
    hold(sum == Ok(order.total), || format!("{} and {} are not {}", paid.card_amount, paid.gift_amount, order.total))?;
    let gift_share = order.gift.map_or(0, |(_, _, share)| share.minor());
    hold(paid.gift_amount.minor() == gift_share, || format!("the gift's share is {gift_share}"))?;
    let Some(payment_id) = paid.payment_id else {
        return hold(paid.card_amount.is_zero(), || "no payment brought the card's part".to_owned());
    };
    let payment = now.before.payments.get(&payment_id).filter(|payment| payment.order_id() == Some(order_id));
    let came = payment.and_then(|payment| payment.captured.or(payment.authorized));
    hold(came == Some(paid.card_amount), || format!("payment {payment_id} brought {came:?}"))?;
    hold(payment.is_some_and(|payment| payment.unapplied == 0), || format!("payment {payment_id} has nothing to buy"))
}

/// 6: a payment is applied or unapplied, once; an order has one payment applied.
pub(super) fn is_applied_once(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Payment(event) = now.domain else { return Ok(()) };
    let is_use = matches!(event, PaymentEvent::PaymentApplied(_) | PaymentEvent::PaymentUnapplied(_));
    let Some(payment) = now.before.payments.get(&PaymentId(now.event.aggregate_id)).filter(|_| is_use) else {
        return Ok(());
    };
    hold(payment.applied + payment.unapplied == 0, || "what the money is good for was said before".to_owned())?;
    let PaymentEvent::PaymentApplied(_) = event else { return Ok(()) };
    let other = payment.order_id().and_then(|order_id| now.before.orders.get(&order_id)?.applied);
    hold(other.is_none(), || format!("payment {other:?} is applied to the order already"))
}

/// 7: one attempt to pay is open at a time, and none is opened after the end.
pub(super) fn one_open_attempt(now: &Moment<'_>) -> Verdict {
    let id = now.event.aggregate_id;
    let (open, is_closed) = match now.domain {
        DomainEvent::Order(OrderEvent::OrderPaymentRequested(_)) => {
            let Some(order) = now.before.orders.get(&OrderId(id)) else { return Ok(()) };
            (order.active, order.paid.is_some() || order.cancelled.is_some())
        }
        DomainEvent::Gift(GiftEvent::GiftPaymentRequested(_)) => {
            let Some(gift) = now.before.gifts.get(&GiftId(id)) else { return Ok(()) };
            (gift.active, gift.is_issued() || gift.is_cancelled)
        }
        DomainEvent::Order(_) | DomainEvent::Gift(_) | DomainEvent::Payment(_) | DomainEvent::Dispute(_) => {
            return Ok(());
        }
    };
    hold(open.is_none(), || format!("attempt {open:?} is open"))?;
    hold(!is_closed, || "nothing is to be paid any more".to_owned())
}

/// 8: money is captured once.
pub(super) fn is_captured_once(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Payment(PaymentEvent::PaymentSucceeded(_)) = now.domain else { return Ok(()) };
    let payment = now.before.payments.get(&PaymentId(now.event.aggregate_id));
    hold(payment.is_none_or(|payment| payment.captured.is_none()), || "the money was captured before".to_owned())
}
