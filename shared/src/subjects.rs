//! Every subject, stream and consumer name on NATS.

use uuid::Uuid;

use crate::domain::AggregateType;

/// The JetStream stream that mirrors the log: message sequence == log position.
pub const EVENTS_STREAM: &str = "EVENTS";
/// What the mirror listens to.
pub const EVENTS_SUBJECTS: &str = "homefood.events.>";
/// The JetStream stream of parked events.
pub const DEAD_LETTERS_STREAM: &str = "DEAD_LETTERS";

/// The subject of an event: `homefood.events.<aggregate>.<aggregate_id>.<event>`.
pub fn event(aggregate_type: AggregateType, aggregate_id: Uuid, event_type: &str) -> String {
    format!("homefood.events.{}.{aggregate_id}.{event_type}", aggregate_type.as_str())
}

/// The subject of a parked event: `homefood.dlq.<handler>.<aggregate>.<aggregate_id>`.
pub fn dead_letter(handler: &str, aggregate_type: AggregateType, aggregate_id: Uuid) -> String {
    format!("homefood.dlq.{handler}.{}.{aggregate_id}", aggregate_type.as_str())
}

/// The core subject on which a user's new feed entries are called out: `homefood.feed.<user_id>`.
pub fn feed(user_id: Uuid) -> String {
    format!("homefood.feed.{user_id}")
}
