//! A called-off order: attempts under way are called off, holds lifted, and what was taken goes back.

use shared::{
    domain::{
        DomainEvent, OrderId, PaymentId, RefundId,
        order::{
            AuthorizeRefund, CancelReason, Fault, Funds, OrderCancelled, OrderCommand, OrderEvent, OrderStatus,
            RefundAmount, RefundSource,
        },
        payment::PaymentEvent,
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::{
    order_payment::abort,
    step::{Situation, Step},
};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Order(OrderEvent::OrderCancelled(cancelled))) => on_cancelled(event, cancelled, situation),
        Ok(DomainEvent::Payment(PaymentEvent::PaymentSucceeded(_))) => {
            on_taken(PaymentId(event.aggregate_id), event.event_id, situation)
        }
        _ => Vec::new(),
    }
}

fn on_cancelled(event: &RecordedEvent, cancelled: &OrderCancelled, situation: &Situation) -> Vec<Step> {
    let Some(order) = &situation.order else { return Vec::new() };
    let order_id = OrderId(event.aggregate_id);
    let receipt = order.receipt();
    let is_held = receipt.is_some_and(|receipt| receipt.funds == Funds::Authorized);
    let bought = if is_held { None } else { order.paid_by() };
    let live = order.attempts().iter().filter(|attempt| Some(attempt.payment_id) != bought);
    let held = if is_held { order.paid_by() } else { None };
    let give_back = |amount| give_back(order_id, event.event_id, amount, fault(cancelled.reason_code));
    let mut steps: Vec<Step> = live
        .map(|attempt| match abort(attempt.payment_id, "the order was called off") {
            // What was held cannot be let go any more: it was taken, so it goes back.
            Step::Payment { payment_id, command, .. } if Some(payment_id) == held => {
                Step::Payment { payment_id, command, otherwise: vec![give_back(RefundAmount::RestOfTaken)] }
            }
            abort => abort,
        })
        .collect();
    if cancelled.refund_required {
        steps.push(give_back(RefundAmount::Rest));
    }
    steps
}

/// Held money was taken while its order was called off: now it goes back.
fn on_taken(payment_id: PaymentId, event_id: Uuid, situation: &Situation) -> Vec<Step> {
    let (Some(order), Some(order_id)) = (&situation.order, situation.order_of_payment()) else { return Vec::new() };
    let was_held = order.receipt().is_some_and(|receipt| receipt.funds == Funds::Authorized);
    if order.paid_by() != Some(payment_id) || order.status() != Some(OrderStatus::Cancelled) || !was_held {
        return Vec::new();
    }
    vec![give_back(order_id, event_id, RefundAmount::RestOfTaken, Fault::None)]
}

fn give_back(order_id: OrderId, source_id: Uuid, amount: RefundAmount, fault: Fault) -> Step {
    let command = OrderCommand::AuthorizeRefund(AuthorizeRefund {
        refund_id: RefundId::of_source(order_id, "cancellation", source_id),
        source: RefundSource::Cancellation,
        source_id,
        amount,
        fault,
    });
    Step::order(order_id, command)
}

fn fault(reason: CancelReason) -> Fault {
    match reason {
        CancelReason::ProducerRejected
        | CancelReason::ProducerTimeout
        | CancelReason::ProducerCancelled
        | CancelReason::DishUnavailable => Fault::Producer,
        CancelReason::Admin => Fault::Platform,
        CancelReason::CustomerRequest
        | CancelReason::PaymentTimeout
        | CancelReason::PaymentFailed
        | CancelReason::Dispute => Fault::None,
    }
}
