//! Letters are found, tried on trial, redriven once each, and passed over for good.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::{ProducerId, UserId};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::{
    engine::RunnerParts,
    jobs,
    operations::{self, Operation, OperationState, Worker},
    projections::{
        models,
        orders::Orders,
        samples::{self, Log},
    },
    testing::{App, Running, checkpoint, database, eventually, parts},
};

const CUSTOMER: UserId = UserId(Uuid::from_u128(0xC));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));

/// Orders that are placed, paid and accepted; the projection refuses each at its first event, and parks it at once.
async fn poisoned(orders: usize) -> (PgPool, RunnerParts, Running, Vec<Uuid>) {
    let (db, mut log) = (database().await, Log::new());
    let mut parts = parts(&db);
    (parts.settings.letters.retries_max, parts.settings.letters.short.attempts) = (0, 1);
    let ids: Vec<Uuid> = (0..orders).map(|_| Uuid::now_v7()).collect();
    for id in &ids {
        parts.failpoints.set_fold("orders", *id);
        log.push(*id, samples::created(CUSTOMER, KITCHEN));
        log.push(*id, samples::paid(*id));
        log.push(*id, samples::accepted());
    }
    log.write(&db).await;
    parts.feed.note_head(log.events.len() as u64);
    let running = Running::start::<Orders>(parts.clone());
    eventually("all are parked", || async { checkpoint(&db, "orders").await == log.events.len() as i64 }).await;
    (db, parts, running, ids)
}

fn worker(parts: &RunnerParts) -> JoinHandle<()> {
    let make = jobs::maker(parts.clock.clone(), crate::testing::rebuild_parts(parts));
    let worker = Worker::new(parts.db.clone(), Duration::from_millis(300), make);
    tokio::spawn(async move { worker.run(CancellationToken::new()).await.unwrap() })
}

async fn redrive(db: &PgPool, rate_per_s: u32) -> Operation {
    let filter = LetterFilter { queue: Some("orders".to_owned()), ..LetterFilter::default() };
    start(db, &RedriveInput { filter, rate_per_s }, "admin:test", "mended").await.unwrap()
}

async fn ended(db: &PgPool, id: Uuid) -> Operation {
    let find = || async { operations::find(db, id).await.unwrap().unwrap() };
    eventually("the redrive ended", || async { find().await.state == OperationState::Succeeded }).await;
    find().await
}

async fn statuses(db: &PgPool) -> Vec<(String, i64)> {
    let counted = "SELECT status, count(*) FROM dead_letters GROUP BY status ORDER BY status";
    sqlx::query_as(counted).fetch_all(db).await.unwrap()
}

fn desk(db: &PgPool, parts: &RunnerParts) -> Desk {
    Desk::new(db.clone(), parts.feed.reader().clone(), models(&parts.failpoints))
}

#[tokio::test]
async fn a_redrive_survives_kills_and_takes_each_letter_once() {
    let (db, parts, _running, ids) = poisoned(40).await;
    assert_eq!(statuses(&db).await, [("BLOCKED".to_owned(), 80), ("PARKED".to_owned(), 40)]);
    let operation = redrive(&db, 40).await;
    assert_eq!((operation.progress.done, operation.progress.total), (0, Some(40)), "the selection is frozen");
    ids.iter().for_each(|id| parts.failpoints.clear_fold("orders", *id));
    for _ in 0..3 {
        let killed = worker(&parts);
        let before = operations::find(&db, operation.id).await.unwrap().unwrap().progress.done;
        eventually("it is under way", || async {
            operations::find(&db, operation.id).await.unwrap().unwrap().progress.done > before
        })
        .await;
        killed.abort();
    }
    let last = worker(&parts);
    let ended = ended(&db, operation.id).await;
    let result = ended.result.unwrap();
    assert_eq!((&result["selected"], &result["failed"]), (&json!(40), &json!(0)));
    eventually("all have followed", || async { statuses(&db).await == [("REDRIVEN".to_owned(), 120)] }).await;
    let redrives: i32 = sqlx::query_scalar("SELECT max(redrives) FROM dead_letters").fetch_one(&db).await.unwrap();
    let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM orders").fetch_all(&db).await.unwrap();
    assert_eq!((redrives, versions), (1, vec![3; 40]));
    last.abort();
}

#[tokio::test]
async fn what_fails_again_is_counted_and_named() {
    let (db, parts, _running, ids) = poisoned(5).await;
    ids[..3].iter().for_each(|id| parts.failpoints.clear_fold("orders", *id));
    let operation = redrive(&db, 1_000).await;
    assert!(matches!(
        start(
            &db,
            &RedriveInput {
                filter: LetterFilter { queue: Some("orders".to_owned()), ..LetterFilter::default() },
                rate_per_s: 1
            },
            "admin:test",
            "twice"
        )
        .await,
        Err(LetterError::RedriveOpen)
    ));
    let working = worker(&parts);
    let ended = ended(&db, operation.id).await;
    assert_eq!(ended.result, Some(json!({"selected": 5, "redriven": 3, "failed": 2, "skipped": 0})));
    assert_eq!((ended.errors.len(), ended.errors_total), (2, 2));
    assert!(ended.errors[0].contains("failpoint"), "{:?}", ended.errors);
    working.abort();
}

#[tokio::test]
async fn a_trial_says_what_would_be_and_changes_nothing() {
    let (db, parts, _running, ids) = poisoned(2).await;
    let letters = list(&db, &LetterFilter::default(), None, 10).await.unwrap();
    let head = letters.iter().find(|letter| letter.aggregate_id == ids[0] && letter.sequence == 1).unwrap();
    let desk = desk(&db, &parts);
    let tried = desk.try_letter(head.id).await.unwrap();
    assert_eq!((tried.taken, tried.left, tried.refused_at), (0, 3, Some(head.position)));
    parts.failpoints.clear_fold("orders", ids[0]);
    let tried = desk.try_letter(head.id).await.unwrap();
    assert_eq!((tried.taken, tried.left, tried.refused_at), (3, 0, None));
    assert_eq!(statuses(&db).await, [("BLOCKED".to_owned(), 4), ("PARKED".to_owned(), 2)]);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&db).await.unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_discarded_event_is_passed_over_and_the_others_go_on() {
    let (db, mut log) = (database().await, Log::new());
    let mut parts = parts(&db);
    (parts.settings.letters.retries_max, parts.settings.letters.short.attempts) = (0, 1);
    let id = Uuid::now_v7();
    let _running = Running::start::<Orders>(parts.clone());
    log.push(id, samples::created(CUSTOMER, KITCHEN));
    log.write(&db).await;
    parts.feed.note_head(1);
    eventually("it is there", || async { checkpoint(&db, "orders").await == 1 }).await;
    parts.failpoints.set_fold("orders", id);
    log.push(id, samples::paid(id));
    log.push(id, samples::accepted());
    log.write(&db).await;
    parts.feed.note_head(3);
    eventually("it is parked", || async { checkpoint(&db, "orders").await == 3 }).await;
    parts.failpoints.clear_fold("orders", id);
    let filter = LetterFilter { status: Some(LetterQueueStatus::Parked), ..LetterFilter::default() };
    let letter = list(&db, &filter, None, 10).await.unwrap().remove(0);
    let discarded = desk(&db, &parts).discard(letter.id, "admin:test", "a defect of 2025").await.unwrap();
    assert_eq!(discarded, Discarded { freed: 1 });
    let done = [("DISCARDED".to_owned(), 1), ("REDRIVEN".to_owned(), 1)];
    eventually("the next one follows", || async { statuses(&db).await == done }).await;
    let row: (String, i64) = sqlx::query_as("SELECT status, version FROM orders").fetch_one(&db).await.unwrap();
    assert_eq!(row, ("ACCEPTED".to_owned(), 3));
    assert!(matches!(desk(&db, &parts).discard(letter.id, "a", "b").await, Err(LetterError::NotOpen)));
}

#[tokio::test]
async fn what_waits_behind_another_letter_is_not_freed_by_a_discard() {
    let (db, parts, _running, ids) = poisoned(1).await;
    let letters = list(&db, &LetterFilter::default(), None, 10).await.unwrap();
    let desk = desk(&db, &parts);
    // The oldest one holds the last one up, whatever becomes of the one between.
    let between = desk.discard(letters[1].id, "admin:test", "known to be wrong").await.unwrap();
    assert_eq!(between, Discarded { freed: 0 });
    let blocked = LetterFilter { status: Some(LetterQueueStatus::Blocked), ..LetterFilter::default() };
    assert_eq!(list(&db, &blocked, None, 10).await.unwrap().len(), 1);
    parts.failpoints.clear_fold("orders", ids[0]);
    let oldest = desk.discard(letters[0].id, "admin:test", "known to be wrong").await.unwrap();
    assert_eq!(oldest, Discarded { freed: 1 });
}

#[tokio::test]
async fn operators_find_letters_by_cause_with_all_that_is_known() {
    let (app, mut log) = (App::start().await, Log::new());
    let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    for id in &ids {
        app.failpoints.set_fold("orders", *id);
        log.push(*id, samples::created(CUSTOMER, KITCHEN));
    }
    log.write(&app.db).await;
    // Their short tries are behind them, so nobody but the operator has them tried again during this test.
    eventually("all are set aside", || async {
        let tried = "SELECT count(*) FROM dead_letters WHERE status = 'PENDING' AND retry_count = 2";
        sqlx::query_scalar::<_, i64>(tried).fetch_one(&app.db).await.unwrap() == 3
    })
    .await;
    let (status, _, groups) = app.operate("/api/v1/admin/dlq/groups", None).await;
    assert_eq!((status, &groups["data"][0]["pending"]), (200, &json!(3)), "{groups}");
    let fingerprint = groups["data"][0]["fingerprint"].as_str().unwrap();
    let mut found = Vec::new();
    let mut path = format!("/api/v1/admin/dlq?fingerprint={fingerprint}&limit=2");
    loop {
        let (_, _, page) = app.operate(&path, None).await;
        found.extend(page["data"].as_array().unwrap().clone());
        let Some(cursor) = page["meta"]["next_cursor"].as_str() else { break };
        path = format!("/api/v1/admin/dlq?fingerprint={fingerprint}&limit=2&cursor={cursor}");
    }
    assert_eq!(found.len(), 3);
    let id = found[0]["id"].as_str().unwrap();
    let (_, _, shown) = app.operate(&format!("/api/v1/admin/dlq/{id}"), None).await;
    let letter = &shown["data"];
    for field in [
        "queue_name",
        "message_type",
        "payload",
        "error_message",
        "error_traceback",
        "retry_count",
        "max_retries",
        "next_retry_at",
        "correlation_id",
        "event_id",
    ] {
        assert!(!letter[field].is_null(), "{field}: {letter}");
    }
    assert_eq!(letter["payload"]["type"], "order_created");

    let (status, _, refused) =
        app.operate(&format!("/api/v1/admin/dlq/{id}/retry"), Some(&json!({"reason": " "}))).await;
    assert_eq!((status, &refused["error_code"]), (400, &json!("VALIDATION_ERROR")));
    ids.iter().for_each(|id| app.failpoints.clear_fold("orders", *id));
    let (status, headers, made) =
        app.operate(&format!("/api/v1/admin/dlq/{id}/retry"), Some(&json!({"reason": "x"}))).await;
    assert_eq!(status, 202, "{made}");
    let location = headers["operation-location"].to_str().unwrap().to_owned();
    eventually("it succeeds", || async { app.operate(&location, None).await.2["data"]["state"] == "succeeded" }).await;
    let (_, _, ended) = app.operate(&location, None).await;
    assert_eq!(ended["data"]["result"]["redriven"], 1, "{ended}");
    assert_eq!(ended["data"]["started_by"], format!("admin:{}", Uuid::from_u128(0xAD)));
    let (status, _, _) = app.get("/api/v1/admin/dlq", &[]).await;
    assert_eq!(status, 401);
    let token = app.token(CUSTOMER, &[shared::web::Role::Customer], None);
    let headers = [("authorization", &*format!("Bearer {token}"))];
    let (status, _, answer): (_, _, Value) = app.get("/api/v1/admin/dlq", &headers).await;
    assert_eq!(status, 403, "{answer}");
}
