//! Fires what is due: oldest first, a bounded number at a time, side by side only what came due together, in one process
//! of all. Timers that ask a provider fire beside the others, so that no deadline waits for a bank.

use std::{collections::HashMap, time::Duration};

use chrono::TimeDelta;
use futures::{StreamExt, stream};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    firing::{DueTimer, Firing, LatenessObserver},
    outside::Outside,
};
use crate::{leader::Leadership, process_managers::Executor};

/// Timers read and fired in one go: the bound on the rate after a long stop.
const BATCH: usize = 128;
/// Timers fired side by side.
const SIDE_BY_SIDE: usize = 32;
/// What came due within this time may fire side by side; what came due later waits for it.
const TOGETHER: TimeDelta = TimeDelta::seconds(1);
/// The longest rest between two looks at the table.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Fires timers while it leads.
pub struct Scheduler {
    firing: Firing,
    leadership: Leadership,
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
        Self { firing: Firing { executor, db, observer }, leadership }
    }

    /// Runs until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), sqlx::Error> {
        let mut moves = self.firing.executor.clock.moves();
        let mut outside = Outside::default();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.leadership.gained() => {}
            }
            // Firing is never cut short by a lost term: what a timer leads to is done once, whoever does it. What the end
            // cuts short fires again at the next start.
            let fired = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                fired = self.fire_due(&mut outside) => fired?,
            };
            if fired == BATCH {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = moves.changed() => {}
                () = outside.one_done() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Fires one batch of due timers, and begins with those that ask providers; says how many of the batch were fired.
    /// Within a business flow what was due first still comes first: the later of two waits, on either side. The other flows
    /// wait a moment at most.
    async fn fire_due(&self, outside: &mut Outside) -> Result<usize, sqlx::Error> {
        outside.forget_what_is_done();
        let mut due = self.firing.due(BATCH).await?;
        for timer in self.firing.due_outside(outside.flows(), outside.room()).await? {
            let comes_later =
                due.iter().any(|other| other.correlation_id == timer.correlation_id && other.due_at < timer.due_at);
            if !comes_later {
                outside.begin(&self.firing, timer);
            }
        }
        outside.wait_for(&due.iter().map(|timer| timer.correlation_id).collect()).await;
        due.retain(|timer| !outside.has(timer.correlation_id));
        let count = due.len();
        if count == 0 {
            return Ok(0);
        }
        let mut fired: Vec<(Uuid, bool)> = Vec::with_capacity(count);
        for wave in waves(due) {
            let flows = stream::iter(by_flow(wave)).map(|timers| self.firing.fire_in_turn(timers));
            fired.extend(flows.buffered(SIDE_BY_SIDE).concat().await);
        }
        self.firing.settle(&fired).await?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

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
