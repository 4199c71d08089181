//! What all routes of operators have in common: an administrator, a reason, an operation to follow.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, request::Parts};
use serde::Deserialize;
use shared::web::{Caller, Envelope, Problem, Role};
use utoipa::ToSchema;

use super::access::unavailable;
use super::{ReadState, freshness::private};
use crate::operations::{CreateError, Operation};

/// Where the operation is asked about.
const OPERATION_LOCATION: HeaderName = HeaderName::from_static("operation-location");
/// The longest reason.
const REASON_CHARS_MAX: usize = 500;

/// An administrator, as acts are signed.
#[derive(Debug, Clone)]
pub(super) struct Operator(pub(super) String);

impl FromRequestParts<ReadState> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ReadState) -> Result<Self, Problem> {
        let Caller(caller) = Caller::from_request_parts(parts, state).await?;
        Ok(Self(caller.actor_for(Role::Admin)?.to_string()))
    }
}

/// Why an operator acts.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// 1 to 500 characters, kept with the act.
    #[schema(min_length = 1, max_length = 500, example = "fixed in release 1.4.2")]
    pub(super) reason: String,
}

impl Reason {
    /// The reason, if it is one.
    pub(super) fn text(&self) -> Result<&str, Problem> {
        reason(&self.reason)
    }
}

/// The reason, if it is one.
pub(super) fn reason(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    match text.chars().count() {
        1..=REASON_CHARS_MAX => Ok(text),
        _ => Err(Problem::validation("/reason", "out_of_range", "an act needs a reason of 1 to 500 characters")),
    }
}

/// 202, and where to follow it.
pub(super) fn accepted(operation: Operation) -> Response {
    let location = HeaderValue::try_from(format!("/api/v1/operations/{}", operation.id));
    let mut response = (StatusCode::ACCEPTED, Envelope::new(operation)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(OPERATION_LOCATION, location);
    }
    private(&mut response);
    response
}

/// 200 for one caller only.
pub(super) fn answer<T: serde::Serialize>(data: T) -> Response {
    let mut response = Envelope::new(data).into_response();
    private(&mut response);
    response
}

/// Why no operation was made.
pub(super) fn not_made(error: CreateError) -> Problem {
    match error {
        CreateError::Open => Problem::new(shared::web::ErrorCode::BusinessRuleViolation)
            .rule("operation_open")
            .detail("another operation of this kind has not ended; wait for it or cancel it"),
        CreateError::Database(error) => unavailable(error),
    }
}
