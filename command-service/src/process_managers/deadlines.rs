//! What happens when a deadline comes. The aggregates judge again, so a deadline that is out of date does nothing.

use shared::domain::{
    DisputeId, GiftId, OrderId, PaymentId,
    dispute::DisputeCommand,
    order::{CancelReason, OrderCommand, OrderStatus},
    payment::{Payment, PaymentStatus},
};
use uuid::Uuid;

use super::{
    gift_deadlines,
    order_payment::abort,
    reconciliation::reconcile,
    step::{Effect, Situation, Step},
};
use crate::timers::TimerKind;

/// What follows from the firing of a timer of `kind` for the aggregate; `round` says how often it was put off before.
/// In the situation of an order's payment deadline, the payment is its active attempt.
pub fn on_timer(kind: TimerKind, aggregate_id: Uuid, round: u32, situation: &Situation) -> Vec<Step> {
    let order_id = OrderId(aggregate_id);
    let payment_id = PaymentId(aggregate_id);
    let gift_id = GiftId(aggregate_id);
    match kind {
        TimerKind::OrderPaymentDeadline => on_payment_deadline(order_id, round == 0, situation),
        TimerKind::ProducerAccept => vec![cancel(order_id, CancelReason::ProducerTimeout)],
        TimerKind::OrderAutoComplete => {
            vec![Step::order(order_id, OrderCommand::Complete { policy: situation.policies.order })]
        }
        TimerKind::PayoutRelease => vec![Step::order(order_id, OrderCommand::ReleasePayout)],
        TimerKind::CaptureLimit => on_capture_limit(payment_id, situation),
        TimerKind::AbortRetry => vec![Step::Effect(Effect::Abort(payment_id))],
        TimerKind::CaptureRetry => vec![Step::Effect(Effect::Capture(payment_id))],
        TimerKind::ProducerRemind => vec![Step::order(order_id, OrderCommand::RemindProducer)],
        TimerKind::StuckFulfilment => on_stuck(situation),
        TimerKind::DisputeResponse => {
            let command = DisputeCommand::PassResponseDeadline { policy: situation.policies.dispute };
            vec![Step::dispute(DisputeId(aggregate_id), command)]
        }
        TimerKind::DisputeDecision => {
            vec![Step::dispute(DisputeId(aggregate_id), DisputeCommand::PassDecisionDeadline)]
        }
        TimerKind::RefundRetry => vec![Step::Effect(Effect::Refund(payment_id))],
        TimerKind::GiftPaymentDeadline => gift_deadlines::on_payment_deadline(gift_id, round == 0, situation),
        TimerKind::GiftDeliver => gift_deadlines::deliver(gift_id, situation),
        TimerKind::GiftRemind => gift_deadlines::remind(gift_id, situation),
        TimerKind::GiftExpiry => gift_deadlines::expire(gift_id),
        TimerKind::GiftReservationTtl => gift_deadlines::release_overdue(gift_id, situation),
        TimerKind::PaymentPoll => reconcile(payment_id, round, situation),
    }
}

fn on_payment_deadline(order_id: OrderId, is_first: bool, situation: &Situation) -> Vec<Step> {
    let Some(order) = &situation.order else { return Vec::new() };
    if order.status() != Some(OrderStatus::WaitingForPayment) {
        return Vec::new();
    }
    if is_first && is_under_way(situation) {
        let due_at = situation.now + situation.policies.payment_grace;
        return vec![Step::Arm { kind: TimerKind::OrderPaymentDeadline, due_at }];
    }
    let abort = order.active_payment().map(|payment_id| abort(payment_id, "the time to pay is over"));
    abort.into_iter().chain([cancel(order_id, CancelReason::PaymentTimeout)]).collect()
}

/// Whether the attempt to pay may still come to something: the bank checks the customer, or the money is there and its
/// order has not heard of it yet.
pub(super) fn is_under_way(situation: &Situation) -> bool {
    situation.payment.as_ref().is_some_and(|payment| match payment.status() {
        Some(PaymentStatus::Processing | PaymentStatus::Authorized | PaymentStatus::Succeeded) => {
            !payment.is_unapplied()
        }
        Some(
            PaymentStatus::Initiated
            | PaymentStatus::AwaitingCustomer
            | PaymentStatus::PartiallyRefunded
            | PaymentStatus::Refunded
            | PaymentStatus::Failed,
        )
        | None => false,
    })
}

/// A meal that should have been handed over long ago; a promise that was moved gets its time.
fn on_stuck(situation: &Situation) -> Vec<Step> {
    let Some(order) = &situation.order else { return Vec::new() };
    let (Some(status), Some(ready_by)) = (order.status(), order.ready_by()) else { return Vec::new() };
    match status {
        OrderStatus::Accepted | OrderStatus::Preparing | OrderStatus::Ready | OrderStatus::OutForDelivery => {
            let due_at = ready_by + situation.policies.order.stuck_after;
            if situation.now < due_at {
                vec![Step::Arm { kind: TimerKind::StuckFulfilment, due_at }]
            } else {
                vec![Step::Alarm { kind: "stuck_fulfilment" }]
            }
        }
        OrderStatus::WaitingForPayment
        | OrderStatus::Paid
        | OrderStatus::Delivered
        | OrderStatus::Completed
        | OrderStatus::Cancelled => Vec::new(),
    }
}

fn on_capture_limit(payment_id: PaymentId, situation: &Situation) -> Vec<Step> {
    let is_held = situation.payment.as_ref().and_then(Payment::status) == Some(PaymentStatus::Authorized);
    match (is_held, situation.order_of_payment()) {
        (true, Some(order_id)) => vec![
            abort(payment_id, "the time to take the held money is over"),
            cancel(order_id, CancelReason::PaymentTimeout),
        ],
        _ => Vec::new(),
    }
}

fn cancel(order_id: OrderId, reason: CancelReason) -> Step {
    Step::order(order_id, OrderCommand::Cancel { reason_code: Some(reason), reason_text: None })
}
