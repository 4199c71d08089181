//! What is said on a socket, in both directions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FromClient {
    Ping,
    Resume { last_id: i64 },
    Ack { id: i64 },
}

/// Why a client's message is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum BadMessage {
    UnknownMessageType,
    InvalidJson,
}

#[derive(Deserialize)]
struct Raw {
    r#type: String,
    last_id: Option<i64>,
    id: Option<i64>,
}

impl FromClient {
    pub(super) fn parse(text: &str) -> Result<Self, BadMessage> {
        let raw: Raw = serde_json::from_str(text).map_err(|_| BadMessage::InvalidJson)?;
        let natural = |id: Option<i64>| id.filter(|id| *id >= 0).ok_or(BadMessage::InvalidJson);
        match raw.r#type.as_str() {
            "ping" => Ok(Self::Ping),
            "resume" => Ok(Self::Resume { last_id: natural(raw.last_id)? }),
            "ack" => Ok(Self::Ack { id: natural(raw.id)? }),
            _ => Err(BadMessage::UnknownMessageType),
        }
    }
}

/// What the server says beside the entries of the feed, which are stored as they are said.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromServer {
    Hello { session: Uuid, head_id: i64 },
    Pong,
    Resumed { replayed: u64 },
    Gap { from: i64, to: i64 },
    Error { code: BadMessage },
    TokenExpiring { expires_at: DateTime<Utc>, seconds_left: u64 },
}

impl FromServer {
    pub(super) fn to_frame(&self) -> String {
        // Plain structs with string keys; writing them cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
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
