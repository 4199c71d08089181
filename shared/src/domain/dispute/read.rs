//! What the shell may read of a dispute.

use chrono::{DateTime, Utc};

use super::{Dispute, DisputeResolutionProposed, DisputeStatus, Offer, Opened, Stage, Terms};

impl Dispute {
    /// The dispute, if it was opened.
    pub fn opened(&self) -> Option<&Opened> {
        match self {
            Self::NotOpened => None,
            Self::Opened(opened) => Some(opened),
        }
    }

    /// What it is about.
    pub fn terms(&self) -> Option<&Terms> {
        self.opened().map(|opened| opened.terms.as_ref())
    }

    /// Where it stands.
    pub fn status(&self) -> Option<DisputeStatus> {
        self.stage().map(Stage::status)
    }

    /// Where it stands, with what only matters there.
    pub fn stage(&self) -> Option<Stage> {
        self.opened().map(|opened| opened.stage)
    }

    /// Until when the cook may answer, while it waits for that.
    pub fn response_due(&self) -> Option<DateTime<Utc>> {
        match self.stage()? {
            Stage::Open { response_due } => Some(response_due),
            Stage::UnderReview { .. } | Stage::Resolved { .. } => None,
        }
    }

    /// When an administrator must have decided, while it waits for that.
    pub fn decision_due(&self) -> Option<DateTime<Utc>> {
        match self.stage()? {
            Stage::UnderReview { decision_due, .. } => Some(decision_due),
            Stage::Open { .. } | Stage::Resolved { .. } => None,
        }
    }

    /// The offer that waits for an answer.
    pub fn offer(&self) -> Option<Offer> {
        self.opened().and_then(|opened| opened.offer)
    }

    /// The decision that another administrator has to agree to.
    pub fn proposal(&self) -> Option<&DisputeResolutionProposed> {
        self.opened().and_then(|opened| opened.proposal.as_ref())
    }
}

impl Stage {
    /// The name of the stage.
    pub fn status(self) -> DisputeStatus {
        match self {
            Self::Open { .. } => DisputeStatus::Open,
            Self::UnderReview { .. } => DisputeStatus::UnderReview,
            Self::Resolved { .. } => DisputeStatus::Resolved,
        }
    }
}
