//! Fires what is due: oldest first, a bounded number at a time, in one process of all.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use shared::domain::{OrderId, PaymentId};
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::TimerKind;
use crate::{
    leader::Leadership,
    process_managers::{Cause, Executor, Poison, on_timer},
};

/// Timers read and fired in one go: the bound on the rate after a long stop.
const BATCH: usize = 128;
/// Timers fired side by side.
const SIDE_BY_SIDE: usize = 32;
/// The longest rest between two looks at the table.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Told about every firing: how late it was.
pub type LatenessObserver = Arc<dyn Fn(Duration) + Send + Sync>;

/// Fires timers while it leads.
pub struct Scheduler {
    executor: Executor,
    db: PgPool,
    leadership: Leadership,
    observer: LatenessObserver,
}

#[derive(Debug)]
struct DueTimer {
    timer_id: Uuid,
    kind: String,
    aggregate_id: Uuid,
    correlation_id: Uuid,
    causation_id: Uuid,
    due_at: DateTime<Utc>,
}

impl Scheduler {
    /// A scheduler that works while `leadership` says so.
    pub fn new(executor: Executor, db: PgPool, leadership: Leadership, observer: LatenessObserver) -> Self {
        Self { executor, db, leadership, observer }
    }

    /// Runs until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), sqlx::Error> {
        let mut moves = self.executor.clock.moves();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.leadership.gained() => {}
            }
            // Firing is never cut short by a lost term: what a timer leads to is done once, whoever does it.
            let fired = self.fire_due().await?;
            if fired == BATCH {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = moves.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Fires one batch of due timers; says how many.
    async fn fire_due(&self) -> Result<usize, sqlx::Error> {
        let due = self.due().await?;
        let count = due.len();
        if count == 0 {
            return Ok(0);
        }
        let fired: Vec<Uuid> = stream::iter(due)
            .map(|timer| async move {
                self.fire(&timer).await;
                timer.timer_id
            })
            .buffered(SIDE_BY_SIDE)
            .collect()
            .await;
        sqlx::query("DELETE FROM timers WHERE timer_id = ANY ($1)").bind(fired).execute(&self.db).await?;
        Ok(count)
    }

    async fn due(&self) -> Result<Vec<DueTimer>, sqlx::Error> {
        let rows = sqlx::query(
            "
            SELECT timer_id, kind, aggregate_id, correlation_id, causation_id, due_at
            FROM timers
            WHERE due_at <= $1
            ORDER BY due_at, timer_id
            LIMIT $2
            ",
        )
        .bind(self.executor.clock.now())
        .bind(BATCH as i64)
        .fetch_all(&self.db)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DueTimer {
                    timer_id: row.try_get("timer_id")?,
                    kind: row.try_get("kind")?,
                    aggregate_id: row.try_get("aggregate_id")?,
                    correlation_id: row.try_get("correlation_id")?,
                    causation_id: row.try_get("causation_id")?,
                    due_at: row.try_get("due_at")?,
                })
            })
            .collect()
    }

    async fn fire(&self, timer: &DueTimer) {
        (self.observer)((self.executor.clock.now() - timer.due_at).to_std().unwrap_or_default());
        let Some(kind) = TimerKind::from_name(&timer.kind) else {
            tracing::error!(timer.id = %timer.timer_id, timer.kind, "timer of an unknown kind is dropped");
            return;
        };
        if let Err(poison) = self.follow(kind, timer).await {
            // The aggregate's other commands would fail in the same way; nothing is gained by asking for ever.
            tracing::error!(timer.id = %timer.timer_id, timer.kind, reason = %poison, "timer cannot be followed");
        }
    }

    async fn follow(&self, kind: TimerKind, timer: &DueTimer) -> Result<(), Poison> {
        let situation = match kind {
            TimerKind::OrderPaymentDeadline
            | TimerKind::ProducerAccept
            | TimerKind::OrderAutoComplete
            | TimerKind::PayoutRelease => self.executor.situation_of_order(OrderId(timer.aggregate_id)).await?,
            TimerKind::CaptureLimit | TimerKind::RefundRetry => {
                self.executor.situation_of_payment(PaymentId(timer.aggregate_id)).await?
            }
        };
        // A deadline is derived from the event that started it; one that was put off, from its predecessor.
        let is_first = timer.timer_id == Uuid::new_v5(&timer.causation_id, timer.kind.as_bytes());
        let steps = on_timer(kind, timer.aggregate_id, is_first, &situation);
        let cause = Cause {
            manager: "deadlines",
            source_id: timer.timer_id,
            causation_id: timer.causation_id,
            correlation_id: timer.correlation_id,
            traceparent: None,
            may_be_repeated: true,
        };
        self.executor.perform(&cause, timer.aggregate_id, steps).await
    }
}
