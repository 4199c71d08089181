//! A dispute as one viewer sees it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::{
    DisputeId, Money, OfferId, OrderId, ProducerId, UserId,
    dispute::{
        DisputeReason, DisputeSide, DisputeStatus, DisputeViewer, EscalatedBy, EvidenceKind, OpenedBy, Proceedings,
        allowed_actions,
    },
};
use utoipa::ToSchema;

use crate::projections::disputes::{
    DisputeRow, EvidenceRow, OfferRow, OfferStatus, ProposalRow, ResolutionRow, SealedWords,
};

/// A dispute as the caller may see it. What does not apply is absent; what people wrote is shown with one dispute, not
/// in lists.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DisputeView {
    /// The dispute.
    pub id: DisputeId,
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: UserId,
    /// Who cooked.
    pub producer_id: ProducerId,
    /// Where it stands.
    pub status: DisputeStatus,
    /// Who opened it.
    pub opened_by: OpenedBy,
    /// What went wrong.
    pub reason_code: DisputeReason,
    /// What happened, in the customer's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// How much is wanted back.
    pub claimed_amount: Money,
    /// What could go back when it was opened.
    pub refundable_amount: Money,
    /// The dispute that it appeals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub appeal_of: Option<DisputeId>,
    /// The caller's own evidence, and the other side's once the cook has answered or the time for it passed.
    pub evidence: Vec<EvidenceView>,
    /// The cook's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub response: Option<String>,
    /// When the cook answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub responded_at: Option<DateTime<Utc>>,
    /// Who asked for a decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub escalated_by: Option<EscalatedBy>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub escalation_cause: Option<String>,
    /// What the cook offered, the first first.
    pub offers: Vec<OfferView>,
    /// For administrators: the decision that another one has to agree to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub proposal: Option<ProposalRow>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resolution: Option<ResolutionRow>,
    /// From when the customer may ask for a decision, whatever the cook does.
    pub escalate_from: DateTime<Utc>,
    /// Until when the cook may answer.
    pub response_due: DateTime<Utc>,
    /// When an administrator must have decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub decision_due: Option<DateTime<Utc>>,
    /// For administrators: nobody decided in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_late: Option<bool>,
    /// What the caller may do now.
    #[schema(example = json!(["evidence", "accept_offer", "decline_offer", "withdraw"]))]
    pub allowed_actions: Vec<&'static str>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When something last happened to it.
    pub updated_at: DateTime<Utc>,
    /// The version; the ETag is `"v<version>"`.
    #[schema(example = 3)]
    pub version: u64,
}

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Who brought it.
    pub side: DisputeSide,
    /// What it is.
    pub kind: EvidenceKind,
    /// Its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// Its files by the SHA-256 of their content.
    pub file_refs: Vec<String>,
    /// When it was brought.
    pub submitted_at: DateTime<Utc>,
}

/// What the cook offered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OfferView {
    /// The offer.
    pub offer_id: OfferId,
    /// How much.
    pub amount: Money,
    /// A word with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// What became of it.
    pub status: OfferStatus,
    /// When it was made.
    pub made_at: DateTime<Utc>,
}

/// Who looks at a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looker {
    /// The side they are on.
    pub viewer: DisputeViewer,
    /// The person.
    pub user_id: UserId,
}

/// What people wrote in a dispute, as far as a viewer may read it: sealed, and then opened.
#[derive(Debug)]
pub(super) struct Words<T> {
    /// What happened.
    pub description: Option<T>,
    /// The cook's answer.
    pub response: Option<T>,
    /// The words of each piece of evidence that is shown.
    pub evidence: Vec<Option<T>>,
    /// The words with each offer.
    pub offers: Vec<Option<T>>,
}

impl<T> Default for Words<T> {
    fn default() -> Self {
        Self { description: None, response: None, evidence: Vec::new(), offers: Vec::new() }
    }
}

impl<T> Words<T> {
    /// How many texts there are.
    pub(super) fn count(&self) -> usize {
        let single = [&self.description, &self.response].into_iter();
        single.chain(&self.evidence).chain(&self.offers).flatten().count()
    }
}

/// Whether the viewer may see this piece of evidence: their own at once, the other side's once the cook has answered,
/// or can no longer answer without having seen it.
pub(super) fn shows(row: &DisputeRow, piece: &EvidenceRow, viewer: DisputeViewer) -> bool {
    let is_answered = row.responded_at.is_some() || row.status != DisputeStatus::Open;
    match (viewer, piece.side) {
        (DisputeViewer::Admin, _)
        | (DisputeViewer::Customer, DisputeSide::Customer)
        | (DisputeViewer::Producer, DisputeSide::Producer) => true,
        (DisputeViewer::Customer, DisputeSide::Producer) | (DisputeViewer::Producer, DisputeSide::Customer) => {
            is_answered
        }
    }
}

impl DisputeView {
    /// `row` as `looker` sees it at `now`; without words, those of a list.
    pub(super) fn new(row: DisputeRow, looker: Looker, words: Option<Words<String>>, now: DateTime<Utc>) -> Self {
        let is_admin = looker.viewer == DisputeViewer::Admin;
        let words = words.unwrap_or_default();
        let allowed_actions = allowed_actions(&proceedings(&row, looker, now));
        let shown: Vec<EvidenceRow> =
            row.evidence.iter().filter(|piece| shows(&row, piece, looker.viewer)).cloned().collect();
        Self {
            id: row.id,
            order_id: row.order_id,
            customer_id: row.customer_id,
            producer_id: row.producer_id,
            status: row.status,
            opened_by: row.opened_by,
            reason_code: row.reason_code,
            description: words.description,
            claimed_amount: row.claimed_amount,
            refundable_amount: row.refundable,
            appeal_of: row.appeal_of,
            evidence: with_words(shown, words.evidence).map(EvidenceView::from).collect(),
            response: words.response,
            responded_at: row.responded_at,
            escalated_by: row.escalated_by,
            escalation_cause: row.escalation_cause,
            offers: with_words(row.offers, words.offers).map(OfferView::from).collect(),
            proposal: row.proposal.filter(|_| is_admin),
            resolution: row.resolution,
            escalate_from: row.escalate_from,
            response_due: row.response_due,
            decision_due: row.decision_due,
            is_late: is_admin.then_some(row.is_late),
            allowed_actions,
            opened_at: row.opened_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

fn with_words<T>(rows: Vec<T>, words: Vec<Option<String>>) -> impl Iterator<Item = (T, Option<String>)> {
    rows.into_iter().zip(words.into_iter().chain(std::iter::repeat(None)))
}

impl From<(EvidenceRow, Option<String>)> for EvidenceView {
    fn from((row, text): (EvidenceRow, Option<String>)) -> Self {
        let EvidenceRow { side, kind, text: _, file_refs, submitted_at } = row;
        Self { side, kind, text, file_refs, submitted_at }
    }
}

impl From<(OfferRow, Option<String>)> for OfferView {
    fn from((row, message): (OfferRow, Option<String>)) -> Self {
        let OfferRow { offer_id, amount, message: _, status, made_at } = row;
        Self { offer_id, amount, message, status, made_at }
    }
}

/// The sealed words that a viewer may read.
pub(super) fn readable(row: &DisputeRow, viewer: DisputeViewer) -> Words<SealedWords> {
    let shown = row.evidence.iter().filter(|piece| shows(row, piece, viewer));
    Words {
        description: row.description.clone(),
        response: row.response.clone(),
        evidence: shown.map(|piece| piece.text.clone()).collect(),
        offers: row.offers.iter().map(|offer| offer.message.clone()).collect(),
    }
}

fn proceedings(row: &DisputeRow, looker: Looker, now: DateTime<Utc>) -> Proceedings {
    let due = match row.status {
        DisputeStatus::Open => Some(row.response_due),
        DisputeStatus::UnderReview => row.decision_due,
        DisputeStatus::Resolved => None,
    };
    Proceedings {
        status: row.status,
        viewer: looker.viewer,
        is_chargeback: row.reason_code == DisputeReason::Bank,
        has_offer: row.offers.iter().any(|offer| offer.status == OfferStatus::Pending),
        may_approve: row.proposal.as_ref().is_some_and(|proposal| proposal.proposed_by != looker.user_id),
        producer_spoke: row.producer_spoke,
        escalate_from: row.escalate_from,
        evidence_until: due,
        now,
    }
}
