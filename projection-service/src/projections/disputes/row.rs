//! Everything that is known of one dispute.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        DisputeId, Money, OfferId, OrderId, ProducerId, UserId,
        dispute::{
            DecidedBy, DisputeOpened, DisputeOutcome, DisputeReason, DisputeSide, DisputeStatus, EscalatedBy, Evidence,
            EvidenceKind, OpenedBy,
        },
        order::Fault,
    },
    log::RecordedEvent,
};
use utoipa::ToSchema;

/// One dispute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the events")]
pub struct DisputeRow {
    pub id: DisputeId,
    pub order_id: OrderId,
    pub customer_id: UserId,
    pub producer_id: ProducerId,
    pub status: DisputeStatus,
    pub opened_by: OpenedBy,
    pub reason_code: DisputeReason,
    pub description: Option<SealedWords>,
    pub claimed_amount: Money,
    pub refundable: Money,
    pub appeal_of: Option<DisputeId>,
    pub evidence: Vec<EvidenceRow>,
    pub response: Option<SealedWords>,
    pub responded_at: Option<DateTime<Utc>>,
    pub escalated_by: Option<EscalatedBy>,
    pub escalation_cause: Option<String>,
    pub escalated_at: Option<DateTime<Utc>>,
    pub offers: Vec<OfferRow>,
    pub proposal: Option<ProposalRow>,
    pub resolution: Option<ResolutionRow>,
    /// Whether the cook said anything.
    pub producer_spoke: bool,
    pub escalate_from: DateTime<Utc>,
    pub response_due: DateTime<Utc>,
    pub decision_due: Option<DateTime<Utc>>,
    /// Nobody decided in time.
    pub is_late: bool,
    pub opened_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The version of the dispute's stream.
    pub version: u64,
}

impl DisputeRow {
    /// The row of a dispute that was just opened.
    pub(super) fn new(event: &RecordedEvent, opened: &DisputeOpened) -> Self {
        let claim = &opened.claim;
        let by_customer = |sealed: &String| SealedWords { subject: opened.customer_id, sealed: sealed.clone() };
        let piece = |evidence: &Evidence| {
            EvidenceRow::new(DisputeSide::Customer, Some(opened.customer_id), evidence, event.occurred_at)
        };
        Self {
            id: DisputeId(event.aggregate_id),
            order_id: opened.order_id,
            customer_id: opened.customer_id,
            producer_id: opened.producer_id,
            status: DisputeStatus::Open,
            opened_by: opened.opened_by,
            reason_code: claim.reason_code,
            description: claim.description_sealed.as_ref().map(by_customer),
            claimed_amount: claim.claimed_amount.unwrap_or(opened.refundable),
            refundable: opened.refundable,
            appeal_of: claim.appeal_of,
            evidence: claim.evidence.iter().map(piece).collect(),
            response: None,
            responded_at: None,
            escalated_by: None,
            escalation_cause: None,
            escalated_at: None,
            offers: Vec::new(),
            proposal: None,
            resolution: None,
            producer_spoke: false,
            escalate_from: opened.escalate_from,
            response_due: opened.response_due,
            decision_due: None,
            is_late: false,
            opened_at: event.occurred_at,
            updated_at: event.occurred_at,
            version: event.sequence,
        }
    }
}

/// What a person wrote, and whose key opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedWords {
    /// Whose.
    pub subject: UserId,
    /// The words.
    pub sealed: String,
}

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the event")]
pub struct EvidenceRow {
    pub side: DisputeSide,
    pub kind: EvidenceKind,
    pub text: Option<SealedWords>,
    pub file_refs: Vec<String>,
    pub submitted_at: DateTime<Utc>,
}

impl EvidenceRow {
    /// `subject`: who brought it, whose key its words are sealed with.
    pub(super) fn new(
        side: DisputeSide,
        subject: Option<UserId>,
        evidence: &Evidence,
        submitted_at: DateTime<Utc>,
    ) -> Self {
        let words = subject.zip(evidence.text_sealed.clone());
        Self {
            side,
            kind: evidence.kind,
            text: words.map(|(subject, sealed)| SealedWords { subject, sealed }),
            file_refs: evidence.file_refs.clone(),
            submitted_at,
        }
    }
}

/// What the cook offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the event")]
pub struct OfferRow {
    pub offer_id: OfferId,
    pub amount: Money,
    pub message: Option<SealedWords>,
    pub status: OfferStatus,
    pub made_at: DateTime<Utc>,
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OfferStatus {
    /// It waits for the customer.
    Pending,
    /// The customer took it.
    Accepted,
    /// The customer did not want it.
    Declined,
    /// The dispute ended otherwise.
    Lapsed,
}

/// A decision that another administrator has to agree to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProposalRow {
    /// What it is to end in.
    pub outcome: DisputeOutcome,
    /// How much is to go back.
    pub refund_amount: Money,
    /// Who is to bear it.
    pub fault: Fault,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub comment: Option<String>,
    /// Who proposes it.
    pub proposed_by: UserId,
}

/// How a dispute ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolutionRow {
    /// What it ended in.
    pub outcome: DisputeOutcome,
    /// How much goes back.
    pub refund_amount: Money,
    /// Who bears it.
    pub fault: Fault,
    /// Who decided.
    pub decided_by: DecidedBy,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub comment: Option<String>,
    /// When.
    pub resolved_at: DateTime<Utc>,
}
