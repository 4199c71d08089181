//! The one shape of a refusal: `application/problem+json` (RFC 9457).

mod code;
pub mod pages;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::{Rejection, RejectionKind},
    runtime::correlation,
};

pub use code::{ErrorCode, Retry};

/// The content type of a problem.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A refusal on its way to the caller. Build it from an `ErrorCode` and add what the caller can use.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    details: ProblemDetails,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// Where this kind of problem is explained: cause, fix, and whether to try again.
    #[schema(example = "/problems/business-rule-violation")]
    pub r#type: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// What went wrong this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
    /// The path asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub instance: Option<String>,
    /// Always false.
    pub success: bool,
    /// The kind of problem, for machines.
    pub error_code: ErrorCode,
    /// The rule that forbids it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, example = "order_not_payable")]
    pub rule_name: Option<&'static str>,
    /// What to quote when asking for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub correlation_id: Option<Uuid>,
    /// The version the resource has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub current_version: Option<u64>,
    /// The fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Members of one kind of problem only.
    #[serde(flatten)]
    #[schema(ignore)]
    pub extensions: Map<String, Value>,
}

/// A field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field as a JSON pointer; a query or path parameter is `/<name>`.
    #[schema(example = "/quantity")]
    pub pointer: String,
    /// What is wrong with it.
    #[schema(value_type = String, example = "out_of_range")]
    pub code: std::borrow::Cow<'static, str>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: ErrorCode) -> Self {
        let details = ProblemDetails {
            r#type: format!("/problems/{}", code.slug()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            detail: None,
            instance: None,
            success: false,
            error_code: code,
            rule_name: None,
            correlation_id: None,
            current_version: None,
            errors: Vec::new(),
            extensions: Map::new(),
        };
        Self(Box::new(Inner { details, headers: Vec::new() }))
    }

    /// A field of the request is wrong.
    pub fn validation(
        pointer: impl Into<String>,
        code: impl Into<std::borrow::Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(ErrorCode::ValidationError).detail(detail).error(pointer, code)
    }

    /// There is no such thing, or it is not the caller's to know of.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound).detail(detail)
    }

    /// Something that should not happen: the cause goes to the log, the caller learns only that it did.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "a request failed: {cause}");
        Self::new(ErrorCode::InternalError)
    }

    /// What went wrong this time. No internals and no personal data.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.details.detail = Some(detail.into());
        self
    }

    /// The rule that forbids it.
    pub fn rule(mut self, name: &'static str) -> Self {
        self.0.details.rule_name = Some(name);
        self
    }

    /// The version the resource has now.
    pub fn current_version(mut self, version: u64) -> Self {
        self.0.details.current_version = Some(version);
        self
    }

    /// One more field at fault.
    pub fn error(mut self, pointer: impl Into<String>, code: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        self.0.details.errors.push(FieldError { pointer: pointer.into(), code: code.into() });
        self
    }

    /// When to try again.
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// A header of the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// A member of this kind of problem only.
    pub fn extension(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.details.extensions.insert(key.into(), value.into());
        self
    }

    /// What the answer ties itself to; filled in from the request being answered when left out.
    pub fn correlation_id(mut self, id: Uuid) -> Self {
        self.0.details.correlation_id = Some(id);
        self
    }

    /// The kind of problem.
    pub fn code(&self) -> ErrorCode {
        self.0.details.error_code
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.code().status()
    }

    /// What the caller will read.
    pub fn details(&self) -> &ProblemDetails {
        &self.0.details
    }

    /// The body, as it is sent and as a receipt keeps it.
    pub fn to_bytes(&self) -> Bytes {
        let mut details = self.0.details.clone();
        if let Some(request) = correlation::current() {
            details.correlation_id.get_or_insert(request.id);
            if details.instance.is_none() {
                details.instance = request.instance.map(|uri| uri.path().to_owned());
            }
        }
        // Only a map with keys that are no strings could fail, and there is none.
        Bytes::from(serde_json::to_vec(&details).unwrap_or_default())
    }
}

impl<R: Rejection + ?Sized> From<&R> for Problem {
    fn from(rejection: &R) -> Self {
        let problem = |code| Self::new(code).detail(rejection.to_string());
        match rejection.kind() {
            RejectionKind::NotFound => problem(ErrorCode::NotFound),
            RejectionKind::Rule => problem(ErrorCode::BusinessRuleViolation).rule(rejection.rule()),
            RejectionKind::PermissionDenied => problem(ErrorCode::PermissionDenied).rule(rejection.rule()),
            RejectionKind::Validation => {
                problem(ErrorCode::ValidationError).error(rejection.pointer().unwrap_or_default(), rejection.rule())
            }
        }
    }
}

impl From<ErrorCode> for Problem {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_bytes();
        let mut response = (self.status(), [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        for (name, value) in self.0.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests;
