//! A crash of the database's server takes back what was committed without waiting for its disk; nothing stays lost, and
//! nobody is told that it was there.

use std::time::Duration;

use shared::domain::{ProducerId, UserId};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    projections::{
        feed::Feed,
        orders::Orders,
        samples::{self, Log},
    },
    testing::{Running, checkpoint, database, eventually, parts},
};

const CUSTOMER: UserId = UserId(Uuid::from_u128(0xC));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));

async fn run(db: &PgPool, statement: &str) {
    sqlx::query(statement).execute(db).await.unwrap();
}

async fn rows(db: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT r::text FROM orders r ORDER BY 1").fetch_all(db).await.unwrap()
}

async fn set_checkpoint(db: &PgPool, name: &str, position: i64) {
    sqlx::query("INSERT INTO projection_checkpoints (name, position) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET position = $2")
        .bind(name)
        .bind(position)
        .execute(db)
        .await
        .unwrap();
}

async fn caught_up(db: &PgPool, name: &'static str, log: &Log) {
    let head = log.events.len() as i64;
    eventually("the projection caught up", || async { checkpoint(db, name).await == head }).await;
}

#[tokio::test]
async fn what_was_taken_back_is_folded_again_though_nothing_new_happens() {
    let (db, mut log, id) = (database().await, Log::new(), Uuid::now_v7());
    log.push(id, samples::created(CUSTOMER, KITCHEN));
    log.write(&db).await;
    let parts = parts(&db);
    parts.feed.note_head(1);
    let _running = Running::start::<Orders>(parts.clone());
    caught_up(&db, "orders", &log).await;
    run(&db, "CREATE TABLE kept AS SELECT * FROM orders").await;
    log.push(id, samples::paid(id));
    log.push(id, samples::accepted());
    log.write(&db).await;
    parts.feed.note_head(3);
    caught_up(&db, "orders", &log).await;
    let right = rows(&db).await;
    run(
        &db,
        "DO $$ BEGIN
             DELETE FROM orders;
             INSERT INTO orders SELECT * FROM kept;
             UPDATE projection_checkpoints SET position = 1 WHERE name = 'orders';
         END $$",
    )
    .await;
    caught_up(&db, "orders", &log).await;
    assert_eq!(rows(&db).await, right);
}

#[tokio::test]
async fn who_looks_on_does_not_go_by_what_was_taken_back() {
    let db = database().await;
    let positions = parts(&db).positions;
    let shutdown = CancellationToken::new();
    let follower = tokio::spawn({
        let (positions, db, shutdown) = (positions.clone(), db.clone(), shutdown.clone());
        async move { positions.follow(&db, &shutdown).await.unwrap() }
    });
    set_checkpoint(&db, "orders", 1_000).await;
    positions.wait_for("orders", 1_000, Duration::from_secs(5)).await.unwrap();
    set_checkpoint(&db, "orders", 980).await;
    eventually("it is seen", || async { positions.get("orders") == 980 }).await;
    assert!(positions.wait_for("orders", 990, Duration::from_millis(10)).await.is_err());
    shutdown.cancel();
    follower.await.unwrap();
}

#[tokio::test]
async fn what_users_are_told_waits_for_the_disk() {
    let (db, mut log, id) = (database().await, Log::new(), Uuid::now_v7());
    run(&db, "CREATE TABLE commits (waits text, default_waits text)").await;
    run(
        &db,
        "CREATE FUNCTION note_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO commits SELECT setting, reset_val FROM pg_settings WHERE name = 'synchronous_commit';
             RETURN NULL;
         END $$",
    )
    .await;
    run(
        &db,
        "CREATE CONSTRAINT TRIGGER note AFTER INSERT ON feed_entries DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION note_commit()",
    )
    .await;
    log.push(id, samples::created(CUSTOMER, KITCHEN));
    log.push(id, samples::paid(id));
    log.write(&db).await;
    let parts = parts(&db);
    parts.feed.note_head(2);
    let _running = Running::start::<Feed>(parts);
    caught_up(&db, "feed", &log).await;
    let commits: Vec<(String, String)> =
        sqlx::query_as("SELECT waits, default_waits FROM commits").fetch_all(&db).await.unwrap();
    assert!(!commits.is_empty());
    assert!(commits.iter().all(|(waits, default)| waits == default && waits != "off"), "{commits:?}");
}
