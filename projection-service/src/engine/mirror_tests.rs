//! Following JetStream on a real server: the fast path, its loss, its forgery, and copies of dead letters.

use std::sync::Arc;

use async_nats::jetstream::{self, Context, message::PublishMessage, stream::Config};
use dev_servers::NatsServer;
use futures::StreamExt;
use shared::{
    domain::{ProducerId, UserId},
    follow::{LogFeed, MirrorFollower, cloud_event::to_headers},
    log::RecordedEvent,
    subjects::{self, EVENTS_STREAM, Names},
};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::{
    projections::{
        orders::Orders,
        samples::{self, Log},
    },
    testing::{PATIENCE, Running, checkpoint, database, eventually, nats, parts},
};

struct Test {
    db: PgPool,
    log: Log,
    server: NatsServer,
    jetstream: Context,
    feed: LogFeed,
    _running: Running,
    _following: DropGuard,
}

impl Test {
    async fn start() -> Self {
        let (db, (server, client)) = (database().await, nats().await);
        let jetstream = jetstream::new(client);
        let parts = parts(&db);
        let feed = parts.feed.clone();
        let shutdown = CancellationToken::new();
        let mirror = Some((jetstream.clone(), EVENTS_STREAM.to_owned()));
        tokio::spawn(MirrorFollower::new(feed.clone(), mirror).run(shutdown.clone()));
        let _running = Running::start::<Orders>(parts);
        let _following = shutdown.drop_guard();
        let test = Self { db, log: Log::new(), server, jetstream, feed, _running, _following };
        test.create_stream(1).await;
        test
    }

    /// As the relay does: the first sequence is the position to come.
    async fn create_stream(&self, first_sequence: u64) {
        let config = Config {
            name: EVENTS_STREAM.to_owned(),
            subjects: vec![subjects::EVENTS_SUBJECTS.to_owned()],
            first_sequence: Some(first_sequence),
            ..Config::default()
        };
        self.jetstream.create_stream(config).await.unwrap();
    }

    fn orders(&mut self, count: usize) -> Vec<Arc<RecordedEvent>> {
        let customer = UserId(Uuid::from_u128(1));
        (0..count).map(|_| self.log.push(Uuid::now_v7(), samples::created(customer, ProducerId::default()))).collect()
    }

    async fn publish(&self, events: &[Arc<RecordedEvent>]) {
        for event in events {
            let subject = subjects::event(event.aggregate_type, event.aggregate_id, &event.event_type);
            let payload = event.payload.as_bytes().to_vec();
            let message = PublishMessage::build().headers(to_headers(&Names::default(), event)).payload(payload.into());
            self.jetstream.send_publish(subject, message).await.unwrap().await.unwrap();
        }
    }

    async fn caught_up(&self) {
        let head = self.log.events.len() as i64;
        eventually("orders caught up", || async { checkpoint(&self.db, "orders").await == head }).await;
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&self.db).await.unwrap();
        assert_eq!(rows, head);
    }
}

#[tokio::test]
async fn events_come_through_the_mirror_before_the_log_is_looked_at() {
    let mut test = Test::start().await;
    let mut head = test.feed.watch_head();
    // Nothing is in the log meanwhile, so the head moves by what the mirror brings and by nothing else.
    for count in [1, 300] {
        let events = test.orders(count);
        test.publish(&events).await;
        let last = events[count - 1].position;
        let brought = tokio::time::timeout(PATIENCE, head.wait_for(|head| *head == last)).await;
        brought.expect("the mirror brings it").unwrap();
    }
    test.log.write(&test.db).await;
    test.caught_up().await;
}

#[tokio::test]
async fn a_mirror_that_is_late_killed_wiped_or_reseeded_costs_time_only() {
    let mut test = Test::start().await;
    let events = test.orders(10);
    test.log.write(&test.db).await;
    // Never published.
    test.caught_up().await;
    test.jetstream.delete_stream(EVENTS_STREAM).await.unwrap();
    test.orders(10);
    test.log.write(&test.db).await;
    test.caught_up().await;
    test.create_stream(21).await;
    let reseeded = test.orders(10);
    test.log.write(&test.db).await;
    test.publish(&reseeded).await;
    test.caught_up().await;
    test.server.kill().await.unwrap();
    test.orders(10);
    test.log.write(&test.db).await;
    test.caught_up().await;
    test.server.restart().await.unwrap();
    let last = test.orders(10);
    test.log.write(&test.db).await;
    // Positions 31 to 40 are missing in the mirror: it is out of step, and read no further.
    test.publish(&last).await;
    test.caught_up().await;
    drop(events);
}

#[tokio::test]
async fn a_forged_mirror_does_not_mislead() {
    let mut test = Test::start().await;
    let events = test.orders(3);
    test.log.write(&test.db).await;
    test.publish(&events[..1]).await;
    // Not an event at all, and one from far ahead, in the places of the second and the third.
    test.jetstream.publish("homefood.events.order.x.y", "{}".into()).await.unwrap().await.unwrap();
    let mut ahead = (*events[2]).clone();
    ahead.position = 1_000_000;
    test.publish(&[Arc::new(ahead)]).await;
    test.caught_up().await;
    assert_eq!(test.feed.head(), 3);
    let more = test.orders(1);
    test.log.write(&test.db).await;
    test.publish(&more).await;
    test.caught_up().await;
}

#[tokio::test]
async fn a_dead_letter_is_copied_to_its_stream_with_the_events_own_headers() {
    let (db, (_server, client)) = (database().await, nats().await);
    let jetstream = jetstream::new(client);
    let mut log = Log::new();
    let event = log.push(Uuid::now_v7(), samples::accepted());
    log.write(&db).await;
    let mut parts = parts(&db);
    parts.jetstream = Some(jetstream.clone());
    parts.settings.letters.delay = chrono::Duration::hours(1);
    parts.feed.note_head(1);
    let _running = Running::start::<Orders>(parts);
    eventually("the copy is there", || async {
        match jetstream.get_stream(subjects::DEAD_LETTERS_STREAM).await {
            Ok(stream) => stream.cached_info().state.messages == 1,
            Err(_) => false,
        }
    })
    .await;
    let stream = jetstream.get_stream(subjects::DEAD_LETTERS_STREAM).await.unwrap();
    let config = jetstream::consumer::pull::OrderedConfig::default();
    let mut copies = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let copy = copies.next().await.unwrap().unwrap();
    let headers = copy.headers.clone().unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(copy.subject.as_str(), subjects::dead_letter("orders", event.aggregate_type, event.aggregate_id));
    assert_eq!(header("ce-id"), Some(event.event_id.to_string()));
    assert_eq!(header("homefood-dlq-handler").as_deref(), Some("orders"));
    assert_eq!(header("homefood-dlq-position").as_deref(), Some("1"));
    assert_eq!(header("homefood-dlq-attempts").as_deref(), Some("1"));
    assert!(header("homefood-dlq-error").unwrap().contains("does not exist"));
}
