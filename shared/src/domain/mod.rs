//! The business, pure: no I/O, no clock, no randomness.

pub mod actor;
pub mod aggregate;
pub mod dispute;
pub mod events;
pub mod gift;
pub mod ids;
pub mod invariants;
pub mod ledger;
pub mod money;
pub mod order;
pub mod payment;
pub mod portions;
pub mod rejection;

#[cfg(test)]
pub(crate) mod chronicle;

pub use actor::Actor;
pub use aggregate::{AggregateType, DomainEvent, EventSourced, Intent};
pub use events::DecodeError;
pub use ids::*;
pub use iso_currency::Currency;
pub use money::{Money, MoneyError};
pub use portions::{Portion, PortionMove};
pub use rejection::{Rejection, RejectionKind};
