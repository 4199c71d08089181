//! Runs one projection in this process: folds while it holds the lease, stands by while another process does.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use shared::{
    follow::LogFeed,
    log::{LogError, Position},
    runtime::{BoxError, Clock, Metrics},
    subjects::Names,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    checkpoints::{self, Claim},
    failpoints::Failpoints,
    letter_policy::{LetterPolicy, ShortRetry},
    owner::Owner,
    positions::Positions,
    projection::ReadModel,
};

/// How every projection is run.
#[derive(Debug, Clone, Copy)]
pub struct EngineSettings {
    /// Events folded in one transaction.
    pub batch_max: usize,
    /// How long a small batch waits for more after the one before it began.
    pub gather: Duration,
    /// The same for projections of sums.
    pub gather_sums: Duration,
    /// How long the stored checkpoint may stay behind events that touch no row.
    pub checkpoint: Duration,
    /// Rows an owner keeps in memory, per projection.
    pub rows_max: usize,
    /// How long a silent owner keeps the others waiting.
    pub lease: Duration,
    /// How often those who stand by look whether the lease is free.
    pub standby_poll: Duration,
    /// How often an owner looks after its dead letters.
    pub letters_poll: Duration,
    /// Retries of letters.
    pub letters: LetterPolicy,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            batch_max: 2_000,
            gather: Duration::from_millis(20),
            gather_sums: Duration::from_millis(200),
            checkpoint: Duration::from_millis(100),
            rows_max: 100_000,
            lease: Duration::from_secs(4),
            standby_poll: Duration::from_secs(1),
            letters_poll: Duration::from_secs(1),
            letters: LetterPolicy {
                short: ShortRetry { attempts: 3, base: Duration::from_secs(1), cap: Duration::from_secs(60) },
                delay: TimeDelta::seconds(60),
                retries_max: 3,
            },
        }
    }
}

/// What every runner of a process shares.
#[derive(Clone)]
pub struct RunnerParts {
    /// Where rows and checkpoints live.
    pub db: PgPool,
    /// The log.
    pub feed: LogFeed,
    /// Told of every commit.
    pub positions: Positions,
    /// For copies of dead letters; without it there are none.
    pub jetstream: Option<async_nats::jetstream::Context>,
    /// The names of streams and subjects.
    pub names: Names,
    /// The time of retries.
    pub clock: Clock,
    /// Positions, lags and batch sizes.
    pub metrics: Arc<Metrics>,
    /// Faults on demand.
    pub failpoints: Failpoints,
    /// How far back a feed can be resumed.
    pub feed_resumable: TimeDelta,
    /// Sizes and waits.
    pub settings: EngineSettings,
}

/// Why an owner stopped folding.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("the lease was lost")]
    LeaseLost,
    #[error("the server was at {known} and is at {stored} again")]
    TakenBack { known: Position, stored: Position },
    #[error("a dead letter was discarded while it was tried")]
    LettersChanged,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the log has no event at position {0}")]
    Gap(u64),
}

/// What is told of every committed batch.
type OnCommit<P> = Arc<dyn Fn(<P as ReadModel>::Written) + Send + Sync>;

/// One projection in this process.
pub struct Runner<P: ReadModel> {
    parts: RunnerParts,
    owner_id: Uuid,
    on_commit: OnCommit<P>,
}

impl<P: ReadModel> Clone for Runner<P> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone(), owner_id: self.owner_id, on_commit: self.on_commit.clone() }
    }
}

impl<P: ReadModel> Runner<P> {
    /// A runner that tells nobody of what it writes.
    pub fn new(parts: RunnerParts) -> Self {
        Self { parts, owner_id: Uuid::new_v4(), on_commit: Arc::new(drop) }
    }

    /// A runner that hands every committed batch's news to `on_commit`.
    pub fn with_listener(parts: RunnerParts, on_commit: impl Fn(P::Written) + Send + Sync + 'static) -> Self {
        Self { on_commit: Arc::new(on_commit), ..Self::new(parts) }
    }

    /// Folds or stands by until shutdown.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), BoxError> {
        let RunnerParts { db, settings, .. } = &self.parts;
        checkpoints::ensure(db, P::NAME).await?;
        while !shutdown.is_cancelled() {
            match checkpoints::claim(db, P::NAME, self.owner_id, settings.lease).await? {
                Some(claim) => self.fold_while_owner(claim, &shutdown).await?,
                None => tokio::select! {
                    () = tokio::time::sleep(settings.standby_poll) => {}
                    () = shutdown.cancelled() => {}
                },
            }
        }
        Ok(())
    }

    /// A lost lease or a failed transaction drops everything that was in memory with the owner.
    async fn fold_while_owner(&self, claim: Claim, shutdown: &CancellationToken) -> Result<(), BoxError> {
        tracing::info!(projection = P::NAME, position = claim.position, epoch = claim.epoch, "folding {}", P::NAME);
        let RunnerParts { db, positions, .. } = &self.parts;
        positions.begin(P::NAME, claim.position);
        let mut owner = Owner::<P>::new(&self.parts, claim, &*self.on_commit);
        let ended = tokio::select! {
            stopped = owner.fold() => stopped.err(),
            stopped = self.keep_lease(claim.epoch) => Some(stopped),
            () = shutdown.cancelled() => None,
        };
        positions.end(P::NAME);
        match ended {
            None => Ok(checkpoints::release(db, P::NAME, claim.epoch).await?),
            Some(Stopped::LeaseLost) => {
                tracing::warn!(projection = P::NAME, "another process folds {} now", P::NAME);
                Ok(())
            }
            Some(Stopped::TakenBack { known, stored }) => {
                tracing::warn!(projection = P::NAME, known, stored, "the server lost commits; folding them again");
                Ok(())
            }
            Some(Stopped::LettersChanged) => {
                tracing::info!(projection = P::NAME, "dead letters changed under way; beginning anew");
                Ok(())
            }
            Some(stopped) => Err(stopped.into()),
        }
    }

    /// Beside the folding, so that neither a long batch nor a wait for a retry loses the lease. And when nothing is
    /// there to be folded, nobody else would notice that a crash of the server took commits back.
    async fn keep_lease(&self, epoch: i64) -> Stopped {
        let RunnerParts { db, settings, positions, .. } = &self.parts;
        loop {
            tokio::time::sleep(settings.lease / 3).await;
            let known = positions.stored(P::NAME);
            match checkpoints::renew(db, P::NAME, epoch, settings.lease).await {
                Ok(Some(stored)) if stored < known => return Stopped::TakenBack { known, stored },
                Ok(Some(_)) => {}
                Ok(None) => return Stopped::LeaseLost,
                Err(error) => return error.into(),
            }
        }
    }
}
