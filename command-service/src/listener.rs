//! Hears what other processes say: of the log, and of the catalogue.

use std::{collections::HashMap, sync::Arc, time::Duration};

use shared::{
    follow::LogFeed,
    log::{LOG_CHANNEL, Position},
    runtime::{BoxError, Platform, metrics::BusinessEvent},
};
use sqlx::{PgPool, postgres::PgListener};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Catalogue;

/// How often the log's head is asked for, in case a notice of it was lost.
const HEAD_POLL: Duration = Duration::from_millis(250);

/// Hears of the events and catalogue changes of other processes, and counts events.
pub fn start(platform: &Platform, db: &PgPool, feed: &LogFeed, catalogue: Catalogue) {
    let (db, feed) = (db.clone(), feed.clone());
    let listened = feed.clone();
    platform.supervisor.spawn("log_listener", move |shutdown| {
        let (db, feed, catalogue) = (db.clone(), listened.clone(), catalogue.clone());
        async move { listen(db, feed, catalogue, shutdown).await }
    });
    let metrics = Arc::clone(&platform.metrics);
    platform.supervisor.spawn("event_counter", move |shutdown| {
        let (feed, metrics) = (feed.clone(), Arc::clone(&metrics));
        async move {
            let mut position = feed.reader().head().await?;
            let mut counters = HashMap::new();
            loop {
                let events = tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    events = feed.read_after(position, 1_024) => events?,
                };
                for event in &events {
                    position = event.position;
                    let Ok(known) = &event.event else { continue };
                    let counter = counters.entry(known.type_name()).or_insert_with(|| {
                        let event_type = known.type_name();
                        let aggregate_type = known.aggregate_type().as_str();
                        metrics.business_events.get_or_create_owned(&BusinessEvent { event_type, aggregate_type })
                    });
                    counter.inc();
                }
                metrics.head_position.set(position as i64);
            }
        }
    });
}

/// What another process says of the log may be about this one's own events, which are on their way to the feed: they get
/// this long to arrive before readers are sent to the database for them.
const NOTICE_REST: Duration = Duration::from_millis(5);

async fn listen(db: PgPool, feed: LogFeed, catalogue: Catalogue, shutdown: CancellationToken) -> Result<(), BoxError> {
    let mut listener = PgListener::connect_with(&db).await?;
    listener.listen_all([LOG_CHANNEL, crate::catalogue::CHANNEL]).await?;
    // Whatever was said before this connection listened.
    catalogue.forget();
    let mut heard: Option<(Position, Instant)> = Some((feed.reader().head().await?, Instant::now()));
    let mut poll = tokio::time::interval(HEAD_POLL);
    loop {
        let rested = heard.map_or_else(|| Instant::now() + HEAD_POLL, |(_, at)| at + NOTICE_REST);
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(rested), if heard.is_some() => {
                feed.note_head(heard.take().map_or(0, |(head, _)| head));
            }
            _ = poll.tick() => feed.note_head(feed.reader().head().await?),
            notice = listener.try_recv() => match notice? {
                Some(notice) if notice.channel() == LOG_CHANNEL => {
                    let head = notice.payload().parse().unwrap_or(0);
                    heard = Some(heard.map_or((head, Instant::now()), |(before, at)| (before.max(head), at)));
                }
                Some(_) => catalogue.forget(),
                // The connection broke, and what was said meanwhile is lost.
                None => {
                    catalogue.forget();
                    feed.note_head(feed.reader().head().await?);
                }
            },
        }
    }
}
