//! The audit of rows: their events are folded anew into temporary tables and compared with the rows at the same position,
//! in one snapshot. What rows add up to is added up anew. One id can be healed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use shared::log::{Position, RecordedEvent, StreamRange};
use sqlx::{Executor, PgConnection, PgPool, Row, postgres::PgPoolOptions};
use uuid::Uuid;

use super::{
    RebuildParts,
    compare::{Pair, compare, key_columns, primary_key, row_hash},
    refusals,
};
use crate::{
    engine::{Drift, Model, Refusal, Sources, Standstill, Start, checkpoints, dead_letters},
    operations::{self, JobError},
};

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

/// Which rows are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// A page of those behind this id.
    Behind(Option<Uuid>),
    /// One.
    One(Uuid),
}

/// What a check has seen.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// The last id; none if there are no more.
    pub(super) last: Option<Uuid>,
    pub(super) events: u64,
    pub(super) drifts: Vec<Drift>,
}

/// Why rows were not healed.
#[derive(Debug, thiserror::Error)]
pub enum HealError {
    /// The fold refuses an event of theirs, so they cannot be folded anew.
    #[error("the fold refuses position {}: {}", .0.position, .0.error)]
    Refused(Refusal),
    /// Something else came between.
    #[error(transparent)]
    Job(#[from] JobError),
}

impl From<sqlx::Error> for HealError {
    fn from(error: sqlx::Error) -> Self {
        Self::Job(error.into())
    }
}

/// How far the rows of a generation are folded.
pub(super) struct Place {
    pub(super) position: Position,
    /// Aggregates that stand still, and the event before which each of them does.
    pub(super) stopped: HashMap<Uuid, Position>,
}

/// Audits one projection. Holds a connection of its own for its temporary tables.
pub struct Audit {
    parts: RebuildParts,
    pub(super) model: Arc<dyn Model>,
    pub(super) sources: Sources,
    /// Where the rows are, …
    schema: String,
    /// … and how far they are folded, if they are not the live ones.
    at: Option<Place>,
    scratch: PgPool,
}

impl Audit {
    /// An audit of this projection's live rows.
    pub async fn open(parts: &RebuildParts, model: Arc<dyn Model>) -> Result<Self, JobError> {
        Self::over(parts, model, ("public".to_owned(), None)).await
    }

    /// An audit of the rows in some schema.
    pub(super) async fn over(
        parts: &RebuildParts,
        model: Arc<dyn Model>,
        (schema, at): (String, Option<Place>),
    ) -> Result<Self, JobError> {
        let Some(sources) = model.sources() else {
            let name = model.name();
            return Err(JobError::Failed(format!("rows of {name} mix streams; a rebuild compares them all")));
        };
        let make: Vec<String> = model
            .tables()
            .iter()
            .map(|table| format!("CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING ALL) ON COMMIT DELETE ROWS"))
            .collect();
        let make = make.join("; ");
        let scratch = PgPoolOptions::new()
            .max_connections(1)
            .after_connect(move |connection, _| {
                let make = make.clone();
                Box::pin(async move { connection.execute(make.as_str()).await.map(|_| ()) })
            })
            .connect_with((*parts.db.connect_options()).clone())
            .await?;
        Ok(Self { parts: parts.clone(), model, sources, schema, at, scratch })
    }

    /// Checks some rows from a random place of the log on.
    pub async fn sample(&self, place: f64) -> Result<Vec<Drift>, JobError> {
        let head = self.parts.log.head().await?;
        let page = self.parts.log.page((head as f64 * place) as Position, 200).await?;
        let streams = self.sources.streams;
        let Some(event) = page.iter().find(|event| streams.contains(&event.aggregate_type)) else {
            return Ok(Vec::new());
        };
        let mut drifts = self.check(Rows::One(event.aggregate_id)).await?.drifts;
        drifts.extend(self.check(Rows::Behind(Some(event.aggregate_id))).await?.drifts);
        Ok(drifts)
    }

    /// Checks the rows of one id.
    pub async fn row(&self, id: Uuid) -> Result<Vec<Drift>, JobError> {
        Ok(self.check(Rows::One(id)).await?.drifts)
    }

    /// Folds the rows of an id anew and puts them in the place of those that are there; sums move by the difference, so a
    /// false sum stays false until a rebuild. False if the rows were right. What was told to users stays told. If the fold
    /// refuses an event that it took once, everything stays as it is: rows that end before it would be no better, and
    /// nobody would go on with them.
    pub async fn heal(&self, id: Uuid, actor: &str, reason: &str) -> Result<bool, HealError> {
        let drifted = !self.row(id).await?.is_empty();
        let mut tx = self.parts.db.begin().await?;
        let claim = checkpoints::lock(&mut tx, self.model.name()).await?;
        let through = claim.map_or(0, |claim| claim.position);
        let (events, _) = self.read(Rows::One(id), through).await?;
        let mut standstill = self.standstill(&mut tx).await?;
        self.model.take_out(&mut tx, id).await?;
        for table in self.sources.rows {
            let column = id_column(&mut tx, table).await?;
            let statement = format!("DELETE FROM public.{table} r WHERE r.{column} = $1");
            sqlx::query(&statement).bind(id).execute(&mut *tx).await?;
        }
        self.model.fill(&self.parts.db, &mut tx, &events, Start::Nothing, &mut standstill).await?;
        if let Some((_, refusal)) = standstill.stopped.into_iter().next() {
            return Err(HealError::Refused(refusal));
        }
        if drifted {
            checkpoints::note_repair(&mut tx, self.model.name(), self.parts.clock.now()).await?;
        }
        checkpoints::dispossess(&mut tx, self.model.name(), None).await?;
        let subject = format!("{} {id}", self.model.name());
        operations::act(&mut tx, actor, "heal", (&subject, None), reason).await?;
        tx.commit().await?;
        Ok(drifted)
    }

    /// Compares the rows with a fold of their events.
    pub(super) async fn check(&self, rows: Rows) -> Result<Checked, JobError> {
        let mut tx = self.scratch.begin_with(SNAPSHOT).await?;
        let through = match &self.at {
            Some(place) => place.position,
            None => checkpoints::position(&mut tx, self.model.name()).await?,
        };
        let (events, last) = self.read(rows, through).await?;
        let mut standstill = self.standstill(&mut tx).await?;
        // By the clock that dates entries and that they are swept by.
        let kept_since = self.parts.clock.now() - self.parts.domain.feed_resumable();
        let mut drifts = self.model.refold(&mut tx, &events, &mut standstill, kept_since).await?;
        for table in self.sources.rows {
            drifts.extend(self.compare_range(&mut tx, table, rows, last).await?);
        }
        tx.rollback().await?;
        Ok(Checked { last, events: events.len() as u64, drifts })
    }

    /// Compares the sums with what the rows add up to.
    pub(super) async fn sums(&self) -> Result<Vec<Drift>, JobError> {
        if self.sources.sums.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.scratch.begin_with(SNAPSHOT).await?;
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
        self.model.sum_up(&mut tx).await?;
        let mut drifts = Vec::new();
        for table in self.sources.sums {
            let pair = Pair { table, live: format!("{}.{table}", self.schema), new: format!("pg_temp.{table}") };
            let difference = compare(&mut tx, &pair, &[]).await?;
            drifts.extend(difference.keys.iter().map(|key| Drift::new(table, key, "changed")));
        }
        tx.rollback().await?;
        Ok(drifts)
    }

    /// All events of some ids up to `through`, in order of the log, and the last of the ids; none if that is all there are.
    async fn read(&self, rows: Rows, through: Position) -> Result<(Vec<Arc<RecordedEvent>>, Option<Uuid>), JobError> {
        let (streams, last) = match rows {
            Rows::Behind(after) => self.page_of_streams(after, through).await?,
            Rows::One(id) => {
                let mut events = Vec::new();
                for kind in self.sources.streams {
                    let mut stream = Vec::new();
                    self.read_on((*kind, id), &mut stream).await?;
                    events.extend(stream);
                }
                (events, Some(id))
            }
        };
        let mut ids: HashSet<Uuid> = streams.iter().map(|event| event.aggregate_id).collect();
        ids.extend(match rows {
            Rows::One(id) => Some(id),
            Rows::Behind(_) => None,
        });
        let mut events: BTreeMap<Position, Arc<RecordedEvent>> = BTreeMap::new();
        let flows = match self.sources.flow {
            true => self.parts.log.flows(&ids.iter().copied().collect::<Vec<_>>(), through).await?,
            false => Vec::new(),
        };
        for event in streams.into_iter().chain(flows).filter(|event| event.position <= through) {
            if self.model.ids(&event).iter().all(|id| ids.contains(id)) {
                events.insert(event.position, Arc::new(event));
            }
        }
        Ok((events.into_values().collect(), last))
    }

    /// Whole streams behind an id, as many as a page holds of any kind, and the last id that is complete.
    async fn page_of_streams(
        &self,
        after: Option<Uuid>,
        through: Position,
    ) -> Result<(Vec<RecordedEvent>, Option<Uuid>), JobError> {
        let limit = self.parts.page_events;
        let after = after.map(|id| id.to_string());
        let after = after.as_ref().map(|id| (id.as_str(), i64::MAX as u64));
        let (mut pages, mut last) = (Vec::new(), None::<Uuid>);
        for kind in self.sources.streams {
            let range = StreamRange { aggregate_type: *kind, after, through };
            let page = self.parts.log.streams(range, limit).await?;
            if page.len() == limit as usize {
                let complete = last_complete(&page);
                last = last.into_iter().chain(complete).min();
            }
            pages.push((*kind, page));
        }
        let mut events = Vec::new();
        for (kind, mut page) in pages {
            if let Some(last) = last {
                page.retain(|event| event.aggregate_id <= last);
                // A stream that is longer than a page is read to its end.
                if page.len() == limit as usize {
                    self.read_on((kind, last), &mut page).await?;
                }
            }
            events.extend(page);
        }
        Ok((events, last))
    }

    /// The rest of a stream of which `events` is the beginning.
    async fn read_on(
        &self,
        (kind, id): (shared::domain::AggregateType, Uuid),
        events: &mut Vec<RecordedEvent>,
    ) -> Result<(), JobError> {
        loop {
            let after = events.last().map_or(0, |event| event.sequence);
            let page = self.parts.log.stream(kind, id, after, self.parts.page_events).await?;
            let is_last = page.len() < self.parts.page_events as usize;
            events.extend(page);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Where the rows stand still, and what they passed over.
    async fn standstill(&self, tx: &mut PgConnection) -> Result<Standstill, JobError> {
        let discarded = refusals::discarded(&self.parts.db, self.model.name()).await?;
        let before = match &self.at {
            Some(place) => place.stopped.clone(),
            None => dead_letters::open_positions(tx, self.model.name()).await?,
        };
        Ok(Standstill { discarded, stopped: HashMap::new(), before })
    }

    /// The ids of which the rows, there and folded anew, are not equal.
    async fn compare_range(
        &self,
        tx: &mut PgConnection,
        table: &str,
        rows: Rows,
        last: Option<Uuid>,
    ) -> Result<Vec<Drift>, JobError> {
        let (least, from) = match rows {
            Rows::One(id) => (">=", id),
            Rows::Behind(None) => (">=", Uuid::nil()),
            Rows::Behind(Some(id)) => (">", id),
        };
        let live = format!("{}.{table}", self.schema);
        let (id, key, hash) = (id_column(tx, table).await?, primary_key(tx, &live).await?, row_hash(tx, &live).await?);
        let statement = format!(
            "
            SELECT DISTINCT coalesce(l.id, n.id)::text AS id,
                   CASE WHEN l.id IS NULL THEN 'missing' WHEN n.id IS NULL THEN 'surplus' ELSE 'changed' END AS what
            FROM (SELECT r.{id} AS id, {key} AS key, {hash} AS hash FROM {live} r
                  WHERE r.{id} {least} $1 AND r.{id} <= $2) l
            FULL JOIN (SELECT r.{id} AS id, {key} AS key, {hash} AS hash FROM pg_temp.{table} r) n ON n.key = l.key
            WHERE l.hash IS DISTINCT FROM n.hash
            "
        );
        let to = last.unwrap_or(Uuid::max());
        let found = sqlx::query(&statement).bind(from).bind(to).fetch_all(tx).await?;
        let drift =
            |row: &sqlx::postgres::PgRow| Ok(Drift::new(table, row.try_get::<&str, _>("id")?, row.try_get("what")?));
        found.iter().map(drift).collect()
    }
}

/// A full page may end within a stream: that one is left to the next page, unless it fills this one.
fn last_complete(page: &[RecordedEvent]) -> Option<Uuid> {
    let id = page.last()?.aggregate_id;
    let begins = page.partition_point(|event| event.aggregate_id < id);
    Some(if begins == 0 { id } else { page[begins - 1].aggregate_id })
}

/// The first column of the table's primary key: the id.
async fn id_column(tx: &mut PgConnection, table: &str) -> Result<String, JobError> {
    let columns = key_columns(tx, &format!("public.{table}")).await?;
    columns.into_iter().next().ok_or_else(|| JobError::Failed(format!("{table} has no key")))
}
