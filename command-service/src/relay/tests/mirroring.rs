//! On good days.

use std::fs;

use dev_servers::{NatsBinary, NatsOptions, NatsServer, Storage, servers_dir};

use super::{
    super::{
        mirror::Standing,
        publisher::{Publisher, connection_of},
    },
    *,
};

#[tokio::test]
async fn every_event_becomes_the_message_of_its_position() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(3_000).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(3_000).await;
    log.is_mirrored(&client).await;

    for count in [1, 2, 700] {
        log.append(count).await;
        relay.reaches(log.head().await).await;
    }
    log.is_mirrored(&client).await;
    let status = relay.status();
    assert_eq!((status.leader, status.lag(), status.reseeds, status.trouble), (true, 0, 1, None));
    relay.stop().await;
}

#[tokio::test]
async fn a_message_carries_what_the_conventions_promise() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(2).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(2).await;

    let event = log.reader().page(1, 1).await.unwrap().remove(0);
    let stream = jetstream::new(client).get_stream(EVENTS_STREAM).await.unwrap();
    let message = stream.get_raw_message(2).await.unwrap();
    let recorded_at = event.recorded_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let order = event.aggregate_id;
    let promised = [
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", event.event_id.to_string()),
        ("Nats-Msg-Id", event.event_id.to_string()),
        ("ce-source", "/homefood/log".to_owned()),
        ("ce-type", "homefood.order.order_ready.v1".to_owned()),
        ("ce-subject", format!("order/{order}")),
        ("ce-time", "2026-05-01T10:00:00.123456Z".to_owned()),
        ("ce-recordedtime", recorded_at),
        ("ce-datacontenttype", "application/json".to_owned()),
        ("ce-dataschema", "http://localhost:8080/schemas/order_ready/1".to_owned()),
        ("ce-sequence", "00000000000000000002".to_owned()),
        ("ce-streamversion", "2".to_owned()),
        ("ce-partitionkey", order.to_string()),
        ("ce-correlationid", event.correlation_id.to_string()),
        ("ce-causationid", event.causation_id.to_string()),
        ("ce-traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        ("Nats-Expected-Last-Sequence", "1".to_owned()),
    ];
    for (name, value) in promised {
        assert_eq!(message.headers.get(name).map(|value| value.as_str()), Some(value.as_str()), "{name}");
    }
    assert_eq!(*message.subject, format!("homefood.events.order.{order}.order_ready"));
    assert_eq!(message.payload, event.payload.as_bytes());
    relay.stop().await;
}

#[tokio::test]
async fn a_mirror_may_hold_only_the_newest_events() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(1_000).await;
    let tail = RelayOptions { keep_events: Some(100), ..options() };
    let mut relay = Running::start(log.relay(&client, tail));
    relay.reaches(1_000).await;
    log.append(10).await;
    relay.reaches(1_010).await;
    log.is_mirrored(&client).await;
    let info = the_stream(&client).await;
    assert_eq!((info.state.first_sequence, info.state.messages), (901, 110));
    relay.stop().await;
}

/// As it is done for a stream with replicas, where every message is acknowledged.
#[tokio::test]
async fn a_mirror_on_several_servers_gets_the_same() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    make_forgetful(&client).await;
    log.append(2_000).await;
    let Relay { feed, jetstream, options, status, .. } = &log.relay(&client, options());
    feed.note_head(2_000);
    let connection = connection_of(&client).unwrap();
    let publisher = Publisher { client: &client, jetstream, feed, options, status, connection };
    publisher.publish_from(Standing { position: 0, replicas: 3 }).await.unwrap();
    assert_eq!(status.position(), 2_000);
    log.is_mirrored(&client).await;
}

#[tokio::test]
async fn an_empty_log_has_an_empty_mirror() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    let mut relay = Running::start(log.relay(&client, options()));
    let status = relay.until("in step", |status| status.in_step).await;
    assert_eq!((status.position, status.reseeds), (0, 0));
    log.append(1).await;
    relay.reaches(1).await;
    log.is_mirrored(&client).await;
    relay.stop().await;
}

#[tokio::test]
async fn an_event_too_large_for_nats_stops_the_mirror_with_a_clear_word() {
    let log = Log::new().await;
    let binary = NatsBinary::locate(&servers_dir()).await.unwrap();
    let small = NatsOptions { config: "max_payload: 8KB".to_owned(), ..NatsOptions::new(Storage::ThrowAway) };
    let nats = NatsServer::start(&binary, small).await.unwrap();
    let client = connect(&nats).await;
    log.append(5).await;
    log.append_with_note(1, "repeat('x', 20000)").await;
    let mut relay = Running::start(log.relay(&client, options()));
    let too_large = |status: &RelayStatus| {
        status.trouble.as_ref().is_some_and(|trouble| trouble.contains("position 6 is too large for NATS"))
    };
    relay.until("a word about it", too_large).await;
    relay.until("the events before", |status| status.lag() == 1).await;
    log.equals_mirror(&client).await;
    relay.stop().await;
}

#[tokio::test]
async fn the_permissions_of_production_suffice_and_keep_others_out() {
    let log = Log::new().await;
    let permissions = fs::read_to_string(dev_servers::workspace_dir().join("nats/permissions.conf")).unwrap();
    let users = ["COMMAND", "PROJECTION", "OPS"]
        .iter()
        .fold(permissions, |text, service| text.replace(&format!("$NATS_{service}_PASSWORD"), "x1"));
    let probe = "users: [{ user: probe, password: x1 }]";
    let config = format!(
        "accounts {{\nHOMEFOOD {{\njetstream: enabled\n{users}\n}}\nPROBE {{\njetstream: enabled\n{probe}\n}}\n}}\nno_auth_user: probe"
    );
    let binary = NatsBinary::locate(&servers_dir()).await.unwrap();
    let server = NatsOptions { config, ..NatsOptions::new(Storage::ThrowAway) };
    let nats = NatsServer::start(&binary, server).await.unwrap();
    let sign_in = async |user: &str| {
        let options = ConnectOptions::with_user_and_password(user.to_owned(), "x1".to_owned());
        options.custom_inbox_prefix(format!("_INBOX_{user}")).connect(nats.url()).await.unwrap()
    };
    let (command, projection) = (sign_in("command").await, sign_in("projection").await);

    log.append(10).await;
    let mut relay = Running::start(log.relay(&command, options()));
    relay.reaches(10).await;
    let letters: Config = serde_json::from_str(include_str!("../../../../nats/dead_letters.json")).unwrap();
    jetstream::new(projection.clone()).get_or_create_stream(letters).await.unwrap();
    log.is_mirrored(&projection).await;
    // The server says nothing to the sender but that it may not; a request after it tells when it was read.
    projection.publish("homefood.events.order.hello.stranger", "hello".into()).await.unwrap();
    assert_eq!(the_stream(&projection).await.state.last_sequence, 10);
    // Somebody changed the stream, lost it, wrote to it: all of that takes permissions, too.
    jetstream::new(command.clone()).delete_stream(EVENTS_STREAM).await.unwrap();
    relay.until("a reseed", |status| status.reseeds == 2).await;
    relay.reaches(10).await;
    assert_eq!(relay.status().trouble, None);
    relay.stop().await;
}
