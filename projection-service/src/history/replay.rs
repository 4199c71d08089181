//! Aggregates as they were: events applied in order, from a snapshot where one helps.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shared::{
    domain::{AggregateType, EventSourced, dispute::Dispute, gift::Gift, order::Order, payment::Payment},
    log::{LogError, LogReader, Position, RecordedEvent},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    changes::{FieldOrigin, difference},
    events::strip,
    pages::Pages,
};
/// A stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamId {
    /// Its kind.
    pub aggregate_type: AggregateType,
    /// Its aggregate.
    pub aggregate_id: Uuid,
}

/// Up to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All of it.
    Newest,
    /// This version.
    Version(u64),
    /// What had happened at this instant.
    Time(DateTime<Utc>),
}

/// An aggregate as it was.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StateAt {
    /// The kind of aggregate.
    #[schema(example = "order")]
    pub aggregate_type: String,
    /// The aggregate.
    pub aggregate_id: Uuid,
    /// The version; 0 before its first event.
    pub version: u64,
    /// All that decisions are made from, without personal data.
    #[schema(value_type = Object)]
    pub state: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An event on the way cannot be understood.
    #[error("the event at position {position} cannot be understood: {reason}")]
    Unreadable {
        /// Where.
        position: Position,
        /// Why.
        reason: String,
    },
}

/// The state at a version or time. A version that was not reached yet gives the newest.
pub async fn state(log: &LogReader, stream: StreamId, until: Until) -> Result<StateAt, HistoryError> {
    Ok(counted_state(log, stream, until).await?.0)
}

/// The same, and how many events had to be applied for it.
pub(super) async fn counted_state(
    log: &LogReader,
    stream: StreamId,
    until: Until,
) -> Result<(StateAt, u64), HistoryError> {
    let StreamId { aggregate_type, aggregate_id } = stream;
    let last = match until {
        Until::Newest => u64::MAX,
        Until::Version(version) => version,
        Until::Time(at) => log.version_at(aggregate_type, aggregate_id, at).await?,
    };
    let (version, mut state, applied) = match aggregate_type {
        AggregateType::Order => replay::<Order>(log, stream, last).await?,
        AggregateType::Payment => replay::<Payment>(log, stream, last).await?,
        AggregateType::Gift => replay::<Gift>(log, stream, last).await?,
        AggregateType::Dispute => replay::<Dispute>(log, stream, last).await?,
    };
    strip(&mut state);
    Ok((StateAt { aggregate_type: aggregate_type.as_str().to_owned(), aggregate_id, version, state }, applied))
}

/// Every field of the newest state, and the event that set it.
pub async fn fields(log: &LogReader, stream: StreamId) -> Result<Vec<FieldOrigin>, HistoryError> {
    match stream.aggregate_type {
        AggregateType::Order => origins::<Order>(log, stream).await,
        AggregateType::Payment => origins::<Payment>(log, stream).await,
        AggregateType::Gift => origins::<Gift>(log, stream).await,
        AggregateType::Dispute => origins::<Dispute>(log, stream).await,
    }
}

async fn replay<A: EventSourced>(
    log: &LogReader,
    stream: StreamId,
    last: u64,
) -> Result<(u64, Value, u64), HistoryError> {
    let snapshot = log.snapshot(stream.aggregate_type, stream.aggregate_id, last).await?;
    let read = snapshot.and_then(|(version, state)| Some((version, serde_json::from_str::<A>(&state).ok()?)));
    let (mut version, mut aggregate) = read.unwrap_or_default();
    let (mut applied, mut pages) = (0, Pages::between(log, stream, version, last));
    while let Some(page) = pages.next().await? {
        for event in &page {
            aggregate.apply(understood::<A>(event)?);
            version = event.sequence;
        }
        applied += page.len() as u64;
    }
    Ok((version, serde_json::to_value(&aggregate).unwrap_or_default(), applied))
}

async fn origins<A: EventSourced>(log: &LogReader, stream: StreamId) -> Result<Vec<FieldOrigin>, HistoryError> {
    let mut aggregate = A::default();
    let mut before = serde_json::to_value(&aggregate).unwrap_or_default();
    let mut origins = BTreeMap::<String, FieldOrigin>::new();
    let mut pages = Pages::between(log, stream, 0, u64::MAX);
    while let Some(page) = pages.next().await? {
        for event in &page {
            aggregate.apply(understood::<A>(event)?);
            let mut now = serde_json::to_value(&aggregate).unwrap_or_default();
            strip(&mut now);
            for change in difference(&before, &now) {
                match change.after {
                    Some(value) => origins.insert(change.pointer.clone(), origin(change.pointer, value, event)),
                    None => origins.remove(&change.pointer),
                };
            }
            before = now;
        }
    }
    Ok(origins.into_values().collect())
}

fn origin(pointer: String, value: Value, event: &RecordedEvent) -> FieldOrigin {
    FieldOrigin {
        pointer,
        value,
        version: event.sequence,
        event_type: event.event_type.clone().into_owned(),
        event_id: event.event_id,
        occurred_at: event.occurred_at,
    }
}

fn understood<A: EventSourced>(event: &RecordedEvent) -> Result<A::Event, HistoryError> {
    let unreadable = |reason: String| HistoryError::Unreadable { position: event.position, reason };
    let domain = event.event.as_ref().map_err(|error| unreadable(error.to_string()))?;
    A::from_domain_event(domain).cloned().ok_or_else(|| unreadable("it is another aggregate's".to_owned()))
}
