//! What administrators write down of a payment: acts of the bank, and what to do about its contradictions.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        Money, PaymentId,
        payment::{BankAct, IntegrityDecision, Payment, PaymentCommand, PaymentError},
    },
    web::{PathId, Problem, Role},
};
use utoipa::ToSchema;

use super::{
    command::{Command, Target, to_json},
    documents::{CommandProblems, PaymentAnswer},
    state::AppState,
    views::payment_data,
};

/// What the bank's registry says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "amount": { "amount": "200.00", "currency": "RUB" }, "registry_ref": "CB-2026-03-0001" }))]
pub(super) struct RegistryEntry {
    /// How much.
    amount: Money,
    /// Names the act in the registry, at most 100 characters; the same one again changes nothing.
    registry_ref: String,
}

impl RegistryEntry {
    fn act(&self) -> BankAct {
        BankAct { amount: self.amount, registry_ref: self.registry_ref.clone() }
    }
}

async fn write_down<T>(
    state: &AppState,
    payment_id: PaymentId,
    command: &Command<T>,
    action: PaymentCommand,
) -> Result<Response, Problem> {
    command.require_key()?;
    let actor = command.principal.actor_for(Role::Admin)?;
    let view = |payment: &Payment| match payment_data(payment_id, payment) {
        Some(data) => to_json(&data),
        None => Err(serde::ser::Error::custom("a command left a payment that does not exist")),
    };
    let target = Target {
        handler: &state.payments,
        aggregate_id: payment_id.0,
        is_new: false,
        status: StatusCode::ACCEPTED,
        view: &view,
        problem: payment_problem,
        answers_later: false,
    };
    command.execute(state, target, actor, action).await
}

fn payment_problem(error: &PaymentError) -> Problem {
    Problem::from(error)
}

/// Write down a chargeback
///
/// It opens a dispute of the bank's about the order that was paid.
#[utoipa::path(
    post, path = "/api/v1/payments/{id}/chargebacks", operation_id = "record_chargeback", tag = "payments",
    security(("bearer" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = RegistryEntry,
    responses((status = 202, description = "Written down", body = PaymentAnswer), CommandProblems)
)]
pub(super) async fn record_chargeback(
    State(state): State<AppState>,
    PathId(payment_id): PathId<PaymentId>,
    command: Command<RegistryEntry>,
) -> Result<Response, Problem> {
    let action = PaymentCommand::RecordChargeback(command.body.act());
    write_down(&state, payment_id, &command, action).await
}

/// Write down a refund that was given at the bank
#[utoipa::path(
    post, path = "/api/v1/payments/{id}/external-refunds", operation_id = "record_external_refund", tag = "payments",
    security(("bearer" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = RegistryEntry,
    responses((status = 202, description = "Written down", body = PaymentAnswer), CommandProblems)
)]
pub(super) async fn record_external_refund(
    State(state): State<AppState>,
    PathId(payment_id): PathId<PaymentId>,
    command: Command<RegistryEntry>,
) -> Result<Response, Problem> {
    let action = PaymentCommand::RecordExternalRefund(command.body.act());
    write_down(&state, payment_id, &command, action).await
}

/// What to do about a contradiction of the provider's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IntegrityResolution {
    /// What.
    decision: IntegrityDecision,
}

/// Say what to do about a payment on hold
///
/// It takes effect when another administrator says the same.
#[utoipa::path(
    post, path = "/api/v1/payments/{id}/integrity-resolution", operation_id = "resolve_payment_integrity",
    tag = "payments", security(("bearer" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = IntegrityResolution,
    responses((status = 202, description = "Proposed, or done if two agree", body = PaymentAnswer), CommandProblems)
)]
pub(super) async fn resolve_integrity(
    State(state): State<AppState>,
    PathId(payment_id): PathId<PaymentId>,
    command: Command<IntegrityResolution>,
) -> Result<Response, Problem> {
    let action = PaymentCommand::ResolveIntegrity { decision: command.body.decision };
    write_down(&state, payment_id, &command, action).await
}
