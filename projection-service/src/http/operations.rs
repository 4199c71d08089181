//! Long acts of operators: what there are, how far they are, and stopping them.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use shared::web::{ErrorCode, JsonBody, PathId, Problem, ValidQuery};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    ReadState,
    access::unavailable,
    documents::{OperationAnswer, OperationListAnswer, OperatorProblems},
    operators::{Operator, Reason, answer},
    pages,
};
use crate::operations::{self, Operation, Wanted};

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OperationsQuery {
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// The newest operations.
#[utoipa::path(
    get, path = "/operations", operation_id = "list_operations", tag = "operators", security(("bearer" = [])),
    params(OperationsQuery),
    responses((status = 200, description = "The newest first", body = OperationListAnswer), OperatorProblems)
)]
pub(super) async fn list_operations(
    State(state): State<ReadState>,
    _: Operator,
    ValidQuery(query): ValidQuery<OperationsQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)? as i64;
    Ok(answer(operations::list(&state.db, limit).await.map_err(unavailable)?))
}

/// One operation: where it stands, how far it is, what went wrong, what came of it.
#[utoipa::path(
    get, path = "/operations/{id}", operation_id = "get_operation", tag = "operators", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The operation")),
    responses((status = 200, description = "The operation", body = OperationAnswer), OperatorProblems)
)]
pub(super) async fn get_operation(
    State(state): State<ReadState>,
    _: Operator,
    PathId(id): PathId<Uuid>,
) -> Result<Response, Problem> {
    Ok(answer(find(&state, id).await?))
}

macro_rules! asks {
    ($($(#[$doc:meta])* $name:ident $path:literal $id:literal $wanted:ident;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, operation_id = $id, tag = "operators", security(("bearer" = [])),
            params(("id" = Uuid, Path, description = "The operation")), request_body = Reason,
            responses(
                (status = 200, description = "The operation; its state follows when the work has stopped or gone on",
                 body = OperationAnswer),
                OperatorProblems,
            )
        )]
        pub(super) async fn $name(
            State(state): State<ReadState>,
            Operator(actor): Operator,
            PathId(id): PathId<Uuid>,
            body: JsonBody<Reason>,
        ) -> Result<Response, Problem> {
            ask(&state, id, Wanted::$wanted, &actor, &body.value).await
        }
    )*};
}

asks! {
    /// Calls an operation off; what it had begun is cleared away.
    cancel_operation "/operations/{id}/cancel" "cancel_operation" Cancel;
    /// Has an operation rest after its present step.
    pause_operation "/operations/{id}/pause" "pause_operation" Pause;
    /// Has a resting operation go on.
    resume_operation "/operations/{id}/resume" "resume_operation" Run;
}

async fn ask(state: &ReadState, id: Uuid, wanted: Wanted, actor: &str, body: &Reason) -> Result<Response, Problem> {
    let reason = body.text()?;
    find(state, id).await?;
    let asked = operations::ask(&state.db, id, wanted, actor, reason).await.map_err(unavailable)?;
    let ended = || Problem::new(ErrorCode::BusinessRuleViolation).rule("operation_ended").detail("it has ended");
    asked.map(answer).ok_or_else(ended)
}

async fn find(state: &ReadState, id: Uuid) -> Result<Operation, Problem> {
    let found = operations::find(&state.db, id).await.map_err(unavailable)?;
    found.ok_or_else(|| Problem::not_found("there is no such operation"))
}
