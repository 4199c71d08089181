//! Reading the log from Postgres: pages by position, and whole streams.

use std::sync::Arc;

use sqlx::{PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::{
    Position,
    recorded::{Metadata, RecordedEvent, StoredEvent},
};
use crate::domain::AggregateType;

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database did not answer as it should.
    #[error("the event log cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// A row holds what this program does not know (an aggregate of a newer version, say).
    #[error("position {position} of the event log holds an unknown {what}: {value:?}")]
    Unreadable {
        /// Where.
        position: Position,
        /// Which column.
        what: &'static str,
        /// What stands there.
        value: String,
    },
}

/// Reads the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogReader {
    db: PgPool,
}

impl LogReader {
    /// A reader over `db`.
    pub fn new(db: PgPool) -> Self {
        Self { db }
    }

    /// The position of the newest event.
    pub async fn head(&self) -> Result<Position, LogError> {
        let head: i64 = sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&self.db).await?;
        Ok(head as Position)
    }

    /// Up to `limit` events after `position`, in order.
    pub async fn page(&self, position: Position, limit: u32) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        let rows = sqlx::query(
            "
            SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                   payload::text AS payload, metadata, correlation_id, causation_id, actor, occurred_at, recorded_at
            FROM events
            WHERE position > $1
            ORDER BY position
            LIMIT $2
            ",
        )
        .bind(position as i64)
        .bind(i64::from(limit))
        .fetch_all(&self.db)
        .await?;
        rows.iter().map(|row| read_row(row).map(Arc::new)).collect()
    }

    /// The events of one stream after version `after`, at most `limit`, in order.
    pub async fn stream(
        &self,
        aggregate_type: AggregateType,
        aggregate_id: Uuid,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let rows = sqlx::query(
            "
            SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                   payload::text AS payload, metadata, correlation_id, causation_id, actor, occurred_at, recorded_at
            FROM events
            WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence > $3
            ORDER BY sequence
            LIMIT $4
            ",
        )
        .bind(aggregate_type.as_str())
        .bind(aggregate_id.to_string())
        .bind(after as i64)
        .bind(i64::from(limit))
        .fetch_all(&self.db)
        .await?;
        rows.iter().map(read_row).collect()
    }
}

fn read_row(row: &PgRow) -> Result<RecordedEvent, LogError> {
    let position = row.try_get::<i64, _>("position")? as Position;
    let unreadable = |what, value: &str| LogError::Unreadable { position, what, value: value.to_owned() };
    let aggregate_type: &str = row.try_get("aggregate_type")?;
    let aggregate_id: &str = row.try_get("aggregate_id")?;
    let version: &str = row.try_get("event_version")?;
    let actor: &str = row.try_get("actor")?;
    let metadata: Json<Metadata> = row.try_get("metadata")?;
    let stored = StoredEvent {
        position,
        event_id: row.try_get("event_id")?,
        aggregate_type: AggregateType::from_name(aggregate_type)
            .ok_or_else(|| unreadable("aggregate_type", aggregate_type))?,
        aggregate_id: Uuid::parse_str(aggregate_id).map_err(|_| unreadable("aggregate_id", aggregate_id))?,
        sequence: row.try_get::<i64, _>("sequence")? as u64,
        event_type: row.try_get("event_type")?,
        schema_version: version.parse().map_err(|_| unreadable("event_version", version))?,
        occurred_at: row.try_get("occurred_at")?,
        recorded_at: row.try_get("recorded_at")?,
        correlation_id: row.try_get("correlation_id")?,
        causation_id: row.try_get("causation_id")?,
        actor: actor.parse().map_err(|_| unreadable("actor", actor))?,
        metadata: metadata.0,
        payload: Arc::from(row.try_get::<&str, _>("payload")?),
    };
    Ok(stored.into())
}
