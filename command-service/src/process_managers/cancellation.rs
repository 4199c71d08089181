//! A called-off order: attempts under way are called off, holds lifted, and what was taken goes back.

use shared::{
    domain::{
        DomainEvent, OrderId, RefundId,
        order::{
            AuthorizeRefund, CancelReason, Fault, Funds, OrderCancelled, OrderCommand, OrderEvent, RefundAmount,
            RefundSource,
        },
    },
    log::RecordedEvent,
};

use super::{
    order_payment::abort,
    step::{Situation, Step},
};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    let Ok(DomainEvent::Order(OrderEvent::OrderCancelled(cancelled))) = &event.event else { return Vec::new() };
    let Some(order) = &situation.order else { return Vec::new() };
    let order_id = OrderId(event.aggregate_id);
    let receipt = order.receipt();
    let is_held = receipt.is_some_and(|receipt| receipt.funds == Funds::Authorized);
    let bought = if is_held { None } else { order.paid_by() };
    let live = order.attempts().iter().filter(|attempt| Some(attempt.payment_id) != bought);
    let mut steps: Vec<Step> = live.map(|attempt| abort(attempt.payment_id, "the order was called off")).collect();
    if cancelled.refund_required {
        let command = OrderCommand::AuthorizeRefund(AuthorizeRefund {
            refund_id: RefundId::of_source(order_id, "cancellation", event.event_id),
            source: RefundSource::Cancellation,
            source_id: event.event_id,
            amount: RefundAmount::Rest,
            fault: fault(cancelled),
        });
        steps.push(Step::order(order_id, command));
    }
    steps
}

fn fault(cancelled: &OrderCancelled) -> Fault {
    match cancelled.reason_code {
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
