//! The words that the commands and events of a gift share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{
    Money, MoneyError,
    ids::{DishId, ProducerId},
};

/// What is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GiftKind {
    /// Money for orders of the recipient's choice.
    Amount,
    /// So many portions of one dish, at the price of the day it was bought.
    Dish,
}

impl GiftKind {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amount => "AMOUNT",
            Self::Dish => "DISH",
        }
    }
}

/// A dish that is given, with everything that its order will cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct GiftDish {
    /// The dish.
    pub dish_id: DishId,
    /// Its name at that time.
    pub dish_name: String,
    /// Whose dish it is.
    pub producer_id: ProducerId,
    /// How many, 1 to 99.
    pub quantity: u32,
    /// The price that is locked.
    pub unit_price: Money,
    /// The version of the price that was read.
    pub price_version: i32,
    /// The fee for bringing it, locked as well; it is paid however the recipient wants the dish handed over.
    pub delivery_fee: Money,
}

impl GiftDish {
    /// What the dish's order costs: the face value of the gift.
    pub fn value(&self) -> Result<Money, MoneyError> {
        self.unit_price.times(self.quantity)?.add(self.delivery_fee)
    }
}

/// Why a gift was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GiftCancelReason {
    /// The buyer wanted so.
    BuyerRequest,
    /// It was not paid in time.
    PaymentTimeout,
    /// Every attempt to pay failed.
    PaymentFailed,
    /// An administrator did it.
    Admin,
}

/// Why a reservation was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReleaseCause {
    /// Its order was called off before it was paid.
    OrderCancelled,
    /// Its order was refused.
    OrderRefused,
    /// Its time is over and its order cannot be paid.
    Ttl,
}

/// Why money of a gift goes back to the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GiftRefundCause {
    /// The buyer wanted so, before it was activated.
    BuyerRequest,
    /// An administrator gave it.
    Admin,
    /// The gift was called off.
    Cancellation,
    /// The gift expired before it was spent.
    Expiry,
}

/// How a gift reached its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryChannel {
    /// To the recipient's own feed, without the code: who is signed in needs none.
    Feed,
    /// By mail.
    Email,
    /// By message to a phone.
    Sms,
    /// By the buyer, who can read the code.
    Buyer,
}
