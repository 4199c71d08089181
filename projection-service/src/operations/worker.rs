//! Works on operations: each is claimed by one process, step by step, until it ends or somebody wants it to stop.

use std::{sync::Arc, time::Duration};

use shared::runtime::BoxError;
use sqlx::PgPool;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    OperationKind, OperationState, Wanted,
    job::{Job, JobError, Progress, Run, Step},
    table,
};

/// Operations that one process works on side by side.
const OPERATIONS_MAX: usize = 4;
/// How often an idle process looks for work.
const POLL: Duration = Duration::from_millis(250);
/// How often one that rests looks what its operator wants.
const LOOK: Duration = Duration::from_secs(1);
/// Tries of one step before the operation fails, and the longest wait between two.
const TRIES_MAX: u32 = 10;
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Makes the job of an operation's kind.
pub type MakeJob = Arc<dyn Fn(OperationKind, &Run) -> Result<Box<dyn Job>, JobError> + Send + Sync>;

/// The worker of one process.
#[derive(Clone)]
pub struct Worker {
    db: PgPool,
    lease: Duration,
    make_job: MakeJob,
}

/// Why the work on an operation stopped.
enum Stopped {
    /// In this state, which is written down.
    Settled,
    /// It is another process's now, or was left to the next.
    LetGo,
}

impl Worker {
    /// A worker that is given up after `lease` of silence.
    pub fn new(db: PgPool, lease: Duration, make_job: MakeJob) -> Self {
        Self { db, lease, make_job }
    }

    /// Works until shutdown.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), BoxError> {
        let owner = Uuid::new_v4();
        let mut working = JoinSet::new();
        loop {
            while working.len() < OPERATIONS_MAX {
                let Some((run, kind)) = table::claim(&self.db, owner, self.lease).await? else { break };
                let (worker, shutdown) = (self.clone(), shutdown.clone());
                working.spawn(async move { worker.work(run, kind, shutdown).await });
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(POLL) => {}
                Some(ended) = working.join_next(), if !working.is_empty() => {
                    // A panic leaves the lease to end by itself.
                    if let Err(panic) = ended {
                        tracing::error!(error = %panic, "the work on an operation panicked");
                    }
                }
            }
        }
        while working.join_next().await.is_some() {}
        Ok(())
    }

    async fn work(&self, run: Run, kind: OperationKind, shutdown: CancellationToken) {
        tracing::info!(operation.id = %run.id, kind = kind.as_str(), subject = run.subject, "working on an operation");
        let stopped = tokio::select! {
            stopped = self.steps(&run, kind) => stopped,
            () = self.keep_lease(&run) => Ok(Stopped::LetGo),
            () = shutdown.cancelled() => Ok(Stopped::LetGo),
        };
        if let Err(error) = &stopped {
            tracing::warn!(operation.id = %run.id, %error, "an operation is left for later");
        }
        if !matches!(stopped, Ok(Stopped::Settled))
            && let Err(error) = table::release(&self.db, &run).await
        {
            tracing::debug!(operation.id = %run.id, %error, "the lease ends by itself");
        }
    }

    async fn steps(&self, run: &Run, kind: OperationKind) -> Result<Stopped, JobError> {
        let mut job = match (self.make_job)(kind, run) {
            Ok(job) => job,
            Err(error) => {
                run.note(&error.to_string()).await?;
                table::settle(&self.db, run, OperationState::Failed, None).await?;
                return Ok(Stopped::Settled);
            }
        };
        let mut pace = Pace::default();
        let mut tries = 0;
        loop {
            let Some(wanted) = table::renew(&self.db, run, self.lease).await? else { return Ok(Stopped::LetGo) };
            match wanted {
                Wanted::Run => {}
                Wanted::Pause => return self.settle(run, OperationState::Paused, None).await,
                Wanted::Cancel => {
                    job.clear(run).await?;
                    return self.settle(run, OperationState::Cancelled, None).await;
                }
            }
            match job.step(run).await {
                Ok(step) => {
                    tries = 0;
                    if let Some(stopped) = self.take(run, &mut pace, step).await? {
                        return Ok(stopped);
                    }
                }
                Err(JobError::Again(error)) if tries < TRIES_MAX => {
                    tries += 1;
                    tracing::warn!(operation.id = %run.id, error, tries, "a step is tried again");
                    tokio::time::sleep((Duration::from_millis(100) * 2_u32.pow(tries.min(10))).min(WAIT_MAX)).await;
                    // What the job remembered may be what was wrong.
                    job = (self.make_job)(kind, run)?;
                }
                Err(JobError::Again(error) | JobError::Failed(error)) => {
                    tracing::error!(operation.id = %run.id, error, "an operation failed");
                    run.note(&error).await?;
                    job.clear(run).await?;
                    return self.settle(run, OperationState::Failed, None).await;
                }
            }
        }
    }

    async fn take(&self, run: &Run, pace: &mut Pace, step: Step) -> Result<Option<Stopped>, JobError> {
        let (Step::More(progress) | Step::Rest(progress, _) | Step::Ask(progress, _) | Step::Done(progress, _)) = &step;
        table::advance(&self.db, run, progress, pace.of(progress)).await?;
        match step {
            Step::More(_) => Ok(None),
            Step::Rest(_, rest) => {
                self.rest(run, rest).await?;
                Ok(None)
            }
            Step::Ask(_, result) => self.settle(run, OperationState::Paused, Some(&result)).await.map(Some),
            Step::Done(_, result) => self.settle(run, OperationState::Succeeded, Some(&result)).await.map(Some),
        }
    }

    /// Rests, but for as long as its operator has nothing against it.
    async fn rest(&self, run: &Run, rest: Duration) -> Result<(), JobError> {
        let until = Instant::now() + rest;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(left.min(LOOK)).await;
            if left <= LOOK || table::renew(&self.db, run, self.lease).await? != Some(Wanted::Run) {
                return Ok(());
            }
        }
    }

    async fn settle(
        &self,
        run: &Run,
        state: OperationState,
        result: Option<&serde_json::Value>,
    ) -> Result<Stopped, JobError> {
        table::settle(&self.db, run, state, result).await?;
        tracing::info!(operation.id = %run.id, state = state.as_str(), "an operation came to a stop");
        Ok(Stopped::Settled)
    }

    /// Beside the steps, so that a long one does not lose the lease. Ends when it is lost.
    async fn keep_lease(&self, run: &Run) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match table::renew(&self.db, run, self.lease).await {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => tracing::warn!(operation.id = %run.id, %error, "the lease is not renewed"),
            }
        }
    }
}

/// How fast the present stage goes.
#[derive(Default)]
struct Pace {
    stage: String,
    since: Option<(Instant, u64)>,
}

impl Pace {
    fn of(&mut self, progress: &Progress) -> Option<f64> {
        if self.stage != progress.stage || self.since.is_none() {
            self.stage.clone_from(&progress.stage);
            self.since = Some((Instant::now(), progress.done));
            return None;
        }
        let (since, done) = self.since?;
        let seconds = since.elapsed().as_secs_f64();
        (seconds > 0.0).then(|| progress.done.saturating_sub(done) as f64 / seconds)
    }
}
