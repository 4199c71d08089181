//! Rebuilds disturb nobody, survive kills, find what is wrong and can be taken back; audits find one row in many.

mod audits;
mod bulk;
mod held_up;
#[cfg(feature = "measurements")]
mod measurements;
mod rebuilds;
mod refusals;
mod sources;
mod told;

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::{ProducerId, UserId};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::{
    engine::{ReadModel, RunnerParts},
    jobs,
    operations::{self, NewOperation, Operation, OperationKind, OperationState, Worker},
    projections::samples::{self, Log},
    testing::{Running, checkpoint, database, eventually, parts, rebuild_parts},
};

const CUSTOMER: UserId = UserId(Uuid::from_u128(0xC));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));
const COOK: Uuid = Uuid::from_u128(0xFF);

/// A log of `orders` orders with four events each, interleaved.
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
        log.push(*id, samples::started());
    }
    ids
}

struct Test {
    db: PgPool,
    log: Log,
    parts: RunnerParts,
    ids: Vec<Uuid>,
}

impl Test {
    /// A database with that many orders in its log; nothing is folded yet.
    async fn with_orders(orders: usize) -> Self {
        let (db, mut log) = (database().await, Log::new());
        sqlx::query("INSERT INTO producers (id, user_id, name, city) VALUES ($1, $2, 'K', 'M')")
            .bind(KITCHEN.0)
            .bind(COOK)
            .execute(&db)
            .await
            .unwrap();
        let ids = interleaved(&mut log, orders);
        log.write(&db).await;
        let parts = parts(&db);
        parts.feed.note_head(log.events.len() as u64);
        Self { db, log, parts, ids }
    }

    /// What fails is parked at its first failure.
    fn park_at_once(&mut self) {
        self.parts.settings.letters.retries_max = 0;
        self.parts.settings.letters.short.attempts = 1;
    }

    /// Runs the projection until it has folded everything.
    async fn fold<P: ReadModel>(&self) -> Running {
        let running = Running::start::<P>(self.parts.clone());
        self.caught_up(P::NAME).await;
        running
    }

    async fn caught_up(&self, name: &'static str) {
        let head = self.log.events.len() as i64;
        eventually("the projection caught up", || async { checkpoint(&self.db, name).await == head }).await;
    }

    async fn append(&mut self) {
        self.log.write(&self.db).await;
        self.parts.feed.note_head(self.log.events.len() as u64);
    }

    fn worker(&self, page_events: u32) -> Abort {
        let rebuild = RebuildParts { page_events, ..rebuild_parts(&self.parts) };
        let make = jobs::maker(self.parts.clock.clone(), rebuild);
        let worker = Worker::new(self.db.clone(), Duration::from_millis(500), make);
        Abort(tokio::spawn(async move { worker.run(CancellationToken::new()).await.unwrap() }))
    }

    async fn begin(&self, kind: OperationKind, projection: &str, input: Value) -> Uuid {
        let new = NewOperation {
            kind,
            subject: projection.to_owned(),
            input,
            actor: "admin:test".to_owned(),
            reason: "a test".to_owned(),
        };
        operations::create(&self.db, &new).await.unwrap().id
    }

    async fn rebuild(&self, projection: &str) -> Uuid {
        self.begin(OperationKind::Rebuild, projection, json!({})).await
    }

    async fn find(&self, id: Uuid) -> Operation {
        operations::find(&self.db, id).await.unwrap().unwrap()
    }

    async fn becomes(&self, id: Uuid, state: OperationState) -> Operation {
        eventually("the operation came to that state", || async {
            let found = self.find(id).await;
            assert!(found.state == state || !found.state.is_final(), "{found:?}");
            found.state == state
        })
        .await;
        self.find(id).await
    }

    /// Every row as text, in order of the keys.
    async fn rows(&self, table: &str) -> Vec<String> {
        let statement = format!("SELECT r::text FROM {table} r ORDER BY 1");
        sqlx::query_scalar(&statement).fetch_all(&self.db).await.unwrap()
    }

    async fn schemas(&self) -> Vec<String> {
        let named = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'generation%' ORDER BY 1";
        sqlx::query_scalar(named).fetch_all(&self.db).await.unwrap()
    }

    async fn generation(&self, projection: &str) -> i32 {
        sqlx::query_scalar("SELECT generation FROM projection_checkpoints WHERE name = $1")
            .bind(projection)
            .fetch_one(&self.db)
            .await
            .unwrap()
    }
}

/// Ends with the test, or as kill -9 would.
struct Abort(JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}
