//! Letters on a real Postgres: how often they are tried and when, and that nobody else waits for them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::domain::{ProducerId, UserId};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    projections::{
        orders::Orders,
        samples::{self, Log},
    },
    testing::{Running, checkpoint, database, eventually, parts},
};

const CUSTOMER: UserId = UserId(Uuid::from_u128(0xC));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));

async fn version(db: &PgPool, id: Uuid) -> i64 {
    let version = sqlx::query_scalar("SELECT version FROM orders WHERE id = $1");
    version.bind(id).fetch_optional(db).await.unwrap().unwrap_or(0)
}

/// Status, retries, and the date of the next.
async fn head(db: &PgPool) -> (String, i32, Option<DateTime<Utc>>) {
    let head = "SELECT status, retry_count, next_retry_at FROM dead_letters ORDER BY position LIMIT 1";
    sqlx::query_as(head).fetch_one(db).await.unwrap()
}

async fn count(db: &PgPool, status: &str) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE status = $1");
    count.bind(status).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn nobody_waits_for_the_next_try_of_a_poisoned_event() {
    let (db, mut log) = (database().await, Log::new());
    let (poisoned, other) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [poisoned, other] {
        log.push(id, samples::created(CUSTOMER, KITCHEN));
        log.push(id, samples::paid(id));
    }
    log.write(&db).await;
    let mut parts = parts(&db);
    parts.settings.letters.short.base = Duration::from_secs(86_400);
    parts.settings.letters.short.cap = Duration::from_secs(86_400);
    parts.failpoints.set_fold("orders", poisoned);
    parts.feed.note_head(4);
    let _running = Running::start::<Orders>(parts);
    eventually("the others are folded", || async { checkpoint(&db, "orders").await == 4 }).await;
    assert_eq!(version(&db, other).await, 2);
    let (status, retries, next) = head(&db).await;
    assert_eq!((status.as_str(), retries), ("PENDING", 0));
    assert!(next.is_some());
}

#[tokio::test]
async fn a_letter_is_tried_at_short_intervals_first_and_then_at_long_ones() {
    let (db, mut log) = (database().await, Log::new());
    let id = Uuid::now_v7();
    log.push(id, samples::created(CUSTOMER, KITCHEN));
    log.write(&db).await;
    let mut parts = parts(&db);
    parts.settings.letters.delay = chrono::TimeDelta::hours(1);
    parts.failpoints.set_fold("orders", id);
    parts.feed.note_head(1);
    let clock = parts.clock.clone();
    let _running = Running::start::<Orders>(parts);
    // Two more tries at once; then one after an hour, after two, after four.
    for (retries, hours) in [(2, 1), (3, 2), (4, 4)] {
        eventually("it was tried", || async { checkpoint(&db, "orders").await == 1 && head(&db).await.1 == retries })
            .await;
        let (status, _, next) = head(&db).await;
        let wait = next.unwrap() - clock.now();
        let longest = chrono::TimeDelta::hours(hours);
        assert!(status == "PENDING" && wait <= longest && wait > longest - chrono::TimeDelta::minutes(1), "{wait}");
        clock.advance(longest);
    }
    eventually("it is parked", || async { head(&db).await == ("PARKED".to_owned(), 5, None) }).await;
}

#[tokio::test]
async fn while_a_long_queue_is_taken_the_others_flow_on() {
    let (db, mut log) = (database().await, Log::new());
    let (hot, other) = (Uuid::now_v7(), Uuid::now_v7());
    log.push(hot, samples::created(CUSTOMER, KITCHEN));
    for _ in 0..8_000 {
        log.push(hot, samples::started());
    }
    log.write(&db).await;
    let mut parts = parts(&db);
    parts.settings.letters.retries_max = 0;
    parts.settings.letters.short.attempts = 1;
    // Each turn of the letters outlasts it.
    parts.settings.letters_poll = Duration::from_millis(1);
    let (feed, failpoints) = (parts.feed.clone(), parts.failpoints.clone());
    failpoints.set_fold("orders", hot);
    feed.note_head(8_001);
    let _running = Running::start::<Orders>(parts);
    eventually("the queue is there", || async { checkpoint(&db, "orders").await == 8_001 }).await;
    failpoints.clear_fold("orders", hot);
    sqlx::query("UPDATE dead_letters SET status = 'PENDING', next_retry_at = now() WHERE status = 'PARKED'")
        .execute(&db)
        .await
        .unwrap();
    eventually("the queue is under way", || async { count(&db, "REDRIVEN").await > 0 }).await;
    log.push(other, samples::created(CUSTOMER, KITCHEN));
    log.write(&db).await;
    feed.note_head(8_002);
    eventually("the other order is there", || async { version(&db, other).await == 1 }).await;
    assert!(count(&db, "BLOCKED").await > 0, "the whole queue was taken first");
    eventually("the queue is empty", || async { count(&db, "REDRIVEN").await == 8_001 }).await;
    assert_eq!(version(&db, hot).await, 8_001);
}
