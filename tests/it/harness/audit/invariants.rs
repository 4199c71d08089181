//! The library's auditor beside the checks of this harness: it was written after them, from the same page.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use shared::{
    domain::invariants::{Auditor, Rest},
    log::RecordedEvent,
};

use super::Leftovers;

/// Every invariant, at every event and at the end.
pub fn check(events: &[Arc<RecordedEvent>], now: DateTime<Utc>, leftovers: &Leftovers) {
    let mut auditor = Auditor::default();
    for event in events {
        auditor.take(event);
    }
    let excused: HashSet<_> = leftovers.money_of.iter().copied().chain(flows_of(events, leftovers)).collect();
    auditor.judge_rest(&Rest { now: Some(now), excused });
    let found: Vec<_> = auditor.report().examples().collect();
    assert!(found.is_empty(), "the log breaks invariants: {found:#?}");
}

/// What is left over of a payment is left over of its order too.
fn flows_of<'a>(events: &'a [Arc<RecordedEvent>], leftovers: &'a Leftovers) -> impl Iterator<Item = uuid::Uuid> + 'a {
    events.iter().filter(|event| leftovers.money_of.contains(&event.aggregate_id)).map(|event| event.correlation_id)
}
