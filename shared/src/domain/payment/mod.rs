//! A payment: one attempt to move money through a provider.
//!
//! It writes down what the provider is known to have done, whenever and however often it says so, and carries out what
//! the order decides: take held money, call the attempt off, send money back. The provider's word outranks our clock:
//! money that comes after we gave up is booked, and goes back.
//!
//! ```text
//!  INITIATED ─▶ AWAITING_CUSTOMER ─▶ PROCESSING ─▶ AUTHORIZED ─▶ SUCCEEDED ─▶ PARTIALLY_REFUNDED ─▶ REFUNDED
//!      │                │                │             │             ▲
//!      └────────────────┴────────────────┴─────────────┴─▶ FAILED ───┘ late money (or ─▶ AUTHORIZED, then voided)
//!
//!  a report of the provider may skip states to the right; it never goes back
//!
//!  used      OPEN ─▶ APPLIED | UNAPPLIED                once, exclusive; unapplied money goes back
//!  refund    REQUESTED ─▶ SUBMITTED ─▶ SUCCEEDED | FAILED ─▶ SUBMITTED (next epoch) …
//!                             └─▶ UNKNOWN ─▶ …          ask first, then repeat under the same epoch
//!  on hold   the provider contradicted what was asked: nothing is believed and nothing moves until two administrators
//!            agreed; then it is as the provider says, or all of it goes back
//!  the bank  a chargeback, or a refund in the bank's own cabinet, is written down whenever we learn of it
//! ```

mod aggregate;
mod apply;
mod command;
mod decide;
mod error;
mod event;
mod policy;
mod read;
mod words;

pub use aggregate::*;
pub use command::*;
pub use error::PaymentError;
pub use event::*;
pub use policy::PaymentPolicy;
pub use read::NextRefund;
pub use words::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// It exists; nothing is known of the provider yet.
    Initiated,
    /// There is a page to pay on.
    AwaitingCustomer,
    /// The bank checks the customer.
    Processing,
    /// The money is held.
    Authorized,
    /// The money was taken.
    Succeeded,
    /// A part of it went back.
    PartiallyRefunded,
    /// All of it went back.
    Refunded,
    /// The attempt came to nothing.
    Failed,
}

#[cfg(test)]
mod tests;
