//! The harness of this crate's tests: a database each, a nats-server each who asks, runners with short waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dev_servers::{NatsServer, TestServers};
use serde_json::Value;
use shared::{
    domain::{ProducerId, UserId},
    follow::LogFeed,
    log::LogReader,
    runtime::{
        Clock, Metrics, Platform, Secret, SharedSettings,
        postgres::{PoolOptions, connect_pool, migrate},
        settings::DomainSettings,
    },
    subjects::Names,
    web::{Role, token::Grant},
};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    app::{Connections, ProjectionService},
    engine::{EngineSettings, Failpoints, LetterPolicy, Positions, ReadModel, Runner, RunnerParts, ShortRetry},
    http::ReadState,
    projections::{NAMES, models},
    rebuild::RebuildParts,
    settings::ReadSideSettings,
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
        feed_resumable: DomainSettings::default().feed_resumable(),
        settings: EngineSettings {
            lease: Duration::from_millis(600),
            standby_poll: Duration::from_millis(50),
            letters_poll: Duration::from_millis(50),
            letters: LetterPolicy {
                short: ShortRetry { attempts: 3, base: Duration::from_millis(10), cap: Duration::from_millis(50) },
                delay: chrono::Duration::milliseconds(100),
                retries_max: 3,
            },
            ..EngineSettings::default()
        },
    }
}

/// What rebuilds over the same database work with.
pub(crate) fn rebuild_parts(parts: &RunnerParts) -> RebuildParts {
    RebuildParts {
        db: parts.db.clone(),
        log: parts.feed.reader().clone(),
        models: models(&parts.failpoints),
        clock: parts.clock.clone(),
        letters: parts.settings.letters,
        metrics: Arc::clone(&parts.metrics),
        domain: DomainSettings::default(),
        page_events: 1_000,
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

/// How long anything may take on a busy machine. It ends a test that hangs; who waits goes on when the condition holds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds; panics if it never does.
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
            assert!(started.elapsed() < PATIENCE, "{what} never came true ({caller})");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The checkpoint of a projection, as the table has it.
pub(crate) async fn checkpoint(db: &PgPool, name: &str) -> i64 {
    let position = sqlx::query_scalar("SELECT position FROM projection_checkpoints WHERE name = $1");
    position.bind(name).fetch_optional(db).await.unwrap().unwrap_or(0)
}

/// The whole read side over a database of its own, as one process runs it.
pub(crate) struct App {
    pub(crate) db: PgPool,
    pub(crate) platform: Platform,
    pub(crate) service_router: axum::Router,
    pub(crate) state: ReadState,
    pub(crate) failpoints: Failpoints,
    _keys: Arc<tempfile::TempDir>,
}

impl App {
    /// A read side without NATS.
    pub(crate) async fn start() -> Self {
        let db = database().await;
        Self::over(&db, None, Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Another instance over the same database and the same keys.
    pub(crate) async fn beside(&self, nats: Option<async_nats::Client>) -> Self {
        Self::over(&self.db, nats, self._keys.clone()).await
    }

    pub(crate) async fn over(db: &PgPool, nats: Option<async_nats::Client>, keys: Arc<tempfile::TempDir>) -> Self {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            shared: SharedSettings,
            #[command(flatten)]
            read_side: ReadSideSettings,
        }
        let servers = TestServers::shared().await;
        let options = db.connect_options();
        let url = servers.postgres_url(options.get_database().unwrap());
        let key_file = keys.path().join("jwt.pem");
        let arguments = ["test", "--database-url", &url, "--nats-url", "unused", "--environment", "development"];
        let key_file = key_file.to_str().unwrap();
        let more = ["--jwt-dev-key-file", key_file, "--projection-lease-ms", "600", "--retry-base-ms", "10"];
        let Alone { shared, read_side } = clap::Parser::parse_from(arguments.into_iter().chain(more));
        let platform = Platform::new("test", shared).await.unwrap();
        let connections = Connections { nats, names: Names::default(), feed: None };
        let service = ProjectionService::start(&platform, &read_side, connections).await.unwrap();
        let (router, _) = service.router.split_for_parts();
        let (state, failpoints) = (service.state, service.failpoints);
        Self { db: db.clone(), platform, service_router: router, state, failpoints, _keys: keys }
    }

    /// A token of this person.
    pub(crate) fn token(&self, user_id: UserId, roles: &[Role], producer_id: Option<ProducerId>) -> String {
        self.token_for(user_id, roles, producer_id, Duration::from_secs(600))
    }

    pub(crate) fn token_for(
        &self,
        user_id: UserId,
        roles: &[Role],
        producer_id: Option<ProducerId>,
        lifetime: Duration,
    ) -> String {
        let roles = roles.iter().copied().collect();
        let grant = Grant { user_id, roles, producer_id, lifetime };
        self.platform.authenticator.dev_issuer().unwrap().mint(&grant).unwrap()
    }

    /// Asks, and answers status, headers and body.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, http::HeaderMap, Value) {
        self.ask("GET", path, headers).await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, http::HeaderMap, Value) {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(axum::body::Body::empty()).unwrap()).await
    }

    /// What an administrator asks; a body makes it a POST.
    pub(crate) async fn operate(&self, path: &str, body: Option<&Value>) -> (u16, http::HeaderMap, Value) {
        let token = self.token(UserId(uuid::Uuid::from_u128(0xAD)), &[Role::Admin], None);
        let request = http::Request::builder().uri(path).header("authorization", format!("Bearer {token}"));
        let request = match body {
            None => request.body(axum::body::Body::empty()),
            Some(body) => request
                .method("POST")
                .header("content-type", "application/json")
                .body(axum::body::Body::from(body.to_string())),
        };
        self.send(request.unwrap()).await
    }

    async fn send(&self, request: http::Request<axum::body::Body>) -> (u16, http::HeaderMap, Value) {
        let response = self.service_router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 10_000_000).await.unwrap();
        (status, headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// A consistency token for a position.
    pub(crate) fn seen(&self, position: u64) -> String {
        self.platform.opaque.seal_position(position)
    }

    /// Serves on a port of its own; the address of its socket.
    pub(crate) async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, stopping) = (self.service_router.clone(), self.platform.supervisor.token());
        tokio::spawn(shared::web::serve(listener, router, self.platform.metrics.clone(), stopping));
        format!("ws://{address}/ws")
    }

    /// As kill -9 would: tasks end, nothing is released that needs an answer.
    pub(crate) fn stop(&self) {
        self.platform.supervisor.token().cancel();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop();
    }
}
