//! What can happen to a dispute.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DecidedBy, DisputeClaim, DisputeOutcome, DisputeSide, EscalatedBy, Evidence, OpenedBy, Stance};
use crate::domain::{
    Money,
    events::aggregate_events,
    ids::{DisputeId, OfferId, OrderId, ProducerId, UserId},
    order::Fault,
};

aggregate_events! {
    /// An event of a dispute.
    DisputeEvent {
        /// It was opened; the order's claim comes before it.
        DisputeOpened => "dispute_opened" v 1,
        /// A side brought evidence.
        DisputeEvidenceSubmitted => "dispute_evidence_submitted" v 1,
        /// The cook answered.
        DisputeResponded => "dispute_responded" v 1,
        /// Somebody asked for a decision, or the cook stayed silent.
        DisputeEscalated => "dispute_escalated" v 1,
        /// The cook offered less than is claimed.
        DisputeOfferMade => "dispute_offer_made" v 1,
        /// The customer did not want it.
        DisputeOfferDeclined => "dispute_offer_declined" v 1,
        /// An administrator proposed a decision that another has to agree to.
        DisputeResolutionProposed => "dispute_resolution_proposed" v 1,
        /// Nobody decided in time.
        DisputeSlaBreached => "dispute_sla_breached" v 1,
        /// It was decided; nothing follows.
        DisputeResolved => "dispute_resolved" v 1,
    }
}

/// `dispute_opened`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeOpened {
    /// The dispute itself: `DisputeId::of_order`.
    pub dispute_id: DisputeId,
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: UserId,
    /// Who cooked.
    pub producer_id: ProducerId,
    /// Who opened it.
    pub opened_by: OpenedBy,
    /// What is claimed, and why.
    pub claim: DisputeClaim,
    /// What could go back at that time.
    pub refundable: Money,
    /// From when the customer may ask for a decision.
    pub escalate_from: DateTime<Utc>,
    /// Until when the cook may answer.
    pub response_due: DateTime<Utc>,
}

/// `dispute_evidence_submitted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeEvidenceSubmitted {
    /// Who brought it.
    pub side: DisputeSide,
    /// The piece.
    pub evidence: Evidence,
}

/// `dispute_responded`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeResponded {
    /// The order.
    pub order_id: OrderId,
    /// The answer, sealed with the cook's key.
    pub message_sealed: String,
    /// Where the cook stands.
    pub stance: Stance,
    /// When an administrator must have decided.
    pub decision_due: DateTime<Utc>,
}

/// `dispute_escalated`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeEscalated {
    /// The order.
    pub order_id: OrderId,
    /// Who asked for a decision.
    pub by: EscalatedBy,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When an administrator must have decided.
    pub decision_due: DateTime<Utc>,
}

/// `dispute_offer_made`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeOfferMade {
    /// The order.
    pub order_id: OrderId,
    /// The offer: `OfferId::of_dispute`.
    pub offer_id: OfferId,
    /// How much.
    pub amount: Money,
    /// A word with it, sealed with the cook's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_sealed: Option<String>,
}

/// `dispute_offer_declined`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeOfferDeclined {
    /// The order.
    pub order_id: OrderId,
    /// The offer.
    pub offer_id: OfferId,
}

/// `dispute_resolution_proposed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeResolutionProposed {
    /// What it is to end in.
    pub outcome: DisputeOutcome,
    /// How much is to go back.
    pub refund_amount: Money,
    /// Who is to bear it.
    pub fault: Fault,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The administrator who proposes it.
    pub proposed_by: UserId,
}

/// `dispute_sla_breached`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeSlaBreached {
    /// The order.
    pub order_id: OrderId,
    /// When an administrator should have decided.
    pub decision_due: DateTime<Utc>,
}

/// `dispute_resolved`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeResolved {
    /// The order.
    pub order_id: OrderId,
    /// What it ended in.
    pub outcome: DisputeOutcome,
    /// How much goes back.
    pub refund_amount: Money,
    /// Who bears it.
    pub fault: Fault,
    /// Who decided.
    pub decided_by: DecidedBy,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The administrator who proposed the decision, if another agreed to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_by: Option<UserId>,
}
