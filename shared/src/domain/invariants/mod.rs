//! The invariants of the business, as pure predicates over a log: they hold at every prefix of it, whatever happened.
//!
//! An [`Auditor`] is fed the log event by event. It remembers [`Facts`]: one small record for each stream, because "at
//! most once" is said of the whole log; the amounts on accounts that are open; and, while a flow is open, the names of its
//! events and commands. Only the number of streams makes it grow, never the number of events of one. Before an event is
//! taken into the facts each predicate of [`laws`] judges it. What is promised only for a log at rest (money on its way
//! arrives, deadlines are kept) is judged at the end, with what is known from outside: [`Rest`] and [`Outside`].

mod auditor;
mod books;
mod deadlines;
mod disputes;
mod facts;
mod gifts;
mod laws;
mod outside;
mod paid;
mod prices;
mod refunds;
mod report;
mod streams;
mod transitions;

pub use auditor::Auditor;
pub use facts::Facts;
pub use laws::{LAWS, Law};
pub use outside::{BankBooks, FeedBounds, InboxRow, Outside, Pot, Receipt, RowCheck};
pub use report::{LawReport, Report, Violation};

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{domain::DomainEvent, log::RecordedEvent};

/// A log that nothing more is going to happen to by itself.
#[derive(Debug, Clone, Default)]
pub struct Rest {
    /// The time at which everything due has been done; without it deadlines are not judged.
    pub now: Option<DateTime<Utc>>,
    /// Streams that an open dead letter or an alarm is about: what is left undone there is known.
    pub excused: HashSet<Uuid>,
}

/// An event, and what was known before it.
struct Moment<'a> {
    before: &'a Facts,
    event: &'a RecordedEvent,
    domain: &'a DomainEvent,
}

/// What a predicate says: nothing, or what is wrong.
type Verdict = Result<(), String>;

/// `Ok` if it holds, else what is wrong.
fn hold(holds: bool, wrong: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests;
