//! The reconciler: whatever is not at its end is asked about, so that nothing depends on being told.

use chrono::{DateTime, TimeDelta, Utc};
use shared::domain::{
    PaymentId,
    payment::{Payment, PaymentStatus, RefundState},
};

use super::step::{Effect, Situation, Step};
use crate::timers::TimerKind;

/// When a payment is asked about, from its start (or that of a refund). The last ones cover the day and a half for which
/// a bank keeps a 3-D Secure session open.
const SCHEDULE: [TimeDelta; 8] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(15),
    TimeDelta::hours(1),
    TimeDelta::hours(6),
    TimeDelta::days(1),
    TimeDelta::days(2),
    TimeDelta::days(3),
];
/// The rest after the last question before a person has to look.
const LAST_REST: TimeDelta = TimeDelta::hours(1);
/// An attempt that failed may still bring money late; that is asked about from this round on.
const LATE_MONEY_FROM: usize = 3;

/// What follows from the firing of the reconciler's timer.
pub(super) fn reconcile(payment_id: PaymentId, round: u32, situation: &Situation) -> Vec<Step> {
    let Some(payment) = &situation.payment else { return Vec::new() };
    let round = round as usize;
    let Some(asked_at) = SCHEDULE.get(round) else {
        let ends_elsewhere = payment.status() == Some(PaymentStatus::Authorized) || payment.is_on_hold();
        return if is_over(payment, situation.now) || ends_elsewhere {
            Vec::new()
        } else {
            vec![Step::Effect(Effect::GiveUp(payment_id))]
        };
    };
    let is_over = is_over(payment, situation.now);
    if is_over && payment.status() != Some(PaymentStatus::Failed) {
        return Vec::new();
    }
    let rest = SCHEDULE.get(round + 1).map_or(LAST_REST, |next| *next - *asked_at);
    let again = Step::Arm { kind: TimerKind::PaymentPoll, due_at: situation.now + rest };
    // First the next date: whatever the question leads to, it is not the last one.
    let mut steps = vec![again];
    if payment.in_flight_refund().is_some() || payment.next_refund(situation.now).is_some() {
        steps.push(Step::Effect(Effect::Refund(payment_id)));
    } else if payment.status() == Some(PaymentStatus::Initiated) && !payment.is_aborting() {
        // Its customer still waits for a page.
        steps.push(Step::Effect(Effect::ResumeSession(payment_id)));
    } else if !is_over || round >= LATE_MONEY_FROM {
        steps.push(Step::Effect(Effect::Look(payment_id)));
    }
    steps
}

/// Nothing more is to come; a refund that a person has to do is that person's, and one that was put off has its own date.
fn is_over(payment: &Payment, now: DateTime<Utc>) -> bool {
    let waits_elsewhere = |state: RefundState| match state {
        RefundState::Failed { retry_at, .. } => retry_at.is_none_or(|retry_at| retry_at > now),
        RefundState::Requested
        | RefundState::Submitted { .. }
        | RefundState::Unknown { .. }
        | RefundState::Succeeded
        | RefundState::BackAlready => false,
    };
    let refunds_over = || payment.refunds().iter().all(|it| it.state.is_over() || waits_elsewhere(it.state));
    match payment.status() {
        Some(PaymentStatus::Succeeded | PaymentStatus::PartiallyRefunded) => refunds_over(),
        Some(
            PaymentStatus::Initiated
            | PaymentStatus::AwaitingCustomer
            | PaymentStatus::Processing
            | PaymentStatus::Authorized
            | PaymentStatus::Refunded
            | PaymentStatus::Failed,
        )
        | None => payment.is_settled(),
    }
}
