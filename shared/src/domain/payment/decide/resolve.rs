//! What people found in the bank's own books about a refund that no question clears up: two administrators have to say
//! the same.

use super::Decision;
use crate::domain::{
    Intent,
    ids::RefundId,
    payment::{
        Initiated, PaymentCommand, PaymentError, PaymentEvent, PaymentRefundFailed, PaymentRefundResolutionProposed,
        PaymentRefundResolved, PaymentRefundSource, Refund, RefundFinding, RefundProposal, RefundState,
    },
};

const REASON_CHARS_MAX: usize = 500;
/// The code of a refund that people found not to have been done.
const NOT_DONE: &str = "not_done_by_the_bank";

impl Initiated {
    pub(super) fn resolve_refund(
        &self,
        refund_id: RefundId,
        finding: RefundFinding,
        reason: &str,
        intent: &Intent<PaymentCommand>,
    ) -> Decision {
        let admin_id = intent.actor.user_id().ok_or(PaymentError::PermissionDenied)?;
        let reason = checked(reason)?;
        let refund = self.refund(refund_id).ok_or(PaymentError::RefundNotFound)?;
        let epoch = match (refund.state, finding) {
            (RefundState::Submitted { epoch } | RefundState::Unknown { epoch }, _) => epoch,
            // What a gift was refused is on the gift again, and goes back as another refund.
            (RefundState::Failed { epoch, retry_at: None }, _) if refund.source != PaymentRefundSource::GiftRefund => {
                epoch
            }
            // Known meanwhile, from the bank or from these two.
            (RefundState::Succeeded | RefundState::BackAlready, RefundFinding::Done) => return Ok(vec![]),
            (RefundState::Succeeded | RefundState::BackAlready, RefundFinding::NotDone)
            | (RefundState::Requested | RefundState::Failed { .. }, _) => {
                return Err(PaymentError::RefundNotInDoubt);
            }
        };
        // What was refused does not claim its place any more; another may have taken it.
        let has_no_place = matches!(refund.state, RefundState::Failed { .. }) && !self.has_room_for(refund.amount);
        // If it was the bank itself, the customer has the money from there.
        let is_back = has_no_place && finding == RefundFinding::Done && self.is_back_without_us(refund.amount);
        if has_no_place && !is_back {
            return Err(PaymentError::RefundExceedsCaptured);
        }
        match refund.proposal.filter(|proposal| (proposal.epoch, proposal.finding) == (epoch, finding)) {
            Some(RefundProposal { proposed_by, .. }) if proposed_by != admin_id => {
                let (reason, approved_by) = (reason.to_owned(), admin_id);
                let back_already = is_back.then_some(refund.amount);
                let resolved =
                    PaymentRefundResolved { refund_id, epoch, finding, reason, proposed_by, approved_by, back_already };
                let found = (!is_back).then(|| refund.found(epoch, finding, intent.now));
                Ok(std::iter::once(resolved.into()).chain(found).collect())
            }
            // Nobody is their own second pair of eyes.
            Some(_) => Ok(vec![]),
            None => {
                let (reason, proposed_by) = (reason.to_owned(), admin_id);
                Ok(vec![PaymentRefundResolutionProposed { refund_id, epoch, finding, reason, proposed_by }.into()])
            }
        }
    }
}

impl Refund {
    /// What was not done is a definite failure: it is due at once, under the next epoch.
    fn found(&self, epoch: u32, finding: RefundFinding, now: chrono::DateTime<chrono::Utc>) -> PaymentEvent {
        match finding {
            RefundFinding::Done => self.succeeded(epoch).into(),
            RefundFinding::NotDone => {
                let (refund_id, code) = (self.refund_id, Some(NOT_DONE.to_owned()));
                PaymentRefundFailed { refund_id, epoch, code, retry_at: Some(now) }.into()
            }
        }
    }
}

fn checked(reason: &str) -> Result<&str, PaymentError> {
    let reason = reason.trim();
    match reason.chars().count() {
        0 => Err(PaymentError::InvalidValue { pointer: "/reason" }),
        1..=REASON_CHARS_MAX => Ok(reason),
        _ => Err(PaymentError::TooLong { pointer: "/reason", max: REASON_CHARS_MAX }),
    }
}
