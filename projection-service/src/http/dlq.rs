//! Dead letters, for operators.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use shared::web::{Envelope, JsonBody, PathId, Problem, ValidQuery};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ReadState,
    access::unavailable,
    documents::{
        DiscardedAnswer, LetterAnswer, LetterGroupListAnswer, LetterListAnswer, OperationAnswer, OperatorProblems,
        TriedAnswer,
    },
    freshness::private,
    history::unreadable,
    operators::{Operator, Reason, accepted, answer, reason},
    pages,
};
use crate::dead_letters::{self, LetterError, LetterFilter, LetterPageStart, LetterQueueStatus, RedriveInput};

/// Letters a second of a redrive that does not say.
const RATE_DEFAULT: u32 = 50;
/// And at most.
const RATE_MAX: u32 = 1_000;

/// Which letters, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LettersQuery {
    /// Of this queue: a projection, or `process_managers`.
    queue: Option<String>,
    /// That stand here.
    status: Option<LetterQueueStatus>,
    /// Of this cause.
    fingerprint: Option<String>,
    /// Of this aggregate.
    aggregate_id: Option<Uuid>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// Which causes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GroupsQuery {
    /// Of this queue.
    queue: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// Which letters are to be tried again.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedriveBody {
    /// Only these; left out, all that are open.
    #[serde(default)]
    filter: LetterFilter,
    /// Letters a second at most.
    #[serde(default = "rate_default")]
    #[schema(minimum = 1, maximum = 1000, default = 50)]
    rate_per_s: u32,
    /// 1 to 500 characters, kept with the act.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

fn rate_default() -> u32 {
    RATE_DEFAULT
}

/// Dead letters in order of the log, whichever service's they are.
#[utoipa::path(
    get, path = "/admin/dlq", operation_id = "list_dead_letters", tag = "operators", security(("bearer" = [])),
    params(LettersQuery),
    responses(
        (status = 200, description = "A page of letters; `meta.next_cursor` begins the next", body = LetterListAnswer),
        OperatorProblems,
    )
)]
pub(super) async fn list_dead_letters(
    State(state): State<ReadState>,
    _: Operator,
    ValidQuery(query): ValidQuery<LettersQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    let LettersQuery { queue, status, fingerprint, aggregate_id, cursor, .. } = query;
    let filter = LetterFilter { queue, status, fingerprint, aggregate_id, id: None };
    let start = pages::start(&state, cursor.as_deref(), &filter)?;
    let after = start.map(|cursor| LetterPageStart { position: cursor.sort_micros, id: cursor.id });
    let listed = dead_letters::list(&state.db, &filter, after, limit as i64 + 1).await;
    let mut letters = listed.map_err(unavailable)?;
    let next = pages::cut(&state, &mut letters, limit, &filter, |letter| (letter.position as i64, letter.id));
    let mut response = Envelope::new(letters).next_cursor(next).into_response();
    private(&mut response);
    Ok(response)
}

/// The causes of open dead letters, the most frequent first.
#[utoipa::path(
    get, path = "/admin/dlq/groups", operation_id = "list_dead_letter_groups", tag = "operators",
    security(("bearer" = [])), params(GroupsQuery),
    responses((status = 200, description = "The causes", body = LetterGroupListAnswer), OperatorProblems)
)]
pub(super) async fn list_dead_letter_groups(
    State(state): State<ReadState>,
    _: Operator,
    ValidQuery(query): ValidQuery<GroupsQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)? as i64;
    Ok(answer(dead_letters::groups(&state.db, query.queue.as_deref(), limit).await.map_err(unavailable)?))
}

/// One dead letter, with what its event says and where it comes from.
#[utoipa::path(
    get, path = "/admin/dlq/{id}", operation_id = "get_dead_letter", tag = "operators", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The letter")),
    responses((status = 200, description = "The letter", body = LetterAnswer), OperatorProblems)
)]
pub(super) async fn get_dead_letter(
    State(state): State<ReadState>,
    _: Operator,
    PathId(id): PathId<Uuid>,
) -> Result<Response, Problem> {
    let found = dead_letters::find(&state.db, id).await.map_err(unavailable)?;
    found.map(answer).ok_or_else(|| refused(LetterError::NotFound))
}

/// What would become of a letter and of those behind it, in a transaction that is rolled back. Projections only.
#[utoipa::path(
    post, path = "/admin/dlq/{id}/test", operation_id = "test_dead_letter", tag = "operators",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The letter")),
    responses((status = 200, description = "What would become of it", body = TriedAnswer), OperatorProblems)
)]
pub(super) async fn test_dead_letter(
    State(state): State<ReadState>,
    _: Operator,
    PathId(id): PathId<Uuid>,
) -> Result<Response, Problem> {
    Ok(answer(state.desk.try_letter(id).await.map_err(refused)?))
}

/// Has one letter tried again now; what waits behind it follows by itself.
#[utoipa::path(
    post, path = "/admin/dlq/{id}/retry", operation_id = "retry_dead_letter", tag = "operators",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The letter")), request_body = Reason,
    responses((status = 202, description = "The redrive of this one letter", body = OperationAnswer), OperatorProblems)
)]
pub(super) async fn retry_dead_letter(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    PathId(id): PathId<Uuid>,
    body: JsonBody<Reason>,
) -> Result<Response, Problem> {
    let reason = body.value.text()?;
    let letter = dead_letters::find(&state.db, id).await.map_err(unavailable)?;
    let letter = letter.ok_or_else(|| refused(LetterError::NotFound))?;
    match letter.status {
        LetterQueueStatus::Pending | LetterQueueStatus::Parked => {}
        LetterQueueStatus::Blocked => return Err(refused(LetterError::Waits)),
        LetterQueueStatus::Redriven | LetterQueueStatus::Discarded => return Err(refused(LetterError::NotOpen)),
    }
    let filter = LetterFilter { id: Some(id), queue: Some(letter.queue_name), ..LetterFilter::default() };
    let input = RedriveInput { filter, rate_per_s: RATE_DEFAULT };
    Ok(accepted(dead_letters::start(&state.db, &input, &actor, reason).await.map_err(refused)?))
}

/// Has letters tried again. The selection is frozen now; `progress.total` says how many it has.
#[utoipa::path(
    post, path = "/admin/dlq/redrive", operation_id = "redrive_dead_letters", tag = "operators",
    security(("bearer" = [])), request_body = RedriveBody,
    responses((status = 202, description = "The redrive", body = OperationAnswer), OperatorProblems)
)]
pub(super) async fn redrive_dead_letters(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    body: JsonBody<RedriveBody>,
) -> Result<Response, Problem> {
    let RedriveBody { filter, rate_per_s, reason: why } = body.value;
    let why = reason(&why)?;
    if !(1..=RATE_MAX).contains(&rate_per_s) {
        return Err(Problem::validation("/rate_per_s", "out_of_range", "rate_per_s must be 1 to 1000"));
    }
    let input = RedriveInput { filter, rate_per_s };
    Ok(accepted(dead_letters::start(&state.db, &input, &actor, why).await.map_err(refused)?))
}

/// Has a letter passed over for good; what waits behind it goes on without it.
#[utoipa::path(
    post, path = "/admin/dlq/{id}/discard", operation_id = "discard_dead_letter", tag = "operators",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The letter")), request_body = Reason,
    responses((status = 200, description = "It is passed over", body = DiscardedAnswer), OperatorProblems)
)]
pub(super) async fn discard_dead_letter(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    PathId(id): PathId<Uuid>,
    body: JsonBody<Reason>,
) -> Result<Response, Problem> {
    Ok(answer(state.desk.discard(id, &actor, body.value.text()?).await.map_err(refused)?))
}

fn refused(error: LetterError) -> Problem {
    match error {
        LetterError::Database(error) => unavailable(error),
        LetterError::Log(error) => unreadable(error),
        error => match error.rejection() {
            Some(rejection) => Problem::from(rejection),
            None => Problem::internal(error),
        },
    }
}
