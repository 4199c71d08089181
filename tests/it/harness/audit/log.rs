//! The log by itself: no hole, one birth, nothing that may happen once happens twice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use shared::{domain::AggregateType, log::RecordedEvent};
use uuid::Uuid;

/// What may happen only once in a stream.
const ONCE: [&str; 13] = [
    "order_created",
    "order_paid",
    "order_cancelled",
    "order_completed",
    "order_payout_released",
    "payment_initiated",
    "payment_session_opened",
    "payment_succeeded",
    "dispute_opened",
    "dispute_resolved",
    "gift_created",
    "gift_issued",
    "gift_expired",
];

pub fn check(events: &[Arc<RecordedEvent>], head: u64) {
    let positions: Vec<u64> = events.iter().map(|event| event.position).collect();
    let gapless: Vec<u64> = (1..=head).collect();
    assert_eq!(positions, gapless, "positions are 1 to the head without a hole");

    let mut streams = HashMap::<_, Vec<&RecordedEvent>>::new();
    for event in events {
        assert!(event.event.is_ok(), "position {} cannot be read: {:?}", event.position, event.event);
        streams.entry((event.aggregate_type, event.aggregate_id)).or_default().push(event);
    }
    for ((_, id), stream) in &streams {
        check_stream(*id, stream);
    }
    check_causes(events);
}

fn check_stream(id: Uuid, stream: &[&RecordedEvent]) {
    let sequences: Vec<u64> = stream.iter().map(|event| event.sequence).collect();
    let gapless: Vec<u64> = (1..=stream.len() as u64).collect();
    assert_eq!(sequences, gapless, "the sequences of {id}");
    let types: Vec<&str> = stream.iter().map(|event| event.event_type.as_ref()).collect();
    assert!(
        matches!(types[0], "order_created" | "payment_initiated" | "dispute_opened" | "gift_created"),
        "{id} was born of {}",
        types[0]
    );
    let flows: HashSet<Uuid> = stream.iter().map(|event| event.correlation_id).collect();
    assert_eq!(flows.len(), 1, "{id} belongs to one flow");
    for once in ONCE {
        assert!(types.iter().filter(|found| **found == once).count() <= 1, "{once} twice: {types:?}");
    }
    let uses = types.iter().filter(|found| matches!(**found, "payment_applied" | "payment_unapplied")).count();
    assert!(uses <= 1, "money used twice: {types:?}");
    let mut open = 0_i32;
    let mut closed = false;
    for found in types.iter().copied() {
        match found {
            "order_payment_requested" | "gift_payment_requested" => {
                open += 1;
                assert!(open <= 1 && !closed, "two open attempts, or one after the end: {types:?}");
            }
            "order_payment_attempt_failed" | "gift_payment_attempt_failed" => open -= 1,
            "order_paid" | "order_cancelled" | "gift_issued" | "gift_cancelled" => closed = true,
            _ => {}
        }
    }
}

/// Every event has an id of its own; a cause in the log comes before what it causes, in the same flow. A gift is a flow of
/// its own that touches those of the orders that it pays.
fn check_causes(events: &[Arc<RecordedEvent>]) {
    let mut known = HashMap::new();
    for event in events {
        if let Some((flow, aggregate_type)) = known.get(&event.causation_id) {
            let touches = [*aggregate_type, event.aggregate_type].contains(&AggregateType::Gift);
            assert!(touches || *flow == event.correlation_id, "position {} left its cause's flow", event.position);
        }
        let again = known.insert(event.event_id, (event.correlation_id, event.aggregate_type));
        assert!(again.is_none(), "event id {} twice", event.event_id);
    }
    let ids: HashSet<Uuid> = known.into_keys().collect();
    let mut seen = HashSet::new();
    for event in events {
        let caused = ids.contains(&event.causation_id);
        assert!(!caused || seen.contains(&event.causation_id), "position {} precedes its cause", event.position);
        seen.insert(event.event_id);
    }
}
