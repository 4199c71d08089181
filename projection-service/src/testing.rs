//! The harness of this crate's tests: a database each, a nats-server each who asks, runners with short waits.

use std::time::{Duration, Instant};

use dev_servers::{NatsServer, TestServers};
use shared::{
    follow::LogFeed,
    log::LogReader,
    runtime::{
        Clock, Metrics, Secret,
        postgres::{PoolOptions, connect_pool, migrate},
    },
    subjects::Names,
};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{EngineSettings, Failpoints, InPlaceRetry, LetterPolicy, Positions, ReadModel, Runner, RunnerParts},
    projections::NAMES,
};

/// A database of one test's own, migrated.
pub(crate) async fn database() -> PgPool {
    let servers = TestServers::shared().await;
    let fill = |url: String| async move {
        let db = connect_pool(&Secret::new(url), PoolOptions::new("template", 1)).await?;
        migrate(&db).await?;
        db.close().await;
        Ok(())
    };
    let template = servers.template("read_side", fill).await.unwrap();
    let name = servers.create_database(Some(&template)).await.unwrap();
    let url = Secret::new(servers.postgres_url(&name));
    connect_pool(&url, PoolOptions::new("test", 8)).await.unwrap()
}

/// A nats-server of one test's own.
pub(crate) async fn nats() -> (NatsServer, async_nats::Client) {
    let server = TestServers::own_nats().await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    (server, client)
}

/// Parts of a runner over `db`, as one process would have them.
pub(crate) fn parts(db: &PgPool) -> RunnerParts {
    RunnerParts {
        db: db.clone(),
        feed: LogFeed::new(LogReader::new(db.clone())),
        positions: Positions::new(NAMES),
        jetstream: None,
        names: Names::default(),
        clock: Clock::system(),
        metrics: Metrics::new("test", "0"),
        failpoints: Failpoints::none(),
        settings: EngineSettings {
            lease: Duration::from_millis(600),
            standby_poll: Duration::from_millis(50),
            letters_poll: Duration::from_millis(50),
            retry: InPlaceRetry { attempts: 3, base: Duration::from_millis(10), cap: Duration::from_millis(50) },
            letters: LetterPolicy { delay: chrono::Duration::milliseconds(100), retries_max: 3 },
            ..EngineSettings::default()
        },
    }
}

/// A runner in the background, which ends with the test or when told.
pub(crate) struct Running {
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start<P: ReadModel>(parts: RunnerParts) -> Self {
        Self::start_runner(Runner::<P>::new(parts))
    }

    pub(crate) fn start_runner<P: ReadModel>(runner: Runner<P>) -> Self {
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let task = tokio::spawn(async move {
            while let Err(error) = runner.run(token.clone()).await {
                tracing::warn!(%error, "the runner failed; starting it again");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { shutdown, task }
    }

    /// As kill -9 would: nothing is released.
    pub(crate) fn kill(&self) {
        self.task.abort();
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until `condition` holds; panics after ten seconds.
#[track_caller]
pub(crate) fn eventually<F, A>(what: &'static str, condition: F) -> impl Future<Output = ()>
where
    F: Fn() -> A,
    A: Future<Output = bool>,
{
    let caller = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        while !condition().await {
            assert!(started.elapsed() < Duration::from_secs(10), "{what} never came true ({caller})");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The checkpoint of a projection, as the table has it.
pub(crate) async fn checkpoint(db: &PgPool, name: &str) -> i64 {
    let position = sqlx::query_scalar("SELECT position FROM projection_checkpoints WHERE name = $1");
    position.bind(name).fetch_optional(db).await.unwrap().unwrap_or(0)
}
