//! Money that goes back to the buyer, through the payment that brought it.

use uuid::Uuid;

use super::{Decision, Party, check_text};
use crate::domain::{
    Money,
    gift::{
        Bought, GiftError, GiftEvent, GiftKind, GiftRefund, GiftRefundCause, GiftRefundRequested, GiftRefundReverted,
        GiftRefundSettled, GiftRefundState, GiftStage, RequestGiftRefund,
    },
    ids::{GiftId, RefundId},
};

/// Refunds that people may ask for; what follows from uses is bounded by those.
const REFUNDS_MAX: usize = 50;

impl Bought {
    /// Sends an amount that is available (or becomes so in the same decision) back to the buyer, if there is any and the
    /// gift is not under suspicion.
    pub(super) fn send_back(&self, what: &str, id: Uuid, amount: Money, cause: GiftRefundCause) -> Option<GiftEvent> {
        let issue = self.issue.as_ref().filter(|_| amount.is_positive() && !self.is_blocked)?;
        // Named after the payment, which is the gift's own: the gift does not know its id.
        let refund_id = RefundId::of_gift(GiftId(issue.payment_id.0), what, id);
        Some(GiftRefundRequested { refund_id, amount, cause, payment_id: issue.payment_id }.into())
    }

    pub(super) fn request_refund(&self, request: &RequestGiftRefund, party: Party) -> Decision {
        // The same refund again: it is on its way, or over.
        if self.refunds.iter().any(|refund| refund.refund_id == request.refund_id) {
            return Ok(vec![]);
        }
        let payment_id = self.may_refund(request.cause, party)?;
        let available = self.available();
        if available.is_zero() {
            return Err(GiftError::NothingToRefund);
        }
        let amount = request.amount.unwrap_or(available);
        if !amount.is_positive() {
            return Err(GiftError::InvalidValue { pointer: "/amount" });
        }
        if available.sub(amount)?.minor() < 0 {
            return Err(GiftError::InsufficientBalance);
        }
        // Half a dish cannot be ordered.
        if self.kind == GiftKind::Dish && amount != available {
            return Err(GiftError::Restricted);
        }
        let (refund_id, cause) = (request.refund_id, request.cause);
        Ok(vec![GiftRefundRequested { refund_id, amount, cause, payment_id }.into()])
    }

    /// The payment that the money goes back through, if this side may send it back now.
    fn may_refund(&self, cause: GiftRefundCause, party: Party) -> Result<crate::domain::PaymentId, GiftError> {
        let is_theirs = match party {
            Party::Customer => cause == GiftRefundCause::BuyerRequest,
            Party::Admin => cause == GiftRefundCause::Admin,
            Party::System => cause == GiftRefundCause::Expiry,
        };
        if !is_theirs {
            return Err(GiftError::PermissionDenied);
        }
        let Some(issue) = &self.issue else { return Err(GiftError::InvalidTransition) };
        if self.is_blocked && party != Party::Admin {
            return Err(GiftError::Blocked);
        }
        if party != Party::System && self.refunds.len() >= REFUNDS_MAX {
            return Err(GiftError::RefundLimitReached);
        }
        match (party, self.stage) {
            (Party::Customer, GiftStage::Issued) => Ok(issue.payment_id),
            (Party::Customer, GiftStage::Activated) => Err(GiftError::AlreadyActivated),
            (Party::Customer, GiftStage::Expired) => Err(GiftError::NothingToRefund),
            (Party::Customer | Party::System, GiftStage::Cancelled) => Err(GiftError::AlreadyCancelled),
            // What could not go back when it was called off is tried again by hand.
            (Party::Admin, GiftStage::Issued | GiftStage::Activated | GiftStage::Expired | GiftStage::Cancelled) => {
                Ok(issue.payment_id)
            }
            (Party::System, GiftStage::Expired) => Ok(issue.payment_id),
            (Party::System, GiftStage::Issued | GiftStage::Activated) => Err(GiftError::TooEarly),
            (_, GiftStage::PendingPayment) => Err(GiftError::InvalidTransition),
        }
    }

    pub(super) fn settle_refund(&self, refund_id: RefundId) -> Decision {
        let refund = self.refund(refund_id)?;
        match refund.state {
            GiftRefundState::Requested => Ok(vec![GiftRefundSettled { refund_id, amount: refund.amount }.into()]),
            GiftRefundState::Settled => Ok(vec![]),
            GiftRefundState::Reverted => Err(GiftError::InvalidTransition),
        }
    }

    pub(super) fn revert_refund(&self, refund_id: RefundId, reason: &str) -> Decision {
        check_text(reason, "/reason")?;
        let refund = self.refund(refund_id)?;
        match refund.state {
            GiftRefundState::Requested => {
                let (amount, reason) = (refund.amount, reason.to_owned());
                Ok(vec![GiftRefundReverted { refund_id, amount, reason }.into()])
            }
            GiftRefundState::Reverted => Ok(vec![]),
            GiftRefundState::Settled => Err(GiftError::InvalidTransition),
        }
    }

    fn refund(&self, refund_id: RefundId) -> Result<&GiftRefund, GiftError> {
        self.refunds.iter().find(|refund| refund.refund_id == refund_id).ok_or(GiftError::RefundNotFound)
    }
}
