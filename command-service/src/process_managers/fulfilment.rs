//! From the paid order to the cook's money: what is held is taken at acceptance. The deadlines on the way are in
//! `deadlines`.

use shared::{
    domain::{
        DomainEvent, OrderId, PaymentId,
        order::{CancelReason, Funds, OrderCommand, OrderEvent},
        payment::{PaymentCommand, PaymentEvent},
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::step::{Effect, Situation, Step};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Order(OrderEvent::OrderAccepted(_))) => capture_what_is_held(event.event_id, situation),
        Ok(DomainEvent::Payment(PaymentEvent::PaymentCaptureRequested(_))) => {
            vec![Step::Effect(Effect::Capture(PaymentId(event.aggregate_id)))]
        }
        Ok(DomainEvent::Payment(PaymentEvent::PaymentFailed(_))) => {
            call_off_what_it_paid(PaymentId(event.aggregate_id), situation)
        }
        _ => Vec::new(),
    }
}

fn capture_what_is_held(event_id: Uuid, situation: &Situation) -> Vec<Step> {
    let Some(receipt) = situation.order.as_ref().and_then(|order| order.receipt()) else { return Vec::new() };
    match (receipt.funds, receipt.payment_id) {
        (Funds::Authorized, Some(payment_id)) => {
            let operation_id = Uuid::new_v5(&event_id, b"capture");
            vec![Step::payment(payment_id, PaymentCommand::Capture { amount: receipt.card, operation_id })]
        }
        (Funds::Captured, _) | (Funds::Authorized, None) => Vec::new(),
    }
}

/// The hold that paid the order is gone, so the order is not paid any more.
fn call_off_what_it_paid(payment_id: PaymentId, situation: &Situation) -> Vec<Step> {
    let (Some(order), Some(order_id)) = (&situation.order, situation.order_of_payment()) else { return Vec::new() };
    if order.paid_by() != Some(payment_id) {
        return Vec::new();
    }
    let command = OrderCommand::Cancel { reason_code: Some(CancelReason::PaymentFailed), reason_text: None };
    vec![Step::order(OrderId(order_id.0), command)]
}
