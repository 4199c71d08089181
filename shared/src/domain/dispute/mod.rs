//! A dispute: a customer and a cook disagree about an order, and somebody decides what goes back.
//!
//! It begins as a claim on the order, which freezes the cook's share before this stream exists; what is granted in the
//! end is owed by the order again. Here is what lies between: who said what by when, offers, and the one decision.
//!
//! ```text
//!  OPEN ─▶ UNDER_REVIEW ─▶ RESOLVED    OPEN waits for the cook, UNDER_REVIEW for an administrator
//!    └──────────────────────▲
//!
//!  to UNDER_REVIEW   the cook answers · either side escalates · the cook stays silent and the claim is large
//!  to RESOLVED       the cook gives in · an offer is taken · the customer withdraws · the order is called off:
//!                    from both; an administrator decides: from UNDER_REVIEW, above a limit with the consent of
//!                    another; the cook stays silent and the claim is small: from OPEN
//!  offer             MADE ─▶ ACCEPTED | DECLINED    one at a time
//! ```

mod actions;
mod aggregate;
mod apply;
mod command;
mod decide;
mod error;
mod event;
mod policy;
mod read;
mod words;

pub use actions::{DisputeViewer, Proceedings, allowed_actions};
pub use aggregate::*;
pub use command::*;
pub use error::DisputeError;
pub use event::*;
pub use policy::DisputePolicy;
use words::fits;
pub use words::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisputeStatus {
    /// It waits for the cook.
    Open,
    /// It waits for an administrator.
    UnderReview,
    /// It is decided.
    Resolved,
}

impl DisputeStatus {
    /// All of them, in the order of a dispute's life.
    pub const ALL: [Self; 3] = [Self::Open, Self::UnderReview, Self::Resolved];

    /// The stable name, in the log and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::UnderReview => "UNDER_REVIEW",
            Self::Resolved => "RESOLVED",
        }
    }
}

#[cfg(test)]
mod tests;
