//! The words that the commands and events of an order share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an order is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryType {
    /// Within the building.
    Building,
    /// The customer fetches it.
    Pickup,
    /// To an address.
    Address,
}

/// Where a line's price came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PriceSource {
    /// The menu.
    Catalog,
    /// A dish gift, whose price was locked when it was bought.
    GiftLock,
}

/// How sure the money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Funds {
    /// It was taken.
    Captured,
    /// It is held on the card and taken at acceptance.
    Authorized,
}

/// Why an order was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelReason {
    /// The customer wanted so.
    CustomerRequest,
    /// The cook refused it.
    ProducerRejected,
    /// The cook did not answer in time.
    ProducerTimeout,
    /// The cook gave up after taking it on.
    ProducerCancelled,
    /// It was not paid in time.
    PaymentTimeout,
    /// Every attempt to pay failed, or the capture did.
    PaymentFailed,
    /// An administrator did it.
    Admin,
    /// A dispute was decided so.
    Dispute,
    /// The dish is gone.
    DishUnavailable,
}

/// What a refund comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundSource {
    /// The order was called off.
    Cancellation,
    /// A dispute was decided.
    Dispute,
    /// An administrator gave it.
    Admin,
    /// The bank or its cabinet did it without us.
    External,
}

/// Who bears a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fault {
    /// The cook.
    Producer,
    /// The platform.
    Platform,
    /// Nobody.
    None,
}

/// The two ways money comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundPart {
    /// To the card.
    Card,
    /// To the gift.
    Gift,
}

/// Where the cook's share stood when a dispute laid claim to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PayoutWas {
    /// Kept back: it is frozen now.
    Held,
    /// Given out already: what the dispute gives back becomes a debt.
    Released,
}
