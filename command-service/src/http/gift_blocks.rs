//! What administrators do to gifts.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{GiftId, gift::GiftCommand},
    web::{PathId, Problem},
};
use utoipa::ToSchema;

use super::{
    command::Command,
    documents::{CommandProblems, GiftAnswer},
    gate::Admin,
    gifts::{on_gift, view},
    state::AppState,
};

/// Why a gift is blocked, or is not any more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// At most 500 characters.
    reason: String,
}

/// Block a gift
#[utoipa::path(
    post, path = "/api/v1/gifts/{id}/block", operation_id = "block_gift", tag = "gifts", security(("bearer" = [])),
    params(("id" = GiftId, Path, description = "The gift")), request_body = Reason,
    responses((status = 200, description = "Nobody can use it now", body = GiftAnswer), CommandProblems)
)]
pub(super) async fn block_gift(
    State(state): State<AppState>,
    PathId(gift_id): PathId<GiftId>,
    command: Command<Reason, Admin>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    let block = GiftCommand::Block { reason: command.body.reason.clone() };
    let view = view(gift_id);
    command.execute(&state, on_gift(&state, gift_id, false, StatusCode::OK, &view), actor, block).await
}

/// Let a blocked gift be used again
#[utoipa::path(
    post, path = "/api/v1/gifts/{id}/unblock", operation_id = "unblock_gift", tag = "gifts",
    security(("bearer" = [])), params(("id" = GiftId, Path, description = "The gift")), request_body = Reason,
    responses((status = 200, description = "It can be used again", body = GiftAnswer), CommandProblems)
)]
pub(super) async fn unblock_gift(
    State(state): State<AppState>,
    PathId(gift_id): PathId<GiftId>,
    command: Command<Reason, Admin>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    let unblock = GiftCommand::Unblock { reason: command.body.reason.clone() };
    let view = view(gift_id);
    command.execute(&state, on_gift(&state, gift_id, false, StatusCode::OK, &view), actor, unblock).await
}
