//! Why a dispute says no.

use std::borrow::Cow;

use crate::domain::{MoneyError, Rejection, RejectionKind};

/// Why a dispute said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message and the rule's name say it")]
pub enum DisputeError {
    #[error("there is no such dispute")]
    NotFound,
    #[error("you may not do this to a dispute")]
    PermissionDenied,
    #[error("this value cannot be used here")]
    InvalidValue { pointer: &'static str },
    #[error("this evidence cannot be used; give words, or up to ten files by their SHA-256")]
    InvalidEvidence { pointer: String },
    #[error("shorten the text to at most {max} characters")]
    TooLong { pointer: &'static str, max: usize },

    #[error("the dispute is not in a state that allows this")]
    InvalidTransition,
    #[error("the dispute is decided; it can be appealed once")]
    AlreadyResolved,
    #[error("the time for this has not come yet")]
    TooEarly,
    #[error("the time to bring evidence is over")]
    EvidenceDeadlinePassed,
    #[error("so much evidence is enough")]
    EvidenceLimitReached,
    #[error("an offer waits for the customer's answer")]
    OfferPending,
    #[error("there is no such offer, or it was declined")]
    OfferNotFound,
    #[error("an offer is less than the claim; accept the claim instead")]
    OfferNotBelowClaim,
    #[error("so many offers are enough; escalate")]
    OfferLimitReached,
    #[error("who is a party does not decide")]
    PartyCannotDecide,
    #[error("another administrator has to agree to this decision")]
    ApprovalRequired,
    #[error("no decision waits for approval")]
    NothingToApprove,
    #[error("the bank has taken the money back; an administrator decides who bears it")]
    BankDispute,
}

impl From<MoneyError> for DisputeError {
    fn from(_: MoneyError) -> Self {
        Self::InvalidValue { pointer: "/amount" }
    }
}

impl Rejection for DisputeError {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::PermissionDenied => RejectionKind::PermissionDenied,
            Self::InvalidValue { .. } | Self::InvalidEvidence { .. } | Self::TooLong { .. } => {
                RejectionKind::Validation
            }
            _ => RejectionKind::Rule,
        }
    }

    fn rule(&self) -> &'static str {
        match self {
            Self::NotFound => "dispute_not_found",
            Self::PermissionDenied => "permission_denied",
            Self::InvalidValue { .. } | Self::InvalidEvidence { .. } => "invalid_value",
            Self::TooLong { .. } => "too_long",
            Self::InvalidTransition => "invalid_transition",
            Self::AlreadyResolved => "dispute_already_resolved",
            Self::TooEarly => "too_early",
            Self::EvidenceDeadlinePassed => "evidence_deadline_passed",
            Self::EvidenceLimitReached => "evidence_limit_reached",
            Self::OfferPending => "offer_pending",
            Self::OfferNotFound => "offer_not_found",
            Self::OfferNotBelowClaim => "offer_not_below_claim",
            Self::OfferLimitReached => "offer_limit_reached",
            Self::PartyCannotDecide => "party_cannot_decide",
            Self::ApprovalRequired => "approval_required",
            Self::NothingToApprove => "nothing_to_approve",
            Self::BankDispute => "bank_dispute",
        }
    }

    fn pointer(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::InvalidValue { pointer } | Self::TooLong { pointer, .. } => Some(Cow::Borrowed(pointer)),
            Self::InvalidEvidence { pointer } => Some(Cow::Owned(pointer.clone())),
            _ => None,
        }
    }
}
