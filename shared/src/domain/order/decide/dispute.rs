//! Disputes, as far as they are about what is owed: the claim to the cook's share, and its end.

use chrono::{DateTime, Utc};

use super::{Decision, Party, refund::authorized};
use crate::domain::{
    Money,
    dispute::{DisputeClaim, DisputeReason, OpenedBy},
    ids::{DisputeId, OrderId, RefundId},
    order::{
        AuthorizeRefund, Claim, ClaimDispute, OrderError, OrderEvent, OrderPayoutFrozen, OrderPayoutUnfrozen, Payout,
        PayoutWas, Placed, RefundAmount, RefundSource, SettleDispute, Stage,
    },
};

/// A dispute, and its appeal.
pub(in crate::domain::order) const DISPUTES_MAX: usize = 2;

impl Placed {
    /// The claim of the dispute that is not decided yet.
    pub(in crate::domain::order) fn open_claim(&self) -> Option<&Claim> {
        self.disputes.iter().find(|claim| claim.appeal_before.is_none())
    }

    pub(super) fn claim_dispute(&self, request: &ClaimDispute, party: Party, now: DateTime<Utc>) -> Decision {
        check_claim(&request.claim, party)?;
        let payout_was = self.claimable()?;
        self.is_its_turn(&request.claim, party)?;
        self.is_the_time(request, party, now)?;
        let frozen = OrderPayoutFrozen {
            dispute_id: self.next_dispute_id(request.order_id),
            payout_was,
            opened_by: match party {
                Party::Customer | Party::Producer => OpenedBy::Customer,
                Party::Admin => OpenedBy::Admin,
                Party::System => OpenedBy::System,
            },
            refundable: self.refundable(request.claim.reason_code)?,
            claim: request.claim.clone(),
        };
        self.check_amount(&frozen)?;
        Ok(vec![frozen.into()])
    }

    fn next_dispute_id(&self, order_id: OrderId) -> DisputeId {
        let number = u32::try_from(self.disputes.len()).map_or(u32::MAX, |disputes| disputes.saturating_add(1));
        DisputeId::of_order(order_id, number)
    }

    fn claimable(&self) -> Result<PayoutWas, OrderError> {
        match (self.stage, self.payout) {
            (Stage::WaitingForPayment | Stage::Cancelled { .. }, _) => Err(OrderError::NotDisputable),
            (_, Payout::None | Payout::Voided) => Err(OrderError::NotDisputable),
            (_, Payout::Frozen) => Err(OrderError::DisputeAlreadyOpen),
            // The money is out of our hands, so a claim freezes nothing; it still is the only one.
            (_, Payout::Released) if self.open_claim().is_some() => Err(OrderError::DisputeAlreadyOpen),
            (_, Payout::Released) => Ok(PayoutWas::Released),
            (_, Payout::Held) => Ok(PayoutWas::Held),
        }
    }

    /// One dispute, then one appeal of it; what the bank or an administrator brings up need not be an appeal.
    fn is_its_turn(&self, claim: &DisputeClaim, party: Party) -> Result<(), OrderError> {
        if self.disputes.len() >= DISPUTES_MAX {
            return Err(OrderError::DisputeLimitReached);
        }
        match (self.disputes.last(), claim.appeal_of) {
            (None, None) => Ok(()),
            (Some(first), Some(appealed)) if first.dispute_id == appealed => Ok(()),
            (Some(_), None) if party != Party::Customer => Ok(()),
            (Some(_), None) => Err(OrderError::DisputeLimitReached),
            (None | Some(_), Some(_)) => Err(OrderError::InvalidValue { pointer: "/appeal_of" }),
        }
    }

    /// The payout is released at the very moment the window closes. An appeal has its own window.
    fn is_the_time(&self, request: &ClaimDispute, party: Party, now: DateTime<Utc>) -> Result<(), OrderError> {
        if party == Party::Customer && !self.is_in_window(now) {
            return Err(OrderError::DisputeWindowClosed);
        }
        let still_to_come = self.ready_by.is_none_or(|ready_by| now < ready_by + request.policy.not_received_after);
        match request.claim.reason_code {
            DisputeReason::NotReceived if still_to_come => Err(OrderError::TooEarlyToMiss),
            DisputeReason::Quality | DisputeReason::NotAsDescribed if request.claim.evidence.is_empty() => {
                Err(OrderError::EvidenceRequired)
            }
            DisputeReason::NotReceived
            | DisputeReason::NotAsDescribed
            | DisputeReason::Quality
            | DisputeReason::WrongItem
            | DisputeReason::Late
            | DisputeReason::Partial
            | DisputeReason::Fraud
            | DisputeReason::Bank => Ok(()),
        }
    }

    fn is_in_window(&self, now: DateTime<Utc>) -> bool {
        match (self.disputes.last(), self.stage) {
            (Some(appealed), _) => appealed.appeal_before.is_some_and(|appeal_before| now < appeal_before),
            (None, Stage::Completed { payout_due_at, .. }) => now < payout_due_at,
            (None, _) => true,
        }
    }

    /// The bank takes back what came by card; people claim what came at all.
    fn refundable(&self, reason: DisputeReason) -> Result<Money, OrderError> {
        let left = self.money_left_to_refund()?;
        if reason == DisputeReason::Bank { Ok(left.card) } else { Ok(left.card.add(left.gift)?) }
    }

    /// No more than is left, and no more than the dispute that is appealed.
    fn check_amount(&self, frozen: &OrderPayoutFrozen) -> Result<(), OrderError> {
        let refundable = frozen.refundable;
        let claimed = frozen.claim.claimed_amount.unwrap_or(refundable);
        if claimed.currency() != refundable.currency() {
            return Err(OrderError::CurrencyMismatch);
        }
        if frozen.claim.claimed_amount.is_some_and(|claimed| !claimed.is_positive()) {
            return Err(OrderError::InvalidValue { pointer: "/claimed_amount" });
        }
        let before = frozen.claim.appeal_of.and(self.disputes.last()).and_then(|first| first.claimed);
        let is_more_than_before = before.is_some_and(|before| claimed.minor() > before.minor());
        if refundable.minor() <= 0 || claimed.minor() > refundable.minor() || is_more_than_before {
            return Err(OrderError::ClaimExceedsRefundable);
        }
        Ok(())
    }

    /// The refund and the end of the claim are one decision: nothing can come between them.
    pub(super) fn settle_dispute(&self, settlement: &SettleDispute, now: DateTime<Utc>) -> Decision {
        let claim = self.disputes.iter().find(|claim| claim.dispute_id == settlement.dispute_id);
        let claim = claim.ok_or(OrderError::DisputeNotClaimed)?;
        if claim.appeal_before.is_some() {
            return Ok(vec![]);
        }
        if settlement.refund_amount.minor() < 0 {
            return Err(OrderError::InvalidValue { pointer: "/refund_amount" });
        }
        let (mut events, refund_amount) = self.grant(settlement, claim.is_chargeback)?;
        let unfrozen = OrderPayoutUnfrozen {
            dispute_id: settlement.dispute_id,
            refund_amount,
            appeal_before: now + settlement.policy.appeal_window,
            auto_complete_at: match self.stage {
                Stage::Delivered { .. } => Some(now + settlement.policy.auto_complete_after),
                _ => None,
            },
            payout_due_at: match (self.stage, self.payout) {
                (Stage::Completed { payout_due_at, .. }, Payout::Frozen) => Some(payout_due_at),
                _ => None,
            },
        };
        events.push(unfrozen.into());
        Ok(events)
    }

    /// What the dispute grants, as far as it is left; what the bank took back is back already.
    fn grant(&self, settlement: &SettleDispute, is_chargeback: bool) -> Result<(Vec<OrderEvent>, Money), OrderError> {
        let left = self.money_left_to_refund()?;
        let rest = if is_chargeback { left.card } else { left.card.add(left.gift)? };
        let amount = settlement.refund_amount.min(rest)?;
        if !amount.is_positive() {
            return Ok((Vec::new(), Money::zero(rest.currency())));
        }
        let request = AuthorizeRefund {
            refund_id: RefundId::of_dispute(settlement.dispute_id),
            source: RefundSource::Dispute,
            source_id: settlement.dispute_id.0,
            amount: RefundAmount::Exactly(amount),
            fault: settlement.fault,
        };
        if is_chargeback {
            return Ok((self.is_back_already(&request, amount)?, amount));
        }
        let payment_id = self.receipt.and_then(|receipt| receipt.payment_id);
        let split = self.split(request.amount)?.ok_or(OrderError::RefundExceedsPaid)?;
        Ok((vec![authorized(&request, split, payment_id).into()], amount))
    }
}

fn check_claim(claim: &DisputeClaim, party: Party) -> Result<(), OrderError> {
    claim.check().map_err(|pointer| OrderError::InvalidClaim { pointer })?;
    // Only a chargeback that is written down makes a dispute of the bank's.
    match (claim.reason_code, party) {
        (DisputeReason::Bank, Party::System) if claim.claimed_amount.is_some() => Ok(()),
        (DisputeReason::Bank, Party::System) => Err(OrderError::InvalidValue { pointer: "/claimed_amount" }),
        (DisputeReason::Bank, Party::Customer | Party::Producer | Party::Admin) => {
            Err(OrderError::InvalidValue { pointer: "/reason_code" })
        }
        (
            DisputeReason::NotReceived
            | DisputeReason::NotAsDescribed
            | DisputeReason::Quality
            | DisputeReason::WrongItem
            | DisputeReason::Late
            | DisputeReason::Partial
            | DisputeReason::Fraud,
            _,
        ) => Ok(()),
    }
}
