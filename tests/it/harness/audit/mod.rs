//! The audit that ends every scenario: wait until nothing happens any more, then check everything that must hold.

mod bank;
mod disputes;
mod gifts;
mod invariants;
mod log;
mod mirror;
mod money;
mod read_models;

use std::collections::HashSet;

use projection_service::projections::NAMES;
use uuid::Uuid;

use super::{
    system::TestSystem,
    wait::{eventually, within},
};

/// How long an installation may take to come to rest.
const REST_SECS: u64 = 120;

/// What a scenario leaves behind on purpose.
#[derive(Debug, Clone, Default)]
pub struct Leftovers {
    /// Payments whose books at the bank differ from ours, and orders whose money is not back.
    pub money_of: HashSet<Uuid>,
    /// Whether dead letters are open, so that read models lack what is in them.
    pub letters: bool,
}

impl TestSystem {
    /// Everything holds and nothing is left over.
    pub async fn audit(&self) {
        self.audit_with(&Leftovers::default()).await;
    }

    /// Everything holds but for what the scenario leaves behind.
    pub async fn audit_with(&self, leftovers: &Leftovers) {
        self.come_to_rest(leftovers).await;
        let events = self.events().await;
        log::check(&events, self.head().await);
        invariants::check(&self.db, &events, self.setup.clock.now(), leftovers).await;
        money::check(&events, leftovers);
        disputes::check(&events);
        gifts::check(&events);
        if !leftovers.letters {
            read_models::check(&self.db, &events).await;
        }
        if self.instances.iter().any(|instance| instance.parts.relay) {
            mirror::check(&self.nats, &self.setup.names, &events).await;
        }
    }

    /// Waits until process managers, projections, mirror and bank have nothing left to do.
    pub async fn come_to_rest(&self, leftovers: &Leftovers) {
        self.come_to_rest_within(REST_SECS, leftovers).await;
    }

    /// The same for an installation that has much to do.
    pub async fn come_to_rest_within(&self, secs: u64, leftovers: &Leftovers) {
        eventually(secs, || self.restless(leftovers)).await;
    }

    /// Whether it comes to rest in that time. A flow may wait for a deadline of the business, which has to pass first.
    pub async fn rests_within(&self, secs: u64, leftovers: &Leftovers) -> bool {
        within(secs, || self.restless(leftovers)).await.is_ok()
    }

    async fn restless(&self, leftovers: &Leftovers) -> Result<(), String> {
        let head = self.log().head().await.map_err(|error| error.to_string())? as i64;
        let db = &self.db;
        let managers: Option<i64> = sqlx::query_scalar("SELECT position FROM process_manager_checkpoints")
            .fetch_optional(db)
            .await
            .map_err(|error| error.to_string())?;
        agree("process managers", managers.unwrap_or(0), head)?;
        if self.instances.iter().any(|instance| instance.parts.queries) {
            for name in NAMES {
                let position: i64 = sqlx::query_scalar("SELECT position FROM projection_checkpoints WHERE name = $1")
                    .bind(name)
                    .fetch_one(db)
                    .await
                    .map_err(|error| format!("{name}: {error}"))?;
                agree(name, position, head)?;
            }
        }
        let due: i64 = sqlx::query_scalar("SELECT count(*) FROM timers WHERE due_at <= $1")
            .bind(self.setup.clock.now())
            .fetch_one(db)
            .await
            .map_err(|error| error.to_string())?;
        agree("due timers", due, 0)?;
        if !leftovers.letters {
            let open = "SELECT count(*) FROM dead_letters WHERE status IN ('PENDING', 'PARKED', 'BLOCKED')";
            let open: i64 = sqlx::query_scalar(open).fetch_one(db).await.map_err(|error| error.to_string())?;
            agree("open dead letters", open, 0)?;
        }
        if self.bank.is_some() {
            let waiting = "SELECT count(*) FROM provider_inbox WHERE state = 'WAITING'";
            let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(db).await.map_err(|error| error.to_string())?;
            agree("waiting notifications", waiting, 0)?;
        }
        // Last, for it reads the whole log.
        bank::compare(db, self.bank.as_ref(), &self.events().await, leftovers).await?;
        if self.instances.iter().any(|instance| instance.parts.relay) {
            mirror::compare_heads(&self.nats, &self.setup.names, head).await?;
        }
        agree("the head, looked at again,", self.head().await as i64, head)
    }
}

fn agree(what: &str, found: i64, wanted: i64) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what} at {found}, not {wanted}")) }
}
