//! Money of a gift that goes back to its buyer: after the end, or whenever the gift says so.

use shared::{
    domain::{
        DomainEvent, GiftId, RefundId,
        gift::{GiftCommand, GiftEvent, GiftRefundCause, GiftRefundRequested, GiftStatus, RequestGiftRefund},
        payment::{Payment, PaymentCommand, PaymentEvent, PaymentRefundSource},
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::step::{Situation, Step};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Gift(gift_event)) => on_gift(GiftId(event.aggregate_id), event.event_id, gift_event, situation),
        Ok(DomainEvent::Payment(payment_event)) => on_payment(payment_event, situation),
        Ok(DomainEvent::Order(_) | DomainEvent::Dispute(_)) | Err(_) => Vec::new(),
    }
}

fn on_gift(gift_id: GiftId, event_id: Uuid, event: &GiftEvent, situation: &Situation) -> Vec<Step> {
    let is_expired = situation.gift.as_ref().and_then(|gift| gift.status()) == Some(GiftStatus::Expired);
    match event {
        GiftEvent::GiftExpired(expired) if expired.unspent.is_positive() => vec![send_back(gift_id, event_id)],
        // What was kept while somebody looked goes its way now.
        GiftEvent::GiftUnblocked(_) if is_expired => vec![send_back(gift_id, event_id)],
        GiftEvent::GiftRefundRequested(requested) => vec![pay_back(gift_id, requested)],
        _ => Vec::new(),
    }
}

/// All that nobody spent or holds. If nothing is left of it by now, the gift says no, which is fine.
fn send_back(gift_id: GiftId, event_id: Uuid) -> Step {
    let refund_id = RefundId::of_gift(gift_id, "expiry", event_id);
    let request = RequestGiftRefund { refund_id, amount: None, cause: GiftRefundCause::Expiry };
    Step::gift(gift_id, GiftCommand::RequestRefund(request))
}

fn pay_back(gift_id: GiftId, requested: &GiftRefundRequested) -> Step {
    let (refund_id, amount) = (requested.refund_id, requested.amount);
    let reason = "the payment refused the refund".to_owned();
    Step::Payment {
        payment_id: requested.payment_id,
        command: PaymentCommand::RequestRefund { refund_id, amount, source: PaymentRefundSource::GiftRefund },
        otherwise: vec![Step::gift(gift_id, GiftCommand::RevertRefund { refund_id, reason })],
    }
}

/// The bank did it, or refused it for good: then the money is available again, for a person to send it another way.
fn on_payment(event: &PaymentEvent, situation: &Situation) -> Vec<Step> {
    let Some(gift_id) = situation.gift_of_payment() else { return Vec::new() };
    let step = match event {
        PaymentEvent::PaymentRefundSucceeded(it) => {
            Some((it.refund_id, GiftCommand::SettleRefund { refund_id: it.refund_id }))
        }
        PaymentEvent::PaymentExternalRefundRecorded(it) => {
            it.stands_for.map(|refund_id| (refund_id, GiftCommand::SettleRefund { refund_id }))
        }
        PaymentEvent::PaymentRefundFailed(it) if it.retry_at.is_none() => {
            let reason = it.code.clone().unwrap_or_else(|| "the provider refused".to_owned());
            Some((it.refund_id, GiftCommand::RevertRefund { refund_id: it.refund_id, reason }))
        }
        _ => None,
    };
    let is_the_gifts = |refund_id: &RefundId| {
        let refunds = situation.payment.as_ref().map_or(&[][..], Payment::refunds);
        refunds.iter().any(|it| it.refund_id == *refund_id && it.source == PaymentRefundSource::GiftRefund)
    };
    step.filter(|(refund_id, _)| is_the_gifts(refund_id))
        .map(|(_, command)| Step::gift(gift_id, command))
        .into_iter()
        .collect()
}
