//! Reading the log from Postgres: pages by position, and whole streams.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{
    Position, STATE_VERSION,
    recorded::RecordedEvent,
    rows::{StoredPage, read, select},
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
    /// The last events are gone.
    #[error("the event log ends at position {position}, and its head is {head}")]
    EndsEarly {
        /// The last event that is there.
        position: Position,
        /// The last event that there was.
        head: Position,
    },
}

/// Whole streams, in order of their ids: what a rebuild reads.
#[derive(Debug, Clone, Copy)]
pub struct StreamRange<'a> {
    /// The kind of streams.
    pub aggregate_type: AggregateType,
    /// Only what lies behind this event of this stream; none begins with the first.
    pub after: Option<(&'a str, u64)>,
    /// Only events up to here.
    pub through: Position,
}

/// A page of streams lies together in the index of the streams; whoever sorts the log instead sorts all of it for each
/// page.
const IN_ORDER: &str =
    "BEGIN READ ONLY; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";

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
        let rows = sqlx::query(select!("WHERE position > $1 ORDER BY position LIMIT $2"))
            .bind(position as i64)
            .bind(i64::from(limit))
            .fetch_all(&self.db)
            .await?;
        rows.iter().map(|row| read(row).map(Arc::new)).collect()
    }

    /// Up to `limit` events of one kind of stream after `position`, in order. The kind stands in the statement: whether the
    /// plan reads the events of the kind or all of them depends on how rare it is.
    pub async fn page_of(
        &self,
        aggregate_type: AggregateType,
        position: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let kind = aggregate_type.as_str();
        let rows = sqlx::query(&format!(
            select!("WHERE aggregate_type = '{}' AND position > $1 ORDER BY position LIMIT $2"),
            kind
        ))
        .bind(position as i64)
        .bind(i64::from(limit))
        .fetch_all(&self.db)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The events of one stream after version `after`, at most `limit`, in order.
    pub async fn stream(
        &self,
        aggregate_type: AggregateType,
        aggregate_id: Uuid,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let rows = sqlx::query(select!(
            "WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence > $3 ORDER BY sequence LIMIT $4"
        ))
        .bind(aggregate_type.as_str())
        .bind(aggregate_id.to_string())
        .bind(after as i64)
        .bind(i64::from(limit))
        .fetch_all(&self.db)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The first `limit` events of a range of streams: each stream in order, and one after the other. The last stream
    /// may be cut off.
    pub async fn streams(&self, range: StreamRange<'_>, limit: u32) -> Result<Vec<RecordedEvent>, LogError> {
        self.stored_streams(range, limit).await?.events().collect()
    }

    /// The same, not yet understood.
    pub async fn stored_streams(&self, range: StreamRange<'_>, limit: u32) -> Result<StoredPage, LogError> {
        let after = range.after.unwrap_or_default();
        let mut tx = self.db.begin_with(IN_ORDER).await?;
        let rows = sqlx::query(select!(
            "WHERE aggregate_type = $1 AND (aggregate_id, sequence) > ($2, $3) AND position <= $4
             ORDER BY aggregate_type, aggregate_id, sequence LIMIT $5"
        ))
        .bind(range.aggregate_type.as_str())
        .bind(after.0)
        .bind(after.1 as i64)
        .bind(range.through as i64)
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(StoredPage::new(rows))
    }

    /// The events of one business flow after `position`, at most `limit`, in order.
    pub async fn flow(
        &self,
        correlation_id: Uuid,
        position: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let rows = sqlx::query(select!("WHERE correlation_id = $1 AND position > $2 ORDER BY position LIMIT $3"))
            .bind(correlation_id)
            .bind(position as i64)
            .bind(i64::from(limit))
            .fetch_all(&self.db)
            .await?;
        rows.iter().map(read).collect()
    }

    /// All events of some business flows up to a position, in order.
    pub async fn flows(&self, correlation_ids: &[Uuid], through: Position) -> Result<Vec<RecordedEvent>, LogError> {
        let rows = sqlx::query(select!("WHERE correlation_id = ANY($1) AND position <= $2 ORDER BY position"))
            .bind(correlation_ids)
            .bind(through as i64)
            .fetch_all(&self.db)
            .await?;
        rows.iter().map(read).collect()
    }

    /// The events at these positions, in order.
    pub async fn at(&self, positions: &[Position]) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        let rows = sqlx::query(select!("WHERE position = ANY($1) ORDER BY position"))
            .bind(positions.iter().map(|position| *position as i64).collect::<Vec<_>>())
            .fetch_all(&self.db)
            .await?;
        rows.iter().map(|row| read(row).map(Arc::new)).collect()
    }

    /// All events of the streams of these kinds and ids up to a position, in order.
    pub async fn whole_streams(
        &self,
        kinds: &[AggregateType],
        ids: &[Uuid],
        through: Position,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let rows = sqlx::query(select!(
            "WHERE aggregate_type = ANY($1) AND aggregate_id = ANY($2) AND position <= $3 ORDER BY position"
        ))
        .bind(kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
        .bind(ids.iter().map(ToString::to_string).collect::<Vec<_>>())
        .bind(through as i64)
        .fetch_all(&self.db)
        .await?;
        rows.iter().map(read).collect()
    }

    /// How many events streams of these kinds have up to a position.
    pub async fn count(&self, kinds: &[AggregateType], through: Position) -> Result<u64, LogError> {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let events: i64 =
            sqlx::query_scalar("SELECT count(*) FROM events WHERE aggregate_type = ANY($1) AND position <= $2")
                .bind(kinds)
                .bind(through as i64)
                .fetch_one(&self.db)
                .await?;
        Ok(events as u64)
    }

    /// The version that a stream had at an instant of the domain's time; 0 before its first event.
    pub async fn version_at(
        &self,
        aggregate_type: AggregateType,
        aggregate_id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<u64, LogError> {
        let version: Option<i64> = sqlx::query_scalar(
            "SELECT max(sequence) FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND occurred_at <= $3",
        )
        .bind(aggregate_type.as_str())
        .bind(aggregate_id.to_string())
        .bind(at)
        .fetch_one(&self.db)
        .await?;
        Ok(version.unwrap_or(0) as u64)
    }

    /// The kinds of streams that have this id.
    pub async fn types_of(&self, aggregate_id: Uuid) -> Result<Vec<AggregateType>, LogError> {
        let mut found = Vec::new();
        for aggregate_type in AggregateType::ALL {
            if !self.stream(aggregate_type, aggregate_id, 0, 1).await?.is_empty() {
                found.push(aggregate_type);
            }
        }
        Ok(found)
    }

    /// The newest snapshot of a stream, of those up to a version, that this program understands: its version and the
    /// state.
    pub async fn snapshot(
        &self,
        aggregate_type: AggregateType,
        aggregate_id: Uuid,
        at_most: u64,
    ) -> Result<Option<(u64, String)>, LogError> {
        let row = sqlx::query(
            "
            SELECT sequence, state::text AS state
            FROM (SELECT aggregate_type, aggregate_id, sequence, state_version, state FROM snapshots
                  UNION ALL
                  SELECT aggregate_type, aggregate_id, sequence, state_version, state FROM snapshot_landmarks) s
            WHERE aggregate_type = $1 AND aggregate_id = $2 AND state_version = $3 AND sequence <= $4
            ORDER BY sequence DESC
            LIMIT 1
            ",
        )
        .bind(aggregate_type.as_str())
        .bind(aggregate_id.to_string())
        .bind(STATE_VERSION)
        .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
        .fetch_optional(&self.db)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((row.try_get::<i64, _>("sequence")? as u64, row.try_get("state")?)))
    }
}
