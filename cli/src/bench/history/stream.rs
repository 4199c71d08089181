//! One order with a long stream, made by its cook: the promise of when it is ready is moved again and again.

use std::{cell::Cell, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use tokio::time::Instant;
use uuid::Uuid;

use super::super::{
    load::{Script, Tally, Window},
    scripts::{Promising, accepted_order},
    serve::Role,
    stage::Stage,
    wire::Wire,
};

/// Connections that the cook has.
const WRITERS: usize = 32;
/// How long the last snapshot may take to be written.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(30);
/// As the write side is set by default.
const SNAPSHOTS_APART: u64 = 500;
const LOOK: Duration = Duration::from_millis(20);

/// The order with its stream.
pub struct LongOrder {
    /// The order.
    pub id: Uuid,
    /// How many events it has.
    pub events: u64,
    /// Its landmarks: old states that are kept.
    pub landmarks: i64,
    /// How long all this took.
    pub seconds: f64,
}

/// One of its events, as the log has it.
pub struct Logged {
    /// Its place in the log.
    pub position: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The promise that it made, if it made one.
    pub ready_by: Option<DateTime<Utc>>,
}

/// Has one order created, paid and accepted, and its promise moved until it has so many events: over HTTP, so that
/// snapshots and landmarks come about as they always do.
pub async fn grow(stage: &mut Stage, events: u64) -> Result<LongOrder> {
    let began = Instant::now();
    let address = stage.start(Role::WriteSide).await?;
    let id = promise(stage, address, events).await.with_context(|| stage.last_words())?;
    let landmarks = settled(stage, id, events).await?;
    stage.stop(Role::WriteSide).await?;
    let of_it =
        sqlx::query_scalar("SELECT max(sequence) FROM events WHERE aggregate_type = 'order' AND aggregate_id = $1");
    let length: i64 = of_it.bind(id.to_string()).fetch_one(&stage.db).await?;
    ensure!(length as u64 == events, "the order was to have {events} events and has {length}");
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        sqlx::query(statement).execute(&stage.db).await?;
    }
    Ok(LongOrder { id, events, landmarks, seconds: began.elapsed().as_secs_f64() })
}

async fn promise(stage: &Stage, address: SocketAddr, events: u64) -> Result<Uuid> {
    let tally = Tally::new(Window::after(Duration::ZERO, Duration::ZERO));
    let mut wire = Wire::connect(address).await?;
    let order = accepted_order(&mut wire, &stage.world, 0, &tally).await?;
    let left = Cell::new(events.saturating_sub(order.version as u64));
    let writers = (0..WRITERS).map(async |_| {
        let (mut wire, mut cook) = (Wire::connect(address).await?, Promising::new(&stage.world, &order));
        while let Some(fewer) = left.get().checked_sub(1) {
            left.set(fewer);
            cook.turn(&mut wire, &tally).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(writers).await?;
    Ok(order.order_id)
}

/// Waits for the last snapshot; how many landmarks there are.
async fn settled(stage: &Stage, id: Uuid, events: u64) -> Result<i64> {
    let deadline = Instant::now() + SNAPSHOT_LIMIT;
    let newest = "SELECT max(sequence) FROM snapshots WHERE aggregate_type = 'order' AND aggregate_id = $1";
    loop {
        let newest: Option<i64> = sqlx::query_scalar(newest).bind(id.to_string()).fetch_one(&stage.db).await?;
        if newest.is_some_and(|newest| newest as u64 + SNAPSHOTS_APART > events) {
            break;
        }
        ensure!(Instant::now() < deadline, "the newest snapshot is of version {newest:?}");
        tokio::time::sleep(LOOK).await;
    }
    let landmarks = "SELECT count(*) FROM snapshot_landmarks WHERE aggregate_type = 'order' AND aggregate_id = $1";
    Ok(sqlx::query_scalar(landmarks).bind(id.to_string()).fetch_one(&stage.db).await?)
}

/// The event that led to this version.
pub async fn logged(stage: &Stage, order: &LongOrder, version: u64) -> Result<Logged> {
    let statement = "
        SELECT position, occurred_at, (payload->>'ready_by')::timestamptz
        FROM events
        WHERE aggregate_type = 'order' AND aggregate_id = $1 AND sequence = $2
    ";
    let row = sqlx::query_as(statement).bind(order.id.to_string()).bind(version as i64);
    let (position, occurred_at, ready_by) = row.fetch_one(&stage.db).await?;
    Ok(Logged { position, occurred_at, ready_by })
}
