//! What cooks ask of orders.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        OrderId,
        order::{OrderCommand, RejectReason},
    },
    web::{PathId, Problem},
};
use utoipa::ToSchema;

use super::{
    command::Command,
    documents::{CommandProblems, OrderAnswer},
    gate::Producer,
    orders::on_order,
    state::AppState,
    views::view,
};

/// The one shape of what cooks do: take the input apart, build the command, execute it, answer.
async fn as_cook<T>(
    state: AppState,
    order_id: OrderId,
    command: Command<T, Producer>,
    action: impl FnOnce(&AppState, &T) -> OrderCommand,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    let action = action(&state, &command.body);
    command
        .execute(
            &state,
            on_order(&state, order_id, false, StatusCode::OK, &view(&state, order_id, &actor)),
            actor,
            action,
        )
        .await
}

/// When it will be ready.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Eta {
    /// Minutes from now, 1 to 600.
    #[schema(minimum = 1, maximum = 600, example = 30)]
    eta_minutes: u32,
}

/// Take an order on
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/accept", operation_id = "accept_order", tag = "kitchen",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = Eta,
    responses((status = 200, description = "Taken on", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn accept_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<Eta, Producer>,
) -> Result<Response, Problem> {
    as_cook(state, order_id, command, |_, body| OrderCommand::Accept { eta_minutes: body.eta_minutes }).await
}

/// Move the promise of when it is ready
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/eta", operation_id = "adjust_eta", tag = "kitchen",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = Eta,
    responses((status = 200, description = "Moved", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn adjust_eta(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<Eta, Producer>,
) -> Result<Response, Problem> {
    as_cook(state, order_id, command, |_, body| OrderCommand::AdjustEta { eta_minutes: body.eta_minutes }).await
}

/// Why an order is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectOrder {
    /// Why, for machines.
    reason_code: RejectReason,
    /// Why, for people; at most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    comment: Option<String>,
}

/// Refuse an order
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/reject", operation_id = "reject_order", tag = "kitchen",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = RejectOrder,
    responses((status = 200, description = "Refused", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn reject_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<RejectOrder, Producer>,
) -> Result<Response, Problem> {
    let reject = |_: &AppState, body: &RejectOrder| OrderCommand::Reject {
        reason_code: body.reason_code,
        comment: body.comment.clone(),
    };
    as_cook(state, order_id, command, reject).await
}

/// A cook's note.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// At most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    note: Option<String>,
}

/// Begin to cook
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/start-preparation", operation_id = "start_preparation", tag = "kitchen",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = Note,
    responses((status = 200, description = "Begun", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn start_preparation(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<Note, Producer>,
) -> Result<Response, Problem> {
    as_cook(state, order_id, command, |_, body| OrderCommand::StartPreparation { note: body.note.clone() }).await
}

/// Say that the meal is ready
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/ready", operation_id = "mark_ready", tag = "kitchen",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = Note,
    responses((status = 200, description = "Ready", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn mark_ready(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<Note, Producer>,
) -> Result<Response, Problem> {
    as_cook(state, order_id, command, |_, body| OrderCommand::MarkReady { note: body.note.clone() }).await
}

/// Send the meal off
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/dispatch", operation_id = "dispatch_order", tag = "kitchen",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = Note,
    responses((status = 200, description = "Sent off", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn dispatch_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<Note, Producer>,
) -> Result<Response, Problem> {
    as_cook(state, order_id, command, |_, body| OrderCommand::Dispatch { note: body.note.clone() }).await
}

/// What proves the handing over.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    /// A photo's reference; at most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    proof_ref: Option<String>,
}

/// Hand the meal over
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/deliver", operation_id = "deliver_order", tag = "kitchen",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = Delivery,
    responses((status = 200, description = "Handed over", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn deliver_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<Delivery, Producer>,
) -> Result<Response, Problem> {
    let deliver = |state: &AppState, body: &Delivery| OrderCommand::MarkDelivered {
        proof_ref: body.proof_ref.clone(),
        policy: state.policies.order,
    };
    as_cook(state, order_id, command, deliver).await
}
