//! The one decision: by whom, how much, and when two have to agree.

use super::{Decision, check_text};
use crate::domain::{
    Actor, Money,
    dispute::{
        DecidedBy, DisputeError, DisputeOutcome, DisputePolicy, DisputeReason, DisputeResolutionProposed,
        DisputeResolved, Opened, ResolveDispute, Stage,
    },
    ids::UserId,
    order::Fault,
};

impl Opened {
    pub(super) fn accept_claim(&self) -> Decision {
        self.is_not_decided()?;
        self.granted(self.terms.claimed, DecidedBy::Producer)
    }

    pub(super) fn withdraw(&self) -> Decision {
        self.is_not_decided()?;
        if self.terms.reason == DisputeReason::Bank {
            return Err(DisputeError::BankDispute);
        }
        Ok(vec![self.nothing(DisputeOutcome::Withdrawn, DecidedBy::Customer).into()])
    }

    /// What the cancellation gives back settles the dispute; nothing goes back on top of it.
    pub(super) fn close_by_cancellation(&self, refund_amount: Money) -> Decision {
        if refund_amount.minor() < 0 {
            return Err(DisputeError::InvalidValue { pointer: "/refund_amount" });
        }
        match self.stage {
            // It was decided first.
            Stage::Resolved { .. } => Ok(vec![]),
            Stage::Open { .. } | Stage::UnderReview { .. } if refund_amount.is_zero() => {
                Ok(vec![self.nothing(DisputeOutcome::Rejected, DecidedBy::OrderCancelled).into()])
            }
            Stage::Open { .. } | Stage::UnderReview { .. } => Ok(vec![
                DisputeResolved {
                    order_id: self.terms.order_id,
                    outcome: DisputeOutcome::RefundFull,
                    refund_amount,
                    fault: Fault::None,
                    decided_by: DecidedBy::OrderCancelled,
                    comment: None,
                    proposed_by: None,
                }
                .into(),
            ]),
        }
    }

    pub(super) fn resolve_as(&self, decision: &ResolveDispute, actor: &Actor) -> Decision {
        check_text(decision.comment.as_deref(), "/comment")?;
        self.is_not_decided()?;
        let Stage::UnderReview { .. } = self.stage else { return Err(DisputeError::InvalidTransition) };
        let admin_id = self.outsider(actor, decision.producer_owner)?;
        let refund_amount = self.amount_of(decision)?;
        let outcome = if refund_amount.is_zero() { DisputeOutcome::Rejected } else { self.outcome_of(refund_amount) };
        let (fault, comment) = (decision.fault, decision.comment.clone());
        if needs_two(refund_amount, &decision.policy) {
            let proposed = DisputeResolutionProposed { outcome, refund_amount, fault, comment, proposed_by: admin_id };
            // The same proposal again: it waits already.
            let waits = self.proposal.as_ref() == Some(&proposed);
            return Ok(if waits { vec![] } else { vec![proposed.into()] });
        }
        let (order_id, decided_by) = (self.terms.order_id, DecidedBy::Admin);
        let resolved =
            DisputeResolved { order_id, outcome, refund_amount, fault, decided_by, comment, proposed_by: None };
        Ok(vec![resolved.into()])
    }

    pub(super) fn approve(&self, producer_owner: Option<UserId>, actor: &Actor) -> Decision {
        self.is_not_decided()?;
        let proposal = self.proposal.as_ref().ok_or(DisputeError::NothingToApprove)?;
        if self.outsider(actor, producer_owner)? == proposal.proposed_by {
            return Err(DisputeError::ApprovalRequired);
        }
        let resolved = DisputeResolved {
            order_id: self.terms.order_id,
            outcome: proposal.outcome,
            refund_amount: proposal.refund_amount,
            fault: proposal.fault,
            decided_by: DecidedBy::Admin,
            comment: proposal.comment.clone(),
            proposed_by: Some(proposal.proposed_by),
        };
        Ok(vec![resolved.into()])
    }

    /// The administrator, unless they have a stake in it.
    fn outsider(&self, actor: &Actor, producer_owner: Option<UserId>) -> Result<UserId, DisputeError> {
        let admin_id = actor.user_id().ok_or(DisputeError::PermissionDenied)?;
        let is_party = admin_id == self.terms.customer_id || Some(admin_id) == producer_owner;
        if is_party { Err(DisputeError::PartyCannotDecide) } else { Ok(admin_id) }
    }

    fn amount_of(&self, decision: &ResolveDispute) -> Result<Money, DisputeError> {
        let all = self.grants_max();
        let nothing = Money::zero(all.currency());
        let wrong = DisputeError::InvalidValue { pointer: "/refund_amount" };
        match (decision.outcome, decision.refund_amount) {
            (DisputeOutcome::RefundFull, None) => Ok(all),
            (DisputeOutcome::RefundFull, Some(amount)) if amount == all => Ok(all),
            (DisputeOutcome::RefundPartial, Some(amount)) if amount.currency() == all.currency() => {
                if amount.is_positive() && amount.minor() < all.minor() { Ok(amount) } else { Err(wrong) }
            }
            (DisputeOutcome::Rejected, None) => Ok(nothing),
            (DisputeOutcome::Rejected, Some(amount)) if amount == nothing => Ok(nothing),
            (DisputeOutcome::RefundFull | DisputeOutcome::RefundPartial | DisputeOutcome::Rejected, _) => Err(wrong),
            (DisputeOutcome::Withdrawn, _) => Err(DisputeError::InvalidValue { pointer: "/outcome" }),
        }
    }

    /// All that a decision may give: what could go back, and of a chargeback no more than the bank took.
    fn grants_max(&self) -> Money {
        if self.terms.reason == DisputeReason::Bank { self.terms.claimed } else { self.terms.refundable }
    }

    fn outcome_of(&self, refund_amount: Money) -> DisputeOutcome {
        if refund_amount == self.terms.refundable { DisputeOutcome::RefundFull } else { DisputeOutcome::RefundPartial }
    }

    /// The cook pays, by consent or by silence.
    pub(super) fn granted(&self, refund_amount: Money, decided_by: DecidedBy) -> Decision {
        let resolved = DisputeResolved {
            order_id: self.terms.order_id,
            outcome: self.outcome_of(refund_amount),
            refund_amount,
            fault: Fault::Producer,
            decided_by,
            comment: None,
            proposed_by: None,
        };
        Ok(vec![resolved.into()])
    }

    fn nothing(&self, outcome: DisputeOutcome, decided_by: DecidedBy) -> DisputeResolved {
        DisputeResolved {
            order_id: self.terms.order_id,
            outcome,
            refund_amount: Money::zero(self.terms.claimed.currency()),
            fault: Fault::None,
            decided_by,
            comment: None,
            proposed_by: None,
        }
    }
}

/// In another currency than the limit's nobody can tell that it is little.
fn needs_two(refund_amount: Money, policy: &DisputePolicy) -> bool {
    let max = policy.one_decides_max;
    !refund_amount.is_zero() && (refund_amount.currency() != max.currency() || refund_amount.minor() > max.minor())
}
