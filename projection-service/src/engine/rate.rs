//! A measurement, run by hand: how fast the projections catch up with a log.
//! `cargo test --release -p projection-service catch_up -- --ignored --nocapture`

use std::time::{Duration, Instant};

use shared::domain::{ProducerId, UserId};
use uuid::Uuid;

use super::ReadModel;
use crate::{
    projections::{
        feed::Feed,
        orders::Orders,
        samples::{self, Log},
    },
    testing::{Running, checkpoint, database, parts},
};

const ORDERS: u128 = 30_000;

async fn measure<P: ReadModel>(db: &sqlx::PgPool, head: u64) {
    let parts = parts(db);
    parts.feed.note_head(head);
    let started = Instant::now();
    let _running = Running::start::<P>(parts);
    while checkpoint(db, P::NAME).await < head as i64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = started.elapsed();
    println!("{}: {head} events in {took:?}, {:.0} events/s", P::NAME, head as f64 / took.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn catch_up() {
    let (db, mut log) = (database().await, Log::new());
    for chunk in 0..ORDERS / 100 {
        let ids: Vec<Uuid> = (0..100).map(|_| Uuid::now_v7()).collect();
        let customer = |n: usize| UserId(Uuid::from_u128(chunk % 50 * 100 + n as u128 + 1));
        for (n, id) in ids.iter().enumerate() {
            log.push(*id, samples::created(customer(n), ProducerId(Uuid::from_u128(7))));
        }
        for id in &ids {
            log.push(*id, samples::paid(*id));
        }
        for id in &ids {
            log.push(*id, samples::accepted());
        }
        for id in &ids {
            log.push(*id, samples::started());
        }
    }
    log.write(&db).await;
    let head = log.events.len() as u64;
    measure::<Orders>(&db, head).await;
    measure::<Feed>(&db, head).await;
}
