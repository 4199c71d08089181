//! What payment providers tell without being asked. Answered as soon as it is written down; worked on afterwards.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::State,
};
use shared::{
    domain::payment::Provider,
    runtime::metrics::Webhook,
    web::{ErrorCode, Problem, problem::ProblemDetails},
};

use super::{access::ClientAddress, state::AppState};

/// Bytes of a notification.
const BYTES_MAX: usize = 64 * 1024;
/// How long writing it down may take: the bank waits ten seconds and is answered within one.
const WRITE_LIMIT: Duration = Duration::from_millis(900);
/// What the bank wants to hear, and nothing else.
const HEARD: &str = "OK";
const PROVIDER: Provider = Provider::Tbank;

/// Take a notification of T-Bank
///
/// Signed by its `Token` and taken from T-Bank's networks only. The answer is `OK` once it is written down; whoever
/// gets another answer sends it again.
#[utoipa::path(
    post, path = "/api/v1/webhooks/tbank", operation_id = "take_tbank_notification", tag = "payments",
    request_body(content = String, description = "A notification as T-Bank sends it", content_type = "application/json"),
    responses(
        (status = 200, description = "Written down, now or before", body = String, content_type = "text/plain",
            example = json!("OK")),
        (status = 403, description = "Not T-Bank's", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "T-Bank is switched off", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 64 KiB", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "It could not be written down; send it again", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn take_tbank_notification(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    body: Body,
) -> Result<&'static str, Problem> {
    let Some(door) = &state.tbank else { return Err(Problem::not_found("T-Bank is switched off")) };
    let count = |result: &'static str| {
        state.metrics.webhooks.get_or_create(&Webhook { provider: PROVIDER.as_str(), result }).inc();
    };
    let forbidden = |result: &'static str| {
        count(result);
        Problem::new(ErrorCode::PermissionDenied)
    };
    if !address.is_some_and(|address| door.bank.is_from_its_networks(address)) {
        return Err(forbidden("foreign_network"));
    }
    let body = to_bytes(body, BYTES_MAX).await.map_err(|_| Problem::new(ErrorCode::PayloadTooLarge))?;
    let notification = door.bank.read_notification(&body).map_err(|_| forbidden("bad_signature"))?;
    let written = door.table.put(&notification, PROVIDER.as_str(), state.clock.now());
    match tokio::time::timeout(WRITE_LIMIT, written).await {
        Ok(Ok(true)) => door.arrived.notify_one(),
        Ok(Ok(false)) => count("repeated"),
        Ok(Err(error)) => return Err(not_written(&error)),
        Err(late) => return Err(not_written(&late)),
    }
    Ok(HEARD)
}

fn not_written(error: &dyn std::fmt::Display) -> Problem {
    tracing::warn!(%error, "a notification could not be written down; the bank has to send it again");
    Problem::new(ErrorCode::ServiceUnavailable).detail("it could not be written down; send it again").retry_after(1)
}
