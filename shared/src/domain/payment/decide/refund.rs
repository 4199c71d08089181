//! Money that goes back: never more than was taken, one refund at a time, and never twice for one refund id.

use super::Decision;
use crate::domain::{
    Money,
    ids::RefundId,
    payment::{
        Initiated, PaymentError, PaymentEvent, PaymentRefundFailed, PaymentRefundRequested, PaymentRefundSource,
        PaymentRefundSubmitted, PaymentRefundSucceeded, PaymentRefundUnknown, Refund, RefundOutcome, RefundState,
    },
};

impl Initiated {
    /// It is written down even while another refund is in flight or the payment is on hold: it is owed, and waits.
    pub(super) fn request_refund(&self, refund_id: RefundId, amount: Money, source: PaymentRefundSource) -> Decision {
        if self.refund(refund_id).is_some() {
            return Ok(vec![]);
        }
        let captured = self.captured().ok_or(PaymentError::InvalidTransition)?;
        if !amount.is_positive() {
            return Err(PaymentError::InvalidValue { pointer: "/amount" });
        }
        if amount.currency() != captured.currency() {
            return Err(PaymentError::CurrencyMismatch);
        }
        // What a chargeback took is owed all the same; that it cannot be sent is for people to settle.
        if self.refunds_asked_minor().saturating_add(amount.minor()) > captured.minor() {
            return Err(PaymentError::RefundExceedsCaptured);
        }
        Ok(vec![PaymentRefundRequested { refund_id, amount, source }.into()])
    }

    pub(super) fn check_room_for(&self, amount: Money) -> Result<(), PaymentError> {
        if self.has_room_for(amount) { Ok(()) } else { Err(PaymentError::RefundExceedsCaptured) }
    }

    pub(super) fn refund_result(&self, refund_id: RefundId, epoch: u32, outcome: &RefundOutcome) -> Decision {
        let refund = self.refund(refund_id).ok_or(PaymentError::RefundNotFound)?;
        let open_epoch = match refund.state {
            RefundState::Succeeded | RefundState::BackAlready => return Ok(vec![]),
            RefundState::Requested => 1,
            RefundState::Submitted { epoch } | RefundState::Unknown { epoch } => epoch,
            RefundState::Failed { epoch, .. } => epoch.saturating_add(1),
        };
        if epoch == 0 || epoch > open_epoch {
            return Err(PaymentError::RefundEpochOutOfOrder);
        }
        if epoch < open_epoch {
            return self.late_word(refund, epoch, outcome);
        }
        match refund.state {
            RefundState::Requested => self.may_start()?,
            RefundState::Failed { .. } => {
                self.may_start()?;
                // What is not even tried needs no place.
                if !matches!(outcome, RefundOutcome::Failed { .. }) {
                    self.check_room_for(refund.amount)?;
                }
            }
            RefundState::Submitted { .. }
            | RefundState::Unknown { .. }
            | RefundState::Succeeded
            | RefundState::BackAlready => {}
        }
        Ok(refund.happened(epoch, outcome))
    }

    /// Word of an epoch that was given up: only that the money did go back is news.
    fn late_word(&self, refund: &Refund, epoch: u32, outcome: &RefundOutcome) -> Decision {
        match outcome {
            RefundOutcome::Succeeded => {
                if let RefundState::Failed { .. } = refund.state {
                    self.check_room_for(refund.amount)?;
                }
                Ok(vec![refund.succeeded(epoch).into()])
            }
            RefundOutcome::Submitted | RefundOutcome::Failed { .. } | RefundOutcome::Unknown => Ok(vec![]),
        }
    }

    /// One money operation at a time.
    fn may_start(&self) -> Result<(), PaymentError> {
        if self.is_on_hold() {
            return Err(PaymentError::OnHold);
        }
        if self.operation.is_some() {
            return Err(PaymentError::OperationInFlight);
        }
        if self.in_flight_refund().is_some() { Err(PaymentError::RefundInFlight) } else { Ok(()) }
    }
}

impl Refund {
    pub(super) fn succeeded(&self, epoch: u32) -> PaymentRefundSucceeded {
        PaymentRefundSucceeded { refund_id: self.refund_id, amount: self.amount, epoch }
    }

    fn happened(&self, epoch: u32, outcome: &RefundOutcome) -> Vec<PaymentEvent> {
        let refund_id = self.refund_id;
        match (outcome, self.state) {
            // The same word again.
            (RefundOutcome::Submitted, RefundState::Submitted { .. })
            | (RefundOutcome::Unknown, RefundState::Unknown { .. }) => vec![],
            (RefundOutcome::Submitted, _) => vec![PaymentRefundSubmitted { refund_id, epoch }.into()],
            (RefundOutcome::Unknown, _) => vec![PaymentRefundUnknown { refund_id, epoch }.into()],
            (RefundOutcome::Succeeded, _) => vec![self.succeeded(epoch).into()],
            (RefundOutcome::Failed { code, retry_at }, _) => {
                vec![PaymentRefundFailed { refund_id, epoch, code: code.clone(), retry_at: *retry_at }.into()]
            }
        }
    }
}
