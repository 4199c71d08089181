//! The bank's daily registry, as an administrator or a nightly job sends it.

use axum::{
    body::{Body, to_bytes},
    extract::State,
};
use serde::Serialize;
use shared::web::{Caller, Envelope, ErrorCode, Problem, Role, problem::ProblemDetails};
use utoipa::ToSchema;
use uuid::Uuid;

use super::state::AppState;
use crate::registry::{Finding, ImportError, Imported};

/// Bytes of a registry.
const BYTES_MAX: usize = 1024 * 1024;

/// What became of a registry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegistryData {
    /// Lines of it.
    lines: usize,
    /// Lines that were booked before.
    known: usize,
    /// Lines that our books had already.
    as_expected: usize,
    /// Refunds and chargebacks that our books did not have, and have now.
    booked: usize,
    /// Lines that do not fit; a case was opened for each. They are tried again with the next import.
    findings: Vec<RegistryFinding>,
}

/// A line that does not fit our books.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegistryFinding {
    /// Where it stands, from 1 below the names.
    line: usize,
    /// Names it at the bank.
    registry_ref: String,
    /// Why it does not fit.
    what: String,
}

/// Import the bank's registry
///
/// CSV with the columns `registry_ref`, `operation` (`PAYMENT`, `REFUND` or `CHARGEBACK`), `order_id` (our reference at
/// the bank), `amount` in roubles, and `external_request_id` where the bank has it. Each line is booked once, however
/// often it is sent; one that is sent again and says something else is a finding.
#[utoipa::path(
    post, path = "/api/v1/admin/bank-registry", operation_id = "import_bank_registry", tag = "payments",
    security(("bearer" = [])),
    request_body(content = String, description = "At most 1,000 lines", content_type = "text/csv"),
    responses(
        (status = 200, description = "Compared with our books", body = Envelope<RegistryData>),
        (status = 400, description = "The file is wrong; nothing of it was imported", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 401, description = "No token was sent, or it is not believed", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 403, description = "Administrators only", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 1 MiB", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 429, description = "The caller asks too much", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "Imported in part; send it again", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn import_bank_registry(
    State(state): State<AppState>,
    caller: Caller,
    body: Body,
) -> Result<Envelope<RegistryData>, Problem> {
    caller.0.require(Role::Admin)?;
    let text = to_bytes(body, BYTES_MAX).await.map_err(|_| Problem::new(ErrorCode::PayloadTooLarge))?;
    match state.registry.import(&text, Uuid::now_v7()).await {
        Ok(imported) => Ok(Envelope::new(imported.into())),
        Err(ImportError::Unreadable(error)) => Err(Problem::validation("", "malformed", error.to_string())),
        Err(error @ (ImportError::Database(_) | ImportError::Payment(_))) => {
            tracing::warn!(%error, "the registry was imported in part");
            let problem = Problem::new(ErrorCode::ServiceUnavailable);
            Err(problem.detail("it was imported in part; send it again").retry_after(1))
        }
    }
}

impl From<Imported> for RegistryData {
    fn from(imported: Imported) -> Self {
        let Imported { lines, known, as_expected, booked, findings } = imported;
        let shown = |finding: Finding| {
            let Finding { line, registry_ref, what } = finding;
            RegistryFinding { line, registry_ref, what }
        };
        Self { lines, known, as_expected, booked, findings: findings.into_iter().map(shown).collect() }
    }
}
