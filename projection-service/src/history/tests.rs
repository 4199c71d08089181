//! Any version, any time, any field, any row: and fast on a long stream.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{
    domain::{
        AggregateType, DomainEvent, Money, OrderId, PaymentId, ProducerId, UserId,
        payment::{EvidenceSource, PaymentSucceeded},
    },
    log::LogReader,
};
use uuid::Uuid;

use super::{replay::counted_state, *};
use crate::{
    engine::Failpoints,
    projections::{
        NAMES, models,
        samples::{self, Log},
    },
    testing::{App, database},
};

const CUSTOMER: UserId = UserId(Uuid::from_u128(0xC));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));

fn lifetime(log: &mut Log, id: Uuid) {
    log.push(id, samples::created(CUSTOMER, KITCHEN));
    log.push(id, samples::paid(id));
    log.push(id, samples::accepted());
    log.push(id, samples::started());
    log.push(id, samples::ready());
}

#[test]
fn a_difference_names_each_field_once() {
    let before = json!({"a": 1, "b": {"c": [1, 2]}, "d": "x", "e": {}});
    let after = json!({"a": 1, "b": {"c": [1, 3, 4]}, "f/g": null, "e": {"h": 1}});
    let found: Vec<(String, Option<Value>, Option<Value>)> =
        difference(&before, &after).into_iter().map(|it| (it.pointer, it.before, it.after)).collect();
    let expected = [
        ("/b/c/1", Some(json!(2)), Some(json!(3))),
        ("/b/c/2", None, Some(json!(4))),
        ("/d", Some(json!("x")), None),
        ("/e", Some(json!({})), None),
        ("/e/h", None, Some(json!(1))),
        ("/f~1g", None, Some(json!(null))),
    ];
    let expected = expected.map(|(pointer, before, after)| (pointer.to_owned(), before, after));
    assert_eq!(found, expected);
    assert_eq!(difference(&after, &after), []);
}

#[test]
fn what_becomes_another_kind_of_thing_goes_before_the_other_comes() {
    let nothing = json!("nothing");
    let kinds = [json!(null), json!(7), json!("7"), json!({"0": 1}), json!([1]), json!({}), json!([])];
    for (before, after) in kinds.iter().flat_map(|before| kinds.iter().map(move |after| (before, after))) {
        let mut fields: BTreeMap<String, Value> =
            difference(&nothing, before).into_iter().filter_map(|it| Some((it.pointer, it.after?))).collect();
        for change in difference(before, after) {
            assert_eq!(change.before.as_ref(), fields.get(&change.pointer), "{before} → {after}: {change:?}");
            match change.after {
                Some(value) => fields.insert(change.pointer, value),
                None => fields.remove(&change.pointer),
            };
        }
        let expected: BTreeMap<String, Value> =
            difference(&nothing, after).into_iter().filter_map(|it| Some((it.pointer, it.after?))).collect();
        assert_eq!(fields, expected, "{before} → {after}");
    }
}

#[tokio::test]
async fn an_order_is_shown_at_any_version_and_time() {
    let (db, mut log) = (database().await, Log::new());
    let id = Uuid::now_v7();
    lifetime(&mut log, id);
    log.write(&db).await;
    let reader = LogReader::new(db.clone());
    let stream = StreamId { aggregate_type: AggregateType::Order, aggregate_id: id };
    let mut states = Vec::new();
    for version in 0..=5 {
        let at = state(&reader, stream, Until::Version(version)).await.unwrap();
        assert_eq!(at.version, version);
        states.push(at.state);
    }
    for version in [6, u64::MAX] {
        let beyond = state(&reader, stream, Until::Version(version)).await;
        assert!(matches!(beyond, Err(HistoryError::NotReached { newest: 5, .. })), "{beyond:?}");
    }
    assert!(states.windows(2).all(|pair| pair[0] != pair[1]));
    let between = log.events[2].occurred_at + chrono::TimeDelta::microseconds(1);
    assert_eq!(state(&reader, stream, Until::Time(between)).await.unwrap().state, states[3]);
    assert_eq!(state(&reader, stream, Until::Newest).await.unwrap().state, states[5]);
    let origins = fields(&reader, stream).await.unwrap();
    assert!(origins.iter().any(|origin| origin.version == 5 && origin.event_type == "order_ready"), "{origins:?}");
    assert!(origins.iter().any(|origin| origin.version == 1), "{origins:?}");
    // Together the fields are the state.
    let known: BTreeMap<_, _> = origins.into_iter().map(|origin| (origin.pointer, origin.value)).collect();
    let leaves = difference(&json!(null), &states[5]).into_iter();
    assert_eq!(known, leaves.filter_map(|change| Some((change.pointer, change.after?))).collect());
}

#[tokio::test]
async fn a_snapshot_is_a_start_and_not_an_answer() {
    let (db, mut log) = (database().await, Log::new());
    let id = Uuid::now_v7();
    lifetime(&mut log, id);
    log.write(&db).await;
    let reader = LogReader::new(db.clone());
    let stream = StreamId { aggregate_type: AggregateType::Order, aggregate_id: id };
    let at = state(&reader, stream, Until::Version(3)).await.unwrap();
    let newest = state(&reader, stream, Until::Newest).await.unwrap();
    // One that says something else than the log shows where it is used.
    let insert =
        "INSERT INTO snapshots (aggregate_type, aggregate_id, sequence, event_id, correlation_id, state_version, state)
         VALUES ('order', $1, 3, $2, $2, $4, $3)";
    let true_state = serde_json::to_value(&at.state).unwrap();
    sqlx::query(insert)
        .bind(id.to_string())
        .bind(Uuid::nil())
        .bind(true_state)
        .bind(shared::log::STATE_VERSION)
        .execute(&db)
        .await
        .unwrap();
    assert_eq!(state(&reader, stream, Until::Newest).await.unwrap(), newest);
    assert_eq!(state(&reader, stream, Until::Version(2)).await.unwrap().version, 2);
}

#[tokio::test]
async fn a_row_is_shown_as_of_a_position() {
    let (db, mut log) = (database().await, Log::new());
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    lifetime(&mut log, id);
    lifetime(&mut log, other);
    log.write(&db).await;
    let reader = LogReader::new(db.clone());
    for (position, status) in [(1, "WAITING_FOR_PAYMENT"), (2, "PAID"), (4, "PREPARING"), (10, "READY")] {
        let rows = rows_of(&reader, "orders", (id, position), &[]).await;
        assert_eq!((rows.len(), &rows[0]["status"]), (1, &json!(status)));
    }
    assert_eq!(rows_of(&reader, "orders", (id, 0), &[]).await, Vec::<Value>::new());
    // What a person had the projection pass over, the row passes over, too.
    assert_eq!(rows_of(&reader, "orders", (id, 5), &[5]).await[0]["status"], "PREPARING");
}

async fn rows_of(log: &LogReader, name: &str, (id, position): (Uuid, u64), discarded: &[u64]) -> Vec<Value> {
    let model = models(&Failpoints::none()).get(name).unwrap();
    let row = RowAt { id, position, discarded: &discarded.iter().copied().collect() };
    rows_at(log, (&*model, model.sources().unwrap()), row).await.unwrap()
}

#[tokio::test]
async fn every_read_model_has_rows_of_one_id_as_of_a_position() {
    let (db, mut log) = (database().await, Log::new());
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [other, id] {
        log.push(id, samples::created(CUSTOMER, KITCHEN));
        let payment_id = PaymentId::of_order_attempt(OrderId(id), 1);
        let succeeded = PaymentSucceeded {
            provider_payment_id: "1".to_owned(),
            amount: Money::rub(20_000),
            source: EvidenceSource::Poll,
            late: false,
        };
        log.push_in_flow((payment_id.0, id), DomainEvent::Payment(succeeded.into()));
        log.push(id, samples::paid(id));
        log.push(id, samples::accepted());
        log.push(id, samples::started());
        log.push(id, samples::ready());
    }
    log.write(&db).await;
    let reader = LogReader::new(db.clone());
    // The facts of the order: paid with its third event, which is the ninth of the log.
    for (position, is_paid) in [(7, false), (8, false), (9, true), (12, true)] {
        let facts = rows_of(&reader, "order_facts", (id, position), &[]).await;
        assert_eq!((facts.len(), facts[0]["paid_at"].is_string()), (1, is_paid), "{position}: {facts:?}");
        assert_eq!(facts[0]["lines"].as_array().unwrap().len(), 1);
    }
    // The books of the order: its payment posts one entry, and the order another; both have two sides.
    for (position, postings) in [(7, 0), (8, 2), (9, 4), (12, 4)] {
        let flow = rows_of(&reader, "ledger", (id, position), &[]).await;
        assert_eq!((flow.len(), flow[0]["postings"].as_array().unwrap().len()), (1, postings), "{position}: {flow:?}");
    }
    // Who was told what of the order.
    let told = rows_of(&reader, "feed", (id, 9), &[]).await;
    let entries = told[0]["told"].as_array().unwrap();
    assert_eq!((told.len(), &told[0]["status"], entries.len()), (1, &json!("PAID"), 3), "{told:?}");
    assert_eq!((&entries[0]["to"]["user_id"], &entries[0]["position"]), (&json!(CUSTOMER), &json!(9)));
    assert_eq!((&entries[2]["to"]["producer_id"], &entries[2]["data"]["kind"]), (&json!(KITCHEN), &json!("new_order")));
    assert_eq!(rows_of(&reader, "feed", (id, 8), &[]).await[0]["told"], json!([]));
    for name in NAMES {
        assert_eq!(rows_of(&reader, name, (Uuid::now_v7(), 12), &[]).await, Vec::<Value>::new(), "{name}");
    }
}

#[tokio::test]
async fn what_followed_stands_behind_what_it_followed_from() {
    let (app, mut log) = (App::start().await, Log::new());
    let id = Uuid::now_v7();
    lifetime(&mut log, id);
    log.write(&app.db).await;
    // The third follows from the first, the fourth from the third.
    sqlx::query("ALTER TABLE events DISABLE TRIGGER events_are_append_only").execute(&app.db).await.unwrap();
    for (position, cause) in [(3, 1), (4, 3)] {
        sqlx::query(
            "UPDATE events SET causation_id = (SELECT event_id FROM events WHERE position = $2) WHERE position = $1",
        )
        .bind(position)
        .bind(cause)
        .execute(&app.db)
        .await
        .unwrap();
    }
    let (status, _, answer) = app.operate(&format!("/api/v1/admin/trace/{id}"), None).await;
    assert_eq!(status, 200, "{answer}");
    let entries: Vec<(u64, u64)> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["depth"].as_u64().unwrap(), entry["event"]["position"].as_u64().unwrap()))
        .collect();
    assert_eq!(entries, [(0, 1), (1, 3), (2, 4), (0, 2), (0, 5)]);
}

#[tokio::test]
async fn a_trace_that_is_cut_says_so() {
    let (app, mut log) = (App::start().await, Log::new());
    let (whole, long) = (Uuid::now_v7(), Uuid::now_v7());
    lifetime(&mut log, whole);
    lifetime(&mut log, long);
    for _ in 5..=trace::TRACE_MAX {
        log.push(long, samples::ready());
    }
    log.write(&app.db).await;
    let (_, _, answer) = app.operate(&format!("/api/v1/admin/trace/{whole}"), None).await;
    assert_eq!(answer["meta"], json!({}), "{answer}");
    let (_, _, answer) = app.operate(&format!("/api/v1/admin/trace/{long}"), None).await;
    assert_eq!(answer["data"].as_array().unwrap().len(), trace::TRACE_MAX);
    assert_eq!(answer["meta"], json!({"truncated": true}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_events_of_one_stream_are_answered_for_from_less_than_five_thousand() {
    let (app, mut log) = (App::start().await, Log::new());
    let id = Uuid::now_v7();
    log.push(id, samples::created(CUSTOMER, KITCHEN));
    log.push(id, samples::paid(id));
    for _ in 2..50_000 {
        log.push(id, samples::accepted());
    }
    log.write(&app.db).await;
    let reader = LogReader::new(app.db.clone());
    let stream = StreamId { aggregate_type: AggregateType::Order, aggregate_id: id };
    // As the write side does while the stream grows: a snapshot every so many events, each in the place of the last.
    for version in (500..50_000).step_by(500) {
        let (near, applied) = counted_state(&reader, stream, Until::Version(version)).await.unwrap();
        assert!(applied <= 500, "{version}: {applied} events were applied");
        sqlx::query(
            "INSERT INTO snapshots (aggregate_type, aggregate_id, sequence, event_id, correlation_id, state_version, state)
             VALUES ('order', $1, $5, $2, $2, $3, $4)
             ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE SET sequence = $5, state = $4",
        )
        .bind(id.to_string())
        .bind(Uuid::nil())
        .bind(shared::log::STATE_VERSION)
        .bind(near.state)
        .bind(version as i64)
        .execute(&app.db)
        .await
        .unwrap();
    }
    // The last snapshot is behind these; an older one is never far.
    for version in [4_999, 5_001, 24_999, 38_123, 49_400] {
        let (state, applied) = counted_state(&reader, stream, Until::Version(version)).await.unwrap();
        assert_eq!(state.version, version);
        assert!(applied < 5_000, "{version}: {applied} events were applied");
    }
    for path in [
        format!("/api/v1/admin/replay?aggregate_type=order&aggregate_id={id}"),
        format!("/api/v1/admin/replay?aggregate_id={id}&at_version=49950"),
        format!("/api/v1/admin/replay?aggregate_id={id}&at_version=24999"),
        format!("/api/v1/admin/events?aggregate_id={id}&limit=100"),
        format!("/api/v1/admin/events?aggregate_id={id}&after_version=49800&limit=100"),
    ] {
        let (status, _, answer) = app.operate(&path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_and_named() {
    let (app, mut log) = (App::start().await, Log::new());
    let id = Uuid::now_v7();
    lifetime(&mut log, id);
    log.write(&app.db).await;
    let (most, admin) = (i64::MAX, "/api/v1/admin");
    for (path, pointer, code) in [
        ("events?after_version=2".to_owned(), "/after_version", "conflict"),
        ("events?after_version=2&aggregate_type=order".to_owned(), "/after_version", "conflict"),
        (format!("events?after_version=2&correlation_id={id}"), "/after_version", "conflict"),
        (format!("events?after_position=2&aggregate_id={id}"), "/after_position", "conflict"),
        (format!("events?correlation_id={id}&aggregate_id={id}"), "/correlation_id", "conflict"),
        ("events?after_position=18446744073709551615".to_owned(), "/after_position", "out_of_range"),
        (format!("events?after_version=9223372036854775808&aggregate_id={id}"), "/after_version", "out_of_range"),
        (format!("replay?aggregate_id={id}&at_version=6"), "/at_version", "out_of_range"),
        (format!("replay?aggregate_id={id}&at_version=18446744073709551615"), "/at_version", "out_of_range"),
        (format!("replay/diff?aggregate_id={id}&from_version=99"), "/from_version", "out_of_range"),
        (format!("replay/diff?aggregate_id={id}&from_version=1&to_version=6"), "/to_version", "out_of_range"),
        (format!("projections/orders/rows/{id}?at_position=6"), "/at_position", "out_of_range"),
        ("ledger/accounts?at_position=6".to_owned(), "/at_position", "out_of_range"),
    ] {
        let (status, _, answer) = app.operate(&format!("{admin}/{path}"), None).await;
        assert_eq!((status, &answer["error_code"]), (400, &json!("VALIDATION_ERROR")), "{path}: {answer}");
        let wrong = &answer["errors"][0];
        assert_eq!((&wrong["pointer"], &wrong["code"]), (&json!(pointer), &json!(code)), "{path}: {answer}");
        let names_the_newest =
            !path.starts_with("replay") || answer["detail"].as_str().unwrap().contains("newest is 5");
        assert!(names_the_newest, "{path}: {answer}");
    }
    for (path, events) in [
        (format!("events?after_version=2&aggregate_id={id}"), 3),
        ("events?after_position=2".to_owned(), 3),
        (format!("events?after_position={most}"), 0),
        (format!("replay/diff?aggregate_id={id}&from_version=5"), 0),
    ] {
        let (status, _, answer) = app.operate(&format!("{admin}/{path}"), None).await;
        assert_eq!((status, answer["data"].as_array().map(Vec::len)), (200, Some(events)), "{path}: {answer}");
    }
    // A cursor goes on with what it began with.
    let (_, _, first) = app.operate(&format!("{admin}/events?after_position=1&limit=2"), None).await;
    let cursor = first["meta"]["next_cursor"].as_str().unwrap();
    for (after, expected) in [(1, 200), (3, 400)] {
        let path = format!("{admin}/events?after_position={after}&limit=2&cursor={cursor}");
        let (status, _, answer) = app.operate(&path, None).await;
        assert_eq!(status, expected, "{answer}");
    }
}
