//! What can happen to a gift. No event holds a code.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    CodeRef, DeliveryChannel, GiftCancelReason, GiftDish, GiftKind, GiftRefundCause, GiftStatus, ReleaseCause,
};
use crate::domain::{
    Money,
    events::aggregate_events,
    ids::{OrderId, PaymentId, RefundId, UserId},
    order::DeliveryType,
    payment::{FailureReason, Provider},
};

aggregate_events! {
    /// An event of a gift.
    GiftEvent {
        /// The gift was chosen; what it is worth is frozen in it.
        GiftCreated => "gift_created" v 1,
        /// A payment attempt was opened.
        GiftPaymentRequested => "gift_payment_requested" v 1,
        /// The open attempt came to nothing.
        GiftPaymentAttemptFailed => "gift_payment_attempt_failed" v 1,
        /// The money is there, and there is a code.
        GiftIssued => "gift_issued" v 1,
        /// The recipient was told of it.
        GiftDelivered => "gift_delivered" v 1,
        /// Its holder is to be reminded that it expires.
        GiftReminded => "gift_reminded" v 1,
        /// The recipient took it.
        GiftActivated => "gift_activated" v 1,
        /// The order of the dish was refused; the gift waits for its recipient again.
        GiftActivationReverted => "gift_activation_reverted" v 1,
        /// The dish was turned into its value.
        GiftConverted => "gift_converted" v 1,
        /// A share is held for an order.
        GiftReserved => "gift_reserved" v 1,
        /// The order is paid: its share is spent.
        GiftRedeemed => "gift_redeemed" v 1,
        /// The order came to nothing: its share can be spent again.
        GiftReservationReleased => "gift_reservation_released" v 1,
        /// A refund of an order came back.
        GiftCredited => "gift_credited" v 1,
        /// Its time is over.
        GiftExpired => "gift_expired" v 1,
        /// It was called off.
        GiftCancelled => "gift_cancelled" v 1,
        /// Money has to go back to the buyer.
        GiftRefundRequested => "gift_refund_requested" v 1,
        /// The money is back with the buyer.
        GiftRefundSettled => "gift_refund_settled" v 1,
        /// The money could not go back.
        GiftRefundReverted => "gift_refund_reverted" v 1,
        /// Nobody may use it until somebody has looked.
        GiftBlocked => "gift_blocked" v 1,
        /// It may be used again.
        GiftUnblocked => "gift_unblocked" v 1,
    }
}

/// `gift_created`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftCreated {
    /// Who pays.
    pub buyer_id: UserId,
    /// What is given.
    pub kind: GiftKind,
    /// What it is worth, and costs.
    pub value: Money,
    /// The dish, for a gift of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dish: Option<GiftDish>,
    /// Who gets it, if it is somebody who signs in here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_user_id: Option<UserId>,
    /// When the recipient is to be told; none means as soon as it is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver_at: Option<DateTime<Utc>>,
    /// When an unpaid gift is called off.
    pub payment_deadline: DateTime<Utc>,
    /// Name and address of the recipient and the message, sealed with the buyer's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pii_sealed: Option<String>,
}

/// `gift_payment_requested`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftPaymentRequested {
    /// The attempt's payment.
    pub payment_id: PaymentId,
    /// 1, 2, 3, …
    pub attempt_no: u32,
    /// How much.
    pub amount: Money,
    /// The provider, if the buyer chose one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// Where the buyer's browser goes afterwards.
    pub return_url: String,
    /// When the page to pay on dies.
    pub expires_at: DateTime<Utc>,
}

/// `gift_payment_attempt_failed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftPaymentAttemptFailed {
    /// The attempt's payment.
    pub payment_id: PaymentId,
    /// 1, 2, 3, …
    pub attempt_no: u32,
    /// Why.
    pub reason: FailureReason,
}

/// `gift_issued`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftIssued {
    /// The payment that brought the money.
    pub payment_id: PaymentId,
    /// What the gift is worth.
    pub value: Money,
    /// The HMAC of the code.
    pub code_ref: CodeRef,
    /// The code's last four symbols.
    pub last4: String,
    /// When the recipient is to be told.
    pub deliver_at: DateTime<Utc>,
    /// When its holder is reminded first.
    pub remind_at: DateTime<Utc>,
    /// Until when it may be spent.
    pub expires_at: DateTime<Utc>,
}

/// `gift_delivered`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftDelivered {
    /// In which way.
    pub channel: DeliveryChannel,
}

/// `gift_reminded`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftReminded {
    /// Until when it may be spent.
    pub expires_at: DateTime<Utc>,
    /// How much can be spent.
    pub available: Money,
    /// When its holder is reminded again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<DateTime<Utc>>,
}

/// `gift_activated`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftActivated {
    /// Who took it.
    pub activated_by: UserId,
    /// The order of the dish, for a gift of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Where the dish is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_type: Option<DeliveryType>,
    /// Name, phone and address, sealed with the recipient's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pii_sealed: Option<String>,
}

/// `gift_activation_reverted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftActivationReverted {
    /// Who had taken it.
    pub activated_by: UserId,
    /// The order that was not placed.
    pub order_id: OrderId,
    /// The rule that refused it.
    pub cause: String,
}

/// `gift_converted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftConverted {
    /// What it is now.
    pub to: GiftKind,
    /// What it is worth.
    pub value: Money,
}

/// `gift_reserved`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftReserved {
    /// One for each order.
    pub reservation_id: Uuid,
    /// The order.
    pub order_id: OrderId,
    /// The order's share.
    pub amount: Money,
    /// When it is looked at again, if the order is not paid by then.
    pub until: DateTime<Utc>,
    /// What can be spent beside it.
    pub available_after: Money,
}

/// `gift_redeemed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftRedeemed {
    /// The order's reservation.
    pub reservation_id: Uuid,
    /// The order.
    pub order_id: OrderId,
    /// The order's share.
    pub amount: Money,
    /// What can still be spent.
    pub available_after: Money,
}

/// `gift_reservation_released`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftReservationReleased {
    /// The order's reservation.
    pub reservation_id: Uuid,
    /// The order.
    pub order_id: OrderId,
    /// The order's share.
    pub amount: Money,
    /// Why.
    pub cause: ReleaseCause,
    /// What can be spent now.
    pub available_after: Money,
}

/// `gift_credited`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftCredited {
    /// The refund of the order.
    pub refund_id: RefundId,
    /// The order.
    pub order_id: OrderId,
    /// How much came back.
    pub amount: Money,
    /// What can be spent now.
    pub available_after: Money,
}

/// `gift_expired`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftExpired {
    /// What nobody spent or holds; it goes back to the buyer.
    pub unspent: Money,
}

/// `gift_cancelled`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftCancelled {
    /// Why, for machines.
    pub reason_code: GiftCancelReason,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// Who: `customer`, `admin` or `system`.
    pub cancelled_by: String,
    /// Where the gift stood.
    pub from_status: GiftStatus,
}

/// `gift_refund_requested`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftRefundRequested {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub cause: GiftRefundCause,
    /// The payment that it goes back through.
    pub payment_id: PaymentId,
}

/// `gift_refund_settled`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftRefundSettled {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
}

/// `gift_refund_reverted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftRefundReverted {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Why, for people.
    pub reason: String,
}

/// `gift_blocked`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftBlocked {
    /// Why, for people.
    pub reason: String,
}

/// `gift_unblocked`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GiftUnblocked {
    /// Why, for people.
    pub reason: String,
}
