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
    bulk::{self, Pump},
    generations::{self, Generation, GenerationState},
    refusals, swap,
    verify::Verified,
};
use crate::{
    engine::{Model, Replay, Standstill, Start, checkpoints},
    operations::{Job, JobError, OperationKind, Progress, Run, Step},
};

/// Events that are left to the transaction of the swap; while more are missing, the catching up goes on.
const TAIL_MAX: u64 = 2_000;
/// Aggregates that may be refused before something is wrong with the fold itself.
const REFUSALS_MAX: usize = 1_000;
/// The wait after a swap that queries held up; it doubles with each …
const SWAP_AGAIN: Duration = Duration::from_millis(200);
/// … up to this.
const SWAP_AGAIN_MAX: Duration = Duration::from_secs(30);

/// When the new generation takes the place of the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapWhen {
    /// At once if both are equal, and nothing that the live rows have is refused; otherwise a person decides.
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
    pub(super) parts: RebuildParts,
    pub(super) model: Arc<dyn Model>,
    kind: OperationKind,
    swap: SwapWhen,
    open: Option<Open>,
}

/// The generation in this process's hands.
pub(super) struct Open {
    pub(super) pool: PgPool,
    pub(super) generation: Generation,
    pub(super) standstill: Standstill,
    total: u64,
    indexed: bool,
    verified: Option<Verified>,
    /// Swaps that queries held up.
    held_up: u32,
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
        Ok(Some(Open { pool, generation, standstill, total, indexed: false, verified: None, held_up: 0, pump: None }))
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

    pub(super) async fn fill(
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
    pub(super) async fn tail(&self, open: &Open, to: Position) -> Result<Option<Vec<Arc<RecordedEvent>>>, JobError> {
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

    /// The last events and the swap. False if the generation has fallen behind, or would lose what the live rows have
    /// taken since: then it has to be verified once more.
    async fn finish(&self, run: &Run, open: &mut Open) -> Result<bool, JobError> {
        swap::probe(&self.parts.db, &*self.model).await?;
        let mut tx = open.pool.begin().await?;
        run.fence(&mut tx).await?;
        let claim = checkpoints::lock(&mut tx, self.model.name()).await?;
        let position = claim.map_or(0, |claim| claim.position);
        let Some(events) = self.tail(open, position).await? else { return Ok(false) };
        open.standstill.discarded = refusals::discarded(&self.parts.db, self.model.name()).await?;
        self.fill(open, &mut tx, &events).await?;
        if self.swap == SwapWhen::Equal && !self.lost(open, &mut tx).await?.is_empty() {
            open.verified = None;
            return Ok(false);
        }
        swap::swap(&self.parts, &mut tx, &*self.model, &open.generation, (&open.standstill, position)).await?;
        if open.verified.as_ref().is_none_or(|verified| !verified.is_equal()) {
            checkpoints::note_repair(&mut tx, self.model.name(), self.parts.clock.now()).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    fn result(&self, open: &Open) -> serde_json::Value {
        let verified = open.verified.as_ref();
        json!({
            "generation": open.generation.generation,
            "events": open.generation.events,
            "refused_aggregates": open.standstill.stopped.len(),
            "lost": verified.map(Verified::named),
            "lost_aggregates": verified.map(|verified| verified.lost.len()),
            "tables": verified.map(|verified| &verified.differences),
            "drifts": verified.map(|verified| &verified.drifts),
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
            generations::index(&mut tx, &*self.model, open.generation.generation).await?;
            run.fence(&mut tx).await?;
            tx.commit().await?;
            open.indexed = true;
            return Ok(Step::More(self.progress("index", open)));
        }
        let Some(verified) = &open.verified else {
            open.verified = self.verify(run, open).await?;
            return Ok(Step::More(self.progress("verify", open)));
        };
        let may_swap = match self.swap {
            SwapWhen::Equal => verified.is_equal(),
            SwapWhen::Verified => true,
            SwapWhen::Told => false,
        };
        if !may_swap {
            return Ok(Step::Ask(self.progress("waits for swap or cancel", open), self.result(open)));
        }
        let next = match self.finish(run, open).await {
            Ok(true) => return Ok(Step::Done(self.progress("swapped", open), self.result(open))),
            Ok(false) => Step::More(self.progress("catch up", open)),
            Err(error) if swap::is_lock_timeout(&error) => {
                let rest = SWAP_AGAIN.saturating_mul(1 << open.held_up.min(16)).min(SWAP_AGAIN_MAX);
                open.held_up += 1;
                Step::Rest(self.progress("swap", open), rest)
            }
            Err(error) => return Err(error),
        };
        // What was folded for the swap fell with it; so must what is known of it.
        open.standstill = refusals::standstill(&self.parts.db, &open.generation).await?;
        Ok(next)
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
