//! One timer after another: what a due timer leads to, and what becomes of its row.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use shared::{
    domain::{GiftId, OrderId, PaymentId},
    runtime::supervisor::panic_message,
};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use super::TimerKind;
use crate::process_managers::{Cause, Executor, Poison, on_timer};

/// When a timer that could not be followed fires again.
const PUT_OFF: TimeDelta = TimeDelta::hours(1);

/// Told about every firing: how late it was.
pub type LatenessObserver = Arc<dyn Fn(Duration) + Send + Sync>;

/// What it takes to fire a timer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Firing {
    pub executor: Executor,
    pub db: PgPool,
    pub observer: LatenessObserver,
}

/// A timer whose time has come.
#[derive(Debug)]
pub(super) struct DueTimer {
    pub timer_id: Uuid,
    pub kind: String,
    pub aggregate_id: Uuid,
    pub correlation_id: Uuid,
    pub causation_id: Uuid,
    pub due_at: DateTime<Utc>,
}

/// Rounds of one deadline that are told apart.
const ROUNDS_MAX: u32 = 32;

impl DueTimer {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            timer_id: row.try_get("timer_id")?,
            kind: row.try_get("kind")?,
            aggregate_id: row.try_get("aggregate_id")?,
            correlation_id: row.try_get("correlation_id")?,
            causation_id: row.try_get("causation_id")?,
            due_at: row.try_get("due_at")?,
        })
    }

    /// How often the deadline was put off: its id is derived from the event that started it, and then each time from its
    /// predecessor's.
    fn round(&self) -> u32 {
        let next = |id: &Uuid| Some(Uuid::new_v5(id, self.kind.as_bytes()));
        let rounds = std::iter::successors(next(&self.causation_id), next).zip(0..ROUNDS_MAX);
        rounds.into_iter().find(|(id, _)| *id == self.timer_id).map_or(ROUNDS_MAX, |(_, round)| round)
    }
}

impl Firing {
    /// The oldest timers that ask no provider.
    pub async fn due(&self, limit: usize) -> Result<Vec<DueTimer>, sqlx::Error> {
        let rows = sqlx::query(
            "
            SELECT timer_id, kind, aggregate_id, correlation_id, causation_id, due_at
            FROM timers
            WHERE due_at <= $1 AND kind <> ALL ($2)
            ORDER BY due_at, timer_id
            LIMIT $3
            ",
        )
        .bind(self.executor.clock.now())
        .bind(TimerKind::names_that_ask_providers())
        .bind(limit as i64)
        .fetch_all(&self.db)
        .await?;
        rows.iter().map(DueTimer::read).collect()
    }

    /// The oldest timers that ask a provider, of flows other than `busy`.
    pub async fn due_outside(&self, busy: Vec<Uuid>, limit: usize) -> Result<Vec<DueTimer>, sqlx::Error> {
        let rows = sqlx::query(
            "
            SELECT timer_id, kind, aggregate_id, correlation_id, causation_id, due_at
            FROM timers
            WHERE due_at <= $1 AND kind = ANY ($2) AND correlation_id <> ALL ($3)
            ORDER BY due_at, timer_id
            LIMIT $4
            ",
        )
        .bind(self.executor.clock.now())
        .bind(TimerKind::names_that_ask_providers())
        .bind(busy)
        .bind(limit as i64)
        .fetch_all(&self.db)
        .await?;
        rows.iter().map(DueTimer::read).collect()
    }

    /// Fires timers one after another; whether each could be followed.
    pub async fn fire_in_turn(&self, timers: Vec<DueTimer>) -> Vec<(Uuid, bool)> {
        let mut fired = Vec::with_capacity(timers.len());
        for timer in timers {
            fired.push((timer.timer_id, self.fire(&timer).await));
        }
        fired
    }

    /// Fires a timer; whether it could be followed.
    pub async fn fire(&self, timer: &DueTimer) -> bool {
        (self.observer)((self.executor.clock.now() - timer.due_at).to_std().unwrap_or_default());
        let Some(kind) = TimerKind::from_name(&timer.kind) else {
            tracing::error!(timer.id = %timer.timer_id, timer.kind, "timer of an unknown kind is put off");
            return false;
        };
        let reason = match AssertUnwindSafe(self.follow(kind, timer)).catch_unwind().await {
            Ok(Ok(())) => return true,
            Ok(Err(poison)) => poison.to_string(),
            Err(panic) => format!("panicked: {}", panic_message(&*panic)),
        };
        tracing::error!(timer.id = %timer.timer_id, timer.kind, reason, "timer cannot be followed and is put off");
        false
    }

    async fn follow(&self, kind: TimerKind, timer: &DueTimer) -> Result<(), Poison> {
        let situation = match kind {
            TimerKind::OrderPaymentDeadline
            | TimerKind::ProducerAccept
            | TimerKind::OrderAutoComplete
            | TimerKind::PayoutRelease
            | TimerKind::ProducerRemind
            | TimerKind::StuckFulfilment => self.executor.situation_of_order(OrderId(timer.aggregate_id)).await?,
            TimerKind::DisputeResponse | TimerKind::DisputeDecision => self.executor.empty_situation(),
            TimerKind::CaptureLimit
            | TimerKind::RefundRetry
            | TimerKind::AbortRetry
            | TimerKind::CaptureRetry
            | TimerKind::PaymentPoll => self.executor.situation_of_payment(PaymentId(timer.aggregate_id)).await?,
            TimerKind::GiftPaymentDeadline
            | TimerKind::GiftDeliver
            | TimerKind::GiftRemind
            | TimerKind::GiftExpiry
            | TimerKind::GiftReservationTtl => self.executor.situation_of_gift(GiftId(timer.aggregate_id)).await?,
        };
        let steps = on_timer(kind, timer.aggregate_id, timer.round(), &situation);
        let cause = Cause {
            manager: "deadlines",
            source_id: timer.timer_id,
            causation_id: timer.causation_id,
            correlation_id: timer.correlation_id,
            traceparent: None,
            may_be_repeated: true,
            is_timer: true,
        };
        self.executor.perform(&cause, timer.aggregate_id, steps).await
    }

    /// Deletes the timers that were followed, and puts the others off.
    pub async fn settle(&self, fired: &[(Uuid, bool)]) -> Result<(), sqlx::Error> {
        let ids = |followed| fired.iter().filter(move |fired| fired.1 == followed).map(|fired| fired.0);
        sqlx::query("DELETE FROM timers WHERE timer_id = ANY ($1)")
            .bind(ids(true).collect::<Vec<_>>())
            .execute(&self.db)
            .await?;
        self.put_off(ids(false).collect()).await
    }

    /// A timer that could not be followed stays: what it is about (money that is to go back, say) is not forgotten.
    async fn put_off(&self, timers: Vec<Uuid>) -> Result<(), sqlx::Error> {
        if timers.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "
            WITH put_off AS (DELETE FROM timers WHERE timer_id = ANY ($1) RETURNING *)
            INSERT INTO timers (timer_id, kind, aggregate_id, correlation_id, causation_id, due_at)
            SELECT timer_id, kind, aggregate_id, correlation_id, causation_id, $2 FROM put_off
            ",
        )
        .bind(timers)
        .bind(self.executor.clock.now() + PUT_OFF)
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
