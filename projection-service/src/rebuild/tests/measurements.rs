//! How fast, and in how much memory. Run by hand, in release:
//! `cargo test --release -p projection-service --features measurements --lib measurements -- --nocapture --test-threads 1`

use std::time::Instant;

use super::*;
use crate::projections::orders::{self, OrderFilter, Orders};

/// A log of one million events, four of each order, made in the database from the events of one.
async fn million() -> Test {
    let mut test = Test::with_orders(1).await;
    let orders = 249_999_i64;
    let mut db = test.db.acquire().await.unwrap();
    sqlx::query("SET statement_timeout = 0").execute(&mut *db).await.unwrap();
    sqlx::query(
        "
        INSERT INTO events
        SELECT e.aggregate_type, md5('order' || n)::uuid::text, e.sequence, e.event_type, e.event_version, e.payload, e.metadata,
               (e.position - 1) * $1 + n + 4, gen_random_uuid(), e.correlation_id, e.causation_id, e.actor, e.occurred_at,
               e.recorded_at, e.slice
        FROM events e, generate_series(1, $1) n
        ",
    )
    .bind(orders)
    .execute(&mut *db)
    .await
    .unwrap();
    sqlx::query("UPDATE log_head SET position = 4 + 4 * $1").bind(orders).execute(&mut *db).await.unwrap();
    sqlx::query("VACUUM ANALYZE events").execute(&mut *db).await.unwrap();
    drop(db);
    test.parts.settings.batch_max = 5_000;
    test.parts.settings.lease = Duration::from_secs(4);
    test.parts.feed.note_head(1_000_000);
    test
}

async fn until_position(test: &Test, position: i64) {
    while checkpoint(&test.db, "orders").await < position {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_ended(test: &Test, id: Uuid) -> Operation {
    loop {
        let found = test.find(id).await;
        if found.state.is_final() || found.state == OperationState::Paused {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096 / 1_048_576
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_events_are_rebuilt_under_load_and_one_false_row_is_found_among_all() {
    let mut test = million().await;
    let began = Instant::now();
    let _running = Running::start::<Orders>(test.parts.clone());
    until_position(&test, 1_000_000).await;
    println!("live fold of 1,000,000 events: {:.1} s, {} MiB resident", began.elapsed().as_secs_f64(), resident_mib());

    let began = Instant::now();
    sqlx::query("COPY (SELECT * FROM events) TO '/dev/null'").execute(&test.db).await.unwrap();
    println!("COPY of the events to nowhere: {:.1} s", began.elapsed().as_secs_f64());

    let id = test.rebuild("orders").await;
    let working = test.worker(10_000);
    let (began, before) = (Instant::now(), resident_mib());
    let (mut written, mut most, mut slowest) = (0_u64, before, Duration::ZERO);
    let ended = loop {
        test.log.events.clear();
        let read = Instant::now();
        let page = orders::list(&test.db, &OrderFilter::default(), (None, 50)).await.expect("a query fails");
        assert_eq!(page.len(), 50, "a list is half built");
        slowest = slowest.max(read.elapsed());
        append_one(&test, 1_000_001 + written).await;
        written += 1;
        most = most.max(resident_mib());
        let found = test.find(id).await;
        if found.state.is_final() || found.state == OperationState::Paused {
            break found;
        }
    };
    assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
    println!(
        "rebuild of 1,000,000 events beside {written} appends: {:.1} s; {before} MiB resident before, {most} at most; \
         slowest list {slowest:?}",
        began.elapsed().as_secs_f64(),
    );

    until_position(&test, 1_000_000 + written as i64).await;
    sqlx::query("UPDATE orders SET doc = replace(doc::text, '\"PREPARING\"', '\"READY\"')::json WHERE id = md5('order77777')::uuid")
        .execute(&test.db)
        .await
        .unwrap();
    let began = Instant::now();
    let verify = test.begin(OperationKind::Verify, "orders", json!({})).await;
    let verified = until_ended(&test, verify).await;
    let result = verified.result.unwrap();
    assert_eq!(result["drifted"], 1, "{result}");
    println!("audit of 250,000 rows and more: {:.1} s: {}", began.elapsed().as_secs_f64(), result["drifts"]);
    drop(working);
}

/// One more placed order, as the write side would append it.
async fn append_one(test: &Test, position: u64) {
    let mut tx = test.db.begin().await.unwrap();
    sqlx::query("UPDATE log_head SET position = $1").bind(position as i64).execute(&mut *tx).await.unwrap();
    sqlx::query(
        "INSERT INTO events SELECT aggregate_type, gen_random_uuid()::text, 1, event_type, event_version, payload, metadata, $1,
             gen_random_uuid(), correlation_id, causation_id, actor, occurred_at, recorded_at, slice
         FROM events WHERE position = 1",
    )
    .bind(position as i64)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    test.parts.feed.note_head(position);
}
