//! What administrators write down of a payment: acts of the bank, and what to do about its contradictions.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        Money, PaymentId, RefundId,
        payment::{BankAct, IntegrityDecision, Payment, PaymentCommand, PaymentError, RefundFinding},
    },
    web::{PathId, PathIds, Problem},
};
use utoipa::ToSchema;

use super::{
    command::{Command, Target, to_json},
    documents::{CommandProblems, PaymentAnswer},
    gate::Admin,
    state::AppState,
    views::payment_data,
};
use crate::cases::CaseKind;

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

/// What an administrator found in the bank's own books.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "finding": "NOT_DONE", "reason": "not in the cabinet, not in two days' registries" }))]
pub(super) struct RefundResolution {
    /// What.
    finding: RefundFinding,
    /// How the administrator knows, 1 to 500 characters; kept with the decision.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Say what became of a refund in doubt
///
/// Of a refund that nobody knows the outcome of, or that the provider leaves to people. It takes effect when another
/// administrator says the same: what was done is settled, what was not done is sent again under the next epoch. A refund
/// that cannot be sent because the bank took the money back itself (a chargeback) was done by the bank: `DONE` settles it.
#[utoipa::path(
    post, path = "/api/v1/payments/{id}/refunds/{refund_id}/resolution", operation_id = "resolve_refund",
    tag = "payments", security(("bearer" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("refund_id" = RefundId, Path, description = "The refund"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
        ("If-Match" = Option<String>, Header, description = "The payment's version that was looked at"),
    ),
    request_body = RefundResolution,
    responses((status = 202, description = "Proposed, or done if two agree", body = PaymentAnswer), CommandProblems)
)]
pub(super) async fn resolve_refund(
    State(state): State<AppState>,
    PathIds(payment_id, refund_id): PathIds<PaymentId, RefundId>,
    command: Command<RefundResolution, Admin>,
) -> Result<Response, Problem> {
    let RefundResolution { finding, reason } = &command.body;
    let action = PaymentCommand::ResolveRefund { refund_id, finding: *finding, reason: reason.clone() };
    let answer = write_down(&state, payment_id, &command, action).await?;
    clear_up_cases(&state, payment_id).await;
    Ok(answer)
}

/// Closes the cases about refunds once no refund of the payment waits for a person. Whoever is killed before leaves them
/// open, for an administrator to close.
async fn clear_up_cases(state: &AppState, payment_id: PaymentId) {
    let Ok(Some(loaded)) = state.payments.load(payment_id.0).await else { return };
    if !loaded.aggregate.refunds().iter().any(|refund| refund.state.waits_for_people()) {
        for kind in [CaseKind::RefundAmbiguous, CaseKind::RefundRefused] {
            state.cases.clear_up(payment_id, kind).await;
        }
    }
}

async fn write_down<T>(
    state: &AppState,
    payment_id: PaymentId,
    command: &Command<T, Admin>,
    action: PaymentCommand,
) -> Result<Response, Problem> {
    command.require_key()?;
    let actor = command.actor()?;
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
    command: Command<RegistryEntry, Admin>,
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
    command: Command<RegistryEntry, Admin>,
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
    command: Command<IntegrityResolution, Admin>,
) -> Result<Response, Problem> {
    let action = PaymentCommand::ResolveIntegrity { decision: command.body.decision };
    write_down(&state, payment_id, &command, action).await
}
