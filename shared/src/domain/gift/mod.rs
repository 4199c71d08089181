//! A gift: money, or a dish at the price of the day, that one person pays for and another one spends.
//!
//! The buyer pays it as an order is paid; then it has a code, which the recipient activates. What it is worth lies in a
//! [`Purse`], from whose pots nothing is ever lost: an order reserves its share before it is placed and redeems it when it
//! is paid, refunds of orders come back to it, and what nobody spent until it expires goes back to the buyer.
//!
//! ```text
//!  PENDING_PAYMENT ─▶ ISSUED ─▶ ACTIVATED ─▶ PARTIALLY_REDEEMED ─▶ REDEEMED
//!        │            │  ▲        │  │              │    ▲            │
//!        │            │  └────────┘  │              │    └────────────┘ a refund of an order comes back
//!        │            │   (a dish whose order was refused)
//!        │            └──────────────┴──────────────┴─▶ EXPIRED   what is reserved may still be redeemed;
//!        └────────────┴─▶ CANCELLED                               all else goes back to the buyer
//!
//!  attempts  none ─▶ ACTIVE ─▶ FAILED | PAID      one active at a time
//!  use       RESERVED ─▶ REDEEMED | RELEASED      once, for one order each
//!  refund    REQUESTED ─▶ SETTLED | REVERTED      to the card that the gift was bought with
//!  blocked   to its holder it is as if there were no such gift; what was reserved before is honoured
//! ```

mod actions;
mod aggregate;
mod apply;
mod code;
mod command;
mod decide;
mod error;
mod event;
mod policy;
mod purse;
mod read;
mod words;

pub use actions::{GiftSituation, GiftViewer, allowed_gift_actions};
pub use aggregate::*;
pub use code::{CodeRef, GiftCode, NotACode};
pub use command::*;
pub use error::GiftError;
pub use event::*;
pub use policy::GiftPolicy;
pub use purse::{Pot, Purse};
pub use words::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a gift stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GiftStatus {
    /// Chosen, not paid.
    PendingPayment,
    /// Paid: its code waits for the recipient.
    Issued,
    /// The recipient has taken it; nothing was spent yet.
    Activated,
    /// Something was spent.
    PartiallyRedeemed,
    /// Everything was spent.
    Redeemed,
    /// Its time is over.
    Expired,
    /// It was called off.
    Cancelled,
}

impl GiftStatus {
    /// All of them, in the order of a gift's life.
    pub const ALL: [Self; 7] = [
        Self::PendingPayment,
        Self::Issued,
        Self::Activated,
        Self::PartiallyRedeemed,
        Self::Redeemed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The stable name, in the log and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingPayment => "PENDING_PAYMENT",
            Self::Issued => "ISSUED",
            Self::Activated => "ACTIVATED",
            Self::PartiallyRedeemed => "PARTIALLY_REDEEMED",
            Self::Redeemed => "REDEEMED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

#[cfg(test)]
mod tests;
