//! An event with everything the log knows about it.

use std::{borrow::Cow, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Position, upcasters::upcast};
use crate::domain::{Actor, AggregateType, DecodeError, DomainEvent};

/// Where an event comes from, beside its cause: kept as JSON next to the payload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// The command that made it happen.
    pub command_id: Uuid,
    /// The HTTP request behind the command, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Arc<str>>,
    /// The W3C trace context in which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Arc<str>>,
}

/// An event of the log. `event` holds the decoded payload, or why this program cannot read it: the reader of a bad
/// event goes on, and whoever needs it parks it.
#[derive(Debug, Clone)]
pub struct RecordedEvent {
    /// Its place in the whole log.
    pub position: Position,
    /// Its own id.
    pub event_id: Uuid,
    /// The kind of stream it belongs to.
    pub aggregate_type: AggregateType,
    /// The stream.
    pub aggregate_id: Uuid,
    /// Its place in the stream: 1, 2, 3, …
    pub sequence: u64,
    /// The stable name of its type.
    pub event_type: Cow<'static, str>,
    /// The version of the schema that `payload` was written with.
    pub schema_version: u16,
    /// When it happened, in the domain's time.
    pub occurred_at: DateTime<Utc>,
    /// When its transaction ran, in the database's time.
    pub recorded_at: DateTime<Utc>,
    /// The business flow it belongs to.
    pub correlation_id: Uuid,
    /// The command or event that caused it.
    pub causation_id: Uuid,
    /// Who caused it.
    pub actor: Actor,
    /// Where it comes from.
    pub metadata: Metadata,
    /// The payload as it was stored.
    pub payload: Arc<str>,
    /// The payload as the domain understands it today.
    pub event: Result<DomainEvent, DecodeError>,
}

/// What the log stores of an event, before it is understood.
#[derive(Debug)]
pub struct StoredEvent {
    /// See [`RecordedEvent`].
    pub position: Position,
    /// See [`RecordedEvent`].
    pub event_id: Uuid,
    /// See [`RecordedEvent`].
    pub aggregate_type: AggregateType,
    /// See [`RecordedEvent`].
    pub aggregate_id: Uuid,
    /// See [`RecordedEvent`].
    pub sequence: u64,
    /// See [`RecordedEvent`].
    pub event_type: String,
    /// See [`RecordedEvent`].
    pub schema_version: u16,
    /// See [`RecordedEvent`].
    pub occurred_at: DateTime<Utc>,
    /// See [`RecordedEvent`].
    pub recorded_at: DateTime<Utc>,
    /// See [`RecordedEvent`].
    pub correlation_id: Uuid,
    /// See [`RecordedEvent`].
    pub causation_id: Uuid,
    /// See [`RecordedEvent`].
    pub actor: Actor,
    /// See [`RecordedEvent`].
    pub metadata: Metadata,
    /// See [`RecordedEvent`].
    pub payload: Arc<str>,
}

impl From<StoredEvent> for RecordedEvent {
    fn from(stored: StoredEvent) -> Self {
        let event = upcast(stored.aggregate_type, &stored.event_type, stored.schema_version, &stored.payload);
        let event_type = match &event {
            Ok(event) => Cow::Borrowed(event.type_name()),
            Err(_) => Cow::Owned(stored.event_type),
        };
        Self {
            position: stored.position,
            event_id: stored.event_id,
            aggregate_type: stored.aggregate_type,
            aggregate_id: stored.aggregate_id,
            sequence: stored.sequence,
            event_type,
            schema_version: stored.schema_version,
            occurred_at: stored.occurred_at,
            recorded_at: stored.recorded_at,
            correlation_id: stored.correlation_id,
            causation_id: stored.causation_id,
            actor: stored.actor,
            metadata: stored.metadata,
            payload: stored.payload,
            event,
        }
    }
}

/// The part of the log (0 to 1023) that an aggregate's events lie in: the last ten bits of its id, which are random
/// in a UUIDv7 and a hash in a UUIDv5.
pub fn slice_of(aggregate_id: Uuid) -> u16 {
    let bytes = aggregate_id.as_bytes();
    u16::from_be_bytes([bytes[14], bytes[15]]) & 0x3ff
}
