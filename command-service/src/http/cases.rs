//! Payments that wait for a person, for administrators.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::DateTime;
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use shared::{
    domain::PaymentId,
    web::{
        Caller, Cursor, Envelope, ErrorCode, IfMatch, Meta, PathId, Problem, Role, ValidQuery,
        headers::{IDEMPOTENT_REPLAYED, etag},
        problem::ProblemDetails,
    },
};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use uuid::Uuid;

use super::{command::Command, documents::CommandProblems, gate::Admin, state::AppState};
use crate::cases::{Case, CaseAct, CaseFilter, CaseKind, CasePageStart, CaseStatus, CloseCase, Closed};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;
const REASON_CHARS_MAX: usize = 500;

/// Which cases, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CasesQuery {
    /// That stand so; all if left out.
    status: Option<CaseStatus>,
    /// With this wrong.
    kind: Option<CaseKind>,
    /// About this payment.
    payment_id: Option<PaymentId>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// A case with everything that was done about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaseData {
    /// The case.
    #[serde(flatten)]
    case: Case,
    /// What was done about it, the first first.
    acts: Vec<CaseAct>,
}

/// Why a case is closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseCaseBody {
    /// 1 to 500 characters, kept with the act.
    #[schema(min_length = 1, max_length = 500, example = "paid back by bank transfer on 12 March")]
    reason: String,
}

/// A page of cases.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct CaseListAnswer {
    /// Always true.
    success: bool,
    /// The cases, the newest first.
    data: Vec<Case>,
    /// `next_cursor` begins the next page.
    meta: Meta,
}

/// A case.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct CaseAnswer {
    /// Always true.
    success: bool,
    /// The case.
    data: CaseData,
    /// Its version.
    meta: Meta,
}

/// What a look at the cases may be refused with.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) enum CaseProblems {
    /// A parameter is malformed or out of range.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDetails),
    /// No token was sent, or it is not believed.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemDetails),
    /// Administrators only.
    #[response(status = 403, content_type = "application/problem+json")]
    PermissionDenied(ProblemDetails),
    /// There is no such case.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
    /// The caller asks too much; `Retry-After` says when there is room again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemDetails),
    /// The database cannot be reached.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}

/// List payments that wait for a person
///
/// The newest first. Each has an alarm of its own; `payment_cases_open` counts them.
#[utoipa::path(
    get, path = "/api/v1/admin/payment-cases", operation_id = "list_payment_cases", tag = "payments",
    security(("bearer" = [])), params(CasesQuery),
    responses(
        (status = 200, description = "A page of cases; `meta.next_cursor` begins the next", body = CaseListAnswer),
        CaseProblems,
    )
)]
pub(super) async fn list_payment_cases(
    State(state): State<AppState>,
    caller: Caller,
    ValidQuery(query): ValidQuery<CasesQuery>,
) -> Result<Response, Problem> {
    caller.0.require(Role::Admin)?;
    let CasesQuery { status, kind, payment_id, cursor, limit } = query;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::validation("/limit", "out_of_range", "limit must be 1 to 100"));
    }
    let filter = CaseFilter { status, kind, payment_id };
    let start = cursor.map(|cursor| state.opaque.open_cursor(&cursor, &filter)).transpose()?;
    let after = start.map(|cursor| CasePageStart {
        opened_at: DateTime::from_timestamp_micros(cursor.sort_micros).unwrap_or_default(),
        id: cursor.id,
    });
    // One more than is shown tells whether there is a next page.
    let listed = state.cases.list(&filter, after, i64::from(limit) + 1).await;
    let mut cases = listed.map_err(unavailable)?;
    let has_more = cases.len() > limit as usize;
    cases.truncate(limit as usize);
    let next = cases.last().filter(|_| has_more).map(|last| {
        let cursor = Cursor { sort_micros: last.opened_at.timestamp_micros(), id: last.id };
        state.opaque.seal_cursor(cursor, &filter)
    });
    Ok(private(Envelope::new(cases).next_cursor(next).into_response()))
}

/// Show a payment that waits for a person
#[utoipa::path(
    get, path = "/api/v1/admin/payment-cases/{id}", operation_id = "get_payment_case", tag = "payments",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The case")),
    responses((status = 200, description = "The case", body = CaseAnswer), CaseProblems)
)]
pub(super) async fn get_payment_case(
    State(state): State<AppState>,
    caller: Caller,
    PathId(case_id): PathId<Uuid>,
) -> Result<Response, Problem> {
    caller.0.require(Role::Admin)?;
    show(&state, case_id).await
}

/// Close a case by hand
///
/// It changes nothing of the payment: it says that nobody has to look any more, and why.
#[utoipa::path(
    post, path = "/api/v1/admin/payment-cases/{id}/close", operation_id = "close_payment_case", tag = "payments",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The case"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
        ("If-Match" = Option<String>, Header, description = "The version that was looked at"),
    ),
    request_body = CloseCaseBody,
    responses((status = 200, description = "It is closed", body = CaseAnswer), CommandProblems)
)]
pub(super) async fn close_payment_case(
    State(state): State<AppState>,
    PathId(case_id): PathId<Uuid>,
    command: Command<CloseCaseBody, Admin>,
) -> Result<Response, Problem> {
    let actor = command.actor()?.to_string();
    command.require_key()?;
    let reason = command.body.reason.trim().to_owned();
    if !(1..=REASON_CHARS_MAX).contains(&reason.chars().count()) {
        return Err(Problem::validation("/reason", "out_of_range", "an act needs a reason of 1 to 500 characters"));
    }
    let expected_version = command.if_match.and_then(IfMatch::version);
    let wish = CloseCase { case_id, expected_version, actor, reason, command_id: command.command_id() };
    let replayed = match state.cases.close(&wish).await.map_err(unavailable)? {
        Closed::Now(_) => false,
        Closed::Before(_) => true,
        Closed::NotFound => return Err(no_such_case()),
        Closed::Changed { current } => {
            return Err(Problem::new(ErrorCode::PreconditionFailed).current_version(current));
        }
        Closed::AlreadyClosed => {
            let problem = Problem::new(ErrorCode::BusinessRuleViolation).rule("case_already_closed");
            return Err(problem.detail("nobody has to look at this any more; it was closed before"));
        }
        Closed::NameReused => {
            let problem = Problem::new(ErrorCode::IdempotencyKeyReused);
            return Err(problem.detail("this key stands for another request; take a new one"));
        }
    };
    let mut response = show(&state, case_id).await?;
    if replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

async fn show(state: &AppState, case_id: Uuid) -> Result<Response, Problem> {
    let found = state.cases.find(case_id).await.map_err(unavailable)?;
    let (case, acts) = found.ok_or_else(no_such_case)?;
    let version = case.version;
    let mut response = Envelope::new(CaseData { case, acts }).version(version).into_response();
    response.headers_mut().insert(header::ETAG, etag(version));
    Ok(private(response))
}

fn no_such_case() -> Problem {
    Problem::not_found("there is no such case")
}

fn unavailable(error: sqlx::Error) -> Problem {
    tracing::warn!(%error, "the cases cannot be reached");
    Problem::new(ErrorCode::ServiceUnavailable).detail("the database cannot be reached; try again").retry_after(1)
}

/// For one caller only.
fn private(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}
