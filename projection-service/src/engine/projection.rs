//! What a projection is: a pure fold, and beside it how its rows are read and written in bulk.

use std::{collections::HashMap, fmt::Debug, future::Future, hash::Hash};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    domain::{AggregateType, DecodeError, DomainEvent},
    log::{Position, RecordedEvent},
};
use smallvec::SmallVec;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{copy::CopyRows, model::Replay};

/// The rows that one event touches: nearly always one.
pub type Keys<K> = SmallVec<[K; 2]>;

/// A pure fold of the log into rows. It reads no table and no clock and calls nobody.
pub trait Projection: Send + Sync + 'static {
    /// The stable name, in checkpoints, metrics and dead letters.
    const NAME: &'static str;
    /// What a row is found by: the id of an aggregate.
    type Key: Ord + Hash + Copy + Debug + Into<Uuid> + Send + Sync + 'static;
    /// What the events of one key add up to.
    type Row: Clone + PartialEq + Debug + Serialize + Send + Sync + 'static;

    /// The rows that the event touches; none if the projection does not care. Must not need the payload, so that an
    /// event that cannot be read still has its place.
    fn keys(event: &RecordedEvent) -> Keys<Self::Key>;

    /// The row after the event.
    fn apply(
        row: Option<Self::Row>,
        event: &RecordedEvent,
        domain: &DomainEvent,
    ) -> Result<Option<Self::Row>, FoldError>;

    /// Whether a row can exist before this event. An event that opens its row saves the engine a look at the table.
    fn may_exist(_event: &RecordedEvent) -> bool {
        true
    }

    /// Takes out of a stored row what only the batch before needed.
    fn settle(_row: &mut Self::Row) {}

    /// Keeps of what a row has to tell only what comes from the events that `tells` names.
    fn tell_only(_row: &mut Self::Row, _tells: &dyn Fn(Position) -> bool) {}

    /// A row that was folded from its first event, as operators are shown it: as it is stored, if nothing else is said.
    fn show(mut row: Self::Row) -> Value {
        Self::settle(&mut row);
        serde_json::to_value(row).unwrap_or_default()
    }
}

/// Changed rows of one batch, in order of their keys; `None` is a row that is gone.
pub type Changes<P> = Vec<(<P as Projection>::Key, Option<<P as Projection>::Row>)>;

/// What one more transaction costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As much as the rows that it changes, and those are as many as events.
    Rows,
    /// Nearly the same however few events it has, since every event adds to the same few sums.
    Sums,
}

/// What the rows of one id are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// The streams of that id, of these kinds.
    pub streams: &'static [AggregateType],
    /// Whether other streams have a part that belong to the business flow of that id.
    pub flow: bool,
    /// The tables of the rows; the first column of their keys is the id.
    pub rows: &'static [&'static str],
    /// The tables of what the rows add up to.
    pub sums: &'static [&'static str],
}

impl Sources {
    /// Each row is the fold of one stream of this kind.
    pub const fn stream(streams: &'static [AggregateType], rows: &'static [&'static str]) -> Option<Self> {
        Some(Self { streams, flow: false, rows, sums: &[] })
    }
}

/// A row that is not what its events add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drift {
    /// The table.
    #[schema(example = "orders")]
    pub table: String,
    /// What it is found by: the id that can be healed, or the key of a sum.
    pub key: String,
    /// `changed`, `missing` or `surplus`.
    #[schema(example = "changed")]
    pub what: String,
}

impl Drift {
    /// Of this row.
    pub fn new(table: &str, key: impl ToString, what: &str) -> Self {
        Self { table: table.to_owned(), key: key.to_string(), what: what.to_owned() }
    }
}

/// The tables behind a projection. Statements name tables without a schema, so that another search path leads them to
/// another generation.
pub trait ReadModel: Projection {
    /// What others want to know once the batch is committed.
    type Written: Default + Send;

    /// The tables that a rebuild fills anew and swaps; `store` writes no other for rows that are settled. They have a
    /// primary key and no foreign keys, and `homefood_projection` may TRUNCATE them.
    const TABLES: &'static [&'static str] = &[Self::NAME];

    /// How a rebuild reads the log. `ByStream` is the fast way.
    const REPLAY: Replay = Replay::ByPosition;

    /// What its rows are made of, so that some of them can be folded anew and compared; none if only all of them can.
    const SOURCES: Option<Sources> = None;

    /// Whether users are told of what happens to its rows. Then an event is told of once, whichever generation takes it.
    const TELLS: bool = false;

    /// How long its small batches wait for more.
    const PACE: Pace = Pace::Rows;

    /// The rows of these keys that exist.
    fn load(
        db: &PgPool,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<HashMap<Self::Key, Self::Row>, sqlx::Error>> + Send;

    /// Writes all changes in the batch's transaction.
    fn store(
        tx: &mut PgConnection,
        changes: &Changes<Self>,
    ) -> impl Future<Output = Result<Self::Written, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Takes what the rows of this id add to sums out of the sums; the rows go with it, or are deleted behind it.
    fn take_out(_tx: &mut PgConnection, _id: Uuid) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Fills the empty tables of the sums from the rows in `public`.
    fn sum_up(_tx: &mut PgConnection) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Compares what these rows, which were folded from their first events, had to tell with what was told; what was
    /// told before `kept_since` may have been swept.
    fn compare_told(
        _tx: &mut PgConnection,
        _changes: &Changes<Self>,
        _kept_since: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<Drift>, sqlx::Error>> + Send
    where
        Self: Sized,
    {
        std::future::ready(Ok(Vec::new()))
    }

    /// Rows of whole streams for empty tables. Nobody asks but a rebuild by stream.
    fn copy(_rows: &[Self::Row]) -> Result<Vec<CopyRows>, sqlx::Error> {
        Ok(Vec::new())
    }
}

/// Why an event could not be taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FoldError {
    /// The payload cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The event cannot follow what the row says.
    #[error("{event_type} cannot follow a row that {found}")]
    OutOfPlace {
        /// The event's type.
        event_type: &'static str,
        /// What the row says.
        found: String,
    },
    /// Amounts do not add up.
    #[error("the amounts do not add up: {0}")]
    Money(#[from] shared::domain::MoneyError),
    /// A defect of the fold.
    #[error("the fold panicked: {0}")]
    Panicked(String),
    /// What another fold of the same event said.
    #[error("{0}")]
    Refused(String),
    /// Provoked by a failpoint.
    #[error("a failpoint refuses this aggregate")]
    Failpoint,
}

impl FoldError {
    /// `event` cannot follow a row that `found`.
    pub fn out_of_place(event: &DomainEvent, found: impl Into<String>) -> Self {
        Self::OutOfPlace { event_type: event.type_name(), found: found.into() }
    }
}

/// A document as it is stored. As text, since binding JSON would have Postgres parse it twice.
pub fn to_json<T: serde::Serialize>(document: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(document).map_err(|error| sqlx::Error::Encode(error.into()))
}
