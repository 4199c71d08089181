//! The feed's row per order, and the entries that come out of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use shared::{
    domain::{GiftId, OrderId, ProducerId, UserId, order::OrderStatus},
    log::{Position, RecordedEvent},
    web::socket::{Notification, OrderStatusUpdate},
};
use uuid::Uuid;

/// What the feed knows of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedOrder {
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: UserId,
    /// Who cooks.
    pub producer_id: ProducerId,
    /// Where it stands.
    pub status: OrderStatus,
    /// The version of its stream.
    pub version: u64,
    /// What this batch has to tell; given out when the batch is stored, and then gone.
    #[serde(skip)]
    pub entries: Vec<NewEntry>,
}

/// What the feed knows of a gift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedGift {
    /// The gift.
    pub gift_id: GiftId,
    /// Who pays.
    pub buyer_id: UserId,
    /// Whom it is meant for.
    pub recipient_user_id: Option<UserId>,
    /// Who took it.
    pub holder_id: Option<UserId>,
    /// The version of its stream.
    pub version: u64,
    /// What this batch has to tell; given out when the batch is stored, and then gone.
    #[serde(skip)]
    pub entries: Vec<NewEntry>,
}

/// What the feed keeps a row of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedKey {
    /// An order.
    Order(OrderId),
    /// A gift.
    Gift(GiftId),
}

impl From<FeedKey> for Uuid {
    fn from(key: FeedKey) -> Self {
        key.id()
    }
}

impl FeedKey {
    /// The id in the table.
    pub fn id(self) -> Uuid {
        match self {
            Self::Order(id) => id.0,
            Self::Gift(id) => id.0,
        }
    }
}

/// What the feed knows of something that its users are told about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FeedRow {
    /// An order.
    Order(FeedOrder),
    /// A gift.
    Gift(FeedGift),
}

impl FeedRow {
    /// Its key.
    pub fn key(&self) -> FeedKey {
        match self {
            Self::Order(row) => FeedKey::Order(row.order_id),
            Self::Gift(row) => FeedKey::Gift(row.gift_id),
        }
    }

    /// The version of its stream.
    pub fn version(&self) -> u64 {
        match self {
            Self::Order(row) => row.version,
            Self::Gift(row) => row.version,
        }
    }

    /// What this batch has to tell.
    pub fn entries(&self) -> &[NewEntry] {
        match self {
            Self::Order(row) => &row.entries,
            Self::Gift(row) => &row.entries,
        }
    }

    /// What this batch has to tell, to be made less.
    pub fn entries_mut(&mut self) -> &mut Vec<NewEntry> {
        match self {
            Self::Order(row) => &mut row.entries,
            Self::Gift(row) => &mut row.entries,
        }
    }
}

/// Whom to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// A person.
    User(UserId),
    /// Whoever owns the kitchen.
    Producer(ProducerId),
}

/// An entry that has no id yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// Whom to tell.
    pub recipient: Recipient,
    /// What.
    pub kind: EntryKind,
    /// The event it comes from.
    pub position: Position,
    /// When that happened.
    pub occurred_at: DateTime<Utc>,
    /// When that was committed.
    pub recorded_at: DateTime<Utc>,
}

impl NewEntry {
    /// What `event` has to tell somebody.
    pub(super) fn new(event: &RecordedEvent, recipient: Recipient, kind: EntryKind) -> Self {
        Self {
            recipient,
            kind,
            position: event.position,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
        }
    }

    /// The entry for operators, who know nobody's ids of entries.
    pub(super) fn shown(&self) -> Value {
        let to = match self.recipient {
            Recipient::User(user_id) => json!({"user_id": user_id}),
            Recipient::Producer(producer_id) => json!({"producer_id": producer_id}),
        };
        let Self { position, occurred_at, .. } = self;
        json!({"position": position, "occurred_at": occurred_at, "to": to, "type": self.kind.name(), "data": self.kind.data()})
    }
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryKind {
    /// An order moved on.
    OrderStatusUpdate(OrderStatusUpdate),
    /// Something to show to a person.
    Notification(Notification),
}

impl EntryKind {
    /// The message type on the socket.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OrderStatusUpdate(_) => "order_status_update",
            Self::Notification(_) => "notification",
        }
    }

    /// The message's data.
    pub fn data(&self) -> Value {
        match self {
            Self::OrderStatusUpdate(update) => json!(update),
            Self::Notification(notification) => json!(notification),
        }
    }
}

/// An entry of a user's feed. Goes over NATS to the instances that hold the user's sockets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeedEntry {
    /// 1, 2, 3, … per user.
    pub id: i64,
    /// The message type on the socket.
    pub kind: String,
    /// The message's data, as it is stored.
    pub data: Box<RawValue>,
    /// When its event was committed; unknown for entries read from the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<DateTime<Utc>>,
}

impl FeedEntry {
    /// The message on the socket.
    pub fn to_frame(&self) -> String {
        format!(r#"{{"type":"{}","id":{},"data":{}}}"#, self.kind, self.id, self.data.get())
    }
}
