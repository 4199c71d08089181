//! An order: the one place that decides what is owed for a meal.

mod event;

pub use event::*;

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
