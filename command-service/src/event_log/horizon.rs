//! How far this process knows the log, and which aggregates moved lately: enough to tell that a state in memory is the
//! newest one without reading its stream again.
//!
//! Every look asks Postgres for what was appended since the look before, by whatever process, and one look answers all
//! who wait for it. A state is the newest if nothing that its process has not built into it can have moved its aggregate:
//! - the last event in the aggregate's slot is the state's own last event, or
//! - the slot has not moved since the state was known to be complete,
//!
//! and nothing has passed unseen since then. Otherwise the stream is read; being wrong in that direction costs a read.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use shared::log::{LogError, Position, RecordedEvent};
use sqlx::{ConnectOptions, PgConnection, Row, postgres::PgConnectOptions};
use uuid::Uuid;

use super::request::Expected;

/// Aggregates share a slot by chance; more slots make it rarer. Two mebibytes.
const SLOTS: usize = 1 << 16;
/// Events taken in by one look. After more than these what passed counts as unseen.
const SEEN_MAX: usize = 1_000;
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// What one process knows. Cheap to clone.
#[derive(Clone)]
pub struct Horizon {
    inner: Arc<Inner>,
}

type Look = Shared<BoxFuture<'static, Result<Position, Arc<sqlx::Error>>>>;

struct Inner {
    database: PgConnectOptions,
    connection: tokio::sync::Mutex<Option<PgConnection>>,
    /// The look that has not begun yet.
    next: Mutex<Option<Look>>,
    known: Mutex<Known>,
    slots: Box<[Mutex<LastMove>]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Everything up to here has been seen or has passed unseen.
    through: Position,
    /// Something up to here may have passed unseen.
    unseen: Position,
}

#[derive(Debug, Clone, Copy, Default)]
struct LastMove {
    position: Position,
    event_id: Uuid,
}

impl Horizon {
    /// A process that knows nothing yet. The first look connects.
    pub fn new(database: PgConnectOptions) -> Self {
        let inner = Inner {
            database: database.application_name("homefood horizon").disable_statement_logging(),
            connection: tokio::sync::Mutex::default(),
            next: Mutex::default(),
            known: Mutex::default(),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The position up to which this process knows the log.
    pub fn through(&self) -> Position {
        self.inner.known.lock().through
    }

    /// This process has appended these events, in order.
    pub fn appended(&self, events: &[Arc<RecordedEvent>]) {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return };
        for event in events {
            self.inner.moved(event.aggregate_id, event.position, event.event_id);
        }
        let mut known = self.inner.known.lock();
        // What others appended before is left to the next look.
        if first.position <= known.through + 1 {
            known.through = known.through.max(last.position);
        }
    }

    /// Takes in everything that was durable when it was called, and returns how far the log is known then.
    pub async fn look(&self) -> Result<Position, LogError> {
        let look = {
            let mut next = self.inner.next.lock();
            next.get_or_insert_with(|| look(Arc::clone(&self.inner)).boxed().shared()).clone()
        };
        look.await.map_err(|error| LogError::Database(sqlx::Error::Io(std::io::Error::other(error))))
    }

    /// Whether a state that stands `at` and was complete `as_of` a position is still the newest; if so, the position as
    /// of which it is known to be.
    pub fn newest(&self, aggregate_id: Uuid, at: Expected, as_of: Position) -> Option<Position> {
        // First how far, then what: an event within `through` is in its slot by now.
        let known = *self.inner.known.lock();
        let last = *self.inner.slot(aggregate_id).lock();
        let complete = if at.event_id == Some(last.event_id) { as_of.max(last.position) } else { as_of };
        (last.position <= complete && known.unseen <= complete).then_some(known.through.max(complete))
    }
}

impl Inner {
    fn slot(&self, aggregate_id: Uuid) -> &Mutex<LastMove> {
        // The low bits of both kinds of ids in use (v7 and v5) are as good as random.
        &self.slots[(aggregate_id.as_u128() as usize) % SLOTS]
    }

    fn moved(&self, aggregate_id: Uuid, position: Position, event_id: Uuid) {
        let mut last = self.slot(aggregate_id).lock();
        if position > last.position {
            *last = LastMove { position, event_id };
        }
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.database.connect().await
    }

    /// The events beyond what is known.
    async fn take_in(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let through = self.known.lock().through;
        let rows = sqlx::query(
            "
            SELECT position, aggregate_id, event_id
            FROM events
            WHERE position > $1
            ORDER BY position
            LIMIT $2
            ",
        )
        .bind(through as i64)
        .bind(SEEN_MAX as i64)
        .fetch_all(&mut *connection)
        .await?;
        if rows.len() == SEEN_MAX {
            let head: i64 = sqlx::query_scalar("SELECT position FROM log_head").fetch_one(connection).await?;
            let mut known = self.known.lock();
            let head = known.through.max(head as Position);
            *known = Known { through: head, unseen: head };
            return Ok(());
        }
        let mut seen = through;
        for row in &rows {
            seen = row.try_get::<i64, _>("position")? as Position;
            let aggregate_id = Uuid::parse_str(row.try_get("aggregate_id")?);
            self.moved(aggregate_id.map_err(|e| sqlx::Error::Decode(e.into()))?, seen, row.try_get("event_id")?);
        }
        let mut known = self.known.lock();
        known.through = known.through.max(seen);
        Ok(())
    }
}

async fn look(inner: Arc<Inner>) -> Result<Position, Arc<sqlx::Error>> {
    let mut held = inner.connection.lock().await;
    // Whoever comes from now on needs a look that begins later.
    inner.next.lock().take();
    let looking = async {
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => inner.connect().await?,
        };
        inner.take_in(&mut connection).await?;
        // A look that was given up or failed leaves no connection behind.
        *held = Some(connection);
        Ok(inner.known.lock().through)
    };
    let looked = tokio::time::timeout(LOOK_LIMIT, looking).await;
    looked.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)).map_err(Arc::new)
}

#[cfg(test)]
mod tests;
