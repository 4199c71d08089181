//! The gift itself: only what a rule needs to know; the read models hold the rest.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{CodeRef, GiftCommand, GiftDish, GiftError, GiftEvent, GiftKind, Purse, decide};
use crate::domain::{
    Money,
    aggregate::event_sourced,
    ids::{OrderId, PaymentId, RefundId, UserId},
    order::{Attempt, DeliveryType},
};

/// A gift: what one person pays for and another one spends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Gift {
    /// Nobody chose it.
    #[default]
    NotBought,
    /// It was chosen.
    Bought(Box<Bought>),
}

/// A gift that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bought {
    /// What was agreed; shared, so that a copy of the gift costs little.
    pub(super) terms: Arc<GiftTerms>,
    /// A dish may turn into its value.
    pub(super) kind: GiftKind,
    pub(super) stage: GiftStage,
    pub(super) is_blocked: bool,
    /// Bounded by `GiftPolicy::payment_attempts_opened_max`.
    pub(super) attempts: Vec<Attempt>,
    /// None until it is paid.
    pub(super) issue: Option<Issue>,
    /// Who took it; forgotten when the activation is reverted.
    pub(super) activated_by: Option<UserId>,
    /// How often it was activated: names the order of a dish.
    pub(super) activations: u32,
    /// The order of the dish that the activation asked for.
    pub(super) dish_order: Option<DishOrder>,
    pub(super) purse: Purse,
    /// Whether anything was ever redeemed.
    pub(super) was_redeemed: bool,
    /// Bounded by `GiftPolicy::uses_max`.
    pub(super) uses: Vec<GiftUsage>,
    /// Bounded: see `decide::refund`.
    pub(super) refunds: Vec<GiftRefund>,
}

/// What was agreed when the gift was chosen; it never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GiftTerms {
    /// Who pays.
    pub buyer_id: UserId,
    /// Who gets it, if it is somebody who signs in here.
    pub recipient_user_id: Option<UserId>,
    /// What it is worth, and costs.
    pub value: Money,
    /// The dish, for a gift of that kind.
    pub dish: Option<GiftDish>,
    /// When the recipient is to be told; none means as soon as it is paid.
    pub deliver_at: Option<DateTime<Utc>>,
    /// When an unpaid gift is called off.
    pub payment_deadline: DateTime<Utc>,
    /// Name and address of the recipient and the message, sealed with the buyer's key.
    pub pii_sealed: Option<String>,
}

/// Where a gift stands, as far as it does not follow from its purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GiftStage {
    /// Chosen, not paid.
    PendingPayment,
    /// Paid: its code waits for the recipient.
    Issued,
    /// The recipient has taken it.
    Activated,
    /// Its time is over.
    Expired,
    /// It was called off.
    Cancelled,
}

/// What a paid gift has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// The payment that brought the money.
    pub payment_id: PaymentId,
    /// The HMAC of its code.
    pub code_ref: CodeRef,
    /// The code's last four symbols.
    pub last4: String,
    /// Until when it may be spent.
    pub expires_at: DateTime<Utc>,
    /// When its holder is reminded next.
    pub remind_at: Option<DateTime<Utc>>,
    /// Whether the recipient was told of it.
    pub is_delivered: bool,
}

/// The order of a dish, as its recipient wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DishOrder {
    /// The order.
    pub order_id: OrderId,
    /// Where the dish is handed over.
    pub delivery_type: DeliveryType,
    /// Name, phone and address, sealed with the recipient's key.
    pub pii_sealed: Option<String>,
}

/// What one order has of a gift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftUsage {
    /// One for each order.
    pub reservation_id: Uuid,
    /// The order.
    pub order_id: OrderId,
    /// Its share.
    pub amount: Money,
    /// How far it is.
    pub state: UsageState,
    /// What refunds of the order brought back, each once.
    pub credits: Vec<Credit>,
}

/// How far the use of a gift for an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UsageState {
    /// The order is not paid yet.
    Reserved {
        /// When it is looked at again.
        until: DateTime<Utc>,
    },
    /// The order is paid.
    Redeemed,
    /// The order came to nothing.
    Released,
}

/// A refund of an order that came back to the gift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// The refund of the order.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
}

/// Money on its way back to the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftRefund {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// How far it is.
    pub state: GiftRefundState,
}

/// How far a refund to the buyer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GiftRefundState {
    /// On its way.
    Requested,
    /// With the buyer.
    Settled,
    /// It could not go back; it is available again.
    Reverted,
}

event_sourced!(Gift, "gift", GiftCommand, GiftEvent, GiftError, {});
