//! Attempts to pay, and the money itself.

use chrono::{DateTime, Utc};

use super::Decision;
use crate::domain::{
    ids::PaymentId,
    order::{
        Attempt, AttemptOutcome, MarkPaid, OrderError, OrderPaid, OrderPaymentAttemptFailed, OrderPaymentRequested,
        OrderPolicy, Placed, RequestPayment, Stage,
    },
    payment::FailureReason,
};

/// Attempts that the customer lost; the provider's outages are nobody's loss.
pub(in crate::domain::order) fn attempts_lost(attempts: &[Attempt]) -> usize {
    let lost = |attempt: &&Attempt| match attempt.outcome {
        AttemptOutcome::Failed(reason) => reason != FailureReason::ProviderUnavailable,
        AttemptOutcome::Active | AttemptOutcome::Paid => false,
    };
    attempts.iter().filter(lost).count()
}

impl Placed {
    pub(super) fn request_payment(&self, request: &RequestPayment, now: DateTime<Utc>) -> Decision {
        if self.stage != Stage::WaitingForPayment {
            return Err(OrderError::NotPayable);
        }
        if !request.provider.enabled {
            return Err(OrderError::ProviderDisabled);
        }
        if !request.provider.mover.takes(self.terms.amount_due.currency()) {
            return Err(OrderError::CurrencyUnsupported);
        }
        // The customer clicked twice: the open attempt serves both clicks.
        if self.active_payment().is_some() {
            return Ok(vec![]);
        }
        self.may_open_attempt(&request.policy, now)?;
        let attempt_no = u32::try_from(self.attempts.len()).map_or(u32::MAX, |attempts| attempts.saturating_add(1));
        let requested = OrderPaymentRequested {
            payment_id: PaymentId::of_order_attempt(request.order_id, attempt_no),
            attempt_no,
            amount_due: self.terms.amount_due,
            provider: request.provider.named,
            return_url: request.return_url.clone(),
            capture_mode: request.capture_mode.unwrap_or_default(),
            expires_at: self.terms.payment_deadline,
        };
        Ok(vec![requested.into()])
    }

    fn may_open_attempt(&self, policy: &OrderPolicy, now: DateTime<Utc>) -> Result<(), OrderError> {
        if self.terms.amount_due.is_zero() {
            return Err(OrderError::NothingToPay);
        }
        if self.terms.payment_deadline - now < policy.payment_time_left_min {
            return Err(OrderError::PaymentDeadlinePassed);
        }
        let exhausted = attempts_lost(&self.attempts) >= policy.payment_attempts_max
            || self.attempts.len() >= policy.payment_attempts_opened_max;
        if exhausted { Err(OrderError::PaymentAttemptsExhausted) } else { Ok(()) }
    }

    pub(super) fn payment_failed(&self, payment_id: PaymentId, reason: FailureReason) -> Decision {
        let numbered = (1..).zip(&self.attempts);
        let failed = numbered.filter(|(_, attempt)| attempt.payment_id == payment_id).map(|(attempt_no, attempt)| {
            match attempt.outcome {
                AttemptOutcome::Active => Some(OrderPaymentAttemptFailed { payment_id, attempt_no, reason }.into()),
                // It is over already, one way or the other.
                AttemptOutcome::Failed(_) | AttemptOutcome::Paid => None,
            }
        });
        Ok(failed.flatten().collect())
    }

    pub(super) fn mark_paid(&self, paid: &MarkPaid, now: DateTime<Utc>) -> Decision {
        if paid.payment_id.is_some_and(|payment_id| !self.is_own_attempt(payment_id)) {
            return Err(OrderError::ForeignPayment);
        }
        // The same payment again: the order has its money, whatever happened to it since.
        if self.receipt.is_some_and(|receipt| receipt.payment_id == paid.payment_id) {
            return Ok(vec![]);
        }
        if self.stage != Stage::WaitingForPayment {
            return Err(OrderError::MoneyNotWanted);
        }
        if !self.is_the_price(paid) {
            return Err(OrderError::PaidAmountMismatch);
        }
        let event = OrderPaid {
            payment_id: paid.payment_id,
            card_amount: paid.card_amount,
            gift_amount: paid.gift_amount,
            funds: paid.funds,
            accept_deadline: self.accept_deadline(&paid.policy, now),
        };
        Ok(vec![event.into()])
    }

    /// A failed attempt is an own attempt too: the bank may say yes after it said no.
    fn is_own_attempt(&self, payment_id: PaymentId) -> bool {
        self.attempts.iter().any(|attempt| attempt.payment_id == payment_id)
    }

    /// Card and gift each have to bring exactly their part, and only a payment brings money from a card.
    fn is_the_price(&self, paid: &MarkPaid) -> bool {
        let gift_part = self.terms.total.sub(self.terms.amount_due);
        paid.card_amount == self.terms.amount_due
            && gift_part == Ok(paid.gift_amount)
            && paid.payment_id.is_some() == paid.card_amount.is_positive()
    }

    fn accept_deadline(&self, policy: &OrderPolicy, now: DateTime<Utc>) -> DateTime<Utc> {
        let soon = now + policy.acceptance_window;
        self.terms.requested_for.map_or(soon, |wanted| soon.max(wanted - policy.preorder_lead))
    }
}
