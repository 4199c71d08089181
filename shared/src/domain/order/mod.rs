//! An order: the one place that decides what is owed for a meal.
//!
//! A customer places it, pays it (in up to five attempts), a cook takes it on, cooks it and hands it over. Until the
//! cook begins the customer may call it off. Every kopeck that is owed, to the customer or to the cook, is decided on
//! this one stream, so that refund, payout and cancellation cannot race.
//!
//! ```text
//!  WAITING_FOR_PAYMENT ─▶ PAID ─▶ ACCEPTED ─▶ PREPARING ─▶ READY ─▶ OUT_FOR_DELIVERY ─▶ DELIVERED ─▶ COMPLETED
//!           │               │         │            │         │  └──── (PICKUP) ───────────▲
//!           └───────────────┴─────────┴────────────┴─────────┴─────────────┴─▶ CANCELLED
//!
//!  attempts  none ─▶ ACTIVE ─▶ FAILED | PAID     one active at a time; a failed one may still pay, late
//!  payout    NONE ─▶ HELD ─▶ RELEASED | VOIDED   HELD ─▶ FROZEN ─▶ HELD while a dispute is open; FROZEN ─▶ VOIDED
//!  dispute   CLAIMED ─▶ SETTLED                  one at a time, two in all; claim and payout meet here, so one wins
//!  refund    PENDING ─▶ SETTLED | FAILED ─▶ …    per part (card, gift); authorised once per cause, capped by what was paid
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

pub use actions::{Situation, Viewer, allowed_actions};
pub use aggregate::*;
pub use command::*;
pub use error::OrderError;
pub use event::*;
pub use policy::OrderPolicy;
pub use words::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Placed, not paid.
    WaitingForPayment,
    /// Paid, no cook has taken it on yet.
    Paid,
    /// A cook took it on.
    Accepted,
    /// It is being cooked.
    Preparing,
    /// It is ready.
    Ready,
    /// It is on its way.
    OutForDelivery,
    /// It was handed over.
    Delivered,
    /// Everybody is content, or the time to complain passed.
    Completed,
    /// It was called off.
    Cancelled,
}

impl OrderStatus {
    /// All of them, in the order of an order's life.
    pub const ALL: [Self; 9] = [
        Self::WaitingForPayment,
        Self::Paid,
        Self::Accepted,
        Self::Preparing,
        Self::Ready,
        Self::OutForDelivery,
        Self::Delivered,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The stable name, in the log and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WaitingForPayment => "WAITING_FOR_PAYMENT",
            Self::Paid => "PAID",
            Self::Accepted => "ACCEPTED",
            Self::Preparing => "PREPARING",
            Self::Ready => "READY",
            Self::OutForDelivery => "OUT_FOR_DELIVERY",
            Self::Delivered => "DELIVERED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

#[cfg(test)]
mod tests;
