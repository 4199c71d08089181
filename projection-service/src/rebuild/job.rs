//! The rebuild as an operation, and the rollback, which is a rebuild that begins with a generation that was kept.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    domain::AggregateType,
    log::{Position, RecordedEvent},
    runtime::metrics,
};
use sqlx::PgPool;

use super::{
    RebuildParts,
    audit::{Audit, Place},
    bulk::{self, Pump},
    compare::{Difference, Pair, compare},
    generations::{self, Generation, GenerationState},
    refusals, swap,
};
use crate::{
    engine::{Drift, Model, Replay, Standstill, Start, checkpoints, dead_letters},
    operations::{Job, JobError, OperationKind, Progress, Run, Step},
};

/// Events that are left to the transaction of the swap; while more are missing, the catching up goes on.
const TAIL_MAX: u64 = 2_000;
/// Aggregates that may be refused before something is wrong with the fold itself.
const REFUSALS_MAX: usize = 1_000;
/// Where in the log the rows are that are folded once more, and how many events at each place.
const SAMPLES: &[f64] = &[0.05, 0.35, 0.65, 0.95];
const SAMPLE_EVENTS: u32 = 1_000;
/// The wait after a swap that queries held up.
const SWAP_AGAIN: Duration = Duration::from_millis(200);

/// When the new generation takes the place of the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapWhen {
    /// At once if both are equal; otherwise a person decides.
    #[default]
    Equal,
    /// Once it is verified, whatever differs.
    Verified,
    /// When a person says so.
    Told,
}

/// What a rebuild is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RebuildInput {
    /// When it swaps.
    #[serde(default)]
    pub swap: SwapWhen,
}

/// The job of a rebuild or a rollback.
pub struct Rebuild {
    parts: RebuildParts,
    model: Arc<dyn Model>,
    kind: OperationKind,
    swap: SwapWhen,
    open: Option<Open>,
}

/// The generation in this process's hands.
struct Open {
    pool: PgPool,
    generation: Generation,
    standstill: Standstill,
    total: u64,
    indexed: bool,
    differences: Option<Vec<Difference>>,
    /// Rows of the new generation that are not what their events add up to, of those that were folded once more.
    drifts: Vec<Drift>,
    /// The streams that are still missing, once they are asked for.
    pump: Option<Pump>,
}

impl Rebuild {
    /// The job of this operation.
    pub fn new(parts: RebuildParts, kind: OperationKind, run: &Run) -> Result<Self, JobError> {
        let unknown = || JobError::Failed(format!("there is no projection {:?}", run.subject));
        let model = parts.models.get(&run.subject).ok_or_else(unknown)?;
        let input: RebuildInput =
            serde_json::from_value(run.input.clone()).map_err(|error| JobError::Failed(error.to_string()))?;
        Ok(Self { parts, model, kind, swap: input.swap, open: None })
    }

    /// Finds the generation of this operation, or makes it. None if it is live already.
    async fn open(&self, run: &Run) -> Result<Option<Open>, JobError> {
        let (db, model) = (&self.parts.db, &*self.model);
        let mut found = generations::of_operation(db, model, run.id).await?;
        if found.is_none() {
            let mut tx = db.begin().await?;
            run.fence(&mut tx).await?;
            match self.kind {
                OperationKind::Rollback => {
                    if !generations::take_up(&mut tx, model, run.id).await? {
                        return Err(JobError::Failed("no generation was kept to roll back to".to_owned()));
                    }
                }
                OperationKind::Rebuild | OperationKind::Verify | OperationKind::Redrive | OperationKind::Audit => {
                    // Streams are not read beyond what the live tables have seen.
                    let target = checkpoints::position(&mut tx, model.name()).await?;
                    generations::begin(&mut tx, model, run.id, target).await?;
                }
            }
            tx.commit().await?;
            found = generations::of_operation(db, model, run.id).await?;
        }
        let Some(generation) = found.filter(|generation| generation.state == GenerationState::Building) else {
            return Ok(None);
        };
        let total = match model.replay() {
            Replay::ByStream(kind) if self.kind == OperationKind::Rebuild => {
                self.parts.log.count(&[kind], generation.target).await?
            }
            Replay::ByStream(_) | Replay::ByPosition => generation.target,
        };
        let pool = generations::pool(db, &generation);
        let standstill = refusals::standstill(db, &generation).await?;
        Ok(Some(Open {
            pool,
            generation,
            standstill,
            total,
            indexed: false,
            differences: None,
            drifts: Vec::new(),
            pump: None,
        }))
    }

    /// The kind of streams that are taken whole, if there are any left.
    fn streams_left(&self, open: &Open) -> Option<AggregateType> {
        match self.model.replay() {
            Replay::ByStream(kind)
                if self.kind == OperationKind::Rebuild
                    && open.generation.position == 0
                    && open.generation.target > 0 =>
            {
                Some(kind)
            }
            Replay::ByStream(_) | Replay::ByPosition => None,
        }
    }

    fn progress(&self, stage: &str, open: &Open) -> Progress {
        let done = open.generation.events;
        let label = metrics::Projection { projection: self.model.name() };
        let ratio = done as f64 / open.total.max(done).max(1) as f64;
        self.parts.metrics.projection_rebuild_progress.get_or_create(&label).set(ratio);
        Progress { stage: stage.to_owned(), done, total: Some(open.total.max(done)) }
    }

    /// Some whole streams: their rows, and that they are there, in one transaction.
    async fn replay(&self, run: &Run, open: &mut Open, kind: AggregateType) -> Result<(), JobError> {
        let start = |open: &Open| {
            let what = (open.standstill.discarded.clone(), self.parts.page_events);
            Pump::start(&self.parts.log, (&*self.model, kind), &open.generation, what)
        };
        let mut pump = open.pump.take().unwrap_or_else(|| start(open));
        let mut next = open.generation.clone();
        let Some(mut folded) = pump.next().await? else {
            next.position = next.target;
            return self.take(run, open, &[], next).await;
        };
        open.pump = Some(pump);
        let Some((id, sequence)) = folded.through else { return Ok(()) };
        next.after = Some((id.to_string(), sequence));
        next.events += folded.events;
        let known = open.standstill.stopped.len();
        open.standstill.stopped.extend(std::mem::take(&mut folded.refused));
        let mut tx = open.pool.begin_with(bulk::BEGIN).await?;
        run.fence(&mut tx).await?;
        bulk::write(&mut tx, folded).await?;
        self.note_refusals(open, &mut tx, known).await?;
        generations::advance(&mut tx, &open.generation, &next).await?;
        tx.commit().await?;
        open.generation = next;
        Ok(())
    }

    /// One page in order of the log, up to where the live tables are; whether the generation is nearly there.
    async fn catch_up(&self, run: &Run, open: &mut Open) -> Result<bool, JobError> {
        let live = self.live_position().await?;
        let from = open.generation.position;
        if live.saturating_sub(from) <= TAIL_MAX {
            return Ok(true);
        }
        let mut events = self.parts.log.page(from, self.parts.page_events).await?;
        events.retain(|event| event.position <= live);
        open.standstill.discarded = refusals::discarded(&self.parts.db, self.model.name()).await?;
        let mut next = open.generation.clone();
        next.position = generations::behind(&events, from);
        next.events += events.len() as u64;
        self.take(run, open, &events, next).await?;
        Ok(false)
    }

    async fn live_position(&self) -> Result<Position, JobError> {
        let mut db = self.parts.db.acquire().await?;
        Ok(checkpoints::position(&mut db, self.model.name()).await?)
    }

    /// Folds events and says how far the generation is then, in one transaction.
    async fn take(
        &self,
        run: &Run,
        open: &mut Open,
        events: &[Arc<RecordedEvent>],
        next: Generation,
    ) -> Result<(), JobError> {
        let mut tx = open.pool.begin().await?;
        run.fence(&mut tx).await?;
        self.fill(open, &mut tx, events).await?;
        generations::advance(&mut tx, &open.generation, &next).await?;
        tx.commit().await?;
        open.generation = next;
        Ok(())
    }

    async fn fill(
        &self,
        open: &mut Open,
        tx: &mut sqlx::PgConnection,
        events: &[Arc<RecordedEvent>],
    ) -> Result<(), JobError> {
        let known = open.standstill.stopped.len();
        self.model.fill(&open.pool, tx, events, Start::Stored, &mut open.standstill).await?;
        self.note_refusals(open, tx, known).await
    }

    /// Writes down what was refused since `known` were.
    async fn note_refusals(&self, open: &Open, tx: &mut sqlx::PgConnection, known: usize) -> Result<(), JobError> {
        if open.standstill.stopped.len() > REFUSALS_MAX {
            return Err(JobError::Failed(format!("the fold refuses more than {REFUSALS_MAX} aggregates")));
        }
        refusals::write_refusals(tx, &open.generation, &open.standstill, known).await?;
        Ok(())
    }

    /// The events between the generation and `to`; none if there are too many for one transaction.
    async fn tail(&self, open: &Open, to: Position) -> Result<Option<Vec<Arc<RecordedEvent>>>, JobError> {
        let from = open.generation.position;
        let missing = to.saturating_sub(from);
        if missing > TAIL_MAX {
            return Ok(None);
        }
        let events = if missing == 0 { Vec::new() } else { self.parts.log.page(from, missing as u32).await? };
        match events.len() as u64 == missing {
            true => Ok(Some(events)),
            false => Err(JobError::Again("the log was not read to its end".to_owned())),
        }
    }

    /// Compares both generations at one position, in one snapshot. None if the generation has fallen behind.
    async fn verify(&self, run: &Run, open: &mut Open) -> Result<Option<Vec<Difference>>, JobError> {
        let mut tx = open.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        run.fence(&mut tx).await?;
        let position = checkpoints::position(&mut tx, self.model.name()).await?;
        let Some(events) = self.tail(open, position).await? else { return Ok(None) };
        self.fill(open, &mut tx, &events).await?;
        let mut known = dead_letters::open_aggregates(&mut tx, self.model.name()).await?;
        known.extend(open.standstill.stopped.keys().map(ToString::to_string));
        let mut differences = Vec::new();
        let schema = format!("generation_{}_{}", self.model.name(), open.generation.generation);
        for table in self.model.tables() {
            let pair = Pair { table, live: format!("public.{table}"), new: format!("{schema}.{table}") };
            differences.push(compare(&mut tx, &pair, &known).await?);
        }
        let mut next = open.generation.clone();
        next.position = position;
        next.events += events.len() as u64;
        generations::advance(&mut tx, &open.generation, &next).await?;
        tx.commit().await?;
        open.generation = next;
        open.drifts = self.sample(open, schema).await?;
        Ok(Some(differences))
    }

    /// Folds some rows of the new generation once more from the log, since the live ones may be wrong in the same way.
    async fn sample(&self, open: &Open, schema: String) -> Result<Vec<Drift>, JobError> {
        if self.model.sources().is_none() {
            return Ok(Vec::new());
        }
        let stopped = open.standstill.stopped.iter().map(|(id, refusal)| (*id, refusal.position)).collect();
        let place = Place { position: open.generation.position, stopped };
        let parts = RebuildParts { page_events: SAMPLE_EVENTS.min(self.parts.page_events), ..self.parts.clone() };
        let audit = Audit::over(&parts, Arc::clone(&self.model), (schema, Some(place))).await?;
        let mut drifts = Vec::new();
        for place in SAMPLES {
            drifts.extend(audit.sample(*place).await?);
        }
        Ok(drifts)
    }

    /// The last events and the swap. False if the generation has fallen behind.
    async fn finish(&self, run: &Run, open: &mut Open) -> Result<bool, JobError> {
        let mut tx = open.pool.begin().await?;
        run.fence(&mut tx).await?;
        let claim = checkpoints::lock(&mut tx, self.model.name()).await?;
        let position = claim.map_or(0, |claim| claim.position);
        let Some(events) = self.tail(open, position).await? else { return Ok(false) };
        open.standstill.discarded = refusals::discarded(&self.parts.db, self.model.name()).await?;
        self.fill(open, &mut tx, &events).await?;
        swap::swap(&self.parts, &mut tx, &*self.model, &open.generation, (&open.standstill, position)).await?;
        tx.commit().await?;
        Ok(true)
    }

    fn result(&self, open: &Open) -> serde_json::Value {
        json!({
            "generation": open.generation.generation,
            "events": open.generation.events,
            "refused_aggregates": open.standstill.stopped.len(),
            "tables": open.differences,
            "drifts": open.drifts,
        })
    }

    async fn go_on(&self, run: &Run, open: &mut Open) -> Result<Step, JobError> {
        if let Some(kind) = self.streams_left(open) {
            self.replay(run, open, kind).await?;
            return Ok(Step::More(self.progress("replay", open)));
        }
        // What is folded in order of the log finds its rows by their keys, which such a generation has from the start.
        let has_keys = open.indexed || self.model.replay() == Replay::ByPosition;
        if has_keys && !self.catch_up(run, open).await? {
            return Ok(Step::More(self.progress("catch up", open)));
        }
        if !open.indexed {
            let mut tx = open.pool.begin().await?;
            run.fence(&mut tx).await?;
            generations::index(&mut tx, &*self.model, open.generation.generation).await?;
            tx.commit().await?;
            open.indexed = true;
            return Ok(Step::More(self.progress("index", open)));
        }
        let Some(differences) = &open.differences else {
            open.differences = self.verify(run, open).await?;
            return Ok(Step::More(self.progress("verify", open)));
        };
        let differ: i64 = differences.iter().map(Difference::rows).sum();
        let may_swap = match self.swap {
            SwapWhen::Equal => differ == 0 && open.drifts.is_empty(),
            SwapWhen::Verified => true,
            SwapWhen::Told => false,
        };
        if !may_swap {
            return Ok(Step::Ask(self.progress("waits for swap or cancel", open), self.result(open)));
        }
        match self.finish(run, open).await {
            Ok(true) => Ok(Step::Done(self.progress("swapped", open), self.result(open))),
            Ok(false) => Ok(Step::More(self.progress("catch up", open))),
            Err(error) if swap::is_lock_timeout(&error) => {
                // What was folded for the swap fell with it; so must what is known of it.
                open.standstill = refusals::standstill(&self.parts.db, &open.generation).await?;
                Ok(Step::Rest(self.progress("swap", open), SWAP_AGAIN))
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Job for Rebuild {
    async fn step(&mut self, run: &Run) -> Result<Step, JobError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.open(run).await? {
                Some(open) => open,
                // The swap was committed and its worker killed before it could say so.
                None => {
                    let progress = Progress { stage: "swapped".to_owned(), ..Progress::default() };
                    return Ok(Step::Done(progress, json!({})));
                }
            },
        };
        let step = self.go_on(run, &mut open).await?;
        self.open = Some(open);
        Ok(step)
    }

    async fn clear(&mut self, run: &Run) -> Result<(), JobError> {
        if let Some(open) = self.open.take() {
            open.pool.close().await;
        }
        match self.kind {
            OperationKind::Rollback => generations::put_back(&self.parts.db, &*self.model, run.id).await?,
            OperationKind::Rebuild | OperationKind::Verify | OperationKind::Redrive | OperationKind::Audit => {
                generations::discard(&self.parts.db, &*self.model, run.id).await?;
            }
        }
        Ok(())
    }
}
