//! The same feed as server-sent events, for clients that only listen: `Last-Event-ID` resumes it.
//!
//! Nothing is queued for a client: what it takes is read when it takes it, so a slow one costs no memory and keeps its
//! place. One that takes nothing at all is cut off by `shared::web::serve`, since nobody asks this stream meanwhile.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use chrono::{DateTime, Utc};
use futures::{Stream, stream::unfold};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::json;
use shared::web::{ErrorCode, Problem, ValidQuery, auth::unauthenticated, problem::ProblemDetails};
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::{IntoParams, ToSchema};

use super::{
    hub::{Listening, SOCKETS_PER_USER_MAX},
    session::Visitor,
    socket::{machine_now, sign_in},
};
use crate::{
    http::ReadState,
    projections::feed::{FeedEntry, tail},
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A comment is sent this often, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How a listener signs in that cannot send headers, and where it goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// A ticket of `POST /api/v1/ws-tickets`: good once, for 30 seconds.
    #[param(min_length = 1)]
    ticket: Option<String>,
    /// The last id that was seen, for a first connection; `Last-Event-ID` goes before.
    #[param(minimum = 0)]
    last_id: Option<i64>,
}

/// One event of the stream, by the names of its fields.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
struct FeedStreamEvent {
    /// What it is: `hello`, `order_status_update`, `notification` or `gap`.
    #[schema(example = "hello")]
    event: String,
    /// What it says, as JSON.
    #[schema(example = "{\"head_id\":17}")]
    data: String,
    /// The entry's id in the feed; `hello` and `gap` have none.
    id: Option<String>,
}

/// The caller's live feed, as server-sent events.
///
/// `hello` says the newest id; then come `order_status_update` and `notification` with the ids and data that the socket
/// says, from `Last-Event-ID` on or from now on. `gap` names ids that are too old to be sent again. Ends with the token.
#[utoipa::path(
    get, path = "/feed/stream", operation_id = "stream_feed", tag = "live",
    params(
        StreamQuery,
        ("Last-Event-ID" = Option<i64>, Header, description = "The last id that was seen", minimum = 0),
    ),
    responses(
        (status = 200, description = "One event after another, each like this", content_type = "text/event-stream",
            body = FeedStreamEvent),
        (status = 400, description = "A parameter is malformed", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 401, description = "Neither a token nor a ticket, or not a good one", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 429, description = "The caller listens too often at once", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "This instance has no room for another listener", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub async fn stream_feed(
    State(state): State<ReadState>,
    headers: HeaderMap,
    ValidQuery(query): ValidQuery<StreamQuery>,
) -> Result<Response, Problem> {
    let no_room = || Problem::new(ErrorCode::ServiceUnavailable).retry_after(5).detail("no room for another listener");
    let room = state.live.sockets().clone().try_acquire_owned().map_err(|_| no_room())?;
    let last_id = last_id(&headers, query.last_id)?;
    let visitor = sign_in(&state, &headers, query.ticket.as_deref()).await.ok_or_else(|| unauthenticated(None))?;
    let listening = state.live.join(visitor.user_id).await;
    // One of the counted is the hub's own handle here.
    if Arc::strong_count(&listening) > SOCKETS_PER_USER_MAX {
        return Err(Problem::new(ErrorCode::RateLimited).retry_after(5).detail("too many listeners of one user"));
    }
    let listener = Listener::begin(state, listening, visitor, last_id, room).await?;
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    let mut response = Sse::new(events(listener)).keep_alive(keep_alive).into_response();
    // A proxy that gathers answers would hold events back.
    response.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(response)
}

fn last_id(headers: &HeaderMap, asked: Option<i64>) -> Result<Option<i64>, Problem> {
    let wrong = || Problem::validation("/last_id", "out_of_range", "the last id is a number from 0 on");
    let header = match headers.get(LAST_EVENT_ID).map(|value| value.to_str()) {
        Some(text) => Some(text.ok().and_then(|text| text.trim().parse::<i64>().ok()).ok_or_else(wrong)?),
        None => None,
    };
    match header.or(asked) {
        Some(id) if id < 0 => Err(wrong()),
        last_id => Ok(last_id),
    }
}

/// One client that listens.
struct Listener {
    state: ReadState,
    listening: Arc<Listening>,
    head: watch::Receiver<i64>,
    expires_at: DateTime<Utc>,
    /// The last id that was sent.
    sent: i64,
    ready: VecDeque<Event>,
    _room: OwnedSemaphorePermit,
    _counted: Counted,
}

/// A listener counts as an open socket for as long as it is there.
struct Counted(prometheus_client::metrics::gauge::Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Listener {
    /// The channel was joined before its head is read, so nothing falls between.
    async fn begin(
        state: ReadState,
        listening: Arc<Listening>,
        visitor: Visitor,
        last_id: Option<i64>,
        room: OwnedSemaphorePermit,
    ) -> Result<Self, Problem> {
        let since = state.clock.now() - state.domain.feed_resumable();
        let tail = tail(&state.db, visitor.user_id, since).await.map_err(|error| {
            tracing::warn!(%error, "a feed cannot be read");
            Problem::new(ErrorCode::ServiceUnavailable).retry_after(1)
        })?;
        let head = listening.channel.watch();
        listening.channel.note_head(tail.head);
        let mut sent = last_id.unwrap_or(tail.head).min(tail.head);
        // Where the stream begins has an id: a browser that loses it before the first entry comes back to that place.
        let hello = Event::default().event("hello").id(sent.to_string());
        let mut ready = VecDeque::from([hello.data(json!({"head_id": tail.head}).to_string())]);
        if sent + 1 < tail.first {
            ready.push_back(gap(sent + 1, tail.first - 1));
            sent = tail.first - 1;
        }
        let connections = state.metrics.websocket_connections.clone();
        connections.inc();
        let expires_at = visitor.token_expires_at;
        Ok(Self { state, listening, head, expires_at, sent, ready, _room: room, _counted: Counted(connections) })
    }

    /// The next event; none when the token or the service ends, or the feed cannot be read: the client comes back.
    async fn next(&mut self) -> Option<Event> {
        let shutdown = self.state.live.shutdown().clone();
        loop {
            // First: one that is behind has always more to be told.
            if machine_now() >= self.expires_at {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.sent < self.listening.channel.head() {
                self.read().await?;
                continue;
            }
            let left = (self.expires_at - machine_now()).to_std().unwrap_or(Duration::ZERO);
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(left) => return None,
                changed = self.head.changed() => changed.ok()?,
            }
        }
    }

    async fn read(&mut self) -> Option<()> {
        let entries = self.listening.channel.after(&self.state.db, self.sent).await.ok()?;
        if entries.is_empty() {
            // Called out but not there: deleted with age. Nothing to wait for.
            self.sent = self.listening.channel.head();
        }
        for entry in entries {
            if entry.id > self.sent + 1 {
                self.ready.push_back(gap(self.sent + 1, entry.id - 1));
            }
            self.sent = entry.id;
            self.ready.push_back(event(&entry));
        }
        Some(())
    }
}

fn gap(from: i64, to: i64) -> Event {
    Event::default().event("gap").id(to.to_string()).data(json!({"from": from, "to": to}).to_string())
}

fn event(entry: &FeedEntry) -> Event {
    Event::default().event(&entry.kind).id(entry.id.to_string()).data(entry.data.get())
}

fn events(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    })
}
