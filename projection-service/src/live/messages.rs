//! What is said on a socket, in both directions.

use serde::Deserialize;
use shared::web::socket::{BadMessage, FromClient, FromServer};

#[derive(Deserialize)]
struct Raw {
    r#type: String,
    last_id: Option<i64>,
    id: Option<i64>,
}

/// What a client says, or why nobody can tell.
pub(super) fn parse(text: &str) -> Result<FromClient, BadMessage> {
    let raw: Raw = serde_json::from_str(text).map_err(|_| BadMessage::InvalidJson)?;
    let natural = |id: Option<i64>| id.filter(|id| *id >= 0).ok_or(BadMessage::InvalidJson);
    match raw.r#type.as_str() {
        "ping" => Ok(FromClient::Ping),
        "resume" => Ok(FromClient::Resume { last_id: natural(raw.last_id)? }),
        "ack" => Ok(FromClient::Ack { id: natural(raw.id)? }),
        _ => Err(BadMessage::UnknownMessageType),
    }
}

pub(super) fn to_frame(message: &FromServer) -> String {
    // Plain structs with string keys; writing them cannot fail.
    serde_json::to_string(message).unwrap_or_default()
}

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    GoingAway,
    TooManyBadMessages,
    Unauthenticated,
    TokenExpired,
    TooSlow,
    TooManySockets,
    Internal,
}

impl CloseReason {
    pub(super) fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::Internal => 1011,
            Self::TooManyBadMessages => 4400,
            Self::Unauthenticated => 4401,
            Self::TokenExpired => 4403,
            Self::TooSlow => 4408,
            Self::TooManySockets => 4429,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::GoingAway => "the service is restarting; connect again and resume",
            Self::Internal => "something went wrong; connect again and resume",
            Self::TooManyBadMessages => "too many messages that cannot be understood",
            Self::Unauthenticated => "sign in: send a token or a ticket",
            Self::TokenExpired => "the token has expired; connect again with a new one",
            Self::TooSlow => "too slow; connect again and resume",
            Self::TooManySockets => "too many sockets of one user",
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        domain::order::OrderStatus,
        web::socket::{FeedMessage, Notification, NotificationKind, OrderStatusUpdate},
    };

    use super::*;
    use crate::projections::feed::{EntryKind, FeedEntry};

    #[test]
    fn every_message_of_a_client_is_understood_as_it_is_described() {
        for message in [FromClient::Ping, FromClient::Resume { last_id: 7 }, FromClient::Ack { id: 8 }] {
            assert_eq!(parse(&serde_json::to_string(&message).unwrap()), Ok(message));
        }
        assert_eq!(parse(r#"{"type":"resume"}"#), Err(BadMessage::InvalidJson));
        assert_eq!(parse(r#"{"type":"shout"}"#), Err(BadMessage::UnknownMessageType));
    }

    #[test]
    fn every_entry_is_sent_as_it_is_described() {
        let update = OrderStatusUpdate {
            order_id: uuid::Uuid::from_u128(1).into(),
            status: OrderStatus::Paid,
            previous_status: OrderStatus::WaitingForPayment,
            version: 2,
            occurred_at: chrono::DateTime::UNIX_EPOCH,
            reason: None,
        };
        let notification = Notification {
            kind: NotificationKind::NewOrder,
            title: "New order".to_owned(),
            body: "It waits.".to_owned(),
            order_id: Some(update.order_id),
            gift_id: None,
        };
        let entries = [
            (
                EntryKind::OrderStatusUpdate(update.clone()),
                FeedMessage::OrderStatusUpdate { id: 5, data: update.clone() },
            ),
            (
                EntryKind::Notification(notification.clone()),
                FeedMessage::Notification { id: 5, data: notification.clone() },
            ),
        ];
        for (kind, described) in entries {
            let data = match &kind {
                EntryKind::OrderStatusUpdate(update) => serde_json::value::to_raw_value(update),
                EntryKind::Notification(notification) => serde_json::value::to_raw_value(notification),
            };
            let entry = FeedEntry { id: 5, kind: kind.name().to_owned(), data: data.unwrap(), recorded_at: None };
            assert_eq!(serde_json::from_str::<FeedMessage>(&entry.to_frame()).unwrap(), described);
        }
    }
}
