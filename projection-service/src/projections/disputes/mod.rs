//! Disputes: one row each with everything that their parties and administrators are shown.
//!
//! What people wrote stays sealed in the row; the query opens what its caller may read.

mod fold;
mod queries;
mod row;
#[cfg(test)]
mod tests;

pub use fold::Disputes;
pub use queries::{DisputeFilter, find, list};
pub use row::{DisputeRow, EvidenceRow, OfferRow, OfferStatus, ProposalRow, ResolutionRow, SealedWords};
