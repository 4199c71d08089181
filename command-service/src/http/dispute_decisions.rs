//! How a dispute ends: the cook gives in, or administrators decide.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        DisputeId, Money, UserId,
        dispute::{DisputeCommand, DisputeOutcome, ResolveDispute},
        order::Fault,
    },
    web::{ErrorCode, PathId, Problem},
};
use utoipa::ToSchema;

use super::{
    command::{Command, log_problem},
    disputes::on_dispute,
    documents::{CommandProblems, DisputeAnswer},
    gate::{Admin, Producer},
    orders::Nothing,
    state::AppState,
};
use crate::command_handler::CommandError;

/// Give in
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/accept-claim", operation_id = "accept_dispute_claim", tag = "disputes",
    security(("bearer" = [])), params(("id" = DisputeId, Path, description = "The dispute")), request_body = Nothing,
    responses((status = 200, description = "What was claimed goes back", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn accept_claim(
    State(state): State<AppState>,
    PathId(dispute_id): PathId<DisputeId>,
    command: Command<Nothing, Producer>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    let target = on_dispute(&state, dispute_id, StatusCode::OK);
    command.execute(&state, target, actor, DisputeCommand::AcceptClaim).await
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolution {
    /// `REFUND_FULL`, `REFUND_PARTIAL` or `REJECTED`.
    outcome: DisputeOutcome,
    /// How much goes back, for `REFUND_PARTIAL`.
    #[serde(default)]
    #[schema(nullable = false)]
    refund_amount: Option<Money>,
    /// Who bears it; nobody if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    fault: Option<Fault>,
    /// Why; both sides read it. At most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    comment: Option<String>,
}

/// Decide a dispute
///
/// Above 10,000 roubles another administrator has to agree before it takes effect.
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/resolve", operation_id = "resolve_dispute", tag = "disputes",
    security(("bearer" = [])),
    params(
        ("id" = DisputeId, Path, description = "The dispute"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
        ("If-Match" = String, Header, description = "The version of the dispute that was looked at"),
    ),
    request_body = Resolution,
    responses(
        (status = 200, description = "Decided, or proposed to another administrator", body = DisputeAnswer),
        (status = 428, description = "If-Match is missing",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn resolve_dispute(
    State(state): State<AppState>,
    PathId(dispute_id): PathId<DisputeId>,
    command: Command<Resolution, Admin>,
) -> Result<Response, Problem> {
    command.require_key()?;
    let actor = command.actor()?;
    command.require_if_match()?;
    let resolution = &command.body;
    let resolve = DisputeCommand::Resolve(ResolveDispute {
        outcome: resolution.outcome,
        refund_amount: resolution.refund_amount,
        fault: resolution.fault.unwrap_or(Fault::None),
        comment: resolution.comment.clone(),
        producer_owner: owner(&state, dispute_id).await?,
        policy: state.policies.dispute,
    });
    command.execute(&state, on_dispute(&state, dispute_id, StatusCode::OK), actor, resolve).await
}

/// Agree to a decision
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/resolution/approve", operation_id = "approve_dispute_resolution",
    tag = "disputes", security(("bearer" = [])),
    params(
        ("id" = DisputeId, Path, description = "The dispute"),
        ("If-Match" = String, Header, description = "The version of the dispute that was looked at"),
    ),
    request_body = Nothing,
    responses(
        (status = 200, description = "Decided", body = DisputeAnswer),
        (status = 428, description = "If-Match is missing",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn approve_resolution(
    State(state): State<AppState>,
    PathId(dispute_id): PathId<DisputeId>,
    command: Command<Nothing, Admin>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    // Nobody agrees to what they have not seen.
    command.require_if_match()?;
    let approve = DisputeCommand::ApproveResolution { producer_owner: owner(&state, dispute_id).await? };
    command.execute(&state, on_dispute(&state, dispute_id, StatusCode::OK), actor, approve).await
}

/// The person behind the kitchen that the dispute is with.
async fn owner(state: &AppState, dispute_id: DisputeId) -> Result<Option<UserId>, Problem> {
    let loaded = state.disputes.load(dispute_id.0).await.map_err(|error| match error {
        CommandError::Log(error) => log_problem(error),
        other => Problem::internal(other),
    })?;
    let Some(producer_id) = loaded.and_then(|loaded| Some(loaded.aggregate.terms()?.producer_id)) else {
        return Ok(None);
    };
    let producer = state.catalogue.producer(producer_id).await.map_err(|error| {
        tracing::warn!(%error, "the catalogue cannot be read");
        Problem::new(ErrorCode::ServiceUnavailable).retry_after(1)
    })?;
    Ok(producer.map(|producer| producer.owner_user_id))
}
