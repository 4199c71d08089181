//! What the two say to each other, and when they stop: evidence, the answer, the call for a decision.

use chrono::{DateTime, Utc};

use super::{Decision, Party, check_text};
use crate::domain::dispute::{
    DecidedBy, DisputeError, DisputeEscalated, DisputeEvidenceSubmitted, DisputePolicy, DisputeReason,
    DisputeResponded, DisputeSide, DisputeSlaBreached, EscalatedBy, Evidence, Opened, Stage, Stance, fits,
};

/// Pieces of evidence that a dispute takes, of both sides together.
const PIECES_MAX: u32 = 100;

impl Opened {
    pub(super) fn submit_evidence(&self, party: Party, evidence: &Evidence, now: DateTime<Utc>) -> Decision {
        evidence.check().map_err(|pointer| DisputeError::InvalidEvidence { pointer })?;
        let due = match self.stage {
            Stage::Open { response_due } => response_due,
            Stage::UnderReview { decision_due, .. } => decision_due,
            Stage::Resolved { .. } => return Err(DisputeError::AlreadyResolved),
        };
        if now >= due {
            return Err(DisputeError::EvidenceDeadlinePassed);
        }
        if self.pieces_of_evidence >= PIECES_MAX {
            return Err(DisputeError::EvidenceLimitReached);
        }
        let side = if party == Party::Producer { DisputeSide::Producer } else { DisputeSide::Customer };
        Ok(vec![DisputeEvidenceSubmitted { side, evidence: evidence.clone() }.into()])
    }

    pub(super) fn respond(&self, message_sealed: &str, stance: Stance, decision_due: DateTime<Utc>) -> Decision {
        if !fits(Some(message_sealed)) {
            return Err(DisputeError::InvalidValue { pointer: "/message" });
        }
        self.is_not_decided()?;
        match self.stage {
            Stage::Open { .. } => {
                let message_sealed = message_sealed.to_owned();
                Ok(vec![
                    DisputeResponded { order_id: self.terms.order_id, message_sealed, stance, decision_due }.into(),
                ])
            }
            Stage::UnderReview { .. } | Stage::Resolved { .. } => Err(DisputeError::InvalidTransition),
        }
    }

    pub(super) fn escalate(
        &self,
        party: Party,
        cause: Option<&String>,
        policy: &DisputePolicy,
        now: DateTime<Utc>,
    ) -> Decision {
        check_text(cause.map(String::as_str), "/cause")?;
        self.is_not_decided()?;
        let by = if party == Party::Producer { EscalatedBy::Producer } else { EscalatedBy::Customer };
        match self.stage {
            // The two should talk first.
            Stage::Open { .. }
                if by == EscalatedBy::Customer && !self.producer_spoke && now < self.terms.escalate_from =>
            {
                Err(DisputeError::TooEarly)
            }
            Stage::Open { .. } => {
                let decision_due = now + policy.decision_window;
                Ok(vec![
                    DisputeEscalated { order_id: self.terms.order_id, by, cause: cause.cloned(), decision_due }.into(),
                ])
            }
            Stage::UnderReview { .. } | Stage::Resolved { .. } => Err(DisputeError::InvalidTransition),
        }
    }

    /// Timers ring early, late and twice: only the deadline of today's stage counts.
    pub(super) fn pass_response_deadline(&self, policy: &DisputePolicy, now: DateTime<Utc>) -> Decision {
        let Stage::Open { response_due } = self.stage else { return Ok(vec![]) };
        if now < response_due {
            return Err(DisputeError::TooEarly);
        }
        if self.silence_grants(policy) {
            return self.granted(self.terms.claimed, DecidedBy::SystemDeadline);
        }
        let decision_due = now + policy.decision_window;
        let (order_id, by) = (self.terms.order_id, EscalatedBy::System);
        Ok(vec![DisputeEscalated { order_id, by, cause: None, decision_due }.into()])
    }

    /// Whoever made an offer or brought evidence was not silent.
    fn silence_grants(&self, policy: &DisputePolicy) -> bool {
        let (claimed, max) = (self.terms.claimed, policy.silence_grants_max);
        let is_small = claimed.currency() == max.currency() && claimed.minor() <= max.minor();
        is_small && !self.producer_spoke && self.terms.reason != DisputeReason::Bank
    }

    pub(super) fn pass_decision_deadline(&self, now: DateTime<Utc>) -> Decision {
        match self.stage {
            Stage::UnderReview { decision_due, is_late: false } if now < decision_due => Err(DisputeError::TooEarly),
            Stage::UnderReview { decision_due, is_late: false } => {
                Ok(vec![DisputeSlaBreached { order_id: self.terms.order_id, decision_due }.into()])
            }
            Stage::Open { .. } | Stage::UnderReview { is_late: true, .. } | Stage::Resolved { .. } => Ok(vec![]),
        }
    }
}
