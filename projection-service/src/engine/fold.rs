//! Folding in memory: no I/O, so that live batches, rebuilds, time travel and dry runs all fold alike.

use std::{
    collections::{BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
};

use shared::{domain::DomainEvent, log::RecordedEvent, runtime::supervisor::panic_message};
use smallvec::SmallVec;

use super::projection::{Changes, FoldError, Projection};

/// Rows in memory and which of them changed.
#[derive(Debug)]
pub struct Fold<P: Projection> {
    rows: HashMap<P::Key, Option<P::Row>>,
    changed: BTreeSet<P::Key>,
}

impl<P: Projection> Fold<P> {
    /// A fold that goes on from these rows.
    pub fn new(rows: HashMap<P::Key, Option<P::Row>>) -> Self {
        Self { rows, changed: BTreeSet::new() }
    }

    /// Takes the next event. On an error nothing has changed.
    pub fn take(&mut self, event: &RecordedEvent) -> Result<(), FoldError> {
        let domain = event.event.as_ref().map_err(|error| FoldError::Decode(error.clone()))?;
        let mut results = SmallVec::<[_; 2]>::new();
        for key in P::keys(event) {
            let before = self.rows.get(&key).cloned().flatten();
            results.push((key, apply::<P>(before, event, domain)?));
        }
        for (key, after) in results {
            let before = self.rows.insert(key, after);
            if before.flatten().as_ref() != self.rows[&key].as_ref() {
                self.changed.insert(key);
            }
        }
        Ok(())
    }

    /// The row of a key as it is now.
    pub fn row(&self, key: &P::Key) -> Option<&P::Row> {
        self.rows.get(key)?.as_ref()
    }

    /// What changed since the start, in order of the keys.
    pub fn changes(&self) -> Changes<P> {
        self.changed.iter().map(|key| (*key, self.rows[key].clone())).collect()
    }

    /// Every row that the fold knows, as it is now.
    pub fn into_rows(self) -> HashMap<P::Key, Option<P::Row>> {
        self.rows
    }
}

/// A panic is one more way in which one event may fail; it must not take the others along.
pub(super) fn apply<P: Projection>(
    row: Option<P::Row>,
    event: &RecordedEvent,
    domain: &DomainEvent,
) -> Result<Option<P::Row>, FoldError> {
    catch_unwind(AssertUnwindSafe(|| P::apply(row, event, domain)))
        .unwrap_or_else(|panic| Err(FoldError::Panicked(panic_message(&*panic).to_owned())))
}
