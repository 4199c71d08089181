//! An event as operators see it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shared::log::{Position, RecordedEvent};
use utoipa::ToSchema;
use uuid::Uuid;

/// One thing that happened, with all that the log knows of it but personal data.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EventView {
    /// Its place in the log.
    #[schema(example = 42)]
    pub position: Position,
    /// The event.
    pub event_id: Uuid,
    /// Its type.
    #[schema(example = "order_paid")]
    pub event_type: String,
    /// The version of the schema that it was written with.
    pub schema_version: u16,
    /// The kind of its stream.
    #[schema(example = "order")]
    pub aggregate_type: String,
    /// Its stream.
    pub aggregate_id: Uuid,
    /// The version it led to.
    pub version: u64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When it was committed.
    pub recorded_at: DateTime<Utc>,
    /// Who caused it.
    #[schema(example = "system:order_payment")]
    pub actor: String,
    /// The business flow.
    pub correlation_id: Uuid,
    /// The command or event that caused it.
    pub causation_id: Uuid,
    /// The command that made it happen.
    pub command_id: Uuid,
    /// The trace in which it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub traceparent: Option<String>,
    /// What it says.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// Why this program cannot read it, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unreadable: Option<String>,
}

impl EventView {
    /// The event without personal data.
    pub fn new(event: &RecordedEvent) -> Self {
        let mut payload = serde_json::from_str(&event.payload).unwrap_or(Value::Null);
        strip(&mut payload);
        Self {
            position: event.position,
            event_id: event.event_id,
            event_type: event.event_type.clone().into_owned(),
            schema_version: event.schema_version,
            aggregate_type: event.aggregate_type.as_str().to_owned(),
            aggregate_id: event.aggregate_id,
            version: event.sequence,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            actor: event.actor.to_string(),
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            command_id: event.metadata.command_id,
            traceparent: event.metadata.traceparent.as_deref().map(str::to_owned),
            payload,
            unreadable: event.event.as_ref().err().map(ToString::to_string),
        }
    }
}

/// Takes out what is personal, sealed as it is: by their name such fields are known.
pub(crate) fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| name != "sealed" && !name.ends_with("_sealed"));
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
