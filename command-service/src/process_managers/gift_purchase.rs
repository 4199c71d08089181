//! A gift and its money: from the wish to pay to the code, and what to do with money nobody wanted.

use shared::{
    domain::{
        DomainEvent, GiftId, Money, PaymentId,
        gift::{GiftCancelReason, GiftCommand, GiftEvent, GiftPaymentRequested, GiftStatus},
        payment::{
            CaptureMode, FailureReason, InitiatePayment, IntegrityDecision, PaymentCommand, PaymentEvent,
            PaymentIntegrityResolved, Purpose, UnappliedCause,
        },
    },
    log::RecordedEvent,
};

use super::{
    order_payment::{abort, go_on, send_back},
    step::{Effect, GiftAct, Situation, Step},
};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Gift(gift_event)) => on_gift(GiftId(event.aggregate_id), gift_event, situation),
        Ok(DomainEvent::Payment(payment_event)) => on_payment(PaymentId(event.aggregate_id), payment_event, situation),
        Ok(DomainEvent::Order(_) | DomainEvent::Dispute(_)) | Err(_) => Vec::new(),
    }
}

fn on_gift(gift_id: GiftId, event: &GiftEvent, situation: &Situation) -> Vec<Step> {
    let erase = Step::Gift { gift_id, act: GiftAct::EraseCode, otherwise: Vec::new() };
    match event {
        GiftEvent::GiftPaymentRequested(requested) => vec![initiate(gift_id, requested, situation)],
        GiftEvent::GiftPaymentAttemptFailed(_) => give_up_if_exhausted(gift_id, situation),
        GiftEvent::GiftIssued(issued) => {
            let applied = Step::Payment {
                payment_id: issued.payment_id,
                command: PaymentCommand::MarkApplied,
                otherwise: vec![Step::Alarm { kind: "gift_issued_for_refused_money" }],
            };
            let others = attempts(situation).filter(|payment_id| *payment_id != issued.payment_id);
            [applied].into_iter().chain(others.map(|payment_id| abort(payment_id, "another attempt paid"))).collect()
        }
        GiftEvent::GiftCancelled(cancelled) => {
            let unpaid = attempts(situation).filter(|_| cancelled.from_status == GiftStatus::PendingPayment);
            unpaid.map(|payment_id| abort(payment_id, "the gift was called off")).chain([erase]).collect()
        }
        // Who has taken it knows the code, and nobody else needs it any more.
        GiftEvent::GiftActivated(_) | GiftEvent::GiftExpired(_) => vec![erase],
        _ => Vec::new(),
    }
}

fn attempts(situation: &Situation) -> impl Iterator<Item = PaymentId> + '_ {
    let attempts = situation.gift.as_ref().map_or(&[][..], |gift| gift.attempts());
    attempts.iter().map(|attempt| attempt.payment_id)
}

fn initiate(gift_id: GiftId, requested: &GiftPaymentRequested, situation: &Situation) -> Step {
    let provider = requested.provider.unwrap_or(situation.policies.default_provider);
    let initiate = InitiatePayment {
        payment_id: requested.payment_id,
        purpose: Purpose::Gift { gift_id },
        amount: requested.amount,
        provider,
        provider_enabled: situation.policies.enabled_providers.contains(&provider),
        return_url: requested.return_url.clone(),
        // A gift is handed over at once; there is nothing to wait for with its money.
        capture_mode: CaptureMode::OnPayment,
        expires_at: requested.expires_at,
        policy: situation.policies.payment,
    };
    let refused =
        GiftCommand::RecordPaymentFailure { payment_id: requested.payment_id, reason: FailureReason::ProviderRejected };
    Step::Payment {
        payment_id: requested.payment_id,
        command: PaymentCommand::Initiate(Box::new(initiate)),
        otherwise: vec![Step::gift(gift_id, refused)],
    }
}

fn give_up_if_exhausted(gift_id: GiftId, situation: &Situation) -> Vec<Step> {
    let exhausted = situation.gift.as_ref().is_some_and(|gift| {
        gift.status() == Some(GiftStatus::PendingPayment)
            && gift.payment_attempts_lost() >= situation.policies.gift.payment_attempts_max
    });
    if exhausted { vec![cancel(gift_id, GiftCancelReason::PaymentFailed)] } else { Vec::new() }
}

/// Calls an unpaid gift off; one that is paid or gone says no, which is fine.
pub(super) fn cancel(gift_id: GiftId, reason: GiftCancelReason) -> Step {
    Step::gift(gift_id, GiftCommand::Cancel { reason_code: Some(reason), reason_text: None })
}

fn on_payment(payment_id: PaymentId, event: &PaymentEvent, situation: &Situation) -> Vec<Step> {
    let (Some(gift_id), Some(payment)) = (situation.gift_of_payment(), situation.payment.as_ref()) else {
        return Vec::new();
    };
    match event {
        PaymentEvent::PaymentInitiated(_) => vec![Step::Effect(Effect::OpenSession(payment_id))],
        PaymentEvent::PaymentAuthorized(authorized) if authorized.late => {
            vec![Step::payment(payment_id, PaymentCommand::MarkUnapplied { cause: UnappliedCause::Late })]
        }
        PaymentEvent::PaymentSucceeded(succeeded) => use_money(payment_id, gift_id, succeeded.amount, situation),
        PaymentEvent::PaymentIntegrityResolved(resolved) => on_looked_at(payment_id, gift_id, resolved, situation),
        // It was to go back.
        PaymentEvent::PaymentExternalRefundRecorded(refund) if refund.stands_for.is_some() => {
            vec![Step::Alarm { kind: "external_refund" }]
        }
        // The money is not ours any more.
        PaymentEvent::PaymentExternalRefundRecorded(_) if bought(payment_id, situation) => {
            vec![Step::Alarm { kind: "external_refund" }, block(gift_id, "the bank gave its money back")]
        }
        PaymentEvent::PaymentExternalRefundRecorded(_) => {
            vec![Step::Alarm { kind: "external_refund_of_unused_money" }]
        }
        // It will not buy the gift whatever comes of it, so it does not stand in the way of another attempt.
        PaymentEvent::PaymentUnapplied(_) => {
            let reason = FailureReason::Cancelled;
            let release = Step::gift(gift_id, GiftCommand::RecordPaymentFailure { payment_id, reason });
            [release].into_iter().chain(send_back(payment_id, payment)).collect()
        }
        PaymentEvent::PaymentFailed(failed) => {
            vec![Step::gift(gift_id, GiftCommand::RecordPaymentFailure { payment_id, reason: failed.reason })]
        }
        PaymentEvent::PaymentAbortRequested(_) => vec![Step::Effect(Effect::Abort(payment_id))],
        _ => Vec::new(),
    }
}

/// The money buys the gift, or else it is nobody's and goes back.
fn use_money(id: PaymentId, gift_id: GiftId, amount: Money, situation: &Situation) -> Vec<Step> {
    if situation.payment.as_ref().is_some_and(|payment| payment.is_unapplied() || payment.is_on_hold()) {
        return Vec::new();
    }
    let cause = match situation.gift.as_ref().and_then(|gift| gift.status()) {
        Some(GiftStatus::Cancelled) => UnappliedCause::OrderClosed,
        Some(GiftStatus::PendingPayment) | None => UnappliedCause::Amount,
        Some(
            GiftStatus::Issued
            | GiftStatus::Activated
            | GiftStatus::PartiallyRedeemed
            | GiftStatus::Redeemed
            | GiftStatus::Expired,
        ) => UnappliedCause::Duplicate,
    };
    let act = GiftAct::Issue { payment_id: id, amount };
    let otherwise = vec![Step::payment(id, PaymentCommand::MarkUnapplied { cause })];
    vec![Step::Gift { gift_id, act, otherwise }]
}

/// Two administrators looked at a contradiction: what stood still goes on, from what the provider says now.
fn on_looked_at(
    payment_id: PaymentId,
    gift_id: GiftId,
    resolved: &PaymentIntegrityResolved,
    situation: &Situation,
) -> Vec<Step> {
    let Some(payment) = &situation.payment else { return Vec::new() };
    let mut steps = match (resolved.decision, payment.captured()) {
        // The gift has this money booked: a person sends it back, as far as it was not spent.
        (IntegrityDecision::RefundAll, _) if payment.is_applied() => {
            vec![Step::Alarm { kind: "gift_to_be_refunded" }, block(gift_id, "its payment is to be refunded")]
        }
        (IntegrityDecision::AcceptAsProvider, Some(captured)) if !payment.is_applied() => {
            use_money(payment_id, gift_id, captured, situation)
        }
        (IntegrityDecision::RefundAll | IntegrityDecision::AcceptAsProvider, _) => Vec::new(),
    };
    steps.extend(go_on(payment_id, resolved.decision));
    steps
}

/// Whether it is the payment that bought the gift, of all that were made for it.
pub(super) fn bought(payment_id: PaymentId, situation: &Situation) -> bool {
    let issue = situation.gift.as_ref().and_then(|gift| gift.issue());
    issue.is_some_and(|issue| issue.payment_id == payment_id)
}

/// Nobody uses a gift whose money is in doubt.
pub(super) fn block(gift_id: GiftId, reason: &str) -> Step {
    Step::gift(gift_id, GiftCommand::Block { reason: reason.to_owned() })
}
