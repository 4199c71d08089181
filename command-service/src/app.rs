//! Puts the write side together.

use std::{str::FromStr, sync::Arc, time::Duration};

use async_nats::Client;
use parking_lot::Mutex as SyncMutex;
use shared::{
    domain::{EventSourced, dispute::Dispute, gift::Gift, order::Order, payment::Payment},
    follow::LogFeed,
    log::LogReader,
    runtime::{
        BoxError, Platform, Supervisor, Verdict,
        health::Readiness,
        metrics::Aggregate,
        postgres::{PoolOptions, connect_pool},
    },
    sealing,
    subjects::Names,
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    catalogue::Catalogue,
    command_handler::CommandHandler,
    event_log::{AppendQueue, Snapshots, sweep_receipts},
    gift_vault::GiftVault,
    guesses::Guesses,
    http::{AppParts, AppState, SessionWatch, router},
    leader::{Candidate, Office},
    listener,
    observers::{dead_letters, process_commands, process_health, relay_health},
    payment_providers::{PaymentProviders, ProviderParts},
    process_managers::{Executor, GiftDesk, Runner},
    relay::{Relay, RelayOptions},
    settings::WriteSideSettings,
    timers::Scheduler,
};

/// The rest between two looks at how far the relay is.
const RELAY_LOOK: Duration = Duration::from_millis(250);
/// How often old receipts are swept, and how many at a time.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_BATCH: u32 = 1_000;

/// What the write side needs beside its platform.
pub struct Connections {
    /// NATS, for the mirror; commands go on without it.
    pub nats: Client,
    /// The names of streams and subjects.
    pub names: Names,
    /// Whether the log is mirrored by this process.
    pub with_relay: bool,
}

/// The running write side.
pub struct CommandService {
    /// Its routes.
    pub router: OpenApiRouter,
    /// The log as this process follows it.
    pub feed: LogFeed,
}

/// Why the write side does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database is out of reach, or its address is wrong.
    #[error("the database cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
    /// The imitation bank in production.
    #[error(transparent)]
    DevFake(#[from] crate::providers::dev_fake::RefusedInProduction),
    /// The settings do not fit together.
    #[error(transparent)]
    Settings(#[from] shared::runtime::SettingsError),
    /// A provider's client cannot be made.
    #[error("a payment provider cannot be set up: {0}")]
    Provider(BoxError),
}

/// The way into the log and what writes it.
struct Log {
    db: PgPool,
    database: PgConnectOptions,
    feed: LogFeed,
    queue: AppendQueue,
    snapshots: Snapshots,
}

impl CommandService {
    /// Starts every part under the platform's supervisor.
    pub async fn start(
        platform: &Platform,
        settings: &WriteSideSettings,
        connections: Connections,
    ) -> Result<Self, StartError> {
        let log = start_log(platform, settings).await?;
        let domain = &platform.settings.domain;
        let orders: CommandHandler<Order> = handler(platform, &log, settings).arming(domain.order_policy());
        let disputes: CommandHandler<Dispute> = handler(platform, &log, settings);
        let payments: CommandHandler<Payment> = handler(platform, &log, settings);
        let gifts: CommandHandler<Gift> = handler(platform, &log, settings);
        let vault = GiftVault::new(log.db.clone(), settings.gift_pepper(), &settings.gift_vault_key());
        let catalogue = Catalogue::new(log.db.clone());
        let policies = Arc::new(settings.policies(&platform.settings));
        let PaymentProviders { desk, dev_fake, tbank, registry, cases } = PaymentProviders::start(ProviderParts {
            platform,
            settings,
            db: log.db.clone(),
            database: log.database.clone(),
            payments: payments.clone(),
            policy: policies.payment,
        })?;
        let executor = Executor {
            orders: orders.clone(),
            payments: payments.clone(),
            gifts: GiftDesk { gifts: gifts.clone(), vault: vault.clone(), catalogue: catalogue.clone() },
            disputes: disputes.clone(),
            effects: Arc::new(desk.clone()),
            queue: log.queue.clone(),
            clock: platform.clock.clone(),
            policies: Arc::clone(&policies),
            observer: process_commands(Arc::clone(&platform.metrics)),
            turns: Arc::default(),
        };
        start_processes(platform, &log, executor);
        if connections.with_relay {
            start_relay(platform, &log, connections);
        }
        start_sweeper(platform, &log, settings.receipts_keep_hours);
        let sessions = SessionWatch::default();
        let (watch, feed) = (sessions.clone(), log.feed.clone());
        platform.supervisor.spawn("session_watch", move |shutdown| {
            let (watch, feed) = (watch.clone(), feed.clone());
            async move { Ok(watch.run(feed, shutdown).await?) }
        });
        listener::start(platform, &log.db, &log.feed, catalogue.clone());
        let is_development = platform.settings.is_development();
        let mut return_urls = settings.return_urls.clone();
        if is_development {
            return_urls.push("http://localhost".to_owned());
        }
        let state = AppState::new(AppParts {
            authenticator: platform.authenticator.clone(),
            orders,
            payments,
            gifts,
            vault,
            guesses: Guesses::new(log.db.clone(), platform.clock.clone(), settings.gift_pepper(), domain),
            proxies: platform.settings.proxies(),
            disputes,
            queue: log.queue.clone(),
            catalogue,
            sealer: sealing::start(platform, &log.db),
            clock: platform.clock.clone(),
            opaque: platform.opaque.clone(),
            sessions,
            page_wait: settings.payment_page_wait(),
            desk,
            dev_fake,
            tbank,
            registry,
            cases,
            policies,
            return_urls,
            is_development,
            db: log.db.clone(),
            metrics: Arc::clone(&platform.metrics),
        });
        Ok(Self { router: router(state, platform.limits.clone()), feed: log.feed })
    }
}

fn handler<A: EventSourced>(platform: &Platform, log: &Log, settings: &WriteSideSettings) -> CommandHandler<A> {
    let label = Aggregate { aggregate_type: A::AGGREGATE_TYPE.as_str() };
    let conflicts = platform.metrics.concurrency_conflicts.get_or_create_owned(&label);
    let cached_max = settings.aggregate_cache;
    CommandHandler::new(log.db.clone(), log.queue.clone(), log.snapshots.clone(), cached_max, conflicts)
}

async fn start_log(platform: &Platform, settings: &WriteSideSettings) -> Result<Log, sqlx::Error> {
    let url = &platform.settings.database_url;
    let database = PgConnectOptions::from_str(url.expose())?;
    let db = connect_pool(url, PoolOptions::new("homefood command-service", settings.command_db_connections)).await?;
    let feed = LogFeed::new(LogReader::new(db.clone()));
    let (queue, writer) = AppendQueue::new(database.clone(), feed.clone(), settings.append_queue());
    let metrics = Arc::clone(&platform.metrics);
    let writer = writer.observed_by(Box::new(move |size, took| {
        metrics.append_batch_size.observe(size as f64);
        metrics.append_duration.observe(took.as_secs_f64(), None, None);
    }));
    let writer = Arc::new(Mutex::new(writer));
    // Without it no command can be done: a service whose writer does not run should get no requests.
    platform.supervisor.spawn_required("append_writer", move |shutdown| {
        let writer = Arc::clone(&writer);
        async move {
            writer.lock().await.run(shutdown).await;
            Ok(())
        }
    });
    let (snapshots, snapshot_writer) = Snapshots::new(db.clone(), settings.snapshot_every.into());
    let snapshot_writer = Arc::new(Mutex::new(snapshot_writer));
    platform.supervisor.spawn("snapshot_writer", move |shutdown| {
        let writer = Arc::clone(&snapshot_writer);
        async move {
            writer.lock().await.run(shutdown).await;
            Ok(())
        }
    });
    let probed = db.clone();
    platform.health.register("database", Readiness::Required, move || {
        let db = probed.clone();
        async move {
            match sqlx::query("SELECT 1").execute(&db).await {
                Ok(_) => Verdict::healthy(),
                Err(_) => Verdict::unhealthy("the database does not answer"),
            }
        }
    });
    Ok(Log { db, database, feed, queue, snapshots })
}

/// Tasks that own what they work on run once: they handle their faults themselves and end with the program.
pub(crate) fn run_once<T, F, A>(supervisor: &Supervisor, name: &'static str, task: T, run: F)
where
    T: Send + 'static,
    F: Fn(T, CancellationToken) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let task = SyncMutex::new(Some(task));
    supervisor.spawn(name, move |shutdown| {
        let running = task.lock().take().map(|task| run(task, shutdown));
        async move {
            match running {
                Some(running) => {
                    running.await;
                    Ok(())
                }
                None => Err("it has stopped and cannot be started again; restart the service".into()),
            }
        }
    });
}

/// Process managers and timers, in one process of all.
fn start_processes(platform: &Platform, log: &Log, executor: Executor) {
    let (candidate, leadership) = Candidate::new(log.database.clone(), Office::ProcessManagers);
    let candidate = Arc::new(candidate);
    process_health(&platform.health, log.db.clone());
    platform.supervisor.spawn("leader", move |shutdown| {
        let candidate = Arc::clone(&candidate);
        async move {
            candidate.run(shutdown).await;
            Ok(())
        }
    });
    let runner = Runner::new(executor.clone(), log.feed.clone(), log.db.clone(), leadership.clone());
    let runner = Arc::new(runner.observed_by(dead_letters(Arc::clone(&platform.metrics))));
    platform.supervisor.spawn("process_managers", move |shutdown| {
        let runner = Arc::clone(&runner);
        async move { Ok(runner.run(shutdown).await?) }
    });
    let metrics = Arc::clone(&platform.metrics);
    let observer = Arc::new(move |late: Duration| metrics.timer_lag.observe(late.as_secs_f64()));
    let scheduler = Arc::new(Scheduler::new(executor, log.db.clone(), leadership, observer));
    platform.supervisor.spawn("timers", move |shutdown| {
        let scheduler = Arc::clone(&scheduler);
        async move { Ok(scheduler.run(shutdown).await?) }
    });
}

fn start_relay(platform: &Platform, log: &Log, connections: Connections) {
    let options = RelayOptions { names: connections.names, ..RelayOptions::default() };
    let relay = Relay::new(log.feed.clone(), log.database.clone(), connections.nats, options);
    let status = relay.status();
    relay_health(&platform.health, Arc::clone(&platform.metrics), log.db.clone(), status.clone());
    run_once(&platform.supervisor, "relay", relay, Relay::run);
    let metrics = Arc::clone(&platform.metrics);
    platform.supervisor.spawn("relay_metrics", move |shutdown| {
        let (mut status, metrics) = (status.clone(), Arc::clone(&metrics));
        async move {
            let mut reseeds = 0;
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    changed = status.changed() => if changed.is_err() { return Ok(()) },
                }
                let now = status.borrow_and_update().clone();
                // A standby does not know how far the mirror is.
                if now.leader {
                    metrics.relay_position.set(now.position as i64);
                    metrics.relay_lag_events.set(now.lag() as i64);
                }
                metrics.relay_reseeds.inc_by(now.reseeds.saturating_sub(reseeds));
                reseeds = now.reseeds;
                tokio::time::sleep(RELAY_LOOK).await;
            }
        }
    });
}

fn start_sweeper(platform: &Platform, log: &Log, keep_hours: u32) {
    let (db, keep) = (log.db.clone(), chrono::TimeDelta::hours(keep_hours.into()));
    platform.supervisor.spawn("receipt_sweeper", move |shutdown| {
        let db = db.clone();
        async move {
            loop {
                // The database stamps receipts with its own time, so the machine's clock decides, not the business's.
                let swept = sweep_receipts(&db, chrono::Utc::now() - keep, SWEEP_BATCH).await?;
                if swept == u64::from(SWEEP_BATCH) {
                    continue;
                }
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    () = tokio::time::sleep(SWEEP_EVERY) => {}
                }
            }
        }
    });
}
