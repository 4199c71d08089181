//! Refunds that an administrator gives.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        Money, OrderId, RefundId,
        order::{AuthorizeRefund, Fault, OrderCommand, RefundAmount, RefundSource},
    },
    web::{PathId, Problem},
};
use utoipa::ToSchema;

use super::{
    command::Command,
    documents::{CommandProblems, OrderAnswer},
    gate::Admin,
    orders::on_order,
    state::AppState,
    views::view,
};

/// A refund to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRefund {
    /// How much; at most what was paid and is not promised back yet.
    amount: Money,
    /// Who bears it; nobody if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    fault: Option<Fault>,
}

/// Give money back
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/refunds", operation_id = "refund_order", tag = "payments",
    security(("bearer" = [])),
    params(
        ("id" = OrderId, Path, description = "The order"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
        ("If-Match" = String, Header, description = "The version of the order that was looked at"),
    ),
    request_body = NewRefund,
    responses(
        (status = 202, description = "Promised; the money is on its way", body = OrderAnswer),
        (status = 428, description = "If-Match is missing",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn refund_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<NewRefund, Admin>,
) -> Result<Response, Problem> {
    command.require_key()?;
    let actor = command.actor()?;
    command.require_if_match()?;
    if !command.body.amount.is_positive() {
        return Err(Problem::validation("/amount", "out_of_range", "give back more than nothing"));
    }
    // The key names the refund, so that the same request again is the same refund.
    let source_id = command.id_of("refund");
    let authorize = OrderCommand::AuthorizeRefund(AuthorizeRefund {
        refund_id: RefundId::of_source(order_id, "admin", source_id),
        source: RefundSource::Admin,
        source_id,
        amount: RefundAmount::Exactly(command.body.amount),
        fault: command.body.fault.unwrap_or(Fault::None),
    });
    let view = view(&state, order_id, &actor);
    command.execute(&state, on_order(&state, order_id, false, StatusCode::ACCEPTED, &view), actor, authorize).await
}
