//! The audit of live rows: streams are folded anew into temporary tables and compared with the live rows at the same
//! position, in one snapshot. One key can be healed.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    domain::AggregateType,
    log::{Position, RecordedEvent, StreamRange},
};
use sqlx::{Executor, PgConnection, PgPool, Row, postgres::PgPoolOptions};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{RebuildParts, compare::primary_key, refusals};
use crate::{
    engine::{Model, Replay, Standstill, Start, checkpoints, dead_letters},
    operations::{self, Job, JobError, Progress, Run, Step},
};

/// Drifts that are named.
const NAMED_MAX: usize = 20;

/// A row that is not what its stream adds up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drift {
    /// The table.
    #[schema(example = "orders")]
    pub table: String,
    /// The row's key, and its stream's id.
    pub key: String,
    /// `changed`, `missing` or `surplus`.
    #[schema(example = "changed")]
    pub what: String,
}

/// Which streams are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Streams {
    /// A page of those behind this one.
    Behind(Option<String>),
    /// One.
    One(Uuid),
}

/// What a check has seen.
#[derive(Debug, Default)]
struct Checked {
    /// The last stream; none if there was no more.
    last: Option<String>,
    events: u64,
    drifts: Vec<Drift>,
}

/// Audits one projection. Holds a connection of its own for its temporary tables.
pub struct Audit {
    parts: RebuildParts,
    model: Arc<dyn Model>,
    kind: AggregateType,
    scratch: PgPool,
}

impl Audit {
    /// An audit of this projection; its rows must be folds of one stream each.
    pub async fn open(parts: &RebuildParts, model: Arc<dyn Model>) -> Result<Self, JobError> {
        let Replay::ByStream(kind) = model.replay() else {
            let name = model.name();
            return Err(JobError::Failed(format!("rows of {name} mix streams; a rebuild compares them all")));
        };
        let make: Vec<String> = model
            .tables()
            .iter()
            .map(|table| {
                format!("CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING DEFAULTS INCLUDING INDEXES) ON COMMIT DELETE ROWS")
            })
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
        Ok(Self { parts: parts.clone(), model, kind, scratch })
    }

    /// Checks some streams from a random place of the log on.
    pub async fn sample(&self, place: f64) -> Result<Vec<Drift>, JobError> {
        let head = self.parts.log.head().await?;
        let page = self.parts.log.page((head as f64 * place) as Position, 200).await?;
        let Some(event) = page.iter().find(|event| event.aggregate_type == self.kind) else { return Ok(Vec::new()) };
        let mut drifts = self.check(&Streams::One(event.aggregate_id)).await?.drifts;
        drifts.extend(self.check(&Streams::Behind(Some(event.aggregate_id.to_string()))).await?.drifts);
        Ok(drifts)
    }

    /// Checks one row.
    pub async fn row(&self, id: Uuid) -> Result<Vec<Drift>, JobError> {
        Ok(self.check(&Streams::One(id)).await?.drifts)
    }

    /// Folds the row anew and puts it in the place of the one that is there. False if it was right.
    pub async fn heal(&self, id: Uuid, actor: &str, reason: &str) -> Result<bool, JobError> {
        let drifted = !self.row(id).await?.is_empty();
        let mut tx = self.parts.db.begin().await?;
        let claim = checkpoints::lock(&mut tx, self.model.name()).await?;
        let through = claim.map_or(0, |claim| claim.position);
        let (events, _) = self.read(&Streams::One(id), through).await?;
        let mut standstill = self.standstill(&mut tx).await?;
        for table in self.model.tables() {
            let key = column(&mut tx, table).await?;
            let statement = format!("DELETE FROM public.{table} r WHERE r.{key} = $1");
            sqlx::query(&statement).bind(id).execute(&mut *tx).await?;
        }
        self.model.fill(&self.parts.db, &mut tx, &events, Start::Nothing, &mut standstill).await?;
        checkpoints::dispossess(&mut tx, self.model.name(), None).await?;
        let subject = format!("{} {id}", self.model.name());
        operations::act(&mut tx, actor, "heal", (&subject, None), reason).await?;
        tx.commit().await?;
        Ok(drifted)
    }

    async fn check(&self, streams: &Streams) -> Result<Checked, JobError> {
        let mut tx = self.scratch.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        let through = checkpoints::position(&mut tx, self.model.name()).await?;
        let (events, last) = self.read(streams, through).await?;
        let mut standstill = self.standstill(&mut tx).await?;
        self.model.fill(&self.scratch, &mut tx, &events, Start::Nothing, &mut standstill).await?;
        let mut drifts = Vec::new();
        for table in self.model.tables() {
            drifts.extend(compare_range(&mut tx, table, streams, last.as_deref()).await?);
        }
        tx.rollback().await?;
        Ok(Checked { last, events: events.len() as u64, drifts })
    }

    /// Whole streams up to `through`, and the last of them; none if that is all there are.
    async fn read(
        &self,
        streams: &Streams,
        through: Position,
    ) -> Result<(Vec<Arc<RecordedEvent>>, Option<String>), JobError> {
        let mut last = None;
        let mut events = Vec::new();
        let mut one = match streams {
            Streams::One(id) => Some(*id),
            Streams::Behind(after) => {
                let limit = self.parts.page_events;
                let after = after.as_ref().map(|id| (id.as_str(), i64::MAX as u64));
                events =
                    self.parts.log.streams(StreamRange { aggregate_type: self.kind, after, through }, limit).await?;
                cut_off_last(&mut events, limit as usize, &mut last)
            }
        };
        if let (Streams::One(id), true) = (streams, one.is_some()) {
            last = Some(id.to_string());
        }
        // One stream that is longer than a page is read to its end.
        while let Some(id) = one {
            let after = events.last().map_or(0, |event| event.sequence);
            let page = self.parts.log.stream(self.kind, id, after, self.parts.page_events).await?;
            let more = page.len() == self.parts.page_events as usize;
            events.extend(page.into_iter().filter(|event| event.position <= through));
            one = one.filter(|_| more);
        }
        Ok((events.into_iter().map(Arc::new).collect(), last))
    }

    /// Where the live rows stand still, and what they passed over.
    async fn standstill(&self, tx: &mut PgConnection) -> Result<Standstill, JobError> {
        let discarded = refusals::discarded(&self.parts.db, self.model.name()).await?;
        let before = dead_letters::open_positions(tx, self.model.name()).await?;
        Ok(Standstill { discarded, stopped: HashMap::new(), before })
    }
}

/// A full page may end within a stream: that one is left to the next page. If the page is one stream, its id.
fn cut_off_last(events: &mut Vec<RecordedEvent>, limit: usize, last: &mut Option<String>) -> Option<Uuid> {
    let id = events.last()?.aggregate_id;
    if events.len() < limit {
        return None;
    }
    let begins = events.partition_point(|event| event.aggregate_id != id);
    if begins == 0 {
        *last = Some(id.to_string());
        return Some(id);
    }
    events.truncate(begins);
    *last = events.last().map(|event| event.aggregate_id.to_string());
    None
}

/// The rows of the streams, live and folded anew, that are not equal.
async fn compare_range(
    tx: &mut PgConnection,
    table: &str,
    streams: &Streams,
    last: Option<&str>,
) -> Result<Vec<Drift>, JobError> {
    let key = column(tx, table).await?;
    let (least, from) = match streams {
        Streams::One(id) => (">=", *id),
        Streams::Behind(None) => (">=", Uuid::nil()),
        Streams::Behind(Some(id)) => (">", Uuid::parse_str(id).unwrap_or_default()),
    };
    let to = last.and_then(|id| Uuid::parse_str(id).ok()).unwrap_or(Uuid::max());
    let statement = format!(
        "
        SELECT coalesce(l.key, n.key)::text AS key,
               CASE WHEN l.key IS NULL THEN 'missing' WHEN n.key IS NULL THEN 'surplus' ELSE 'changed' END AS what
        FROM (SELECT r.{key} AS key, r::text AS row FROM public.{table} r WHERE r.{key} {least} $1 AND r.{key} <= $2) l
        FULL JOIN (SELECT r.{key} AS key, r::text AS row FROM pg_temp.{table} r) n ON n.key = l.key
        WHERE l.row IS DISTINCT FROM n.row
        "
    );
    let rows = sqlx::query(&statement).bind(from).bind(to).fetch_all(tx).await?;
    let drift = |row: &sqlx::postgres::PgRow| {
        Ok(Drift { table: table.to_owned(), key: row.try_get("key")?, what: row.try_get("what")? })
    };
    rows.iter().map(drift).collect()
}

/// The one column of the table's primary key.
async fn column(tx: &mut PgConnection, table: &str) -> Result<String, JobError> {
    let key = primary_key(tx, &format!("public.{table}")).await?;
    let column = key.strip_prefix("r.").and_then(|key| key.strip_suffix("::text"));
    column.map(str::to_owned).ok_or_else(|| JobError::Failed(format!("the key of {table} is not one column")))
}

/// The full pass as an operation.
pub struct AuditJob {
    parts: RebuildParts,
    seen: Seen,
    audit: Option<Audit>,
    total: Option<u64>,
}

/// What has been seen so far; kept with the operation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Seen {
    after: Option<String>,
    events: u64,
    drifted: u64,
    drifts: Vec<Drift>,
}

impl AuditJob {
    /// The job of this operation.
    pub fn new(parts: RebuildParts, run: &Run) -> Result<Self, JobError> {
        let seen = serde_json::from_value(run.input.clone()).map_err(|error| JobError::Failed(error.to_string()))?;
        Ok(Self { parts, seen, audit: None, total: None })
    }
}

#[async_trait]
impl Job for AuditJob {
    async fn step(&mut self, run: &Run) -> Result<Step, JobError> {
        if self.audit.is_none() {
            let unknown = || JobError::Failed(format!("there is no projection {:?}", run.subject));
            let model = self.parts.models.get(&run.subject).ok_or_else(unknown)?;
            let audit = Audit::open(&self.parts, model).await?;
            self.total = Some(self.parts.log.count(audit.kind, self.parts.log.head().await?).await?);
            self.audit = Some(audit);
        }
        let Some(audit) = &self.audit else { return Err(JobError::Again("no connection".to_owned())) };
        let checked = audit.check(&Streams::Behind(self.seen.after.clone())).await?;
        for drift in &checked.drifts {
            run.note(&format!("{} {} is {}", drift.table, drift.key, drift.what)).await?;
            report(&self.parts, audit.model.name(), drift);
        }
        self.seen.events += checked.events;
        self.seen.drifted += checked.drifts.len() as u64;
        let room = NAMED_MAX.saturating_sub(self.seen.drifts.len());
        self.seen.drifts.extend(checked.drifts.into_iter().take(room));
        let total = self.total.unwrap_or_default().max(self.seen.events);
        let progress = Progress { stage: "comparing".to_owned(), done: self.seen.events, total: Some(total) };
        let Some(last) = checked.last else {
            let Seen { events, drifted, drifts, .. } = &self.seen;
            return Ok(Step::Done(progress, json!({"events": events, "drifted": drifted, "drifts": drifts})));
        };
        self.seen.after = Some(last);
        run.remember(&json!(self.seen)).await?;
        Ok(Step::More(progress))
    }

    async fn clear(&mut self, _: &Run) -> Result<(), JobError> {
        Ok(())
    }
}

/// Someone must look.
pub(crate) fn report(parts: &RebuildParts, projection: &'static str, drift: &Drift) {
    let label = shared::runtime::metrics::Projection { projection };
    parts.metrics.projection_drift.get_or_create(&label).inc();
    tracing::error!(
        event = "projection_drift",
        projection,
        table = drift.table,
        key = drift.key,
        what = drift.what,
        "a row is not what its events add up to; heal it or rebuild the projection"
    );
}
