//! What happened to an order, event by event.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    domain::{AggregateType, OrderId, order::Viewer},
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
    pages,
};
use crate::{
    history::{HistoryError, strip},
    projections::ORDERS,
};

/// Events of a page, unless the caller wants fewer: of nearly every order that is all of them.
const EVENTS_DEFAULT: u32 = 100;

/// What an order's events say that is none of a side's business: the type of an event, and the way to the member.
/// What the views of orders, payments and disputes hold back is not told here either.
const HIDDEN: &[(Viewer, &str, &[&str])] = &[
    (Viewer::Producer, "order_payment_requested", &["return_url"]),
    (Viewer::Producer, "order_payment_attempt_failed", &["reason"]),
    (Viewer::Producer, "order_payout_frozen", &["claim", "evidence"]),
    (Viewer::Customer, "order_created", &["commission_bps"]),
    (Viewer::Customer, "order_payout_released", &["gross"]),
    (Viewer::Customer, "order_payout_released", &["refunded"]),
    (Viewer::Customer, "order_payout_released", &["commission"]),
    (Viewer::Customer, "order_payout_released", &["producer_net"]),
];

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
    /// `next_cursor` of the page before, with the same `to_version`.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<u32>,
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
    fn new(event: &RecordedEvent, viewer: Viewer) -> Self {
        Self {
            version: event.sequence,
            event_id: event.event_id,
            event_type: event.event_type.clone().into_owned(),
            occurred_at: event.occurred_at,
            actor: event.actor.kind().to_owned(),
            payload: shown(&event.event_type, &event.payload, viewer),
        }
    }
}

/// A payload without what is personal or not this side's business; the event's type stands beside it.
fn shown(event_type: &str, payload: &str, viewer: Viewer) -> Value {
    let mut payload = serde_json::from_str(payload).unwrap_or(Value::Null);
    strip(&mut payload);
    for (_, _, way) in HIDDEN.iter().filter(|(whom, of, _)| *whom == viewer && *of == event_type) {
        let Some((member, way)) = way.split_last() else { continue };
        let holder = way.iter().try_fold(&mut payload, |value, member| value.get_mut(member));
        if let Some(members) = holder.and_then(Value::as_object_mut) {
            members.remove(*member);
        }
    }
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
        (status = 200, description = "A page of its events up to the version asked for; `meta.next_cursor` begins the next", body = HistoryAnswer),
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
    let limit = pages::limit(Some(query.limit.unwrap_or(EVENTS_DEFAULT)))?;
    let key = ("order history", id, query.to_version);
    let after = pages::start(&state, query.cursor.as_deref(), &key)?.map_or(0, |cursor| cursor.sort_micros as u64);
    let seen = state.catch_up(wanted, query.allow_stale, &[ORDERS]).await?;
    // The view says whose it is; the events come from the log itself.
    let (order, viewer) = find_for(&state, &caller, id).await?;
    let events = state.log.stream(AggregateType::Order, id.0, after, limit as u32 + 1).await.map_err(unreadable)?;
    // The log may be ahead of the view.
    let newest = events.last().map_or(0, |event| event.sequence).max(order.version);
    if let Some(version) = query.to_version.filter(|version| *version > newest) {
        let detail = HistoryError::NotReached { version, newest }.to_string();
        return Err(Problem::validation("/to_version", "out_of_range", detail));
    }
    let shown = events.iter().filter(|event| query.to_version.is_none_or(|last| event.sequence <= last));
    let mut entries: Vec<_> = shown.map(|event| HistoryEntry::new(event, viewer)).collect();
    let next = pages::cut(&state, &mut entries, limit, &key, |entry| (entry.version as i64, id.0));
    let version = entries.last().map_or(0, |entry| entry.version);
    Ok(seen.answer(Envelope::new(entries).version(version).next_cursor(next)))
}

pub(super) fn unreadable(error: LogError) -> Problem {
    match error {
        LogError::Database(error) => unavailable(error),
        error @ (LogError::Unreadable { .. } | LogError::EndsEarly { .. }) => Problem::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples of every released event, each with its type.
    fn samples() -> Vec<(String, String)> {
        let schemas = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
        let folders = std::fs::read_dir(schemas).unwrap().map(|folder| folder.unwrap().path());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
        let samples = files.filter(|file| file.to_string_lossy().ends_with(".sample.json"));
        let named = samples.map(|file| {
            let event_type = file.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
            (event_type, std::fs::read_to_string(file).unwrap())
        });
        named.collect()
    }

    #[test]
    fn nothing_sealed_is_shown_of_any_event() {
        let mut sealed = 0;
        for (event_type, text) in samples() {
            sealed += usize::from(text.contains("sealed\""));
            let shown = shown(&event_type, &text, Viewer::Admin).to_string();
            assert!(!shown.contains("sealed\""), "{event_type}: {shown}");
        }
        assert!(sealed > 3, "the samples show too few sealed fields to prove anything: {sealed}");
    }

    #[test]
    fn what_is_none_of_a_sides_business_is_in_the_event_and_not_in_its_history() {
        let samples = samples();
        for (viewer, event_type, way) in HIDDEN {
            let pointer = format!("/{}", way.join("/"));
            let mut kept = samples.iter().filter(|(found, _)| found == event_type).peekable();
            assert!(kept.peek().is_some(), "there is no {event_type}");
            let holds =
                |viewer| kept.clone().any(|(_, text)| shown(event_type, text, viewer).pointer(&pointer).is_some());
            assert!(holds(Viewer::Admin), "{event_type} has no {pointer}");
            assert!(!holds(*viewer), "{event_type}{pointer} is shown to {viewer:?}");
        }
    }
}
