//! What is said on the socket `/ws`, in both directions; `/asyncapi.json` is made from these types.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{GiftId, OrderId, order::OrderStatus};

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromClient {
    /// Is anybody there?
    Ping,
    /// Send what came after this entry.
    Resume {
        /// The newest entry that the client has; 0 for none.
        #[schemars(range(min = 0))]
        last_id: i64,
    },
    /// The client has this entry and all before it.
    Ack {
        /// The entry.
        #[schemars(range(min = 0))]
        id: i64,
    },
}

/// Why a client's message is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BadMessage {
    /// Its `type` is not one of those here.
    UnknownMessageType,
    /// It is not JSON, or lacks what its type needs.
    InvalidJson,
}

/// What the server says beside the entries of the feed, which are stored as they are said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer {
    /// The first message on every socket.
    Hello {
        /// Names the socket, for a talk with support.
        session: Uuid,
        /// The newest entry of the user's feed; 0 if there is none.
        head_id: i64,
    },
    /// Somebody is there.
    Pong,
    /// All that came after the entry that was named has been sent.
    Resumed {
        /// How many entries that were.
        replayed: u64,
    },
    /// These entries are not sent: fetch what you show by REST.
    Gap {
        /// The first of them.
        from: i64,
        /// The last of them.
        to: i64,
    },
    /// A message of the client was of no use.
    Error {
        /// Why.
        code: BadMessage,
    },
    /// The token ends soon, and the socket with it.
    TokenExpiring {
        /// When.
        expires_at: DateTime<Utc>,
        /// How long until then.
        seconds_left: u64,
    },
}

/// An entry of the user's feed, on the socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FeedMessage {
    /// An order moved on.
    OrderStatusUpdate {
        /// 1, 2, 3, … per user; what `resume` and `ack` name.
        id: i64,
        /// How.
        data: OrderStatusUpdate,
    },
    /// Something to show to a person.
    Notification {
        /// 1, 2, 3, … per user; what `resume` and `ack` name.
        id: i64,
        /// What.
        data: Notification,
    },
}

/// An order moved on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct OrderStatusUpdate {
    /// The order.
    pub order_id: OrderId,
    /// Where it stands now.
    pub status: OrderStatus,
    /// Where it stood before.
    pub previous_status: OrderStatus,
    /// The version of the order.
    pub version: u64,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// Why, when it was called off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// Something to show to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Notification {
    /// What it is about, for machines.
    pub kind: NotificationKind,
    /// One line.
    pub title: String,
    /// A sentence.
    pub body: String,
    /// The order it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    /// The gift it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gift_id: Option<GiftId>,
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// A cook has a paid order to take on.
    NewOrder,
    /// An attempt to pay came to nothing.
    PaymentFailed,
    /// The meal waits to be fetched or brought.
    OrderReady,
    /// The meal was handed over.
    OrderDelivered,
    /// The order was called off.
    OrderCancelled,
    /// Money came back.
    RefundSettled,
    /// A customer disputes an order.
    DisputeOpened,
    /// A dispute moved on: an answer, an offer, a call for a decision.
    DisputeUpdated,
    /// A dispute was decided.
    DisputeResolved,
    /// The cook's share was released.
    PayoutReleased,
    /// A gift is paid and has a code.
    GiftIssued,
    /// Somebody was given something.
    GiftReceived,
    /// The buyer is to pass the code on.
    GiftToHandOver,
    /// The recipient was told.
    GiftDelivered,
    /// The recipient took it.
    GiftActivated,
    /// The dish of a gift could not be ordered.
    GiftActivationReverted,
    /// A refund of an order came back to a gift.
    GiftCredited,
    /// A gift is about to expire.
    GiftExpiresSoon,
    /// A gift's time is over.
    GiftExpired,
    /// A gift was called off.
    GiftCancelled,
    /// Nobody can use a gift.
    GiftBlocked,
    /// A gift can be used again.
    GiftUnblocked,
}
