//! Mirrors the log to JetStream: message sequence == log position, whatever happens to the stream.
//!
//! The log is the truth. One relay per log is active; it looks at the mirror, goes on from its end, and after every
//! surprise drops what is in flight and looks again. Each message demands its place in the stream, so a relay that
//! was replaced without knowing it, or a client that sends again after it reconnected, can neither duplicate nor
//! reorder anything.

mod definition;
mod leadership;
mod mirror;
mod publisher;
mod status;
mod surprise;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, time::Duration};

use async_nats::{
    Client,
    jetstream::{Context, context::ContextBuilder},
};
use shared::{follow::LogFeed, log::Position, subjects::Names};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{
    leadership::Candidate,
    mirror::Mirror,
    publisher::{Publisher, connection_of},
    status::StatusBoard,
};
pub use self::{mirror::ReseedReason, status::RelayStatus, surprise::Surprise};

/// How the relay works.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Which stream and subjects.
    pub names: Names,
    /// On how many servers a stream that the relay creates is kept.
    pub replicas: usize,
    /// Keep only about so many of the newest events when the mirror is made anew; none: all.
    pub keep_events: Option<u64>,
    /// Events in one window.
    pub window_events: usize,
    /// Bytes of payload in one window; a single event may be larger.
    pub window_bytes: usize,
    /// How long after a window under load the next one begins, unless it is full.
    pub gather: Duration,
    /// Windows in flight.
    pub windows_max: usize,
    /// How long JetStream may take to answer.
    pub ack_timeout: Duration,
    /// How long nothing happens before the mirror is looked at again.
    pub inspect_idle: Duration,
    /// How long events flow before the mirror is looked at again.
    pub inspect_busy: Duration,
    /// How often the leader makes sure that it still leads, and hears of events of other processes.
    pub lead_check: Duration,
    /// How often a standby tries to take over.
    pub standby_retry: Duration,
    /// The first and the longest pause after a surprise.
    pub backoff: (Duration, Duration),
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            names: Names::default(),
            replicas: 1,
            keep_events: None,
            window_events: 256,
            window_bytes: 1024 * 1024,
            gather: Duration::from_millis(5),
            windows_max: 4,
            ack_timeout: Duration::from_secs(5),
            inspect_idle: Duration::from_secs(5),
            inspect_busy: Duration::from_secs(60),
            lead_check: Duration::from_millis(200),
            standby_retry: Duration::from_secs(1),
            backoff: (Duration::from_millis(50), Duration::from_secs(5)),
        }
    }
}

/// Mirrors the log, or stands by for another process that does.
pub struct Relay {
    feed: LogFeed,
    database: PgConnectOptions,
    client: Client,
    jetstream: Context,
    options: RelayOptions,
    status: StatusBoard,
}

impl Relay {
    /// A relay of the log behind `feed`, which lies in `database`.
    pub fn new(feed: LogFeed, database: PgConnectOptions, client: Client, options: RelayOptions) -> Self {
        let jetstream =
            ContextBuilder::new().timeout(options.ack_timeout).ack_timeout(options.ack_timeout).build(client.clone());
        Self { feed, database, client, jetstream, options, status: StatusBoard::new() }
    }

    /// How it is doing, now and from now on.
    pub fn status(&self) -> watch::Receiver<RelayStatus> {
        self.status.subscribe()
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let mut candidate = None;
            let turn = async {
                let candidate = candidate.insert(Candidate::new(&self.database).await?);
                self.stand_by(candidate).await?;
                self.lead(candidate).await
            };
            let lost = tokio::select! {
                biased;
                () = shutdown.cancelled() => None,
                Err(error) = turn => Some(error),
            };
            self.status.leads(false);
            if let Some(candidate) = candidate {
                candidate.resign().await;
            }
            if let Some(error) = lost {
                self.note(&format_args!("the relay lost its database session: {error}"));
                tokio::time::sleep(self.options.standby_retry.min(Duration::from_secs(1))).await;
            }
        }
    }

    async fn stand_by(&self, candidate: &mut Candidate) -> Result<(), sqlx::Error> {
        while !candidate.try_to_lead().await? {
            self.status.stands_by();
            tokio::time::sleep(self.options.standby_retry).await;
        }
        Ok(())
    }

    /// Mirrors as long as the lock is held, and not a moment longer.
    async fn lead(&self, candidate: &mut Candidate) -> Result<Infallible, sqlx::Error> {
        self.status.leads(true);
        tracing::info!("this process mirrors the log");
        tokio::select! {
            lost = self.hold(candidate) => lost,
            never = self.mirror() => match never {},
        }
    }

    async fn hold(&self, candidate: &mut Candidate) -> Result<Infallible, sqlx::Error> {
        loop {
            tokio::time::sleep(self.options.lead_check).await;
            let head = candidate.head().await?;
            self.feed.note_head(head);
            self.status.head(head);
        }
    }

    /// Looks, publishes, and after every surprise does so again.
    pub(in crate::relay) async fn mirror(&self) -> Infallible {
        let (shortest, longest) = self.options.backoff;
        let mut pause = shortest;
        loop {
            let mut begun = None;
            let Err(surprise) = self.mirror_until_surprise(&mut begun).await else {
                pause = shortest;
                continue;
            };
            self.note(&surprise);
            let moved = begun.is_some_and(|position| self.status.position() > position);
            // To ask the client whether it is connected costs nothing.
            if moved || matches!(surprise, Surprise::NotConnected | Surprise::Reconnected) {
                pause = shortest;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn mirror_until_surprise(&self, begun: &mut Option<Position>) -> Result<(), Surprise> {
        let Self { feed, client, jetstream, options, status, .. } = self;
        let connection = connection_of(client)?;
        let standing = Mirror { jetstream, feed, options, status }.inspect().await?;
        *begun = Some(standing.position);
        Publisher { client, jetstream, feed, options, status, connection }.publish_from(standing).await
    }

    fn note(&self, trouble: &dyn std::fmt::Display) {
        if self.status.trouble(trouble) {
            tracing::warn!("the mirror of the log stands still: {trouble}");
        }
    }
}
