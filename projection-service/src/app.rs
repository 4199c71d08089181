//! Puts the read side together.

use std::sync::Arc;

use async_nats::{Client, jetstream};
use shared::{
    follow::{LogFeed, MirrorFollower},
    log::LogReader,
    runtime::{
        Platform, SettingsError, Verdict,
        health::Readiness,
        postgres::{PoolOptions, connect_pool},
    },
    sealing,
    subjects::Names,
};
use sqlx::PgPool;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    chores,
    dead_letters::Desk,
    engine::{Failpoints, Positions, Runner, RunnerParts},
    http::{ReadParts, ReadState, router},
    jobs,
    live::{Announcer, Live},
    operations::Worker,
    projections::{
        NAMES,
        catalogue::DishViews,
        disputes::Disputes,
        feed::Feed,
        gifts::Gifts,
        ledger::Ledger,
        models,
        order_facts::{OrderFacts, Reports},
        orders::Orders,
        payments::Payments,
    },
    rebuild::RebuildParts,
    settings::ReadSideSettings,
};

/// What the read side needs beside its platform.
pub struct Connections {
    /// NATS, for the mirror and the live feed; without it the log is polled and heads are.
    pub nats: Option<Client>,
    /// The names of streams and subjects.
    pub names: Names,
    /// The log as this process follows it already; none makes the read side follow the mirror by itself.
    pub feed: Option<LogFeed>,
}

/// The running read side.
pub struct ProjectionService {
    /// Its routes.
    pub router: OpenApiRouter,
    /// What its handlers share.
    pub state: ReadState,
    /// How far each projection is.
    pub positions: Positions,
    /// Faults on demand, in development.
    pub failpoints: Failpoints,
}

/// Why the read side does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database is out of reach, or its address is wrong.
    #[error("the database cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl ProjectionService {
    /// Starts every part under the platform's supervisor.
    pub async fn start(
        platform: &Platform,
        settings: &ReadSideSettings,
        connections: Connections,
    ) -> Result<Self, StartError> {
        settings.check(platform.settings.is_development())?;
        let url = &platform.settings.database_url;
        let options = PoolOptions::new("homefood projection-service", settings.projection_db_connections);
        let db = connect_pool(url, options).await?;
        watch_database(platform, &db);
        let feed = match &connections.feed {
            Some(feed) => feed.clone(),
            None => follow(platform, &db, &connections),
        };
        let live =
            Live::new(db.clone(), connections.nats.clone(), connections.names.clone(), platform.supervisor.token());
        let parts = RunnerParts {
            db: db.clone(),
            feed,
            positions: Positions::new(NAMES),
            jetstream: connections.nats.clone().map(jetstream::new),
            names: connections.names,
            clock: platform.clock.clone(),
            metrics: Arc::clone(&platform.metrics),
            failpoints: settings.failpoints()?,
            feed_resumable: platform.settings.domain.feed_resumable(),
            settings: settings.engine(),
        };
        start_runners(platform, &parts, &live, connections.nats);
        let views = DishViews::default();
        chores::start(platform, &parts, &live, &views);
        let models = models(&parts.failpoints);
        let desk = Desk::new(db.clone(), parts.feed.reader().clone(), models.clone());
        let rebuild = RebuildParts {
            db: db.clone(),
            log: parts.feed.reader().clone(),
            models: models.clone(),
            clock: platform.clock.clone(),
            letters: parts.settings.letters,
            metrics: Arc::clone(&platform.metrics),
            domain: platform.settings.domain,
            page_events: settings.rebuild_events,
        };
        start_worker(platform, &parts, &rebuild);
        chores::sample_drift(platform, &rebuild, settings.drift_sample_secs);
        let state = ReadState::new(ReadParts {
            reports: Reports::beside(&db),
            rebuild,
            desk,
            log: parts.feed.reader().clone(),
            positions: parts.positions.clone(),
            clock: platform.clock.clone(),
            authenticator: platform.authenticator.clone(),
            opaque: platform.opaque.clone(),
            sealer: sealing::start(platform, &db),
            domain: platform.settings.domain,
            proxies: platform.settings.proxies(),
            views,
            live,
            origins: settings.origins(&platform.settings),
            metrics: Arc::clone(&platform.metrics),
            db,
        });
        Ok(Self {
            router: router(state.clone(), platform.limits.clone()),
            state,
            positions: parts.positions,
            failpoints: parts.failpoints,
        })
    }
}

/// Follows the mirror, or the log alone while there is none.
fn follow(platform: &Platform, db: &PgPool, connections: &Connections) -> LogFeed {
    let feed = LogFeed::new(LogReader::new(db.clone()));
    let mirror = connections.nats.clone().map(|nats| (jetstream::new(nats), connections.names.events_stream()));
    let follower = MirrorFollower::new(feed.clone(), mirror);
    platform.supervisor.spawn("mirror_follower", move |shutdown| {
        let follower = follower.clone();
        async move {
            follower.run(shutdown).await;
            Ok(())
        }
    });
    feed
}

fn start_runners(platform: &Platform, parts: &RunnerParts, live: &Live, nats: Option<Client>) {
    let announcer = Arc::new(Announcer::new(live.clone()));
    let orders = Runner::<Orders>::new(parts.clone());
    platform.supervisor.spawn("projection orders", move |shutdown| {
        let runner = orders.clone();
        async move { runner.run(shutdown).await }
    });
    let payments = Runner::<Payments>::new(parts.clone());
    platform.supervisor.spawn("projection payments", move |shutdown| {
        let runner = payments.clone();
        async move { runner.run(shutdown).await }
    });
    let gifts = Runner::<Gifts>::new(parts.clone());
    platform.supervisor.spawn("projection gifts", move |shutdown| {
        let runner = gifts.clone();
        async move { runner.run(shutdown).await }
    });
    let disputes = Runner::<Disputes>::new(parts.clone());
    platform.supervisor.spawn("projection disputes", move |shutdown| {
        let runner = disputes.clone();
        async move { runner.run(shutdown).await }
    });
    let order_facts = Runner::<OrderFacts>::new(parts.clone());
    platform.supervisor.spawn("projection order_facts", move |shutdown| {
        let runner = order_facts.clone();
        async move { runner.run(shutdown).await }
    });
    let ledger = Runner::<Ledger>::new(parts.clone());
    platform.supervisor.spawn("projection ledger", move |shutdown| {
        let runner = ledger.clone();
        async move { runner.run(shutdown).await }
    });
    let listener = Arc::clone(&announcer);
    let feed = Runner::<Feed>::with_listener(parts.clone(), move |news| listener.announce(news));
    platform.supervisor.spawn("projection feed", move |shutdown| {
        let runner = feed.clone();
        async move { runner.run(shutdown).await }
    });
    if let Some(nats) = nats {
        platform.supervisor.spawn("feed_announcer", move |shutdown| {
            let (announcer, nats) = (Arc::clone(&announcer), nats.clone());
            async move { announcer.run(&nats, &shutdown).await }
        });
    }
}

/// Whoever works on operations; every process does.
fn start_worker(platform: &Platform, parts: &RunnerParts, rebuild: &RebuildParts) {
    let make_job = jobs::maker(parts.clock.clone(), rebuild.clone());
    let worker = Worker::new(parts.db.clone(), parts.settings.lease, make_job);
    platform.supervisor.spawn("operations", move |shutdown| {
        let worker = worker.clone();
        async move { worker.run(shutdown).await }
    });
}

/// The read models' database, whichever process it is.
fn watch_database(platform: &Platform, db: &PgPool) {
    let db = db.clone();
    platform.health.register("read_models", Readiness::Required, move || {
        let db = db.clone();
        async move {
            match sqlx::query("SELECT 1").execute(&db).await {
                Ok(_) => Verdict::healthy(),
                Err(_) => Verdict::unhealthy("the database does not answer"),
            }
        }
    });
}
