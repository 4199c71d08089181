//! Readers that go through the same history side by side. One in front waits a moment for those close behind it, so that
//! what was read and understood once serves all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::LogFeed;
use crate::log::{LogError, Position, RecordedEvent};

/// How far in front one may be; the feed remembers more pages than that.
const APART_MAX: u64 = 16_384;
/// One that has not moved for so long is waited for no more: it may stand still for a reason of its own.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often those who wait look again.
const LOOK: Duration = Duration::from_millis(100);

/// Everybody who goes through the log.
#[derive(Debug, Default)]
pub(super) struct Companions {
    places: Mutex<HashMap<u64, (Position, Instant)>>,
    next_id: AtomicU64,
    moved: Notify,
}

impl Companions {
    fn arrived(&self, id: u64, position: Position) {
        self.places.lock().insert(id, (position, Instant::now()));
        self.moved.notify_waiters();
    }

    /// Whether somebody who moves is so far behind that this one should wait, and not so far that it would be in vain.
    fn any_close_behind(&self, position: Position) -> bool {
        let places = self.places.lock();
        let mut behind = places.values().filter(|(_, since)| since.elapsed() < PATIENCE);
        behind.any(|(place, _)| (APART_MAX..2 * APART_MAX).contains(&position.saturating_sub(*place)))
    }
}

/// One of several readers of a feed. Dropping it, nobody waits for it any more.
#[derive(Debug)]
pub struct Companion {
    feed: LogFeed,
    id: u64,
}

impl Companion {
    pub(super) fn new(feed: LogFeed) -> Self {
        let id = feed.companions().next_id.fetch_add(1, Ordering::Relaxed);
        Self { feed, id }
    }

    /// As [`LogFeed::read_after`], after those close behind.
    pub async fn read_after(&self, position: Position, limit: usize) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        let companions = self.feed.companions();
        companions.arrived(self.id, position);
        while self.feed.is_history(position) {
            let moved = companions.moved.notified();
            if !companions.any_close_behind(position) {
                break;
            }
            // Whoever waits is not stuck.
            companions.places.lock().insert(self.id, (position, Instant::now()));
            // Either way the look is next.
            let _ = tokio::time::timeout(LOOK, moved).await;
        }
        self.feed.read_after(position, limit).await
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let companions = self.feed.companions();
        companions.places.lock().remove(&self.id);
        companions.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_for_those_whom_that_helps() {
        let companions = Companions::default();
        companions.arrived(1, 100_000);
        assert!(!companions.any_close_behind(100_000), "it is alone");
        companions.arrived(2, 100_000 - APART_MAX + 1);
        assert!(!companions.any_close_behind(100_000), "they are side by side");
        companions.arrived(2, 100_000 - APART_MAX);
        assert!(companions.any_close_behind(100_000), "it is too far in front");
        companions.arrived(2, 100_000 - 2 * APART_MAX);
        assert!(!companions.any_close_behind(100_000), "nothing is shared any more");
        companions.arrived(2, 200_000);
        assert!(!companions.any_close_behind(100_000), "the other one is in front");
    }

    #[test]
    fn one_that_stands_still_holds_nobody_up() {
        let companions = Companions::default();
        let long_ago = Instant::now().checked_sub(PATIENCE).expect("the machine has run for longer");
        companions.places.lock().insert(1, (80_000, long_ago));
        assert!(!companions.any_close_behind(100_000));
    }
}
