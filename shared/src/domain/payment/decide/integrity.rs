//! What is done about a contradiction of the provider's: two administrators have to agree.

use super::Decision;
use crate::domain::ids::RefundId;
use crate::domain::{
    Actor,
    payment::{
        Initiated, Integrity, IntegrityDecision, PaymentError, PaymentEvent, PaymentIntegrityResolutionProposed,
        PaymentIntegrityResolved, PaymentRefundRequested, PaymentRefundSource, PaymentUnapplied, UnappliedCause, Use,
    },
};

impl Initiated {
    pub(super) fn resolve_integrity(&self, decision: IntegrityDecision, actor: &Actor) -> Decision {
        let admin_id = actor.user_id().ok_or(PaymentError::PermissionDenied)?;
        let proposal = match &self.integrity {
            Integrity::OnHold(hold) => hold.proposal,
            // The one who agreed asks again.
            Integrity::Resolved(resolved) if *resolved == decision => return Ok(vec![]),
            Integrity::Sound | Integrity::Resolved(_) => return Err(PaymentError::NotOnHold),
        };
        match proposal {
            Some((proposed, proposed_by)) if proposed == decision && proposed_by != admin_id => {
                let resolved = PaymentIntegrityResolved { decision, proposed_by, approved_by: admin_id };
                Ok([vec![resolved.into()], self.refused(decision)].concat())
            }
            // Nobody is their own second pair of eyes.
            Some((proposed, proposed_by)) if proposed == decision && proposed_by == admin_id => Ok(vec![]),
            Some(_) | None => Ok(vec![PaymentIntegrityResolutionProposed { decision, proposed_by: admin_id }.into()]),
        }
    }

    /// Whatever money came or comes buys nothing: what is here goes back, what comes later is refused at its coming.
    fn refused(&self, decision: IntegrityDecision) -> Vec<PaymentEvent> {
        match (decision, self.used) {
            (IntegrityDecision::AcceptAsProvider, _) => vec![],
            (IntegrityDecision::RefundAll, Use::Open) => {
                let unapplied = PaymentUnapplied { cause: UnappliedCause::Amount };
                let refund = self.captured().map(|amount| PaymentRefundRequested {
                    refund_id: RefundId::of_unapplied(self.terms.payment_id),
                    amount,
                    source: PaymentRefundSource::Unapplied,
                });
                std::iter::once(unapplied.into()).chain(refund.map(PaymentEvent::from)).collect()
            }
            // The order has this money booked, and owes it; or it is on its way back.
            (IntegrityDecision::RefundAll, Use::Applied | Use::Unapplied(_)) => vec![],
        }
    }
}
