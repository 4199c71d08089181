//! The audit of the log, for operators.

use axum::{extract::State, response::Response};
use serde_json::json;
use shared::web::{JsonBody, Problem};

use super::{
    ReadState,
    documents::{OperationAnswer, OperatorProblems},
    operators::{Operator, Reason, accepted, not_made},
};
use crate::operations::{self, LOG, NewOperation, OperationKind};

/// Judges every event of the log by the invariants of the business.
///
/// The result names the first offending position, and of each broken invariant the first violations.
#[utoipa::path(
    post, path = "/admin/audit", operation_id = "audit_log", tag = "operators", security(("bearer" = [])),
    request_body = Reason,
    responses((status = 202, description = "The audit", body = OperationAnswer), OperatorProblems)
)]
pub(super) async fn audit_log(
    State(state): State<ReadState>,
    Operator(actor): Operator,
    body: JsonBody<Reason>,
) -> Result<Response, Problem> {
    let reason = body.value.text()?.to_owned();
    let (kind, subject) = (OperationKind::Audit, LOG.to_owned());
    let new = NewOperation { kind, subject, input: json!({}), actor, reason };
    Ok(accepted(operations::create(&state.db, &new).await.map_err(not_made)?))
}
