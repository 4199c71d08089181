//! The dispute itself: only what a rule needs to know; the read models hold the rest.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    DecidedBy, DisputeCommand, DisputeError, DisputeEvent, DisputeOutcome, DisputeReason, DisputeResolutionProposed,
    OpenedBy, decide,
};
use crate::domain::{
    Money,
    aggregate::event_sourced,
    ids::{DisputeId, OfferId, OrderId, ProducerId, UserId},
    order::Fault,
};

/// A dispute: who said what by when, and the one decision.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Dispute {
    /// Nobody opened it.
    #[default]
    NotOpened,
    /// It was opened.
    Opened(Opened),
}

/// A dispute that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// What it is about; shared, so that a copy of the dispute costs little.
    pub(super) terms: Arc<Terms>,
    pub(super) stage: Stage,
    /// The offer that waits for an answer.
    pub(super) offer: Option<Offer>,
    pub(super) offers_made: u32,
    pub(super) pieces_of_evidence: u32,
    /// Whether the cook said anything: an answer, an offer, a piece of evidence.
    pub(super) producer_spoke: bool,
    /// The decision that another administrator has to agree to.
    pub(super) proposal: Option<DisputeResolutionProposed>,
}

/// What a dispute is about; it never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The dispute itself.
    pub dispute_id: DisputeId,
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: UserId,
    /// Who cooked.
    pub producer_id: ProducerId,
    /// Who opened it.
    pub opened_by: OpenedBy,
    /// What went wrong.
    pub reason: DisputeReason,
    /// How much is wanted back: what was claimed, or all that could go back.
    pub claimed: Money,
    /// What could go back when it was opened.
    pub refundable: Money,
    /// From when the customer may ask for a decision.
    pub escalate_from: DateTime<Utc>,
}

/// Where a dispute stands, with what only matters there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It waits for the cook.
    Open {
        /// Until when.
        response_due: DateTime<Utc>,
    },
    /// It waits for an administrator.
    UnderReview {
        /// Until when.
        decision_due: DateTime<Utc>,
        /// Whether the alarm was given that nobody decided.
        is_late: bool,
    },
    /// It is decided.
    Resolved {
        /// What it ended in.
        outcome: DisputeOutcome,
        /// How much goes back.
        refund_amount: Money,
        /// Who bears it.
        fault: Fault,
        /// Who decided.
        decided_by: DecidedBy,
    },
}

/// What the cook offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The offer.
    pub offer_id: OfferId,
    /// How much.
    pub amount: Money,
}

event_sourced!(Dispute, "dispute", DisputeCommand, DisputeEvent, DisputeError, {});
