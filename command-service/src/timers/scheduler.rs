//! Fires what is due: oldest first, a bounded number at a time, side by side only what came due together, in one process
//! of all.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, StreamExt, stream};
use shared::{
    domain::{GiftId, OrderId, PaymentId},
    runtime::supervisor::panic_message,
};
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
/// What came due within this time may fire side by side; what came due later waits for it.
const TOGETHER: TimeDelta = TimeDelta::seconds(1);
/// The longest rest between two looks at the table.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// When a timer that could not be followed fires again.
const PUT_OFF: TimeDelta = TimeDelta::hours(1);

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

/// Rounds of one deadline that are told apart.
const ROUNDS_MAX: u32 = 32;

impl DueTimer {
    /// How often the deadline was put off: its id is derived from the event that started it, and then each time from its
    /// predecessor's.
    fn round(&self) -> u32 {
        let next = |id: &Uuid| Some(Uuid::new_v5(id, self.kind.as_bytes()));
        let rounds = std::iter::successors(next(&self.causation_id), next).zip(0..ROUNDS_MAX);
        rounds.into_iter().find(|(id, _)| *id == self.timer_id).map_or(ROUNDS_MAX, |(_, round)| round)
    }
}

/// Timers, the oldest first, cut where the next one came due later than together with the first of its group. After a
/// long stop what should have happened first still happens first; while none is late a look at the table finds one group.
fn waves(timers: Vec<DueTimer>) -> Vec<Vec<DueTimer>> {
    let mut waves: Vec<Vec<DueTimer>> = Vec::new();
    for timer in timers {
        match waves.last_mut() {
            Some(wave) if timer.due_at - wave[0].due_at < TOGETHER => wave.push(timer),
            Some(_) | None => waves.push(vec![timer]),
        }
    }
    waves
}

/// The timers of each business flow, in the order in which they came: what happens to an order and to its payment does
/// not cross.
fn by_flow(timers: Vec<DueTimer>) -> Vec<Vec<DueTimer>> {
    let mut places = HashMap::new();
    let mut flows: Vec<Vec<DueTimer>> = Vec::new();
    for timer in timers {
        let place = *places.entry(timer.correlation_id).or_insert(flows.len());
        match flows.get_mut(place) {
            Some(flow) => flow.push(timer),
            None => flows.push(vec![timer]),
        }
    }
    flows
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
            // Firing is never cut short by a lost term: what a timer leads to is done once, whoever does it. What the end
            // cuts short fires again at the next start.
            let fired = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                fired = self.fire_due() => fired?,
            };
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
        let mut fired: Vec<(Uuid, bool)> = Vec::with_capacity(count);
        for wave in waves(due) {
            let flows = stream::iter(by_flow(wave)).map(|timers| self.fire_in_turn(timers));
            fired.extend(flows.buffered(SIDE_BY_SIDE).concat().await);
        }
        let ids = |followed| fired.iter().filter(move |fired| fired.1 == followed).map(|fired| fired.0);
        sqlx::query("DELETE FROM timers WHERE timer_id = ANY ($1)")
            .bind(ids(true).collect::<Vec<_>>())
            .execute(&self.db)
            .await?;
        self.put_off(ids(false).collect()).await?;
        Ok(count)
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

    /// Fires timers one after another.
    async fn fire_in_turn(&self, timers: Vec<DueTimer>) -> Vec<(Uuid, bool)> {
        let mut fired = Vec::with_capacity(timers.len());
        for timer in timers {
            fired.push((timer.timer_id, self.fire(&timer).await));
        }
        fired
    }

    /// Fires a timer; whether it could be followed.
    async fn fire(&self, timer: &DueTimer) -> bool {
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
            TimerKind::CaptureLimit | TimerKind::RefundRetry | TimerKind::AbortRetry | TimerKind::PaymentPoll => {
                self.executor.situation_of_payment(PaymentId(timer.aggregate_id)).await?
            }
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
        };
        self.executor.perform(&cause, timer.aggregate_id, steps).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(flow: u128, beat: i64) -> DueTimer {
        DueTimer {
            timer_id: Uuid::from_u128(beat as u128),
            kind: "any".to_owned(),
            aggregate_id: Uuid::nil(),
            correlation_id: Uuid::from_u128(flow),
            causation_id: Uuid::nil(),
            due_at: DateTime::UNIX_EPOCH + TimeDelta::milliseconds(beat * 400),
        }
    }

    fn ids(groups: Vec<Vec<DueTimer>>) -> Vec<Vec<u128>> {
        groups.iter().map(|group| group.iter().map(|timer| timer.timer_id.as_u128()).collect()).collect()
    }

    #[test]
    fn what_is_due_in_one_flow_fires_one_after_another_the_oldest_first() {
        let flows = by_flow(vec![timer(1, 1), timer(2, 2), timer(1, 3), timer(3, 4), timer(1, 5)]);
        assert_eq!(ids(flows), [vec![1, 3, 5], vec![2], vec![4]]);
    }

    #[test]
    fn what_came_due_later_waits_for_what_came_due_before() {
        let due = [0, 1, 2, 3, 6, 7, 100].into_iter().map(|at| timer(at as u128, at)).collect();
        assert_eq!(ids(waves(due)), [vec![0, 1, 2], vec![3], vec![6, 7], vec![100]]);
        assert_eq!(ids(waves(Vec::new())), Vec::<Vec<u128>>::new());
    }
}
