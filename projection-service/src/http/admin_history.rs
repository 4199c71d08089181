//! Events, states and flows, for operators.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    domain::AggregateType,
    web::{Cursor, Envelope, ErrorCode, PathId, Problem, ValidQuery},
};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    ReadState,
    documents::{
        EventListAnswer, FieldChangeListAnswer, FieldOriginListAnswer, OperatorProblems, StateAnswer, TraceAnswer,
    },
    freshness::private,
    history::unreadable,
    operators::{Operator, answer},
    pages,
};
use crate::history::{self, EventView, HistoryError, StreamId, Until};

/// Which events, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// The kind of stream; found out from the id if left out.
    aggregate_type: Option<String>,
    /// Of this aggregate.
    aggregate_id: Option<Uuid>,
    /// Of this business flow.
    correlation_id: Option<Uuid>,
    /// Behind this version of the aggregate.
    after_version: Option<u64>,
    /// Behind this position of the log.
    after_position: Option<u64>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// What a cursor is bound to.
#[derive(Serialize)]
struct FilterKey {
    aggregate_id: Option<Uuid>,
    correlation_id: Option<Uuid>,
    aggregate_type: Option<&'static str>,
    after: Option<u64>,
}

impl EventsQuery {
    /// What cannot be honoured together is refused: a filter that is passed over in silence answers another question.
    fn check(&self) -> Result<(), Problem> {
        let conflict = |pointer: &str, why: &str| Err(Problem::validation(pointer, "conflict", why));
        pages::count("/after_version", self.after_version)?;
        pages::count("/after_position", self.after_position)?;
        if self.correlation_id.is_some() {
            if self.aggregate_id.is_some() {
                return conflict("/correlation_id", "ask for an aggregate or a flow, not both");
            }
            if self.aggregate_type.is_some() {
                return conflict("/aggregate_type", "a flow is asked for whole");
            }
        }
        if self.after_version.is_some() && self.aggregate_id.is_none() {
            return conflict("/after_version", "versions are an aggregate's: name it by aggregate_id");
        }
        if self.after_position.is_some() && self.aggregate_id.is_some() {
            return conflict("/after_position", "the events of an aggregate are asked for by after_version");
        }
        Ok(())
    }
}

/// Which state.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReplayQuery {
    /// The kind of aggregate; found out from the id if left out.
    aggregate_type: Option<String>,
    /// The aggregate.
    aggregate_id: Uuid,
    /// At this version; one that was not reached yet is refused.
    at_version: Option<u64>,
    /// At this instant.
    at_time: Option<DateTime<Utc>>,
}

/// Which two states.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The kind of aggregate; found out from the id if left out.
    aggregate_type: Option<String>,
    /// The aggregate.
    aggregate_id: Uuid,
    /// The earlier version; 0 is before the first event.
    from_version: u64,
    /// The later version; the newest if left out. One that was not reached yet is refused.
    to_version: Option<u64>,
}

/// Which aggregate.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FieldsQuery {
    /// The kind of aggregate; found out from the id if left out.
    aggregate_type: Option<String>,
    /// The aggregate.
    aggregate_id: Uuid,
}

/// Events of an aggregate, of a business flow, or of the whole log, the oldest first.
#[utoipa::path(
    get, path = "/admin/events", operation_id = "list_events", tag = "operators", security(("bearer" = [])),
    params(EventsQuery),
    responses(
        (status = 200, description = "A page of events; `meta.next_cursor` begins the next", body = EventListAnswer),
        OperatorProblems,
    )
)]
pub(super) async fn list_events(
    State(state): State<ReadState>,
    _: Operator,
    ValidQuery(query): ValidQuery<EventsQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    let kind = query.aggregate_type.as_deref().map(kind).transpose()?;
    query.check()?;
    let EventsQuery { aggregate_id, correlation_id, .. } = query;
    let after = query.after_version.or(query.after_position);
    let key = FilterKey { aggregate_id, correlation_id, aggregate_type: kind.map(AggregateType::as_str), after };
    let start = pages::start(&state, query.cursor.as_deref(), &key)?.map(|cursor| cursor.sort_micros as u64);
    let after = start.or(after).unwrap_or(0);
    let asked = limit as u32 + 1;
    let mut events: Vec<EventView> = match (aggregate_id, correlation_id) {
        (Some(id), _) => {
            let stream = find_stream(&state, id, kind).await?;
            let events = state.log.stream(stream.aggregate_type, id, after, asked).await.map_err(unreadable)?;
            events.iter().map(EventView::new).collect()
        }
        (None, Some(flow)) => {
            let events = state.log.flow(flow, after, asked).await.map_err(unreadable)?;
            events.iter().map(EventView::new).collect()
        }
        (None, None) => match kind {
            Some(kind) => {
                let events = state.log.page_of(kind, after, asked).await.map_err(unreadable)?;
                events.iter().map(EventView::new).collect()
            }
            None => {
                let events = state.log.page(after, asked).await.map_err(unreadable)?;
                events.iter().map(|event| EventView::new(event)).collect()
            }
        },
    };
    let more = events.len() > limit;
    events.truncate(limit);
    let by_version = aggregate_id.is_some();
    let last = events.last().filter(|_| more).map(|event| if by_version { event.version } else { event.position });
    let next = last.map(|last| state.opaque.seal_cursor(Cursor { sort_micros: last as i64, id: Uuid::nil() }, &key));
    let mut response = Envelope::new(events).next_cursor(next).into_response();
    private(&mut response);
    Ok(response)
}

/// An aggregate at a version, at an instant, or as it is.
#[utoipa::path(
    get, path = "/admin/replay", operation_id = "replay_aggregate", tag = "operators", security(("bearer" = [])),
    params(ReplayQuery),
    responses((status = 200, description = "The state", body = StateAnswer), OperatorProblems)
)]
pub(super) async fn replay_aggregate(
    State(state): State<ReadState>,
    _: Operator,
    ValidQuery(query): ValidQuery<ReplayQuery>,
) -> Result<Response, Problem> {
    pages::instant("/at_time", query.at_time)?;
    let until = match (query.at_version, query.at_time) {
        (None, None) => Until::Newest,
        (Some(version), None) => Until::Version(version),
        (None, Some(at)) => Until::Time(at),
        (Some(_), Some(_)) => {
            return Err(Problem::validation("/at_time", "conflict", "ask for a version or an instant, not both"));
        }
    };
    let kind = query.aggregate_type.as_deref().map(kind).transpose()?;
    let stream = find_stream(&state, query.aggregate_id, kind).await?;
    Ok(answer(history::state(&state.log, stream, until).await.map_err(|error| refused_at("/at_version", error))?))
}

/// What changed from one version of an aggregate to another, field by field.
#[utoipa::path(
    get, path = "/admin/replay/diff", operation_id = "diff_aggregate", tag = "operators", security(("bearer" = [])),
    params(DiffQuery),
    responses((status = 200, description = "The fields that differ", body = FieldChangeListAnswer), OperatorProblems)
)]
pub(super) async fn diff_aggregate(
    State(state): State<ReadState>,
    _: Operator,
    ValidQuery(query): ValidQuery<DiffQuery>,
) -> Result<Response, Problem> {
    let kind = query.aggregate_type.as_deref().map(kind).transpose()?;
    let stream = find_stream(&state, query.aggregate_id, kind).await?;
    let until = query.to_version.map_or(Until::Newest, Until::Version);
    let before = history::state(&state.log, stream, Until::Version(query.from_version)).await;
    let before = before.map_err(|error| refused_at("/from_version", error))?;
    let after = history::state(&state.log, stream, until).await;
    let after = after.map_err(|error| refused_at("/to_version", error))?;
    Ok(answer(history::difference(&before.state, &after.state)))
}

/// Every field of an aggregate, and the event that gave it its value.
#[utoipa::path(
    get, path = "/admin/replay/fields", operation_id = "explain_aggregate", tag = "operators",
    security(("bearer" = [])), params(FieldsQuery),
    responses((status = 200, description = "The fields", body = FieldOriginListAnswer), OperatorProblems)
)]
pub(super) async fn explain_aggregate(
    State(state): State<ReadState>,
    _: Operator,
    ValidQuery(query): ValidQuery<FieldsQuery>,
) -> Result<Response, Problem> {
    let kind = query.aggregate_type.as_deref().map(kind).transpose()?;
    let stream = find_stream(&state, query.aggregate_id, kind).await?;
    Ok(answer(history::fields(&state.log, stream).await.map_err(refused)?))
}

/// What followed from what in a business flow, over all aggregates.
#[utoipa::path(
    get, path = "/admin/trace/{id}", operation_id = "trace_flow", tag = "operators", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The correlation id of the flow")),
    responses(
        (status = 200, description = "Each event behind the one it followed from; the first 2,000 of the log if there are \
            more, and then `meta.truncated`", body = TraceAnswer),
        OperatorProblems,
    )
)]
pub(super) async fn trace_flow(
    State(state): State<ReadState>,
    _: Operator,
    PathId(id): PathId<Uuid>,
) -> Result<Response, Problem> {
    let (entries, is_cut) = history::trace(&state.log, id).await.map_err(unreadable)?;
    if entries.is_empty() {
        return Err(Problem::not_found("there is no such flow"));
    }
    let mut response = Envelope::new(entries).truncated(is_cut).into_response();
    private(&mut response);
    Ok(response)
}

/// A kind of aggregate by its name.
fn kind(name: &str) -> Result<AggregateType, Problem> {
    AggregateType::from_name(name).ok_or_else(|| {
        let known = AggregateType::ALL.map(AggregateType::as_str).join(", ");
        Problem::validation("/aggregate_type", "unknown_value", format!("known are {known}"))
    })
}

/// The stream of that id; its kind is found out if nobody says it.
async fn find_stream(state: &ReadState, aggregate_id: Uuid, asked: Option<AggregateType>) -> Result<StreamId, Problem> {
    let found = state.log.types_of(aggregate_id).await.map_err(unreadable)?;
    let found = found.into_iter().find(|found| asked.is_none_or(|asked| asked == *found));
    let aggregate_type = found.ok_or_else(|| Problem::not_found("there is no such aggregate"))?;
    Ok(StreamId { aggregate_type, aggregate_id })
}

pub(super) fn refused(error: HistoryError) -> Problem {
    refused_at("/version", error)
}

/// Why there is no answer; a version that was not reached yet is what the parameter said.
fn refused_at(pointer: &str, error: HistoryError) -> Problem {
    match error {
        error @ HistoryError::NotReached { .. } => Problem::validation(pointer, "out_of_range", error.to_string()),
        HistoryError::Log(error) => unreadable(error),
        error @ HistoryError::Unreadable { .. } => {
            Problem::new(ErrorCode::BusinessRuleViolation).rule("event_unreadable").detail(error.to_string())
        }
    }
}
