//! What is remembered of a business flow.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use crate::log::{Position, RecordedEvent};

/// A flow: one order or gift with everything that follows from it. Once all of its streams are over, only its currency
/// stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct FlowFacts {
    pub(crate) currency: Option<String>,
    /// The names of its events, while it is open.
    events: HashSet<Uuid>,
    /// The commands that made them.
    commands: HashSet<Uuid>,
    open: BTreeSet<Uuid>,
    /// The newest append: which command, and the position of its last event.
    append: Option<(Uuid, Position)>,
    /// Whether names were forgotten when it was over.
    has_forgotten: bool,
}

impl FlowFacts {
    pub(crate) fn knows_event(&self, id: Uuid) -> bool {
        self.events.contains(&id)
    }

    /// Whether an event of that name may have been before.
    pub(crate) fn may_know_event(&self, id: Uuid) -> bool {
        self.has_forgotten || self.knows_event(id)
    }

    /// Whether the command has made events before, in another append than the one that ends right before `position`.
    pub(crate) fn was_done_before(&self, command_id: Uuid, position: Position) -> bool {
        let goes_on = self.append.is_some_and(|(command, last)| command == command_id && last + 1 == position);
        self.commands.contains(&command_id) && !goes_on
    }

    pub(crate) fn take(&mut self, event: &RecordedEvent, is_open: bool) {
        if self.currency.is_none() {
            self.currency = super::super::prices::currencies(&event.payload).next();
        }
        self.events.insert(event.event_id);
        self.commands.insert(event.metadata.command_id);
        self.append = Some((event.metadata.command_id, event.position));
        if is_open {
            self.open.insert(event.aggregate_id);
        } else {
            self.open.remove(&event.aggregate_id);
        }
        if self.open.is_empty() {
            (self.events, self.commands) = (HashSet::new(), HashSet::from([event.metadata.command_id]));
            self.has_forgotten = true;
        }
    }
}
