//! What followed from what: the events of one business flow, over all aggregates, as a tree.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use shared::log::{LogError, LogReader, RecordedEvent};
use utoipa::ToSchema;
use uuid::Uuid;

use super::events::EventView;

/// Events of one flow that are shown.
pub const TRACE_MAX: usize = 2_000;

/// An event of a flow, where it belongs in the tree.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TraceEntry {
    /// 0 for what a person or a deadline began; 1 for what followed from that, …
    pub depth: usize,
    /// The event that it followed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parent_event_id: Option<Uuid>,
    /// The event.
    pub event: EventView,
}

/// The events of a flow: each behind the one it followed from, brothers in order of the log. And whether there are more
/// than [`TRACE_MAX`].
pub async fn trace(log: &LogReader, correlation_id: Uuid) -> Result<(Vec<TraceEntry>, bool), LogError> {
    let mut events = log.flow(correlation_id, 0, TRACE_MAX as u32 + 1).await?;
    let more = events.len() > TRACE_MAX;
    events.truncate(TRACE_MAX);
    Ok((tree(&events), more))
}

fn tree(events: &[RecordedEvent]) -> Vec<TraceEntry> {
    let known: HashSet<Uuid> = events.iter().map(|event| event.event_id).collect();
    let mut children = HashMap::<Option<Uuid>, Vec<&RecordedEvent>>::new();
    for event in events {
        let parent = Some(event.causation_id).filter(|cause| known.contains(cause) && *cause != event.event_id);
        children.entry(parent).or_default().push(event);
    }
    let mut entries = Vec::with_capacity(events.len());
    let mut left: Vec<(usize, Option<Uuid>, &RecordedEvent)> = Vec::new();
    let push = |left: &mut Vec<_>, depth, parent: Option<Uuid>, found: Option<&Vec<_>>| {
        left.extend(found.into_iter().flatten().rev().map(|event| (depth, parent, *event)));
    };
    push(&mut left, 0, None, children.get(&None));
    while let Some((depth, parent, event)) = left.pop() {
        entries.push(TraceEntry { depth, parent_event_id: parent, event: EventView::new(event) });
        push(&mut left, depth + 1, Some(event.event_id), children.get(&Some(event.event_id)));
    }
    entries
}
