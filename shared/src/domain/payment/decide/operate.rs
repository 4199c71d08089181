//! Acts towards the provider: take held money, call the attempt off. One at a time.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Decision;
use crate::domain::{
    Money,
    ids::RefundId,
    payment::{
        AbortOutcome, FailureReason, Initiated, Integrity, Operation, PaymentAbortPostponed, PaymentAbortRequested,
        PaymentCapturePostponed, PaymentCaptureRequested, PaymentError, PaymentEvent, PaymentFailed,
        PaymentIntegrityViolated, PaymentSucceeded, RefundState, Stage, Use,
    },
};

const CAUSE_CHARS_MAX: usize = 500;
/// The rests between the tries to call an attempt off or to take held money; the last one repeats itself.
const RESTS_MINUTES: [i64; 5] = [1, 5, 15, 60, 360];
/// How long after its page died a payment may still bring money: a bank closes its check of the customer after 36 hours.
const LATE_MONEY: TimeDelta = TimeDelta::hours(36);

impl Initiated {
    pub(super) fn capture(&self, amount: Money, operation_id: Uuid, now: DateTime<Utc>) -> Decision {
        let (held, capture_before) = match self.stage {
            Stage::Authorized { amount, capture_before } => (amount, capture_before),
            // It is taken already.
            Stage::Succeeded { .. } => return Ok(vec![]),
            Stage::Initiated | Stage::AwaitingCustomer | Stage::Processing | Stage::Failed { .. } => {
                return Err(PaymentError::InvalidTransition);
            }
        };
        match self.operation {
            // The same capture again: it is under way.
            Some(Operation::Capture { operation_id: under_way, .. }) if under_way == operation_id => return Ok(vec![]),
            Some(Operation::Capture { .. } | Operation::Abort) => return Err(PaymentError::OperationInFlight),
            None => {}
        }
        if self.is_on_hold() {
            return Err(PaymentError::OnHold);
        }
        if let Use::Unapplied(_) = self.used {
            return Err(PaymentError::AlreadyUnapplied);
        }
        if now >= capture_before {
            return Err(PaymentError::CaptureWindowPassed);
        }
        if !amount.is_positive() {
            return Err(PaymentError::InvalidValue { pointer: "/amount" });
        }
        if held.sub(amount)?.minor() < 0 {
            return Err(PaymentError::CaptureExceedsAuthorized);
        }
        Ok(vec![PaymentCaptureRequested { amount, operation_id }.into()])
    }

    /// It is tried again, less and less often. Near the end of the hold it is not: there the hold is lifted.
    pub(super) fn not_captured(&self, because: &str, now: DateTime<Utc>) -> Vec<PaymentEvent> {
        let (Stage::Authorized { capture_before, .. }, Some(Operation::Capture { .. })) = (self.stage, self.operation)
        else {
            // Other news was faster.
            return vec![];
        };
        let retry_at = now + rest_after(self.captures_postponed);
        if retry_at >= capture_before {
            return vec![];
        }
        vec![PaymentCapturePostponed { because: because.chars().take(CAUSE_CHARS_MAX).collect(), retry_at }.into()]
    }

    pub(super) fn abort(&self, cause: &str) -> Decision {
        if cause.chars().count() > CAUSE_CHARS_MAX {
            return Err(PaymentError::TooLong { pointer: "/cause", max: CAUSE_CHARS_MAX });
        }
        match (self.stage, self.operation) {
            // It is under way, or there is nothing left to call off.
            (_, Some(Operation::Abort)) | (Stage::Failed { .. }, _) => Ok(vec![]),
            (Stage::Succeeded { .. }, _) => Err(PaymentError::InvalidTransition),
            (Stage::Initiated | Stage::AwaitingCustomer | Stage::Processing | Stage::Authorized { .. }, _) => {
                if self.is_on_hold() {
                    return Err(PaymentError::OnHold);
                }
                Ok(vec![PaymentAbortRequested { cause: cause.to_owned() }.into()])
            }
        }
    }

    pub(super) fn aborted(&self, outcome: &AbortOutcome, now: DateTime<Utc>) -> Decision {
        match outcome {
            AbortOutcome::NotYet { because } => self.not_called_off(because, now),
            AbortOutcome::Cancelled => self.ended_by_abort(FailureReason::Cancelled),
            AbortOutcome::Voided => self.ended_by_abort(FailureReason::Voided),
            AbortOutcome::Returned { provider_payment_id, amount, source } => {
                let succeeded = PaymentSucceeded {
                    provider_payment_id: provider_payment_id.clone(),
                    amount: *amount,
                    source: *source,
                    late: true,
                };
                self.returned_by_abort(succeeded)
            }
        }
    }

    /// It is tried again, less and less often, until the page or the hold must be gone by itself. Then the attempt is
    /// over; money that comes all the same is late money.
    fn not_called_off(&self, because: &str, now: DateTime<Utc>) -> Decision {
        match (self.stage, self.operation) {
            (Stage::Succeeded { .. } | Stage::Failed { .. }, _) => return Ok(vec![]),
            (_, Some(Operation::Capture { .. }) | None) => return Err(PaymentError::InvalidTransition),
            (_, Some(Operation::Abort)) => {}
        }
        let dead_by = match self.stage {
            Stage::Authorized { capture_before, .. } => capture_before.max(self.terms.expires_at),
            _ => self.terms.expires_at,
        };
        if now >= dead_by + LATE_MONEY {
            let failed =
                PaymentFailed { reason: FailureReason::Expired, provider_error_code: None, customer_retryable: true };
            return Ok(vec![failed.into()]);
        }
        let because = because.chars().take(CAUSE_CHARS_MAX).collect();
        Ok(vec![PaymentAbortPostponed { because, retry_at: now + rest_after(self.aborts_postponed) }.into()])
    }

    fn ended_by_abort(&self, reason: FailureReason) -> Decision {
        match self.stage {
            // Other news was faster; it says the same, or knows better.
            Stage::Succeeded { .. } | Stage::Failed { .. } => Ok(vec![]),
            Stage::Initiated | Stage::AwaitingCustomer | Stage::Processing | Stage::Authorized { .. } => {
                if self.operation != Some(Operation::Abort) {
                    return Err(PaymentError::InvalidTransition);
                }
                let failed = PaymentFailed { reason, provider_error_code: None, customer_retryable: true };
                Ok(vec![failed.into()])
            }
        }
    }

    fn returned_by_abort(&self, succeeded: PaymentSucceeded) -> Decision {
        match self.stage {
            Stage::Succeeded { .. } => Ok(self.unapplied_money_is_back()),
            Stage::Failed { .. } => self.booked_there_and_back(succeeded),
            Stage::Initiated | Stage::AwaitingCustomer | Stage::Processing | Stage::Authorized { .. } => {
                if self.operation == Some(Operation::Abort) {
                    self.booked_there_and_back(succeeded)
                } else {
                    Err(PaymentError::InvalidTransition)
                }
            }
        }
    }

    fn booked_there_and_back(&self, succeeded: PaymentSucceeded) -> Decision {
        if self.is_on_hold() {
            return Err(PaymentError::OnHold);
        }
        if succeeded.amount == self.terms.amount || matches!(self.integrity, Integrity::Resolved(_)) {
            return Ok(self.money_came_and_went(succeeded));
        }
        let violated = PaymentIntegrityViolated {
            field: "amount".to_owned(),
            expected: self.terms.amount.to_string(),
            actual: succeeded.amount.to_string(),
        };
        Ok(vec![violated.into()])
    }

    /// The news that the money came was faster than the answer that it is gone: only the refund is left to book.
    fn unapplied_money_is_back(&self) -> Vec<PaymentEvent> {
        let Some(refund) = self.refund(RefundId::of_unapplied(self.terms.payment_id)) else { return vec![] };
        match refund.state {
            RefundState::Succeeded | RefundState::BackAlready => vec![],
            RefundState::Requested => vec![refund.succeeded(1).into()],
            RefundState::Submitted { epoch } | RefundState::Unknown { epoch } | RefundState::Failed { epoch, .. } => {
                vec![refund.succeeded(epoch).into()]
            }
        }
    }
}

/// How long it rests after so many rests.
fn rest_after(postponed: u32) -> TimeDelta {
    let rests = usize::try_from(postponed).unwrap_or(usize::MAX);
    TimeDelta::minutes(RESTS_MINUTES[rests.min(RESTS_MINUTES.len() - 1)])
}
