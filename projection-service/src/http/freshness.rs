//! Read your writes: a query that names a position waits until its view has seen it.

use std::time::Duration;

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};
use shared::{
    log::Position,
    web::{
        Envelope, ErrorCode, PreferWait, Problem,
        headers::{CONSISTENCY_TOKEN, PREFERENCE_APPLIED, PROJECTION_POSITION, etag, has_version},
    },
};
use tokio::time::Instant;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{ReadState, access::unavailable};
use crate::engine::{Lagging, checkpoints, standing};

/// How long a query waits that does not say.
const WAIT_DEFAULT: Duration = Duration::from_secs(2);
/// How far the clocks of who decides and of who repairs may be apart.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);
/// How often a table is asked that has lost what it had said it has.
const TAKEN_BACK_POLL: Duration = Duration::from_millis(20);

/// What a query must have seen, and how long its caller waits for that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    target: Option<Position>,
    wait: Option<PreferWait>,
    /// The one aggregate that the query is about.
    about: Option<Uuid>,
}

impl Wanted {
    /// Wanted of this aggregate's row.
    pub(crate) fn about(self, id: Uuid) -> Self {
        Self { about: Some(id), ..self }
    }
}

impl FromRequestParts<ReadState> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ReadState) -> Result<Self, Problem> {
        let token = parts.headers.get(CONSISTENCY_TOKEN).map(|token| token.to_str().unwrap_or_default());
        let target = token.map(|token| state.opaque.open_position(token)).transpose()?;
        Ok(Self { target, wait: PreferWait::from_headers(&parts.headers), about: None })
    }
}

/// The query of a route that has no other parameters.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StaleQuery {
    /// Answer from the view as it is when it does not catch up in time.
    pub(crate) allow_stale: Option<bool>,
}

/// How far the views behind an answer have seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    position: Position,
    applied: Option<HeaderValue>,
}

impl ReadState {
    /// Waits until `views` have seen what is wanted. Late ones are 503, or with `allow_stale` taken as they are. A view
    /// that went on without the caller's own write, or without events of the aggregate in question, since it could not
    /// fold them, is as late as one that has not come so far.
    pub(crate) async fn catch_up(
        &self,
        wanted: Wanted,
        allow_stale: Option<bool>,
        views: &[&'static str],
    ) -> Result<Seen, Problem> {
        let patience = wanted.wait.map_or(WAIT_DEFAULT, PreferWait::duration);
        let applied = wanted.target.and(wanted.wait).map(PreferWait::applied);
        let deadline = Instant::now() + patience;
        let may_be_stale = allow_stale.unwrap_or(false);
        for view in views {
            let Some(target) = wanted.target else { break };
            if may_be_stale {
                let left = deadline.saturating_duration_since(Instant::now());
                let _ = self.positions.wait_for(view, target, left).await;
            } else if let Err(Lagging { position }) = self.wait_for(view, (target, wanted.about), deadline).await? {
                let problem = Problem::new(ErrorCode::ProjectionLag).retry_after(1);
                return Err(problem.extension("projection_position", position));
            }
        }
        let position = views.iter().map(|view| self.positions.get(view)).min().unwrap_or(0);
        Ok(Seen { position, applied })
    }

    /// Waits until the view's tables have what is wanted. They are asked, too: what is known of them may be from before
    /// a crash of their server, which took commits back.
    async fn wait_for(
        &self,
        view: &str,
        (target, about): (Position, Option<Uuid>),
        deadline: Instant,
    ) -> Result<Result<(), Lagging>, Problem> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let position = match self.positions.wait_for(view, target, left).await {
                Ok(position) => position,
                Err(lagging) => return Ok(Err(lagging)),
            };
            let known = self.positions.stored(view).min(target);
            let standing = standing(&self.db, view, target, about).await.map_err(unavailable)?;
            if standing.is_set_aside {
                return Ok(Err(Lagging { position }));
            }
            if standing.position >= known {
                return Ok(Ok(()));
            }
            if left.is_zero() {
                return Ok(Err(Lagging { position: standing.position }));
            }
            tokio::time::sleep(TAKEN_BACK_POLL.min(left)).await;
        }
    }
}

impl Seen {
    /// An answer that says how far it has seen.
    pub(crate) fn answer<T: Serialize>(self, envelope: Envelope<T>) -> Response {
        self.finish(envelope.into_response())
    }

    /// An answer of one version of a resource, or 304 for a caller that has it.
    pub(crate) fn answer_version<T: Serialize>(self, envelope: Envelope<T>, version: u64, known: bool) -> Response {
        let mut response =
            if known { StatusCode::NOT_MODIFIED.into_response() } else { envelope.version(version).into_response() };
        response.headers_mut().insert(header::ETAG, etag(version));
        self.finish(response)
    }

    fn finish(self, mut response: Response) -> Response {
        private(&mut response);
        response.headers_mut().insert(PROJECTION_POSITION, HeaderValue::from(self.position));
        if let Some(applied) = self.applied {
            response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        response
    }
}

/// Tells caches and proxies that an answer is for one caller only, and to be asked for again each time.
pub(crate) fn private(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("authorization"));
}

/// A version of something in a view, and when it came about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    pub(crate) view: &'static str,
    pub(crate) number: u64,
    pub(crate) since: DateTime<Utc>,
}

impl Version {
    /// Whether the caller, who is shown `picture` of it, has that already: this version, and nothing in it that only time
    /// has changed. Each action that time allows or ends, it allows or ends once in a version; so what looks now as it
    /// did when the version came about has looked so all the while. A row that was put right looks otherwise in the same
    /// version, so what came about before the last repair of its view is shown again.
    pub(crate) async fn is_known<T: PartialEq>(
        self,
        state: &ReadState,
        headers: &HeaderMap,
        now: DateTime<Utc>,
        picture: impl Fn(DateTime<Utc>) -> T,
    ) -> Result<bool, Problem> {
        if !has_version(headers, self.number) || picture(self.since) != picture(now) {
            return Ok(false);
        }
        let repaired_at = checkpoints::repaired_at(&state.db, self.view).await.map_err(unavailable)?;
        Ok(repaired_at.is_none_or(|repaired_at| self.since > repaired_at + CLOCKS_DIFFER))
    }
}
