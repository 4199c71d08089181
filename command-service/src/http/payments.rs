//! Paying.

use std::time::Duration;

use axum::{extract::State, response::Response};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use shared::{
    domain::{
        Actor, Intent, OrderId, PaymentId,
        order::{Order, OrderCommand, RequestPayment},
        payment::{CaptureMode, FailureReason, PaymentStatus, Provider, ProviderChoice},
    },
    web::{ErrorCode, PathId, Problem},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    command::{Command, to_json},
    documents::{CommandProblems, PaymentAnswer},
    gate::{Admin, Customer},
    orders::on_order,
    state::AppState,
    views::{PaymentData, payment_data, view},
};
use crate::{
    command_handler::{CommandError, Handled, NoAnswer, Submission},
    providers::CallError,
};

/// How long a caller waits for the provider to open its page; then the answer is 202.
const SESSION_WAIT: Duration = Duration::from_secs(2);
/// Characters of a return URL.
const URL_MAX: usize = 2_000;

/// A wish to pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PayOrder {
    /// Where the browser goes afterwards; one of the allowed places.
    #[schema(example = "http://localhost:8080/paid")]
    return_url: String,
    /// The provider; the marketplace's choice if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    provider: Option<Provider>,
    /// When the money is taken; with the payment if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    capture_mode: Option<CaptureMode>,
}

/// Pay an order
///
/// Opens a page to pay on. If the provider takes long, the answer is 202 without `payment_url`: ask for the payment, or
/// listen to the socket. Two clicks lead to one payment.
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/payments", operation_id = "pay_order", tag = "payments",
    security(("bearer" = [])),
    params(
        ("id" = OrderId, Path, description = "The order"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = PayOrder,
    responses(
        (status = 201, description = "The page is open", body = PaymentAnswer),
        (status = 202, description = "The provider is still being asked", body = PaymentAnswer),
        (status = 502, description = "The provider could not be reached or refused; pay again under a new key",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn pay_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<PayOrder, Customer>,
) -> Result<Response, Problem> {
    command.require_key()?;
    let actor = command.actor()?;
    check_return_url(&state, &command.body.return_url)?;
    let default = state.policies.default_provider;
    let provider = state.desk.choose(command.body.provider, &state.policies.enabled_providers).unwrap_or(default);
    if let Some(rest) = state.desk.closed_for(provider) {
        // Who has a page open already needs no provider to be told of it.
        let order = state.orders.load(order_id.0).await.map_err(|error| load_problem(&error))?;
        if order.is_none_or(|order| order.aggregate.active_payment().is_none()) {
            return while_closed(&state, &command, rest).await;
        }
    }
    let request = OrderCommand::RequestPayment(RequestPayment {
        order_id,
        provider: ProviderChoice {
            // Whoever steps in for the marketplace's choice is named.
            named: command.body.provider.or((provider != default).then_some(provider)),
            ..choice(&state, provider)
        },
        return_url: command.body.return_url.clone(),
        capture_mode: command.body.capture_mode,
        policy: state.policies.order,
    });
    let view = view(&state, order_id, &actor);
    let mut target = on_order(&state, order_id, false, StatusCode::CREATED, &view);
    target.answers_later = true;
    let (order, is_news, replayed) = match command.submit(&state, &target, actor, request).await? {
        Handled::Done(done) => (done.aggregate, done.is_news, false),
        Handled::Replayed(receipt) if receipt.status.is_some() => return command.replay(&state, &receipt),
        // Somebody else is answering the same command, or was killed while doing so.
        Handled::Replayed(_) => (load_order(&state, order_id).await?, false, true),
    };
    let payment_id = order.active_payment().or_else(|| order.attempts().last().map(|attempt| attempt.payment_id));
    let payment_id = payment_id.ok_or_else(|| Problem::internal("a payment was requested and there is no attempt"))?;
    let (status, data) = opened(&state, payment_id, is_news).await?;
    command.late_answer(&state, status, data, replayed).await
}

/// The settings' view of a provider.
pub(super) fn choice(state: &AppState, provider: Provider) -> ProviderChoice {
    ProviderChoice { enabled: state.policies.enabled_providers.contains(&provider), ..ProviderChoice::own(provider) }
}

/// The answer of a command that came before the provider went silent is still its answer.
pub(super) async fn while_closed<T, W>(
    state: &AppState,
    command: &Command<T, W>,
    rest: Duration,
) -> Result<Response, Problem> {
    match command.answered(state).await? {
        Some(answer) => Ok(answer),
        None => Err(Problem::new(ErrorCode::ServiceUnavailable)
            .rule("circuit_breaker_open")
            .detail("the payment provider does not answer at present; what you want to pay keeps waiting")
            .retry_after(u32::try_from(rest.as_secs()).unwrap_or(u32::MAX).max(1))),
    }
}

pub(super) fn check_return_url(state: &AppState, url: &str) -> Result<(), Problem> {
    let allowed = state.return_urls.iter().any(|place| starts_with_place(url, place));
    if allowed && url.len() <= URL_MAX && url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Problem::validation("/return_url", "not_allowed", "the browser may not be sent there"))
}

/// A place is a scheme with a host; what follows it must not change the host.
fn starts_with_place(url: &str, place: &str) -> bool {
    url.strip_prefix(place).is_some_and(|rest| {
        rest.is_empty()
            || place.ends_with('/')
            || rest.starts_with(['/', '?', '#'])
            || rest.strip_prefix(':').is_some_and(|port| port.split(['/', '?', '#']).next().is_some_and(is_port))
    })
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// Waits for the page, and says how the payment stands. A payment that was requested just now is on its way, so there
/// is nothing to look at before the news of it.
pub(super) async fn opened(
    state: &AppState,
    payment_id: PaymentId,
    is_news: bool,
) -> Result<(StatusCode, String), Problem> {
    let waiting = state.sessions.wait_for(payment_id);
    let mut payment = if is_news { None } else { find_payment(state, payment_id, u64::MAX).await? };
    if payment.as_ref().is_none_or(|(data, _)| data.status == PaymentStatus::Initiated) {
        let sequence = waiting.within(SESSION_WAIT).await;
        payment = find_payment(state, payment_id, sequence.unwrap_or(u64::MAX)).await?;
    }
    let Some((data, failure)) = payment else {
        let problem = Problem::new(ErrorCode::ServiceUnavailable).detail("the payment is being opened").retry_after(1);
        return Err(problem);
    };
    match (data.status, failure) {
        (PaymentStatus::Failed, Some(FailureReason::ProviderUnavailable | FailureReason::ProviderRejected)) => {
            let detail = "the payment provider could not be reached or refused; pay again under a new key";
            Err(Problem::new(ErrorCode::ProviderError).detail(detail))
        }
        (PaymentStatus::Initiated, _) => Ok((StatusCode::ACCEPTED, to_json(&data).map_err(Problem::internal)?)),
        _ => Ok((StatusCode::CREATED, to_json(&data).map_err(Problem::internal)?)),
    }
}

pub(super) async fn find_payment(
    state: &AppState,
    payment_id: PaymentId,
    sequence: u64,
) -> Result<Option<(PaymentData, Option<FailureReason>)>, Problem> {
    let loaded = state.payments.load_since(payment_id.0, sequence).await.map_err(|error| load_problem(&error))?;
    Ok(loaded.and_then(|loaded| {
        let failure = loaded.aggregate.failure();
        payment_data(payment_id, &loaded.aggregate).map(|data| (data, failure))
    }))
}

async fn load_order(state: &AppState, order_id: OrderId) -> Result<Order, Problem> {
    let loaded = state.orders.load(order_id.0).await.map_err(|error| load_problem(&error))?;
    loaded.map(|loaded| loaded.aggregate).ok_or_else(|| Problem::not_found("there is no such order"))
}

pub(super) fn load_problem<E: std::fmt::Display>(error: &CommandError<E>) -> Problem {
    match error {
        CommandError::Log(shared::log::LogError::Database(cause)) => {
            tracing::warn!(%cause, "the log cannot be read");
            Problem::new(ErrorCode::ServiceUnavailable)
                .detail("the database cannot be reached; try again")
                .retry_after(1)
        }
        CommandError::Log(error) => Problem::internal(error),
        CommandError::Append(error) => Problem::internal(error),
        CommandError::Refused(error) => Problem::internal(error),
        CommandError::VersionMismatch { .. } | CommandError::LostRace => ErrorCode::ConcurrencyConflict.into(),
    }
}

/// Ask the provider where a payment stands
#[utoipa::path(
    post, path = "/api/v1/payments/{id}/sync", operation_id = "sync_payment", tag = "payments",
    security(("bearer" = [])), params(("id" = PaymentId, Path, description = "The payment")),
    request_body = super::orders::Nothing,
    responses(
        (status = 202, description = "Asked; what came of it is in the log", body = PaymentAnswer),
        (status = 502, description = "The provider gave no answer",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn sync_payment(
    State(state): State<AppState>,
    PathId(payment_id): PathId<PaymentId>,
    command: Command<super::orders::Nothing, Admin>,
) -> Result<Response, Problem> {
    let loaded = state.payments.load(payment_id.0).await.map_err(|error| load_problem(&error))?;
    let loaded = loaded.ok_or_else(|| Problem::not_found("there is no such payment"))?;
    // What is recorded has no command of the caller behind it; its cause is the question put to the provider.
    let question = Uuid::new_v5(&command.command_id(), b"sync");
    let news = state.desk.ask(&loaded.aggregate, question).await.map_err(provider_problem)?;
    if let Some(news) = news {
        let submission = Submission {
            aggregate_id: payment_id.0,
            is_new: false,
            command_id: question,
            fingerprint: None,
            expected_version: None,
            correlation_id: loaded.correlation_id,
            causation_id: question,
            request_id: None,
            traceparent: Some(command.traceparent()),
            intent: Intent { actor: Actor::Provider("sync".to_owned()), now: state.clock.now(), command: news },
        };
        match state.payments.execute(submission, &NoAnswer).await {
            Ok(_) | Err(CommandError::Refused(_)) => {}
            Err(error) => return Err(load_problem(&error)),
        }
    }
    let (data, _) = find_payment(&state, payment_id, u64::MAX)
        .await?
        .ok_or_else(|| Problem::not_found("there is no such payment"))?;
    let body = to_json(&data).map_err(Problem::internal)?;
    let body = format!(r#"{{"success":true,"data":{body},"meta":{{}}}}"#);
    let json = HeaderValue::from_static("application/json");
    Ok(axum::response::IntoResponse::into_response((StatusCode::ACCEPTED, [(http::header::CONTENT_TYPE, json)], body)))
}

fn provider_problem(error: CallError) -> Problem {
    match error {
        CallError::Unavailable { retry_after } => Problem::new(ErrorCode::ServiceUnavailable)
            .rule("circuit_breaker_open")
            .retry_after(u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).max(1)),
        CallError::Provider(error) => {
            tracing::warn!(%error, "the provider gave no answer");
            ErrorCode::ProviderError.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_cannot_be_stretched_to_another_host() {
        for (url, place, allowed) in [
            ("http://localhost:3000/paid", "http://localhost", true),
            ("http://localhost/paid?x=1", "http://localhost", true),
            ("http://localhost", "http://localhost", true),
            ("http://localhost.evil.example/", "http://localhost", false),
            ("http://localhost:80@evil.example/", "http://localhost", false),
            ("http://localhost@evil.example/", "http://localhost", false),
            ("https://shop.example/return/7", "https://shop.example/return/", true),
            ("https://shop.example/other", "https://shop.example/return/", false),
        ] {
            assert_eq!(starts_with_place(url, place), allowed, "{url}");
        }
    }
}
