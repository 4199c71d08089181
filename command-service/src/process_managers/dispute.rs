//! A dispute and its order: the claim opens it, its decision is settled on the order; a chargeback claims too.

use shared::{
    domain::{
        DisputeId, DomainEvent, Money, OrderId, PaymentId, RefundId,
        dispute::{
            DecidedBy, DisputeClaim, DisputeCommand, DisputeEvent, DisputeOutcome, DisputeReason, DisputeResolved,
            OpenDispute,
        },
        order::{
            CancelReason, ClaimDispute, Funds, Order, OrderCommand, OrderEvent, OrderPayoutFrozen, OrderStatus,
            RefundSource, SettleDispute,
        },
        payment::{Payment, PaymentChargebackRecorded, PaymentEvent, Purpose},
    },
    log::RecordedEvent,
};

use super::{
    gift_purchase::{block, bought},
    step::{Situation, Step},
};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Order(OrderEvent::OrderPayoutFrozen(frozen))) => {
            open(OrderId(event.aggregate_id), frozen, situation)
        }
        Ok(DomainEvent::Order(OrderEvent::OrderCancelled(_))) => {
            let open = situation.order.as_ref().and_then(Order::open_dispute);
            open.map(|dispute_id| close(dispute_id, situation)).into_iter().collect()
        }
        Ok(DomainEvent::Dispute(DisputeEvent::DisputeResolved(resolved))) => {
            settle(DisputeId(event.aggregate_id), resolved, situation)
        }
        Ok(DomainEvent::Dispute(DisputeEvent::DisputeSlaBreached(_))) => {
            vec![Step::Alarm { kind: "dispute_sla_breached" }]
        }
        Ok(DomainEvent::Payment(PaymentEvent::PaymentChargebackRecorded(chargeback))) => {
            on_chargeback(PaymentId(event.aggregate_id), chargeback, situation)
        }
        Ok(DomainEvent::Order(_) | DomainEvent::Payment(_) | DomainEvent::Dispute(_) | DomainEvent::Gift(_))
        | Err(_) => Vec::new(),
    }
}

/// Whoever claimed opens the dispute too; if they did not come to it, it is opened here.
fn open(order_id: OrderId, frozen: &OrderPayoutFrozen, situation: &Situation) -> Vec<Step> {
    let Some(order) = &situation.order else { return Vec::new() };
    let (Some(customer_id), Some(producer_id)) = (order.customer_id(), order.producer_id()) else { return Vec::new() };
    let request = OpenDispute {
        dispute_id: frozen.dispute_id,
        order_id,
        customer_id,
        producer_id,
        opened_by: frozen.opened_by,
        claim: frozen.claim.clone(),
        refundable: frozen.refundable,
        policy: situation.policies.dispute,
    };
    let opened = Step::dispute(frozen.dispute_id, DisputeCommand::Open(Box::new(request)));
    // It was called off before the dispute was there to hear of it.
    let is_cancelled = order.status() == Some(OrderStatus::Cancelled);
    let closed = is_cancelled.then(|| close(frozen.dispute_id, situation));
    std::iter::once(opened).chain(closed).collect()
}

/// What the cancellation gives back settles the dispute.
fn close(dispute_id: DisputeId, situation: &Situation) -> Step {
    let refund_amount = given_back_by_cancellation(situation).unwrap_or_else(|| Money::rub(0));
    Step::dispute(dispute_id, DisputeCommand::CloseByCancellation { refund_amount })
}

/// What was authorised because of the cancellation, or is about to be: all that is left.
fn given_back_by_cancellation(situation: &Situation) -> Option<Money> {
    let order = situation.order.as_ref()?;
    let is_held = order.receipt().is_some_and(|receipt| receipt.funds == Funds::Authorized);
    let was_taken = is_held && situation.payment.as_ref().and_then(Payment::captured).is_some();
    let left = order.left_to_refund(was_taken)?;
    let taken_back = order.open_dispute().map(RefundId::of_chargeback);
    let authorised = order
        .refunds()
        .iter()
        .filter(|refund| refund.source == RefundSource::Cancellation || taken_back == Some(refund.refund_id));
    authorised.map(|refund| refund.card.amount.add(refund.gift.amount)).try_fold(left, |sum, amount| {
        let amount = amount.ok()?;
        sum.add(amount).ok()
    })
}

fn settle(dispute_id: DisputeId, resolved: &DisputeResolved, situation: &Situation) -> Vec<Step> {
    let by_cancellation = resolved.decided_by == DecidedBy::OrderCancelled;
    let nothing_more = Money::zero(resolved.refund_amount.currency());
    let settlement = SettleDispute {
        dispute_id,
        refund_amount: if by_cancellation { nothing_more } else { resolved.refund_amount },
        fault: resolved.fault,
        policy: situation.policies.order,
    };
    let settled = Step::order(resolved.order_id, OrderCommand::SettleDispute(settlement));
    let cancel = OrderCommand::Cancel { reason_code: Some(CancelReason::Dispute), reason_text: None };
    // A meal whose price goes back in full is not cooked any more; one that was handed over says no.
    let is_over = resolved.outcome == DisputeOutcome::RefundFull && !by_cancellation;
    std::iter::once(settled).chain(is_over.then(|| Step::order(resolved.order_id, cancel))).collect()
}

/// The bank took the money back. Somebody has to look in any case; what it paid for decides who bears it.
fn on_chargeback(payment_id: PaymentId, chargeback: &PaymentChargebackRecorded, situation: &Situation) -> Vec<Step> {
    let alarm = Step::Alarm { kind: "payment_chargeback" };
    let Some(payment) = &situation.payment else { return vec![alarm] };
    match payment.purpose() {
        Some(Purpose::Order { order_id }) if situation.order.as_ref().and_then(Order::paid_by) == Some(payment_id) => {
            vec![alarm, claim(order_id, chargeback, situation)]
        }
        // What was bought with the money that the bank took back must not be spent.
        Some(Purpose::Gift { gift_id }) if bought(payment_id, situation) => {
            vec![alarm, block(gift_id, "the bank took its money back")]
        }
        // Nothing was bought with it: there is nobody to dispute with.
        Some(Purpose::Order { .. } | Purpose::Gift { .. }) | None => vec![alarm],
    }
}

fn claim(order_id: OrderId, chargeback: &PaymentChargebackRecorded, situation: &Situation) -> Step {
    let left = situation.order.as_ref().and_then(Order::card_left_to_refund);
    let claimed = left.and_then(|left| left.min(chargeback.amount).ok()).unwrap_or(chargeback.amount);
    let command = OrderCommand::ClaimDispute(Box::new(ClaimDispute {
        order_id,
        claim: DisputeClaim {
            reason_code: DisputeReason::Bank,
            description_sealed: None,
            claimed_amount: Some(claimed),
            evidence: Vec::new(),
            appeal_of: None,
        },
        policy: situation.policies.order,
    }));
    // A dispute is open already, or nothing is left to claim: who has been alarmed finds both.
    Step::Order { order_id, command, otherwise: vec![Step::Alarm { kind: "chargeback_without_dispute" }] }
}
