//! Routes for development: moving the time. Served only where the environment says so.

use axum::extract::State;
use chrono::Duration;
use serde::{Deserialize, Serialize};
use shared::web::{Caller, Envelope, JsonBody, Problem};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{documents::CommandProblems, state::AppState};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(move_clock))
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
