//! How fast, and in how much memory, while readers watch every row they know. Run by hand, in release:
//! `cargo test --release -p projection-service --features measurements --lib measurements -- --nocapture --test-threads 1`
//! `MEASURED_EVENTS` makes it shorter than a million.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use shared::domain::DomainEvent;

use super::*;
use crate::projections::{
    orders::{self, OrderFilter, Orders},
    samples::DomainSample,
};

/// Rows that are watched, all over the log.
const WATCHED: i64 = 2_000;
const READERS: usize = 2;

fn events_wanted() -> i64 {
    let wanted = std::env::var("MEASURED_EVENTS").ok().and_then(|events| events.parse().ok());
    wanted.unwrap_or(1_000_000_i64).max(1_000) / 4 * 4
}

/// A log of that many events, four of each order, made in the database from the events of one.
async fn filled(events: i64) -> Test {
    let mut test = Test::with_orders(1).await;
    let orders = events / 4 - 1;
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
    test.parts.feed.note_head(events as u64);
    test.ids = sqlx::query_scalar("SELECT aggregate_id::uuid FROM events WHERE sequence = 1 AND position % $1 = 0")
        .bind((orders / WATCHED).max(1))
        .fetch_all(&test.db)
        .await
        .unwrap();
    test
}

/// What a reader has seen.
#[derive(Debug, Default)]
struct Watched {
    reads: u64,
    newer: u64,
    slowest: Duration,
}

/// Reads as the API does, row after row, and never sees an error, a missing row, one that goes back or half a list.
fn watch(db: &PgPool, ids: Vec<Uuid>, stop: Arc<AtomicBool>) -> JoinHandle<Watched> {
    let db = db.clone();
    tokio::spawn(async move {
        let (mut versions, mut seen) = (vec![4_u64; ids.len()], Watched::default());
        while !stop.load(Ordering::Relaxed) {
            for (id, version) in ids.iter().zip(&mut versions) {
                let began = Instant::now();
                let row = orders::find(&db, (*id).into()).await.expect("a query fails").expect("a row is gone");
                seen.slowest = seen.slowest.max(began.elapsed());
                assert!(row.version >= *version, "{id} goes back from {version} to {}", row.version);
                seen.newer += u64::from(row.version > *version);
                *version = row.version;
                seen.reads += 1;
                if seen.reads % 100 == 0 {
                    let page = orders::list(&db, &OrderFilter::default(), (None, 50)).await.expect("a query fails");
                    assert_eq!(page.len(), 50, "a list is half built");
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        seen
    })
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
    let events = events_wanted();
    let test = filled(events).await;
    let began = Instant::now();
    let _running = Running::start::<Orders>(test.parts.clone());
    until_position(&test, events).await;
    println!("live fold of {events} events: {:.1} s, {} MiB resident", began.elapsed().as_secs_f64(), resident_mib());

    let began = Instant::now();
    sqlx::query("COPY (SELECT * FROM events) TO '/dev/null'").execute(&test.db).await.unwrap();
    println!("COPY of the events to nowhere: {:.1} s", began.elapsed().as_secs_f64());

    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS).map(|_| watch(&test.db, test.ids.clone(), stop.clone())).collect();
    let id = test.rebuild("orders").await;
    let working = test.worker(10_000);
    let (began, before) = (Instant::now(), resident_mib());
    let (mut written, mut most) = (0, before);
    let ended = loop {
        append_one(&test, events + written + 1).await;
        written += 1;
        if let Some(old) = test.ids.get(written as usize / 2) {
            go_on(&test, *old, events + written + 1).await;
            written += 1;
        }
        most = most.max(resident_mib());
        let found = test.find(id).await;
        if found.state.is_final() || found.state == OperationState::Paused {
            break found;
        }
    };
    assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
    let seconds = began.elapsed().as_secs_f64();
    until_position(&test, events + written).await;
    stop.store(true, Ordering::Relaxed);
    println!(
        "rebuild of {events} events beside {written} appends: {seconds:.1} s; {before} MiB resident before, {most} at most"
    );
    for reader in readers {
        let seen = reader.await.expect("a reader has seen what it must not");
        println!("a reader: {seen:?}");
        assert!(seen.reads > 0 && seen.newer > 0, "{seen:?}");
    }
    let placed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM events WHERE sequence = 1").fetch_one(&test.db).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&test.db).await.unwrap();
    assert_eq!(rows, placed, "rows are missing");

    sqlx::query("UPDATE orders SET doc = replace(doc::text, '\"version\":', '\"version\":9')::json WHERE id = $1")
        .bind(test.ids[test.ids.len() / 3])
        .execute(&test.db)
        .await
        .unwrap();
    let began = Instant::now();
    let verify = test.begin(OperationKind::Verify, "orders", json!({})).await;
    let verified = until_ended(&test, verify).await;
    let result = verified.result.unwrap();
    assert_eq!(result["drifted"], 1, "{result}");
    println!("audit of {rows} rows: {:.1} s: {}", began.elapsed().as_secs_f64(), result["drifts"]);
    drop(working);
}

/// An order is ready that was placed long ago.
async fn go_on(test: &Test, id: Uuid, position: i64) {
    let event: DomainEvent = DomainSample::from(samples::ready()).0;
    let mut tx = test.db.begin().await.unwrap();
    sqlx::query("UPDATE log_head SET position = $1").bind(position).execute(&mut *tx).await.unwrap();
    sqlx::query(
        "INSERT INTO events SELECT aggregate_type, $2, 5, $3, event_version, $4::json, metadata, $1, gen_random_uuid(),
             correlation_id, causation_id, actor, occurred_at, recorded_at, slice
         FROM events WHERE position = 1",
    )
    .bind(position)
    .bind(id.to_string())
    .bind(event.type_name())
    .bind(serde_json::to_string(&event).unwrap())
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    test.parts.feed.note_head(position as u64);
}

/// One more placed order, as the write side would append it.
async fn append_one(test: &Test, position: i64) {
    let mut tx = test.db.begin().await.unwrap();
    sqlx::query("UPDATE log_head SET position = $1").bind(position).execute(&mut *tx).await.unwrap();
    sqlx::query(
        "INSERT INTO events SELECT aggregate_type, gen_random_uuid()::text, 1, event_type, event_version, payload, metadata, $1,
             gen_random_uuid(), correlation_id, causation_id, actor, occurred_at, recorded_at, slice
         FROM events WHERE position = 1",
    )
    .bind(position)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    test.parts.feed.note_head(position as u64);
}
