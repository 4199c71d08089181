//! The mirror beside the log: the same events at the same places.

use std::sync::Arc;

use async_nats::{Client, jetstream};
use futures::{StreamExt, TryStreamExt, stream};
use shared::{log::RecordedEvent, subjects::Names};

/// Messages that are looked at; of a longer log the newest.
const LOOKED_AT: usize = 300;

pub async fn compare_heads(nats: &Client, names: &Names, head: i64) -> Result<(), String> {
    let context = jetstream::new(nats.clone());
    let stream = context.get_stream(names.events_stream()).await.map_err(|error| error.to_string())?;
    let state = &stream.cached_info().state;
    if state.last_sequence as i64 == head {
        return Ok(());
    }
    Err(format!("the mirror is at {}, the log at {head}", state.last_sequence))
}

pub async fn check(nats: &Client, names: &Names, events: &[Arc<RecordedEvent>]) {
    let context = jetstream::new(nats.clone());
    let stream = context.get_stream(names.events_stream()).await.unwrap();
    let state = &stream.cached_info().state;
    let first = if events.is_empty() { 1 } else { state.first_sequence };
    assert_eq!(state.messages, (events.len() as u64 + 1) - first, "{state:?}");
    let newest = &events[events.len().saturating_sub(LOOKED_AT)..];
    let messages = stream::iter(newest.iter().filter(|event| event.position >= first))
        .map(|event| {
            let stream = &stream;
            async move { anyhow::Ok((event, stream.direct_get(event.position).await?)) }
        })
        .buffered(32)
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
    for (event, message) in messages {
        let id = message.headers.get("Nats-Msg-Id").map(|id| id.as_str().to_owned());
        assert_eq!(id, Some(event.event_id.to_string()), "position {} of the mirror", event.position);
        let subject = names.event(event.aggregate_type, event.aggregate_id, &event.event_type);
        assert_eq!(message.subject.as_str(), subject, "position {} of the mirror", event.position);
        assert_eq!(message.payload.as_ref(), event.payload.as_bytes(), "position {} of the mirror", event.position);
    }
}
