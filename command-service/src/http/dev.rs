//! Routes for development: moving the time. Served only where the environment says so.

use axum::{
    extract::{Path, State},
    response::Html,
};
use chrono::Duration;
use serde::{Deserialize, Serialize};
use shared::{
    domain::{Money, PaymentId},
    web::{Caller, Envelope, ErrorCode, JsonBody, PathId, Problem, ValidQuery},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use uuid::Uuid;

use super::{documents::CommandProblems, state::AppState};
use crate::providers::{
    PaymentState,
    dev_fake::{ControlError, Delivery},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(move_clock)).routes(routes!(act_at_bank)).routes(routes!(pay_page))
}

/// How far the clock is moved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveClock {
    /// Seconds forward, 1 to 31,536,000 (a year).
    #[schema(minimum = 1, maximum = 31_536_000)]
    advance_seconds: u32,
}

/// The clock.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClockData {
    /// The time of the business now.
    now: chrono::DateTime<chrono::Utc>,
    /// How far it is ahead of the machine's.
    offset_seconds: i64,
}

/// Move the time of the business
#[utoipa::path(
    post, path = "/api/v1/dev/clock", operation_id = "move_clock", tag = "development",
    security(("bearer" = [])), request_body = MoveClock,
    responses((status = 200, description = "Moved", body = Envelope<ClockData>), CommandProblems)
)]
async fn move_clock(
    State(state): State<AppState>,
    _caller: Caller,
    body: JsonBody<MoveClock>,
) -> Result<Envelope<ClockData>, Problem> {
    let seconds = body.value.advance_seconds;
    if !(1..=31_536_000).contains(&seconds) {
        return Err(Problem::validation("/advance_seconds", "out_of_range", "move by 1 s to a year"));
    }
    state.clock.advance(Duration::seconds(i64::from(seconds)));
    Ok(Envelope::new(ClockData { now: state.clock.now(), offset_seconds: state.clock.offset().num_seconds() }))
}

/// How the imitation bank tells of what happens.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Telling {
    /// How often it notifies; the scenario decides if left out.
    #[param(minimum = 0, maximum = 100)]
    webhooks: Option<u32>,
    /// How long after the deed, in milliseconds.
    #[param(minimum = 0, maximum = 60_000)]
    delay_ms: Option<u64>,
    /// The later news first.
    reorder: Option<bool>,
}

/// What is done at the imitation bank.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum BankAct {
    /// The customer pays.
    Complete,
    /// The bank says no.
    Decline,
    /// The page dies.
    Expire,
    /// A clerk gives the money back.
    Refund,
}

/// How a payment stands at the imitation bank.
#[derive(Debug, Serialize, ToSchema)]
struct BankData {
    /// The payment.
    payment_id: PaymentId,
    /// The bank's own id of it.
    provider_payment_id: String,
    /// The bank's word.
    status: String,
    /// The amount it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    amount: Option<Money>,
}

/// Act at the imitation bank, as its customer or its clerk
#[utoipa::path(
    post, path = "/api/v1/dev/fake/{payment_id}/{act}", operation_id = "act_at_bank", tag = "development",
    security(("bearer" = [])),
    params(
        ("payment_id" = PaymentId, Path, description = "The payment"),
        ("act" = inline(BankAct), Path, description = "What is done"),
        Telling,
    ),
    responses((status = 200, description = "Done at the bank", body = Envelope<BankData>), CommandProblems)
)]
async fn act_at_bank(
    State(state): State<AppState>,
    _caller: Caller,
    Path((payment_id, act)): Path<(String, String)>,
    ValidQuery(telling): ValidQuery<Telling>,
) -> Result<Envelope<BankData>, Problem> {
    let malformed = |name: &str| Problem::validation(format!("/{name}"), "malformed", format!("{name} is malformed"));
    let payment_id = Uuid::try_parse(&payment_id).map(PaymentId).map_err(|_| malformed("payment_id"))?;
    let delivery = delivery(&telling)?;
    let bank = state.dev_fake.as_ref().ok_or_else(|| Problem::not_found("there is no imitation bank"))?;
    let state = match act.as_str() {
        "complete" => bank.complete(payment_id, delivery).await,
        "decline" => bank.decline(payment_id, delivery).await,
        "expire" => bank.expire(payment_id, delivery).await,
        "refund" => bank.refund(payment_id, delivery).await,
        _ => return Err(malformed("act")),
    };
    let state = state.map_err(|error| match error {
        ControlError::UnknownPayment => Problem::not_found(error.to_string()),
        ControlError::IllegalState { .. } => {
            Problem::new(ErrorCode::BusinessRuleViolation).rule("bank_refused").detail(error.to_string())
        }
        ControlError::BooksClosed => {
            Problem::new(ErrorCode::ServiceUnavailable).detail(error.to_string()).retry_after(1)
        }
    })?;
    let PaymentState { provider_payment_id, word, amount, .. } = state;
    Ok(Envelope::new(BankData { payment_id, provider_payment_id, status: word.into_owned(), amount }))
}

fn delivery(telling: &Telling) -> Result<Delivery, Problem> {
    let out_of_range = |name: &str| Problem::validation(format!("/{name}"), "out_of_range", "too large");
    if telling.webhooks.is_some_and(|webhooks| webhooks > 100) {
        return Err(out_of_range("webhooks"));
    }
    if telling.delay_ms.is_some_and(|delay| delay > 60_000) {
        return Err(out_of_range("delay_ms"));
    }
    Ok(Delivery {
        webhooks: telling.webhooks,
        delay: std::time::Duration::from_millis(telling.delay_ms.unwrap_or(0)),
        reorder: telling.reorder.unwrap_or(false),
    })
}

/// The page of the imitation bank
#[utoipa::path(
    get, path = "/dev/pay/{id}", operation_id = "show_bank_page", tag = "development",
    params(("id" = PaymentId, Path, description = "The payment")),
    responses(
        (status = 200, description = "How to pay here", body = String, content_type = "text/html"),
        (status = 400, description = "The id is no UUID",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
    )
)]
async fn pay_page(PathId(payment_id): PathId<PaymentId>) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>DEV_FAKE</title><h1>The imitation bank</h1>\
         <p>Payment {payment_id}. To pay: <code>POST /api/v1/dev/fake/{payment_id}/complete</code>; to be refused: \
         <code>…/decline</code>.</p></html>"
    ))
}
