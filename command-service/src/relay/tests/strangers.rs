//! What people and programs do to a stream that is not theirs.

use async_nats::HeaderMap;
use shared::subjects::EVENTS_SUBJECTS;

use super::{super::ReseedReason, *};

const STRANGE: &str = "homefood.events.order.hello.stranger";

#[tokio::test]
async fn a_strangers_message_on_an_idle_mirror_is_gone_soon() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(100).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(100).await;
    let reseeds = relay.status().reseeds;

    jetstream::new(client.clone()).publish(STRANGE, "hello".into()).await.unwrap().await.unwrap();
    let status = relay.until("a reseed", |status| status.reseeds > reseeds).await;
    assert_eq!(status.last_reseed, Some(ReseedReason::Ahead));
    relay.reaches(100).await;
    log.is_mirrored(&client).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_strangers_message_in_the_place_of_an_event_is_found_out() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(100).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(100).await;
    relay.stop().await;

    jetstream::new(client.clone()).publish(STRANGE, "hello".into()).await.unwrap().await.unwrap();
    log.append(1).await;
    let mut relay = Running::start(log.relay(&client, options()));
    let status = relay.reaches(101).await;
    assert_eq!((status.reseeds, status.last_reseed), (1, Some(ReseedReason::Foreign)));
    log.is_mirrored(&client).await;
    relay.stop().await;
}

/// A stranger inside a window stands where an unacknowledged event was to stand.
#[tokio::test]
async fn strangers_under_load_find_no_place_between_the_events() {
    check_strangers_under_load(options(), 30_000, [1_000, 6_000, 11_000]).await;
}

/// The next window is on its way before the one with the stranger has failed, and may find room behind it.
#[tokio::test]
async fn strangers_under_load_find_no_place_between_the_windows() {
    check_strangers_under_load(RelayOptions { window_events: 1, ..options() }, 3_000, [300, 900, 1_500]).await;
}

async fn check_strangers_under_load(options: RelayOptions, events: Position, places: [Position; 3]) {
    let (log, nats) = (Log::new().await, own_nats().await);
    let (client, stranger) = (connect(&nats).await, connect(&nats).await);
    log.append(events as i64).await;
    let mut relay = Running::start(log.relay(&client, options));
    for position in places {
        relay.until("some way", |status| status.position > position).await;
        let reseeds = relay.status().reseeds;
        stranger.publish(STRANGE, "hello".into()).await.unwrap();
        relay.until("a reseed", |status| status.reseeds > reseeds).await;
    }
    relay.reaches(events).await;
    log.is_mirrored(&client).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_mirror_with_a_deleted_message_is_made_anew() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(20).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(20).await;
    relay.stop().await;

    // Our own stream refuses to delete, so somebody has to make another one in its place.
    let jetstream = jetstream::new(client.clone());
    let ours = jetstream.get_stream(EVENTS_STREAM).await.unwrap();
    assert!(ours.delete_message(5).await.is_err());
    let mut copies = Vec::new();
    for sequence in 1..=20 {
        copies.push(ours.get_raw_message(sequence).await.unwrap());
    }
    jetstream.delete_stream(EVENTS_STREAM).await.unwrap();
    let theirs = Config {
        name: EVENTS_STREAM.to_owned(),
        subjects: vec![EVENTS_SUBJECTS.to_owned(), "theirs.>".to_owned()],
        ..Config::default()
    };
    let theirs = jetstream.create_stream(theirs).await.unwrap();
    for copy in copies {
        let headers: HeaderMap = copy.headers;
        jetstream.publish_with_headers(copy.subject, headers, copy.payload).await.unwrap().await.unwrap();
    }
    theirs.delete_message(5).await.unwrap();

    let mut relay = Running::start(log.relay(&client, options()));
    let status = relay.reaches(20).await;
    assert_eq!((status.reseeds, status.last_reseed), (1, Some(ReseedReason::Incomplete)));
    log.is_mirrored(&client).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_changed_configuration_is_changed_back() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(20).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(20).await;
    let reseeds = relay.status().reseeds;

    let jetstream = jetstream::new(client.clone());
    let ours = the_stream(&client).await.config;
    let theirs = Config {
        subjects: vec![EVENTS_SUBJECTS.to_owned(), "theirs.>".to_owned()],
        max_age: Duration::from_secs(3_600),
        description: Some("theirs".to_owned()),
        ..ours.clone()
    };
    jetstream.update_stream(theirs).await.unwrap();
    eventually("our configuration", async || {
        let now = stream_info(&client).await.map(|info| info.config);
        now.is_some_and(|now| now.subjects == ours.subjects && now.max_age == ours.max_age)
    })
    .await;
    assert_eq!(relay.reaches(20).await.reseeds, reseeds);
    relay.stop().await;
}

#[tokio::test]
async fn a_stream_of_another_kind_is_replaced() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(20).await;
    let memory = Config {
        name: EVENTS_STREAM.to_owned(),
        subjects: vec![EVENTS_SUBJECTS.to_owned()],
        storage: jetstream::stream::StorageType::Memory,
        ..Config::default()
    };
    jetstream::new(client.clone()).create_stream(memory).await.unwrap();
    let mut relay = Running::start(log.relay(&client, options()));
    let status = relay.reaches(20).await;
    assert_eq!((status.reseeds, status.last_reseed), (1, Some(ReseedReason::Misconfigured)));
    log.is_mirrored(&client).await;
    relay.stop().await;
}
