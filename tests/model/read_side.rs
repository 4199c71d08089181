//! The fold engine over what is delivered: late, twice and in any order. It takes position = checkpoint + 1 and fetches from
//! the log what is missing.

use std::{collections::HashMap, sync::Arc};

use projection_service::{
    engine::{Fold, Projection},
    projections::{feed::Feed, orders::Orders, payments::Payments},
};
use shared::log::RecordedEvent;

/// Three read models with one checkpoint.
pub struct ReadSide {
    checkpoint: usize,
    orders: Fold<Orders>,
    payments: Fold<Payments>,
    feed: Fold<Feed>,
    /// Deliveries that went through, for a look at what a crash undoes.
    committed: usize,
}

impl Default for ReadSide {
    fn default() -> Self {
        Self {
            checkpoint: 0,
            orders: Fold::new(HashMap::new()),
            payments: Fold::new(HashMap::new()),
            feed: Fold::new(HashMap::new()),
            committed: 0,
        }
    }
}

impl ReadSide {
    /// A message about the event at `position` arrives.
    pub fn deliver(&mut self, position: usize, log: &[Arc<RecordedEvent>]) -> Result<(), String> {
        while self.checkpoint < position {
            let event = &log[self.checkpoint];
            take(&mut self.orders, event)?;
            take(&mut self.payments, event)?;
            take(&mut self.feed, event)?;
            self.checkpoint += 1;
        }
        self.committed = self.checkpoint;
        Ok(())
    }

    /// Rows and checkpoint commit together, so a crash finds them as they were.
    pub fn crash(&mut self) {
        self.checkpoint = self.committed;
    }

    /// Every row is what the log gives.
    pub fn compare(self, log: &[Arc<RecordedEvent>]) -> Result<(), String> {
        same(self.orders, log)?;
        same(self.payments, log)?;
        same(self.feed, log)
    }
}

fn take<P: Projection>(fold: &mut Fold<P>, event: &RecordedEvent) -> Result<(), String> {
    fold.take(event).map_err(|error| format!("{}: {error} at position {}", P::NAME, event.position))
}

fn same<P: Projection>(followed: Fold<P>, log: &[Arc<RecordedEvent>]) -> Result<(), String> {
    let mut folded = Fold::<P>::new(HashMap::new());
    for event in log {
        take(&mut folded, event)?;
    }
    let (followed, folded) = (followed.into_rows(), folded.into_rows());
    if followed == folded { Ok(()) } else { Err(format!("the rows of {} are not what the log gives", P::NAME)) }
}
