//! What the relay does to a real stream of a real log.

mod disasters;
mod mirroring;
mod strangers;
mod takeover;

use std::{path::Path, str::FromStr, time::Duration};

use async_nats::{
    Client, ConnectOptions,
    jetstream::{
        self,
        consumer::pull,
        stream::{Config, Info},
    },
};
use dev_servers::{NatsServer, TestServers};
use futures::StreamExt;
use shared::{
    follow::{LogFeed, cloud_event::from_message},
    log::{LogReader, Position},
    subjects::{EVENTS_STREAM, Names, event as event_subject},
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Relay, RelayOptions, RelayStatus, definition};

const PATIENCE: Duration = Duration::from_secs(60);

const MIGRATIONS: [&str; 1] = [include_str!("../../../../migrations/0001_event_log.sql")];

/// A log with nothing in it.
struct Log {
    db: PgPool,
    database: PgConnectOptions,
}

impl Log {
    async fn new() -> Self {
        let servers = TestServers::shared().await;
        let migrate = |url: String| async move {
            let db = PgPool::connect(&url).await?;
            for migration in MIGRATIONS {
                sqlx::raw_sql(migration).execute(&db).await?;
            }
            db.close().await;
            Ok(())
        };
        let template = servers.template("relay", migrate).await.unwrap();
        let name = servers.create_database(Some(&template)).await.unwrap();
        let url = servers.postgres_url(&name);
        Self { db: PgPool::connect(&url).await.unwrap(), database: PgConnectOptions::from_str(&url).unwrap() }
    }

    /// Appends so many events, three to a stream.
    async fn append(&self, count: i64) {
        self.append_with_note(count, "'n' || p").await;
    }

    /// Appends events whose note is a SQL expression over the position `p`.
    async fn append_with_note(&self, count: i64, note: &str) {
        let mut transaction = self.db.begin().await.unwrap();
        let insert = format!(
            "
            INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                                position, event_id, correlation_id, causation_id, actor, occurred_at, recorded_at, slice)
            SELECT 'order', md5('order' || (p - 1) / 3)::uuid::text, (p - 1) % 3 + 1, 'order_ready', '1',
                   json_build_object('type', 'order_ready', 'note', {note}),
                   json_build_object('command_id', md5('command' || p)::uuid, 'request_id', 'r-' || p,
                                     'traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
                   p, gen_random_uuid(), md5('flow' || (p - 1) / 3)::uuid, md5('cause' || p)::uuid,
                   'system:relay_test', '2026-05-01T10:00:00.123456Z', clock_timestamp(), 7
            FROM log_head, generate_series(position + 1, position + $1) AS p
            "
        );
        sqlx::query("SELECT FROM log_head FOR UPDATE").execute(&mut *transaction).await.unwrap();
        sqlx::query(&insert).bind(count).execute(&mut *transaction).await.unwrap();
        sqlx::query("UPDATE log_head SET position = position + $1")
            .bind(count)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    fn reader(&self) -> LogReader {
        LogReader::new(self.db.clone())
    }

    async fn head(&self) -> Position {
        self.reader().head().await.unwrap()
    }

    /// A relay as a process of its own would have it.
    fn relay(&self, client: &Client, options: RelayOptions) -> Relay {
        Relay::new(LogFeed::new(self.reader()), self.database.clone(), client.clone(), options)
    }

    /// Waits until the stream holds what the log holds, message for message.
    async fn is_mirrored(&self, client: &Client) {
        eventually("the mirror reaches the head of the log", async || {
            let last = stream_info(client).await.map(|info| info.state.last_sequence);
            last.is_some_and(|last| last >= 1) && last == Some(self.head().await)
        })
        .await;
        self.equals_mirror(client).await;
    }

    /// Compares the stream with the log from the stream's first message on.
    async fn equals_mirror(&self, client: &Client) {
        let info = the_stream(client).await;
        let mut position = info.state.first_sequence - 1;
        let stream = jetstream::new(client.clone()).get_stream(EVENTS_STREAM).await.unwrap();
        let config = pull::OrderedConfig::default();
        let mut messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
        while position < info.state.last_sequence {
            let page = (info.state.last_sequence - position).min(1_000) as u32;
            for event in self.reader().page(position, page).await.unwrap() {
                let message = tokio::time::timeout(PATIENCE, messages.next()).await.unwrap().unwrap().unwrap();
                assert_eq!(message.info().unwrap().stream_sequence, event.position);
                let mirrored = from_message(message.headers.as_ref().unwrap(), &message.payload).unwrap();
                assert_eq!((mirrored.position, mirrored.event_id), (event.position, event.event_id));
                assert_eq!(mirrored.payload, event.payload);
                assert_eq!(
                    *message.subject,
                    *event_subject(event.aggregate_type, event.aggregate_id, &event.event_type)
                );
                position = event.position;
            }
        }
        assert_eq!(info.state.messages, info.state.last_sequence + 1 - info.state.first_sequence);
    }
}

/// A relay at work.
struct Running {
    status: watch::Receiver<RelayStatus>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(relay: Relay) -> Self {
        let (status, shutdown) = (relay.status(), CancellationToken::new());
        let task = tokio::spawn(relay.run(shutdown.clone()));
        Self { status, shutdown, task }
    }

    fn status(&self) -> RelayStatus {
        self.status.borrow().clone()
    }

    async fn until(&mut self, what: &str, condition: impl FnMut(&RelayStatus) -> bool) -> RelayStatus {
        let reached = tokio::time::timeout(PATIENCE, self.status.wait_for(condition)).await;
        let reached = reached.map(|status| status.unwrap().clone());
        reached.unwrap_or_else(|_| panic!("the relay never got to: {what}; it is at {:?}", self.status()))
    }

    async fn reaches(&mut self, position: Position) -> RelayStatus {
        self.until("a position", |status| status.in_step && status.position == position).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

/// Impatient, so that tests need not be patient.
fn options() -> RelayOptions {
    RelayOptions {
        lead_check: Duration::from_millis(20),
        standby_retry: Duration::from_millis(50),
        inspect_idle: Duration::from_millis(100),
        ack_timeout: Duration::from_secs(2),
        backoff: (Duration::from_millis(20), Duration::from_millis(500)),
        ..RelayOptions::default()
    }
}

async fn connect(nats: &NatsServer) -> Client {
    ConnectOptions::new()
        .retry_on_initial_connect()
        .reconnect_delay_callback(|_| Duration::from_millis(20))
        .connect(nats.url())
        .await
        .unwrap()
}

async fn own_nats() -> NatsServer {
    TestServers::own_nats().await.unwrap()
}

/// The same; a server that is late with its answer is asked again.
async fn the_stream(client: &Client) -> Info {
    let mut info = None;
    eventually("the stream is shown", async || {
        info = stream_info(client).await;
        info.is_some()
    })
    .await;
    info.unwrap()
}

/// What NATS says of the stream; nothing if there is none, or it says nothing in time.
async fn stream_info(client: &Client) -> Option<Info> {
    let stream = jetstream::new(client.clone()).get_stream(EVENTS_STREAM).await.ok()?;
    Some(stream.cached_info().clone())
}

/// A mirror without a memory for duplicates: what keeps them out is the place that each message demands.
async fn make_forgetful(client: &Client) {
    let config = Config { duplicate_window: Duration::from_millis(100), ..definition::events(&Names::default(), 1) };
    jetstream::new(client.clone()).create_stream(config).await.unwrap();
}

async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
