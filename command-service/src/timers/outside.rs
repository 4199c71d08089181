//! Timers that ask a provider, beside all others: one of a business flow at a time, a bounded number in all.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::{
    task::{Id, JoinSet},
    time::Instant,
};
use uuid::Uuid;

use super::firing::{DueTimer, Firing};

/// Providers asked by timers at the same time. The rest waits in the table, and nothing else waits for it.
const AT_ONCE: usize = 32;
/// How long other timers wait for one of their own flow, once: most banks answer in that time, and after a long stop what
/// was due first comes first.
const PATIENCE: Duration = Duration::from_secs(1);

/// The timers in hand. Dropping it cuts them short: they fire again at the next start.
#[derive(Default)]
pub(super) struct Outside {
    tasks: JoinSet<()>,
    in_hand: HashMap<Id, InHand>,
}

struct InHand {
    flow: Uuid,
    /// Whether nobody waits for it any more.
    takes_its_time: bool,
}

impl Outside {
    /// How many more may be asked.
    pub fn room(&self) -> usize {
        AT_ONCE.saturating_sub(self.tasks.len())
    }

    /// The business flows that a timer in hand belongs to.
    pub fn flows(&self) -> Vec<Uuid> {
        self.in_hand.values().map(|timer| timer.flow).collect()
    }

    /// Whether a timer of that flow is in hand.
    pub fn has(&self, flow: Uuid) -> bool {
        self.in_hand.values().any(|timer| timer.flow == flow)
    }

    /// Fires a timer, unless another one of its flow is in hand.
    pub fn begin(&mut self, firing: &Firing, timer: DueTimer) {
        let flow = timer.correlation_id;
        if self.has(flow) {
            return;
        }
        let firing = firing.clone();
        let task = self.tasks.spawn(async move {
            let fired = (timer.timer_id, firing.fire(&timer).await);
            if let Err(error) = firing.settle(&[fired]).await {
                tracing::warn!(timer.id = %timer.timer_id, %error, "a timer that fired stays, and fires again");
            }
        });
        self.in_hand.insert(task.id(), InHand { flow, takes_its_time: false });
    }

    /// Lets go of those that are done.
    pub fn forget_what_is_done(&mut self) {
        while let Some(done) = self.tasks.try_join_next_with_id() {
            self.forget(done);
        }
    }

    /// Waits a moment for those of these flows.
    pub async fn wait_for(&mut self, flows: &HashSet<Uuid>) {
        let deadline = Instant::now() + PATIENCE;
        while self.in_hand.values().any(|timer| !timer.takes_its_time && flows.contains(&timer.flow)) {
            if tokio::time::timeout_at(deadline, self.one_done()).await.is_err() {
                let slow = self.in_hand.values_mut().filter(|timer| flows.contains(&timer.flow));
                slow.for_each(|timer| timer.takes_its_time = true);
            }
        }
    }

    /// Waits until one is done; for ever if there is none.
    pub async fn one_done(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(done) => self.forget(done),
            None => std::future::pending().await,
        }
    }

    fn forget(&mut self, done: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => error.id(),
        };
        self.in_hand.remove(&id);
    }
}
