//! What happened to an order, event by event.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    domain::{AggregateType, OrderId},
    log::{LogError, RecordedEvent},
    web::{Caller, Envelope, PathId, Problem, ValidQuery},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ReadState,
    access::unavailable,
    documents::{HistoryAnswer, QueryProblems},
    freshness::Wanted,
    orders::find_for,
};
use crate::{
    history::{HistoryError, strip},
    projections::ORDERS,
};

/// An order has at most a few dozen events; this bounds even a broken one.
const EVENTS_MAX: u32 = 1_000;

/// Up to where.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// The last version that is shown; the newest if left out. One that was not reached yet is refused.
    #[param(minimum = 1)]
    to_version: Option<u64>,
    /// Answer from the view as it is when it does not catch up in time.
    allow_stale: Option<bool>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// The version it led to.
    #[schema(example = 1)]
    pub version: u64,
    /// The event.
    pub event_id: Uuid,
    /// Its type.
    #[schema(example = "order_paid")]
    pub event_type: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Who caused it: `customer`, `producer`, `admin`, `system` or `provider`.
    #[schema(example = "customer")]
    pub actor: String,
    /// What it says, without personal data.
    #[schema(value_type = Object)]
    pub payload: Value,
}

impl HistoryEntry {
    fn new(event: &RecordedEvent) -> Self {
        Self {
            version: event.sequence,
            event_id: event.event_id,
            event_type: event.event_type.clone().into_owned(),
            occurred_at: event.occurred_at,
            actor: event.actor.kind().to_owned(),
            payload: shown(&event.payload),
        }
    }
}

/// A payload without what is personal; the event's type stands beside it.
fn shown(payload: &str) -> Value {
    let mut payload = serde_json::from_str(payload).unwrap_or(Value::Null);
    strip(&mut payload);
    if let Value::Object(members) = &mut payload {
        members.remove("type");
    }
    payload
}

/// What happened to an order, the first first.
#[utoipa::path(
    get, path = "/orders/{id}/history", operation_id = "get_order_history", tag = "orders",
    security(("bearer" = [])),
    params(("id" = OrderId, Path, description = "The order"), HistoryQuery),
    responses(
        (status = 200, description = "Its events up to the version asked for", body = HistoryAnswer),
        QueryProblems,
    )
)]
pub(super) async fn get_order_history(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    PathId(id): PathId<OrderId>,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<HistoryQuery>,
) -> Result<Response, Problem> {
    if query.to_version == Some(0) {
        return Err(Problem::validation("/to_version", "out_of_range", "versions begin at 1"));
    }
    let seen = state.catch_up(wanted, query.allow_stale, &[ORDERS]).await?;
    // The view says whose it is; the events come from the log itself.
    find_for(&state, &caller, id).await?;
    let events = state.log.stream(AggregateType::Order, id.0, 0, EVENTS_MAX).await.map_err(unreadable)?;
    let newest = events.last().map_or(0, |event| event.sequence);
    if let Some(version) = query.to_version.filter(|version| *version > newest) {
        let detail = HistoryError::NotReached { version, newest }.to_string();
        return Err(Problem::validation("/to_version", "out_of_range", detail));
    }
    let shown = events.iter().filter(|event| query.to_version.is_none_or(|last| event.sequence <= last));
    let entries: Vec<_> = shown.map(HistoryEntry::new).collect();
    let version = entries.last().map_or(0, |entry| entry.version);
    Ok(seen.answer(Envelope::new(entries).version(version)))
}

pub(super) fn unreadable(error: LogError) -> Problem {
    match error {
        LogError::Database(error) => unavailable(error),
        error @ LogError::Unreadable { .. } => Problem::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_sealed_is_shown_of_any_event() {
        let schemas = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
        let mut sealed = 0;
        for event in std::fs::read_dir(schemas).unwrap() {
            for file in std::fs::read_dir(event.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                if !path.to_string_lossy().ends_with(".sample.json") {
                    continue;
                }
                sealed += usize::from(text.contains("_sealed"));
                let shown = shown(&text).to_string();
                assert!(!shown.contains("_sealed"), "{}: {shown}", path.display());
            }
        }
        assert!(sealed > 3, "the samples show too few sealed fields to prove anything: {sealed}");
    }
}
