//! Rows of the log as the database sends them, and what they say.

use std::sync::Arc;

use sqlx::{Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::{
    LogError, Position,
    recorded::{Metadata, RecordedEvent, StoredEvent},
};
use crate::domain::AggregateType;

/// A statement over all that the log knows of an event; `read` knows the columns by their places.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload,
                    metadata, correlation_id, causation_id, actor, occurred_at, recorded_at
             FROM events ",
            $rest
        )
    };
}
pub(super) use select;

/// Events as the database sent them. To understand them takes longer than to fetch them, and can be done by somebody
/// else meanwhile.
#[derive(Debug)]
pub struct StoredPage(Vec<PgRow>);

impl StoredPage {
    pub(super) fn new(rows: Vec<PgRow>) -> Self {
        Self(rows)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stream of the last one, and its place in it.
    pub fn last(&self) -> Result<Option<(Uuid, u64)>, LogError> {
        let Some(row) = self.0.last() else { return Ok(None) };
        let position = row.try_get::<i64, _>(0)? as Position;
        Ok(Some((stream_of(row, position)?, row.try_get::<i64, _>(4)? as u64)))
    }

    /// Each of them, understood when its turn comes.
    pub fn events(&self) -> impl Iterator<Item = Result<RecordedEvent, LogError>> {
        self.0.iter().map(read)
    }
}

fn unreadable(position: Position, what: &'static str, value: &str) -> LogError {
    LogError::Unreadable { position, what, value: value.to_owned() }
}

fn stream_of(row: &PgRow, position: Position) -> Result<Uuid, LogError> {
    let id: &str = row.try_get(3)?;
    Uuid::parse_str(id).map_err(|_| unreadable(position, "aggregate_id", id))
}

/// By place: to look fourteen names up for each event costs as much as to fetch it.
pub(super) fn read(row: &PgRow) -> Result<RecordedEvent, LogError> {
    let position = row.try_get::<i64, _>(0)? as Position;
    let (aggregate_type, version, actor): (&str, &str, &str) = (row.try_get(2)?, row.try_get(6)?, row.try_get(11)?);
    let Json(metadata): Json<Metadata> = row.try_get(8)?;
    let stored = StoredEvent {
        position,
        event_id: row.try_get(1)?,
        aggregate_type: AggregateType::from_name(aggregate_type)
            .ok_or_else(|| unreadable(position, "aggregate_type", aggregate_type))?,
        aggregate_id: stream_of(row, position)?,
        sequence: row.try_get::<i64, _>(4)? as u64,
        event_type: row.try_get(5)?,
        schema_version: version.parse().map_err(|_| unreadable(position, "event_version", version))?,
        occurred_at: row.try_get(12)?,
        recorded_at: row.try_get(13)?,
        correlation_id: row.try_get(9)?,
        causation_id: row.try_get(10)?,
        actor: actor.parse().map_err(|_| unreadable(position, "actor", actor))?,
        metadata,
        // json goes over the wire as the text that it is; casting it would copy it twice.
        payload: Arc::from(row.try_get_unchecked::<&str, _>(7)?),
    };
    Ok(stored.into())
}
