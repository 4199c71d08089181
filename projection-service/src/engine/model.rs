//! A read model by its name: what operators do to any of them, made callable without its types.

use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::{
    domain::AggregateType,
    log::{Position, RecordedEvent},
};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    bulk::{BulkFold, Streams},
    failpoints::Failpoints,
    fold::Fold,
    projection::{Changes, Drift, FoldError, ReadModel, Sources},
};

/// How the rows of a projection come about, and so how it is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Each row is the fold of one stream of this kind, and its primary key is the stream's id: streams are taken whole,
    /// one after another.
    ByStream(AggregateType),
    /// Rows mix streams: events are taken in order of the log.
    ByPosition,
}

/// Where a fold begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With no rows: the events are whole streams.
    Nothing,
    /// With the rows that are stored.
    Stored,
}

/// Events that the fold passes over, and aggregates that stand still because of what it refused.
#[derive(Debug, Default)]
pub struct Standstill {
    /// Events that a person discarded.
    pub discarded: HashSet<Position>,
    /// The event that each of these aggregates stopped before, and why.
    pub stopped: HashMap<Uuid, Refusal>,
    /// Aggregates that stop before an event because a letter of it is open.
    pub before: HashMap<Uuid, Position>,
}

/// An event that the fold refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The kind of its stream.
    pub aggregate_type: AggregateType,
    /// The event.
    pub position: Position,
    /// Why.
    pub error: String,
}

impl Refusal {
    /// Of this event, for this reason.
    pub fn new(event: &RecordedEvent, error: &FoldError) -> Self {
        Self { aggregate_type: event.aggregate_type, position: event.position, error: error.to_string() }
    }
}

impl Standstill {
    fn passes_over(&self, event: &RecordedEvent) -> bool {
        self.discarded.contains(&event.position)
            || self.stopped.contains_key(&event.aggregate_id)
            || self.before.get(&event.aggregate_id).is_some_and(|before| event.position >= *before)
    }
}

/// See the module.
#[async_trait]
pub trait Model: Send + Sync {
    /// The projection's name.
    fn name(&self) -> &'static str;

    /// The tables that are folded anew, and swapped.
    fn tables(&self) -> &'static [&'static str];

    /// How it is rebuilt.
    fn replay(&self) -> Replay;

    /// Whether the event touches any of its rows.
    fn touches(&self, event: &RecordedEvent) -> bool;

    /// Folds events into the tables that the search path of `db` and `tx` leads to. Nobody is told of anything. Rows are
    /// read through `db`, so what `tx` wrote before is not seen.
    async fn fill(
        &self,
        db: &PgPool,
        tx: &mut PgConnection,
        events: &[Arc<RecordedEvent>],
        start: Start,
        standstill: &mut Standstill,
    ) -> Result<(), sqlx::Error>;

    /// Whether users are told of what happens to its rows.
    fn tells(&self) -> bool;

    /// Folds all events of some rows into the tables that `tx` is led to, where these rows are so already, and tells
    /// users of what the events at the positions `untold` have to tell.
    async fn tell(
        &self,
        tx: &mut PgConnection,
        events: &[Arc<RecordedEvent>],
        standstill: &mut Standstill,
        untold: &HashSet<Position>,
    ) -> Result<(), sqlx::Error>;

    /// What its rows are made of, if some of them can be folded anew.
    fn sources(&self) -> Option<Sources>;

    /// The ids of the rows that the event touches.
    fn ids(&self, event: &RecordedEvent) -> Vec<Uuid>;

    /// Folds all events of some rows into empty tables, and compares what they had to tell with what was told and, since
    /// `kept_since`, is kept.
    async fn refold(
        &self,
        tx: &mut PgConnection,
        events: &[Arc<RecordedEvent>],
        standstill: &mut Standstill,
        kept_since: DateTime<Utc>,
    ) -> Result<Vec<Drift>, sqlx::Error>;

    /// Takes what the rows of this id add to sums out of the sums, before the rows are deleted.
    async fn take_out(&self, tx: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error>;

    /// Fills the empty tables of the sums from the rows in `public`.
    async fn sum_up(&self, tx: &mut PgConnection) -> Result<(), sqlx::Error>;

    /// A fold of whole streams into rows for empty tables, for those that are replayed by stream. Passes over what was
    /// discarded.
    fn bulk(&self, discarded: HashSet<Position>) -> Box<dyn BulkFold>;

    /// The rows of this id that these events, without those that were discarded, add up to, as operators are shown them.
    fn rows(&self, id: Uuid, events: &[RecordedEvent], discarded: &HashSet<Position>) -> Result<Vec<Value>, Refusal>;
}

/// Makes a projection callable by name.
#[derive(Debug)]
pub struct Named<P> {
    failpoints: Failpoints,
    projection: PhantomData<P>,
}

impl<P: ReadModel> Named<P> {
    /// The projection, with the faults that its folds are to have.
    pub fn model(failpoints: &Failpoints) -> Arc<dyn Model> {
        Arc::new(Self { failpoints: failpoints.clone(), projection: PhantomData })
    }

    fn fold(&self, mut fold: Fold<P>, events: &[Arc<RecordedEvent>], standstill: &mut Standstill) -> Changes<P> {
        for event in events {
            if P::keys(event).is_empty() || standstill.passes_over(event) {
                continue;
            }
            if let Err(refusal) = self.take(&mut fold, event) {
                standstill.stopped.insert(event.aggregate_id, refusal);
            }
        }
        fold.changes()
    }

    fn take(&self, fold: &mut Fold<P>, event: &RecordedEvent) -> Result<(), Refusal> {
        let taken = match self.failpoints.refuses(P::NAME, event.aggregate_id) {
            true => Err(FoldError::Failpoint),
            false => fold.take(event),
        };
        taken.map_err(|error| Refusal::new(event, &error))
    }
}

/// Of what these rows have to tell, only what comes from the events that `tells` names is told.
pub(super) fn tell_only<P: ReadModel>(changes: &mut Changes<P>, tells: &dyn Fn(Position) -> bool) {
    changes.iter_mut().filter_map(|(_, row)| row.as_mut()).for_each(|row| P::tell_only(row, tells));
}

/// Nobody is told of anything.
async fn settle_and_store<P: ReadModel>(tx: &mut PgConnection, mut changes: Changes<P>) -> Result<(), sqlx::Error> {
    changes.iter_mut().filter_map(|(_, row)| row.as_mut()).for_each(P::settle);
    if !changes.is_empty() {
        P::store(tx, &changes).await?;
    }
    Ok(())
}

#[async_trait]
impl<P: ReadModel> Model for Named<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn tables(&self) -> &'static [&'static str] {
        P::TABLES
    }

    fn replay(&self) -> Replay {
        P::REPLAY
    }

    fn touches(&self, event: &RecordedEvent) -> bool {
        !P::keys(event).is_empty()
    }

    async fn fill(
        &self,
        db: &PgPool,
        tx: &mut PgConnection,
        events: &[Arc<RecordedEvent>],
        start: Start,
        standstill: &mut Standstill,
    ) -> Result<(), sqlx::Error> {
        let mut seen = HashSet::new();
        let mut stored = Vec::new();
        for event in events.iter().filter(|_| start == Start::Stored) {
            let keys = P::keys(event);
            stored.extend(keys.into_iter().filter(|key| seen.insert(*key) && P::may_exist(event)));
        }
        let rows = if stored.is_empty() { HashMap::new() } else { P::load(db, &stored).await? };
        let fold = Fold::<P>::new(rows.into_iter().map(|(key, row)| (key, Some(row))).collect());
        let changes = self.fold(fold, events, standstill);
        settle_and_store::<P>(tx, changes).await
    }

    fn tells(&self) -> bool {
        P::TELLS
    }

    async fn tell(
        &self,
        tx: &mut PgConnection,
        events: &[Arc<RecordedEvent>],
        standstill: &mut Standstill,
        untold: &HashSet<Position>,
    ) -> Result<(), sqlx::Error> {
        let mut changes = self.fold(Fold::new(HashMap::new()), events, standstill);
        tell_only::<P>(&mut changes, &|position| untold.contains(&position));
        if !changes.is_empty() {
            P::store(tx, &changes).await?;
        }
        Ok(())
    }

    fn sources(&self) -> Option<Sources> {
        P::SOURCES
    }

    fn ids(&self, event: &RecordedEvent) -> Vec<Uuid> {
        P::keys(event).into_iter().map(Into::into).collect()
    }

    async fn refold(
        &self,
        tx: &mut PgConnection,
        events: &[Arc<RecordedEvent>],
        standstill: &mut Standstill,
        kept_since: DateTime<Utc>,
    ) -> Result<Vec<Drift>, sqlx::Error> {
        let changes = self.fold(Fold::new(HashMap::new()), events, standstill);
        let drifts = P::compare_told(tx, &changes, kept_since).await?;
        settle_and_store::<P>(tx, changes).await?;
        Ok(drifts)
    }

    async fn take_out(&self, tx: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
        P::take_out(tx, id).await
    }

    async fn sum_up(&self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        P::sum_up(tx).await
    }

    fn bulk(&self, discarded: HashSet<Position>) -> Box<dyn BulkFold> {
        Box::new(Streams::<P>::new(self.failpoints.clone(), discarded))
    }

    fn rows(&self, id: Uuid, events: &[RecordedEvent], discarded: &HashSet<Position>) -> Result<Vec<Value>, Refusal> {
        let mut fold = Fold::<P>::new(HashMap::new());
        for event in events {
            if self.ids(event).contains(&id) && !discarded.contains(&event.position) {
                self.take(&mut fold, event)?;
            }
        }
        Ok(fold
            .changes()
            .into_iter()
            .filter(|(key, _)| (*key).into() == id)
            .filter_map(|(_, row)| row.map(P::show))
            .collect())
    }
}

/// Every read model of this program. Cheap to clone.
#[derive(Clone)]
pub struct Models(Arc<Vec<Arc<dyn Model>>>);

impl Models {
    /// These.
    pub fn new(models: Vec<Arc<dyn Model>>) -> Self {
        Self(Arc::new(models))
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Model>> {
        self.0.iter().find(|model| model.name() == name).cloned()
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<dyn Model>] {
        &self.0
    }
}
