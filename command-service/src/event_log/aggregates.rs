//! Aggregates in memory, a step ahead of the log.
//!
//! A command that was decided moves its aggregate on at once, before its events are durable, so that the next command
//! on the same aggregate can join the same batch. This is safe because every append names the very event it was
//! decided on: if one falls, all that were built on it fall with it, and the aggregate is read anew. No answer leaves
//! before its own append is durable, and no refusal is given that was decided on a step that may still fall.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use moka::{policy::EvictionPolicy, sync::Cache};
use shared::{domain::EventSourced, log::Position};
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::request::Expected;

/// The aggregates of one type that are in memory, by id. Bounded; the ones used least recently go first.
#[derive(Debug)]
pub struct Aggregates<A: EventSourced> {
    entries: Cache<Uuid, Arc<Entry<A>>>,
}

/// One aggregate. Whoever holds the lock decides next.
#[derive(Debug)]
pub struct Entry<A: EventSourced> {
    /// The newest state, if it is known.
    pub state: Mutex<Option<Loaded<A>>>,
    flight: Arc<Flight>,
}

/// A state and where its stream stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<A> {
    /// The state.
    pub aggregate: A,
    /// Version and last event.
    pub at: Expected,
    /// The business flow that the stream belongs to.
    pub correlation_id: Uuid,
    /// The position up to which nothing else can have happened to it.
    pub as_of: Position,
}

#[derive(Debug, Default)]
struct Flight {
    appends: AtomicUsize,
    fallen: AtomicBool,
    landed: Notify,
}

impl<A: EventSourced> Aggregates<A> {
    /// At most `capacity` aggregates.
    pub fn new(capacity: u64) -> Self {
        // Not the cache's own policy, which turns newcomers away while what was here before is used as often: an
        // aggregate that was born a moment ago is the one that is asked for next.
        Self { entries: Cache::builder().max_capacity(capacity).eviction_policy(EvictionPolicy::lru()).build() }
    }

    /// The entry of one aggregate, empty if it is not in memory.
    pub fn entry(&self, id: Uuid) -> Arc<Entry<A>> {
        self.entries.get_with(id, || Arc::new(Entry { state: Mutex::new(None), flight: Arc::default() }))
    }
}

impl<A: EventSourced> Entry<A> {
    /// Forgets the state if an append that it may be built on has fallen since the last call. It is forgotten at once,
    /// and not when it is read anew: the reading may fail, or be given up half way.
    pub fn forget_fallen(&self, state: &mut Option<Loaded<A>>) {
        if self.flight.fallen.swap(false, Ordering::AcqRel) {
            *state = None;
        }
    }

    /// Waits until every append of this aggregate is decided. Call it with the lock held, so that none is added.
    pub async fn landed(&self) {
        loop {
            let landed = self.flight.landed.notified();
            if self.flight.appends.load(Ordering::Acquire) == 0 {
                return;
            }
            landed.await;
        }
    }

    /// Announces an append.
    pub fn take_off(&self) -> Ticket {
        self.flight.appends.fetch_add(1, Ordering::AcqRel);
        Ticket { flight: Arc::clone(&self.flight), appended: false }
    }
}

/// Belongs to one append under way. Dropping it lands the append; unless it was appended, the aggregate is read anew.
#[derive(Debug)]
pub struct Ticket {
    flight: Arc<Flight>,
    appended: bool,
}

impl Ticket {
    /// The append is durable.
    pub fn appended(mut self) {
        self.appended = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.appended {
            self.flight.fallen.store(true, Ordering::Release);
        }
        if self.flight.appends.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.flight.landed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::domain::order::Order;

    use super::*;

    #[test]
    fn a_newcomer_is_kept_however_full_it_is_of_what_was_used_before() {
        let aggregates = Aggregates::<Order>::new(64);
        for round in 0..3 {
            for id in 0..64 {
                drop((round, aggregates.entry(Uuid::from_u128(id))));
            }
        }
        for id in 1_000..1_032 {
            let newcomer = aggregates.entry(Uuid::from_u128(id));
            aggregates.entries.run_pending_tasks();
            assert!(Arc::ptr_eq(&newcomer, &aggregates.entry(Uuid::from_u128(id))), "{id} was turned away");
        }
        aggregates.entries.run_pending_tasks();
        assert!(aggregates.entries.entry_count() <= 64);
    }
}
