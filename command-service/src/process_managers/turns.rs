//! Who may deal with a provider about which payment: one at a time, be it a process manager or a timer.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// The turns of one process.
#[derive(Debug, Default)]
pub struct Turns {
    taken: Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>,
    resting: AtomicUsize,
}

impl Turns {
    /// Waits for the turn of a payment; it ends when the guard is dropped.
    pub(super) async fn take(&self, id: Uuid) -> OwnedMutexGuard<()> {
        let turn = {
            let mut taken = self.taken.lock();
            // What is left are the payments that somebody deals with right now: as many as flows are worked on.
            taken.retain(|_, turn| turn.strong_count() > 0);
            let known = taken.get(&id).and_then(Weak::upgrade);
            let turn = known.unwrap_or_default();
            taken.insert(id, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }

    /// Rests, and is counted meanwhile.
    pub(super) async fn rest(&self, rest: Duration) {
        let _resting = Resting::new(&self.resting);
        tokio::time::sleep(rest).await;
    }

    /// How many rest at present.
    pub(super) fn resting(&self) -> usize {
        self.resting.load(Ordering::Relaxed)
    }
}

struct Resting<'a>(&'a AtomicUsize);

impl<'a> Resting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
