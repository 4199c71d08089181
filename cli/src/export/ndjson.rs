//! One JSON object a line.

use std::{io::Write, sync::Arc};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use shared::log::{Metadata, Position, RecordedEvent};
use uuid::Uuid;

use super::Sink;

/// Writes lines.
pub(super) struct Lines<W> {
    out: W,
}

#[derive(Serialize)]
struct Line<'a> {
    position: Position,
    event_id: Uuid,
    aggregate_type: &'static str,
    aggregate_id: Uuid,
    version: u64,
    event_type: &'a str,
    event_version: u16,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    correlation_id: Uuid,
    causation_id: Uuid,
    actor: String,
    metadata: &'a Metadata,
    payload: Box<RawValue>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    fn write_line(&mut self, event: &RecordedEvent) -> Result<()> {
        let line = Line {
            position: event.position,
            event_id: event.event_id,
            aggregate_type: event.aggregate_type.as_str(),
            aggregate_id: event.aggregate_id,
            version: event.sequence,
            event_type: &event.event_type,
            event_version: event.schema_version,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            actor: event.actor.to_string(),
            metadata: &event.metadata,
            payload: on_one_line(&event.payload).with_context(|| format!("position {}", event.position))?,
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        Ok(self.out.write_all(&text)?)
    }
}

/// As it was stored, but for line breaks between its fields.
fn on_one_line(payload: &str) -> serde_json::Result<Box<RawValue>> {
    if payload.contains('\n') {
        return serde_json::value::to_raw_value(&serde_json::from_str::<Value>(payload)?);
    }
    serde_json::from_str(payload)
}

impl<W: Write> Sink for Lines<W> {
    fn write(&mut self, events: &[Arc<RecordedEvent>]) -> Result<()> {
        events.iter().try_for_each(|event| self.write_line(event))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
