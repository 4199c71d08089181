//! The words that the commands and events of a dispute share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Money, ids::DisputeId};

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisputeReason {
    /// The meal never came.
    NotReceived,
    /// It was not what was offered.
    NotAsDescribed,
    /// It was not good.
    Quality,
    /// It was another dish.
    WrongItem,
    /// It came late.
    Late,
    /// A part of it was missing.
    Partial,
    /// Somebody cheated.
    Fraud,
    /// The customer's bank took the money back.
    Bank,
}

/// Who opened a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OpenedBy {
    /// Who ordered.
    Customer,
    /// An administrator.
    Admin,
    /// A chargeback.
    System,
}

/// The two who disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisputeSide {
    /// Who ordered.
    Customer,
    /// Who cooked.
    Producer,
}

/// What a piece of evidence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EvidenceKind {
    /// A picture.
    Photo,
    /// Moving pictures.
    Video,
    /// A conversation.
    Chat,
    /// A bill, a courier's note.
    Document,
    /// What somebody says.
    Statement,
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What it is.
    pub kind: EvidenceKind,
    /// Its words, sealed with the key of who brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_sealed: Option<String>,
    /// Its files by the SHA-256 of their content, 64 hex digits each; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_refs: Vec<String>,
}

/// Files that one piece of evidence may name, and pieces that a claim may come with.
const FILES_MAX: usize = 10;
const PIECES_MAX: usize = 10;
/// A sealed text is somewhat longer than the text that people may write.
const SEALED_BYTES_MAX: usize = 16_384;

impl Evidence {
    /// Whether it says anything, and no more than it may; else the field at fault, as a JSON pointer into the piece.
    pub fn check(&self) -> Result<(), String> {
        let is_hash =
            |file: &String| file.len() == 64 && file.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let says_nothing = self.text_sealed.is_none() && self.file_refs.is_empty();
        if says_nothing || !fits(self.text_sealed.as_deref()) {
            return Err("/text".to_owned());
        }
        if self.file_refs.len() > FILES_MAX {
            return Err("/file_refs".to_owned());
        }
        match self.file_refs.iter().position(|file| !is_hash(file)) {
            Some(index) => Err(format!("/file_refs/{index}")),
            None => Ok(()),
        }
    }
}

/// Whether a sealed text is no longer than what people may write becomes.
pub(super) fn fits(sealed: Option<&str>) -> bool {
    sealed.is_none_or(|sealed| sealed.len() <= SEALED_BYTES_MAX)
}

/// What is claimed, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeClaim {
    /// What went wrong.
    pub reason_code: DisputeReason,
    /// What happened, sealed with the customer's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description_sealed: Option<String>,
    /// How much is wanted back; none means all that can go back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_amount: Option<Money>,
    /// What the claim comes with, at most 10 pieces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// The decided dispute that is appealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeal_of: Option<DisputeId>,
}

impl DisputeClaim {
    /// The field that is out of its bounds, as a JSON pointer.
    pub fn check(&self) -> Result<(), String> {
        if self.evidence.len() > PIECES_MAX {
            return Err("/evidence".to_owned());
        }
        for (index, piece) in self.evidence.iter().enumerate() {
            piece.check().map_err(|field| format!("/evidence/{index}{field}"))?;
        }
        if fits(self.description_sealed.as_deref()) { Ok(()) } else { Err("/description".to_owned()) }
    }
}

/// How a cook answers a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stance {
    /// It is not so.
    #[default]
    Contest,
}

/// What a dispute ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisputeOutcome {
    /// All that could go back goes back.
    RefundFull,
    /// A part goes back.
    RefundPartial,
    /// Nothing goes back.
    Rejected,
    /// The customer let it be.
    Withdrawn,
}

/// Who decided a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DecidedBy {
    /// An administrator.
    Admin,
    /// The cook gave in.
    Producer,
    /// The customer took the cook's offer.
    Agreement,
    /// The customer let it be.
    Customer,
    /// The cook stayed silent.
    SystemDeadline,
    /// The order was called off meanwhile.
    OrderCancelled,
}

/// Who asked for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EscalatedBy {
    /// Who ordered.
    Customer,
    /// Who cooked.
    Producer,
    /// The time to answer passed.
    System,
}
