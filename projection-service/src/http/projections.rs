//! Projections, for operators: how they stand, rebuilding them, auditing and healing their rows.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams, State},
    response::Response,
};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::web::{ErrorCode, JsonBody, Problem, ValidQuery};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ReadState,
    access::unavailable,
    admin_history::refused,
    documents::{
        ForgottenAnswer, HealedAnswer, OperationAnswer, OperatorProblems, ProjectionAnswer, ProjectionListAnswer,
        RowsAnswer,
    },
    history::unreadable,
    operators::{Operator, Reason, accepted, answer, not_made, reason},
    pages,
};
use crate::{
    engine::{Model, count_letters},
    history::{self, RowAt},
    operations::{self, JobError, NewOperation, Operation, OperationKind, OperationState, Wanted},
    rebuild::{self, Audit, GenerationView, HealError, SwapWhen},
};

/// How a projection stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProjectionView {
    /// Its name.
    #[schema(example = "orders")]
    pub name: String,
    /// How far it has followed the log.
    pub position: u64,
    /// How far the log is.
    pub head: u64,
    /// Events that it has not seen.
    pub lag: u64,
    /// Its sets of tables; one until it was rebuilt.
    pub generations: Vec<GenerationView>,
    /// Letters that are tried again by themselves.
    pub letters_pending: i64,
    /// Letters that wait for a person.
    pub letters_parked: i64,
    /// Letters that wait behind those.
    pub letters_blocked: i64,
    /// What is being done to it.
    pub operations: Vec<Operation>,
}

/// A row that was put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Healed {
    /// Whether it was wrong.
    pub drifted: bool,
}

/// Generations that were thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Forgotten {
    /// How many.
    pub generations: u64,
}

/// How a rebuild ends, and why there is one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RebuildBody {
    /// When the new tables take the place of the live ones.
    #[serde(default)]
    swap: SwapWhen,
    /// 1 to 500 characters, kept with the act.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// As of when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RowQuery {
    /// As of this position of the log; the newest if left out. One that was not reached yet is refused.
    at_position: Option<u64>,
}

/// The projection that the path names.
pub(super) struct Named(Arc<dyn Model>);

impl FromRequestParts<ReadState> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ReadState) -> Result<Self, Problem> {
        let name = param(parts, state, "name").await?;
        let model = state.rebuild.models.get(&name);
        model.map(Self).ok_or_else(|| Problem::not_found("there is no such projection"))
    }
}

/// The id of a row that the path names.
pub(super) struct RowId(Uuid);

impl FromRequestParts<ReadState> for RowId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ReadState) -> Result<Self, Problem> {
        let text = param(parts, state, "id").await?;
        let id = Uuid::try_parse(&text).ok().filter(|_| text.len() == 36);
        id.map(Self).ok_or_else(|| Problem::validation("/id", "malformed", "id is not a UUID"))
    }
}

async fn param(parts: &mut Parts, state: &ReadState, name: &str) -> Result<String, Problem> {
    let malformed = |_| Problem::validation("", "malformed", "the path is not UTF-8");
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(malformed)?;
    let found = params.iter().find(|(param, _)| *param == name).map(|(_, value)| value.to_owned());
    found.ok_or_else(|| Problem::internal(format!("the route has no {name}")))
}

/// Every projection: how far it is, what it waits for, what is being done to it.
#[utoipa::path(
    get, path = "/admin/projections", operation_id = "list_projections", tag = "operators",
    security(("bearer" = [])),
    responses((status = 200, description = "Every projection", body = ProjectionListAnswer), OperatorProblems)
)]
pub(super) async fn list_projections(State(state): State<ReadState>, _: Operator) -> Result<Response, Problem> {
    let mut views = Vec::new();
    for model in state.rebuild.models.all() {
        views.push(view(&state, &**model).await?);
    }
    Ok(answer(views))
}

/// One projection.
#[utoipa::path(
    get, path = "/admin/projections/{name}", operation_id = "get_projection", tag = "operators",
    security(("bearer" = [])), params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The projection", body = ProjectionAnswer), OperatorProblems)
)]
pub(super) async fn get_projection(
    State(state): State<ReadState>,
    _: Operator,
    Named(model): Named,
) -> Result<Response, Problem> {
    Ok(answer(view(&state, &*model).await?))
}

/// Folds a projection anew beside the live tables, compares, and swaps.
#[utoipa::path(
    post, path = "/admin/projections/{name}/rebuild", operation_id = "rebuild_projection", tag = "operators",
    security(("bearer" = [])), params(("name" = String, Path, description = "Its name")), request_body = RebuildBody,
    responses((status = 202, description = "The rebuild", body = OperationAnswer), OperatorProblems)
)]
pub(super) async fn rebuild_projection(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    Named(model): Named,
    body: JsonBody<RebuildBody>,
) -> Result<Response, Problem> {
    let input = json!({"swap": body.value.swap});
    begin(&state, OperationKind::Rebuild, &*model, (input, &actor, &body.value.reason)).await
}

/// Brings the tables that were replaced last up to date, and swaps them back.
#[utoipa::path(
    post, path = "/admin/projections/{name}/rollback", operation_id = "rollback_projection", tag = "operators",
    security(("bearer" = [])), params(("name" = String, Path, description = "Its name")), request_body = Reason,
    responses((status = 202, description = "The rollback", body = OperationAnswer), OperatorProblems)
)]
pub(super) async fn rollback_projection(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    Named(model): Named,
    body: JsonBody<Reason>,
) -> Result<Response, Problem> {
    let input = json!({"swap": SwapWhen::Verified});
    begin(&state, OperationKind::Rollback, &*model, (input, &actor, &body.value.reason)).await
}

/// Compares every row with a fold of its stream.
#[utoipa::path(
    post, path = "/admin/projections/{name}/verify", operation_id = "verify_projection", tag = "operators",
    security(("bearer" = [])), params(("name" = String, Path, description = "Its name")), request_body = Reason,
    responses((status = 202, description = "The audit", body = OperationAnswer), OperatorProblems)
)]
pub(super) async fn verify_projection(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    Named(model): Named,
    body: JsonBody<Reason>,
) -> Result<Response, Problem> {
    begin(&state, OperationKind::Verify, &*model, (json!({}), &actor, &body.value.reason)).await
}

/// Has a rebuild that waits for a person swap, whatever differs.
#[utoipa::path(
    post, path = "/admin/projections/{name}/swap", operation_id = "swap_projection", tag = "operators",
    security(("bearer" = [])), params(("name" = String, Path, description = "Its name")), request_body = Reason,
    responses((status = 202, description = "The rebuild", body = OperationAnswer), OperatorProblems)
)]
pub(super) async fn swap_projection(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    Named(model): Named,
    body: JsonBody<Reason>,
) -> Result<Response, Problem> {
    let reason = body.value.text()?;
    let open = operations::open_about(&state.db, model.name()).await.map_err(unavailable)?;
    let waiting = open.into_iter().find(|operation| {
        matches!(operation.kind, OperationKind::Rebuild | OperationKind::Rollback)
            && operation.state == OperationState::Paused
    });
    let none = || Problem::new(ErrorCode::BusinessRuleViolation).rule("nothing_to_swap").detail("no rebuild waits");
    let id = waiting.ok_or_else(none)?.id;
    operations::set_input(&state.db, id, &json!({"swap": SwapWhen::Verified})).await.map_err(unavailable)?;
    let asked = operations::ask(&state.db, id, Wanted::Run, &actor, reason).await.map_err(unavailable)?;
    asked.map(accepted).ok_or_else(none)
}

/// Throws away the tables that rebuilds have replaced; no rollback is possible after that.
#[utoipa::path(
    post, path = "/admin/projections/{name}/forget", operation_id = "forget_generations", tag = "operators",
    security(("bearer" = [])), params(("name" = String, Path, description = "Its name")), request_body = Reason,
    responses((status = 200, description = "They are gone", body = ForgottenAnswer), OperatorProblems)
)]
pub(super) async fn forget_generations(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    Named(model): Named,
    body: JsonBody<Reason>,
) -> Result<Response, Problem> {
    let forgotten = rebuild::forget(&state.db, &*model, &actor, body.value.text()?).await;
    Ok(answer(Forgotten { generations: forgotten.map_err(unavailable)? }))
}

/// The rows that a projection has of one aggregate, or had as of a position: folded anew, whatever stands in the table.
///
/// `orders` and `order_facts` have rows of orders, `payments` of payments, `gifts` of gifts, `disputes` of disputes. `ledger`
/// has of each order and each gift what it posted, also what its payments posted. `feed` has of each order and each gift
/// who was told what of it, also what users' feeds have forgotten by now. What rows add up to has no id of an
/// aggregate: the books' accounts as of a position are `GET /admin/ledger/accounts?at_position=`.
#[utoipa::path(
    get, path = "/admin/projections/{name}/rows/{id}", operation_id = "get_projection_rows", tag = "operators",
    security(("bearer" = [])),
    params(
        ("name" = String, Path, description = "The projection"),
        ("id" = Uuid, Path, description = "The order, payment, gift or dispute"),
        RowQuery,
    ),
    responses((status = 200, description = "The rows", body = RowsAnswer), OperatorProblems)
)]
pub(super) async fn get_projection_rows(
    State(state): State<ReadState>,
    _: Operator,
    Named(model): Named,
    RowId(id): RowId,
    ValidQuery(query): ValidQuery<RowQuery>,
) -> Result<Response, Problem> {
    let sources = model.sources().ok_or_else(mixed)?;
    let head = state.log.head().await.map_err(unreadable)?;
    let position = pages::reached(query.at_position, head)?;
    let discarded = rebuild::discarded(&state.db, model.name()).await.map_err(unavailable)?;
    let row = RowAt { id, position, discarded: &discarded };
    let rows = history::rows_at(&state.log, (&*model, sources), row).await.map_err(refused)?;
    if rows.is_empty() {
        return Err(Problem::not_found("there was no such row"));
    }
    Ok(answer(rows))
}

/// Folds the rows of one aggregate anew and puts them in the place of those that are there. Sums of rows move by the
/// difference, so one that is false itself stays so until a rebuild; what users were told stays told.
#[utoipa::path(
    post, path = "/admin/projections/{name}/rows/{id}/heal", operation_id = "heal_projection_row", tag = "operators",
    security(("bearer" = [])),
    params(("name" = String, Path, description = "The projection"), ("id" = Uuid, Path, description = "The aggregate")),
    request_body = Reason,
    responses((status = 200, description = "The row is right now", body = HealedAnswer), OperatorProblems)
)]
pub(super) async fn heal_projection_row(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    Named(model): Named,
    RowId(id): RowId,
    body: JsonBody<Reason>,
) -> Result<Response, Problem> {
    let reason = body.value.text()?;
    if model.sources().is_none() {
        return Err(mixed());
    }
    let failed = |error: JobError| match error {
        JobError::Again(error) => {
            tracing::warn!(error, "a row cannot be healed now");
            Problem::new(ErrorCode::ServiceUnavailable).retry_after(1)
        }
        JobError::Failed(error) => Problem::internal(error),
    };
    let audit = Audit::open(&state.rebuild, model).await.map_err(failed)?;
    // A row without events is wrong, and goes; an id with neither is a slip of whoever typed it.
    let has_events = !state.log.types_of(id).await.map_err(unreadable)?.is_empty();
    if !has_events && audit.row(id).await.map_err(failed)?.is_empty() {
        return Err(Problem::not_found("the log has nothing of that id, and the projection no row"));
    }
    let healed = audit.heal(id, &actor, reason).await.map_err(|error| match error {
        HealError::Job(error) => failed(error),
        HealError::Refused(_) => {
            let detail = format!("{error}; mend the fold first");
            Problem::new(ErrorCode::BusinessRuleViolation).rule("fold_refuses").detail(detail)
        }
    });
    Ok(answer(Healed { drifted: healed? }))
}

async fn begin(
    state: &ReadState,
    kind: OperationKind,
    model: &dyn Model,
    (input, actor, why): (serde_json::Value, &str, &str),
) -> Result<Response, Problem> {
    let reason = reason(why)?.to_owned();
    let new = NewOperation { kind, subject: model.name().to_owned(), input, actor: actor.to_owned(), reason };
    Ok(accepted(operations::create(&state.db, &new).await.map_err(not_made)?))
}

async fn view(state: &ReadState, model: &dyn Model) -> Result<ProjectionView, Problem> {
    let (db, name) = (&state.db, model.name());
    let head = state.log.head().await.map_err(unreadable)?;
    let position = state.positions.get(name).min(head);
    let counts = count_letters(db, name, state.clock.now()).await.map_err(unavailable)?;
    let letters = |status: &str| counts.iter().find(|count| count.status == status).map_or(0, |count| count.letters);
    Ok(ProjectionView {
        name: name.to_owned(),
        position,
        head,
        lag: head - position,
        generations: rebuild::list(db, name).await.map_err(unavailable)?,
        letters_pending: letters("PENDING"),
        letters_parked: letters("PARKED"),
        letters_blocked: letters("BLOCKED"),
        operations: operations::open_about(db, name).await.map_err(unavailable)?,
    })
}

fn mixed() -> Problem {
    let problem = Problem::new(ErrorCode::BusinessRuleViolation).rule("rows_mix_streams");
    problem.detail("rows of this projection are made of many aggregates; rebuild it instead")
}
