//! Snapshots: where the reading of a long stream starts. Only a cache: a missing or strange one is passed over.

use serde::{Serialize, de::DeserializeOwned};
use shared::{domain::AggregateType, log::STATE_VERSION};
use sqlx::{PgPool, Row, types::Json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{aggregates::Loaded, request::Expected};

/// Snapshots that may wait to be written; more are left out, since the next one does as well.
const WAITING_MAX: usize = 64;

#[derive(Debug)]
struct Snapshot {
    aggregate_type: AggregateType,
    aggregate_id: Uuid,
    at: Expected,
    correlation_id: Uuid,
    state: String,
}

/// Takes and finds snapshots. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshots {
    db: PgPool,
    every: u64,
    waiting: mpsc::Sender<Snapshot>,
}

/// Writes what [`Snapshots`] took, beside the commands.
#[derive(Debug)]
pub struct SnapshotWriter {
    db: PgPool,
    waiting: mpsc::Receiver<Snapshot>,
}

impl Snapshots {
    /// One snapshot every `every` events of a stream.
    pub fn new(db: PgPool, every: u64) -> (Self, SnapshotWriter) {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        (Self { db: db.clone(), every: every.max(1), waiting: sender }, SnapshotWriter { db, waiting })
    }

    /// Takes a snapshot if the step from version `before` to the state passed a multiple of `every`.
    pub fn consider<A: Serialize>(&self, aggregate_type: AggregateType, id: Uuid, before: u64, loaded: &Loaded<A>) {
        if before / self.every == loaded.at.sequence / self.every {
            return;
        }
        let Ok(state) = serde_json::to_string(&loaded.aggregate) else { return };
        let snapshot =
            Snapshot { aggregate_type, aggregate_id: id, at: loaded.at, correlation_id: loaded.correlation_id, state };
        // A full queue leaves this one out.
        let _ = self.waiting.try_send(snapshot);
    }

    /// The newest usable snapshot of a stream.
    pub async fn find<A: DeserializeOwned>(
        &self,
        aggregate_type: AggregateType,
        id: Uuid,
    ) -> Result<Option<Loaded<A>>, sqlx::Error> {
        let row = sqlx::query(
            "
            SELECT sequence, event_id, correlation_id, state::text AS state
            FROM snapshots
            WHERE aggregate_type = $1 AND aggregate_id = $2 AND state_version = $3
            ",
        )
        .bind(aggregate_type.as_str())
        .bind(id.to_string())
        .bind(STATE_VERSION)
        .fetch_optional(&self.db)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let Ok(aggregate) = serde_json::from_str(row.try_get("state")?) else { return Ok(None) };
        let at =
            Expected { sequence: row.try_get::<i64, _>("sequence")? as u64, event_id: Some(row.try_get("event_id")?) };
        Ok(Some(Loaded { aggregate, at, correlation_id: row.try_get("correlation_id")?, as_of: 0 }))
    }
}

impl SnapshotWriter {
    /// Runs until `shutdown`.
    pub async fn run(&mut self, shutdown: CancellationToken) {
        loop {
            let snapshot = tokio::select! {
                () = shutdown.cancelled() => return,
                snapshot = self.waiting.recv() => snapshot,
            };
            let Some(snapshot) = snapshot else { return };
            if let Err(error) = self.write(snapshot).await {
                tracing::warn!(%error, "snapshot not written");
            }
        }
    }

    /// Only a state that the log confirms is kept: the step it was taken after may have fallen.
    async fn write(&self, snapshot: Snapshot) -> Result<(), sqlx::Error> {
        let state: Json<Box<serde_json::value::RawValue>> =
            Json(serde_json::value::RawValue::from_string(snapshot.state).map_err(|e| sqlx::Error::Encode(e.into()))?);
        sqlx::query(
            "
            INSERT INTO snapshots (aggregate_type, aggregate_id, sequence, event_id, correlation_id, state_version, state)
            SELECT $1, $2, $3, $4, $5, $6, $7
            WHERE EXISTS (SELECT FROM events
                          WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence = $3 AND event_id = $4)
            ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE
            SET sequence = excluded.sequence, event_id = excluded.event_id, correlation_id = excluded.correlation_id,
                state_version = excluded.state_version, state = excluded.state
            WHERE snapshots.sequence < excluded.sequence OR snapshots.state_version <> excluded.state_version
            ",
        )
        .bind(snapshot.aggregate_type.as_str())
        .bind(snapshot.aggregate_id.to_string())
        .bind(snapshot.at.sequence as i64)
        .bind(snapshot.at.event_id)
        .bind(snapshot.correlation_id)
        .bind(STATE_VERSION)
        .bind(state)
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
