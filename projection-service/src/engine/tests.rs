//! The engine on a real Postgres: nothing twice, nothing lost, one poison stops one aggregate.

use std::time::Duration;

use shared::{
    domain::{
        DomainEvent, Money, ProducerId, UserId,
        gift::{GiftCreated, GiftEvent, GiftKind},
        order::OrderEvent,
    },
    log::Position,
};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::RunnerParts;
use crate::{
    projections::{
        feed::Feed,
        gifts::Gifts,
        orders::Orders,
        samples::{self, Log},
    },
    testing::{PATIENCE, Running, checkpoint, database, eventually, parts},
};

const CUSTOMER: UserId = UserId(Uuid::from_u128(0xC));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));

/// `orders` orders, each created, paid and accepted, interleaved.
fn interleaved(log: &mut Log, orders: usize) -> Vec<Uuid> {
    let ids: Vec<Uuid> = (0..orders).map(|_| Uuid::now_v7()).collect();
    for id in &ids {
        log.push(*id, samples::created(CUSTOMER, KITCHEN));
    }
    for id in &ids {
        log.push(*id, samples::paid(*id));
    }
    for id in &ids {
        log.push(*id, samples::accepted());
    }
    ids
}

fn gift_created() -> DomainEvent {
    DomainEvent::Gift(GiftEvent::GiftCreated(GiftCreated {
        buyer_id: CUSTOMER,
        kind: GiftKind::Amount,
        value: Money::rub(100_000),
        dish: None,
        recipient_user_id: None,
        deliver_at: None,
        payment_deadline: chrono::Utc::now(),
        pii_sealed: None,
    }))
}

async fn caught_up(db: &PgPool, name: &'static str, head: Position) {
    eventually("the projection caught up", || async { checkpoint(db, name).await == head as i64 }).await;
}

fn head(log: &Log) -> Position {
    log.events.len() as Position
}

/// How often somebody became owner.
async fn epoch(db: &PgPool) -> i64 {
    let epoch = sqlx::query_scalar("SELECT epoch FROM projection_checkpoints").fetch_optional(db).await.unwrap();
    epoch.unwrap_or_default()
}

async fn versions(db: &PgPool) -> Vec<(Uuid, i64)> {
    let rows = sqlx::query("SELECT id, version FROM orders ORDER BY id").fetch_all(db).await.unwrap();
    rows.iter().map(|row| (row.get("id"), row.get("version"))).collect()
}

async fn letters(db: &PgPool) -> Vec<(Uuid, i64, String, i32)> {
    let rows = sqlx::query("SELECT aggregate_id, sequence, status, retry_count FROM dead_letters ORDER BY position");
    let rows = rows.fetch_all(db).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
}

/// Tells the feed of what was written, as the relay's mirror or the poll would.
fn announce(parts: &RunnerParts, log: &Log) {
    parts.feed.note_head(head(log));
}

#[tokio::test]
async fn every_event_is_folded_once_however_the_batches_fall() {
    let (db, mut log) = (database().await, Log::new());
    let ids = interleaved(&mut log, 200);
    log.write(&db).await;
    let mut parts = parts(&db);
    parts.settings.batch_max = 7;
    // Rows fall out of the cache all the time and are loaded again.
    parts.settings.rows_max = 20;
    announce(&parts, &log);
    let _running = Running::start::<Orders>(parts);
    caught_up(&db, "orders", head(&log)).await;
    assert_eq!(versions(&db).await, ids.into_iter().map(|id| (id, 3)).collect::<Vec<_>>());
}

#[tokio::test]
async fn events_that_touch_no_row_move_the_checkpoint_with_the_next_that_does_or_after_a_while() {
    for (checkpoint_ms, closing) in [(3_600_000, true), (10, false)] {
        let (db, mut log) = (database().await, Log::new());
        interleaved(&mut log, 20);
        log.write(&db).await;
        let mut parts = parts(&db);
        parts.settings.checkpoint = Duration::from_millis(checkpoint_ms);
        announce(&parts, &log);
        let (feed, positions) = (parts.feed.clone(), parts.positions.clone());
        let _running = Running::start::<Gifts>(parts);
        // Queries need not wait for the table: nothing that they show has changed.
        assert_eq!(positions.wait_for("gifts", head(&log), PATIENCE).await, Ok(head(&log)));
        if closing {
            assert_eq!(checkpoint(&db, "gifts").await, 0);
            log.push_in_flow((Uuid::now_v7(), Uuid::now_v7()), gift_created());
            log.write(&db).await;
            feed.note_head(head(&log));
        }
        caught_up(&db, "gifts", head(&log)).await;
    }
}

#[tokio::test]
async fn duplicated_late_and_gapped_offers_change_nothing() {
    let (db, mut log) = (database().await, Log::new());
    let ids = interleaved(&mut log, 50);
    log.write(&db).await;
    let parts = parts(&db);
    let feed = parts.feed.clone();
    let _running = Running::start::<Orders>(parts);
    let events = &log.events;
    feed.offer(&events[10..20]);
    feed.offer(&events[10..20]);
    feed.offer(&events[40..60]);
    feed.offer(&events[0..5]);
    feed.offer(&events[140..150]);
    caught_up(&db, "orders", head(&log)).await;
    assert_eq!(versions(&db).await, ids.into_iter().map(|id| (id, 3)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_killed_owner_is_replaced_and_the_feed_stays_dense() {
    let (db, mut log) = (database().await, Log::new());
    sqlx::query("INSERT INTO producers (id, user_id, name, city) VALUES ($1, $2, 'K', 'M')")
        .bind(KITCHEN.0)
        .bind(Uuid::from_u128(0xFF))
        .execute(&db)
        .await
        .unwrap();
    interleaved(&mut log, 400);
    log.write(&db).await;
    let runners: Vec<_> = (0..6)
        .map(|_| {
            let mut parts = parts(&db);
            parts.settings.batch_max = 10;
            announce(&parts, &log);
            Running::start::<Feed>(parts)
        })
        .collect();
    for runner in runners.iter().take(5) {
        let before = checkpoint(&db, "feed").await;
        eventually("somebody folds", || async {
            checkpoint(&db, "feed").await > before || checkpoint(&db, "feed").await == head(&log) as i64
        })
        .await;
        runner.kill();
    }
    caught_up(&db, "feed", head(&log)).await;
    for user in [CUSTOMER.0, Uuid::from_u128(0xFF)] {
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM feed_entries WHERE user_id = $1 ORDER BY id")
            .bind(user)
            .fetch_all(&db)
            .await
            .unwrap();
        // The customer hears of paid and accepted; the cook of the new order besides.
        let expected = if user == CUSTOMER.0 { 800 } else { 1_200 };
        assert_eq!(ids, (1..=expected).collect::<Vec<i64>>());
    }
    let positions: Vec<i64> = sqlx::query_scalar("SELECT position FROM feed_entries WHERE user_id = $1 ORDER BY id")
        .bind(CUSTOMER.0)
        .fetch_all(&db)
        .await
        .unwrap();
    assert!(positions.is_sorted());
}

#[tokio::test]
async fn two_owners_at_once_fold_nothing_twice() {
    let (db, mut log) = (database().await, Log::new());
    let start = || {
        let mut parts = parts(&db);
        parts.settings.batch_max = 5;
        parts.settings.standby_poll = Duration::from_millis(1);
        (parts.feed.clone(), Running::start::<Orders>(parts))
    };
    let runners = [start(), start()];
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.extend(interleaved(&mut log, 100));
        log.write(&db).await;
        let before = epoch(&db).await;
        runners.iter().for_each(|(feed, _)| feed.note_head(head(&log)));
        // The lease ends under the owner's hands, and again if the owner was faster: it goes on folding and does not
        // know that the other one does.
        eventually("the lease changes hands", || async {
            let expire = sqlx::query("UPDATE projection_checkpoints SET lease_until = '-infinity' WHERE epoch = $1");
            expire.bind(before).execute(&db).await.unwrap();
            epoch(&db).await > before
        })
        .await;
    }
    caught_up(&db, "orders", head(&log)).await;
    drop(runners);
    assert_eq!(versions(&db).await, ids.into_iter().map(|id| (id, 3)).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_takes_over_when_the_owner_stops() {
    let (db, mut log) = (database().await, Log::new());
    interleaved(&mut log, 3);
    log.write(&db).await;
    let (first_parts, second_parts) = (parts(&db), parts(&db));
    let second_feed = second_parts.feed.clone();
    announce(&first_parts, &log);
    let first = Running::start::<Orders>(first_parts);
    caught_up(&db, "orders", head(&log)).await;
    let _second = Running::start::<Orders>(second_parts);
    first.stop().await;
    interleaved(&mut log, 3);
    log.write(&db).await;
    second_feed.note_head(head(&log));
    caught_up(&db, "orders", head(&log)).await;
}

#[tokio::test]
async fn a_poisoned_aggregate_waits_in_order_and_all_others_flow_on() {
    let (db, mut log) = (database().await, Log::new());
    let ids = interleaved(&mut log, 10);
    log.write(&db).await;
    let parts = parts(&db);
    let (feed, failpoints) = (parts.feed.clone(), parts.failpoints.clone());
    failpoints.set_fold("orders", ids[3]);
    announce(&parts, &log);
    let _running = Running::start::<Orders>(parts);
    caught_up(&db, "orders", head(&log)).await;
    let others: Vec<_> = ids.iter().filter(|id| **id != ids[3]).map(|id| (*id, 3)).collect();
    assert_eq!(versions(&db).await, others);
    let status = |letters: &[(Uuid, i64, String, i32)]| letters.iter().map(|it| it.2.clone()).collect::<Vec<_>>();
    assert_eq!(
        letters(&db).await.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(),
        [(ids[3], 1), (ids[3], 2), (ids[3], 3)]
    );

    // Two retries at once and three later, and then a person has to look; what came behind never ran.
    eventually("it is parked", || async { status(&letters(&db).await)[0] == "PARKED" }).await;
    assert_eq!(letters(&db).await[0].3, 5);
    assert_eq!(status(&letters(&db).await)[1..], ["BLOCKED", "BLOCKED"]);
    log.push(ids[3], samples::started());
    log.push(ids[4], samples::started());
    log.write(&db).await;
    feed.note_head(head(&log));
    caught_up(&db, "orders", head(&log)).await;
    assert_eq!(status(&letters(&db).await), ["PARKED", "BLOCKED", "BLOCKED", "BLOCKED"]);

    // A person mends it and lets it go on: the whole queue runs, in order.
    failpoints.clear_fold("orders", ids[3]);
    sqlx::query("UPDATE dead_letters SET status = 'PENDING', next_retry_at = now() WHERE status = 'PARKED'")
        .execute(&db)
        .await
        .unwrap();
    eventually("the queue is empty", || async { status(&letters(&db).await).iter().all(|it| it == "REDRIVEN") }).await;
    assert!(versions(&db).await.contains(&(ids[3], 4)));
    log.push(ids[3], samples::ready());
    log.write(&db).await;
    feed.note_head(head(&log));
    caught_up(&db, "orders", head(&log)).await;
    assert!(versions(&db).await.contains(&(ids[3], 5)));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_its_aggregate_only() {
    let (db, mut log) = (database().await, Log::new());
    let ids = interleaved(&mut log, 2);
    let shape = shared::domain::DomainEvent::Order(OrderEvent::OrderReady(samples::ready()));
    log.push_raw(ids[0], &shape, r#"{"note": 7}"#);
    log.push(ids[1], samples::started());
    log.write(&db).await;
    let parts = parts(&db);
    announce(&parts, &log);
    let _running = Running::start::<Orders>(parts);
    caught_up(&db, "orders", head(&log)).await;
    assert!(versions(&db).await.contains(&(ids[0], 3)));
    assert!(versions(&db).await.contains(&(ids[1], 4)));
    assert_eq!(letters(&db).await.len(), 1);
}

#[tokio::test]
async fn the_age_of_a_letter_is_measured_by_the_clock_that_dates_it() {
    let (db, mut log) = (database().await, Log::new());
    let ids = interleaved(&mut log, 1);
    log.write(&db).await;
    let parts = parts(&db);
    let clock = parts.clock.clone();
    clock.advance(chrono::TimeDelta::days(730));
    parts.failpoints.set_fold("orders", ids[0]);
    announce(&parts, &log);
    let _running = Running::start::<Orders>(parts);
    caught_up(&db, "orders", head(&log)).await;
    clock.advance(chrono::TimeDelta::hours(1));
    let counts = super::count_letters(&db, "orders", clock.now()).await.unwrap();
    let oldest = counts.iter().filter_map(|count| count.oldest_secs).fold(0.0, f64::max);
    assert!((3_600.0..3_660.0).contains(&oldest), "{oldest} s");
}

#[tokio::test]
async fn a_query_waits_for_a_projection_that_another_process_folds() {
    let (db, mut log) = (database().await, Log::new());
    interleaved(&mut log, 2);
    log.write(&db).await;
    let (here, there) = (parts(&db), parts(&db));
    let shutdown = tokio_util::sync::CancellationToken::new();
    let follower = tokio::spawn({
        let (positions, db, shutdown) = (here.positions.clone(), db.clone(), shutdown.clone());
        async move { positions.follow(&db, &shutdown).await.unwrap() }
    });
    let waiter = tokio::spawn({
        let (positions, target) = (here.positions.clone(), head(&log));
        async move { positions.wait_for("orders", target, PATIENCE).await }
    });
    announce(&there, &log);
    let _running = Running::start::<Orders>(there);
    assert_eq!(waiter.await.unwrap(), Ok(head(&log)));
    shutdown.cancel();
    follower.await.unwrap();
}
