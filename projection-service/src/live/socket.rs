//! Opening a socket: who is it, is there room, and then the session.

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::Deserialize;
use shared::{
    domain::UserId,
    web::{
        ErrorCode, Problem, ValidQuery,
        auth::{bearer, subprotocol_token},
        problem::ProblemDetails,
    },
};
use utoipa::IntoParams;

use super::{
    hub::SOCKETS_PER_USER_MAX,
    messages::CloseReason,
    session::{Session, Visitor},
    tickets::{self, TicketHolder},
};
use crate::http::ReadState;

/// The subprotocol that is spoken; a client that sends its token as a subprotocol offers this one beside it.
const SUBPROTOCOL: &str = "homefood.v1";
/// The longest message of a client.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// How a socket signs in that can send neither header nor subprotocol.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SocketQuery {
    /// A ticket of `POST /api/v1/ws-tickets`: good once, for 30 seconds.
    #[param(min_length = 1)]
    ticket: Option<String>,
}

/// The caller's live feed, as a WebSocket.
///
/// Signs in by `Authorization`, by the subprotocol `bearer.<token>` beside `homefood.v1`, or by a ticket; otherwise the
/// socket is closed with 4401. Only `homefood.v1` is ever chosen: a browser has to offer it. The messages are described in `/asyncapi.json`.
#[utoipa::path(
    get, path = "/ws", operation_id = "open_socket", tag = "live",
    params(SocketQuery),
    responses(
        (status = 101, description = "The socket is open"),
        (status = 400, description = "Not a WebSocket request", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 403, description = "Pages of that origin may not open a socket", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 429, description = "The caller asks too much", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "This instance has no room for another socket", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub async fn open_socket(
    State(state): State<ReadState>,
    headers: HeaderMap,
    ValidQuery(query): ValidQuery<SocketQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            return Problem::validation("", "no_handshake", rejection.body_text()).into_response();
        }
    };
    if !state.origins.allow(&headers) {
        let problem = Problem::new(ErrorCode::PermissionDenied);
        return problem.detail("pages of this origin may not open a socket").into_response();
    }
    let Ok(room) = state.live.sockets().clone().try_acquire_owned() else {
        let problem = Problem::new(ErrorCode::ServiceUnavailable).retry_after(5);
        return problem.detail("no room for another socket").into_response();
    };
    let visitor = sign_in(&state, &headers, query.ticket.as_deref()).await;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    // Never the one with the token, even if it is all that was offered: answers stand in logs that requests do not.
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    upgrade.on_upgrade(async move |socket| {
        match visitor {
            Some(visitor) => serve(state, socket, visitor).await,
            None => refuse(socket, CloseReason::Unauthenticated).await,
        }
        drop(room);
    })
}

pub(super) async fn sign_in(state: &ReadState, headers: &HeaderMap, ticket: Option<&str>) -> Option<Visitor> {
    // Whoever sends a ticket that is none thinks to be signed in by it.
    if ticket.is_some_and(str::is_empty) {
        return None;
    }
    let holder = match bearer(headers).ok().flatten().or_else(|| subprotocol_token(headers)) {
        Some(token) => {
            let principal = state.authenticator.authenticate(token).await.ok()?;
            let expires_at = DateTime::from_timestamp(i64::try_from(principal.expires_at).ok()?, 0)?;
            TicketHolder { user_id: principal.user_id, token_expires_at: expires_at }
        }
        None => match tickets::redeem(&state.db, ticket?).await {
            Ok(holder) => holder?,
            Err(error) => {
                tracing::warn!(%error, "tickets cannot be looked up");
                return None;
            }
        },
    };
    let TicketHolder { user_id: UserId(user_id), token_expires_at } = holder;
    Some(Visitor { user_id, token_expires_at })
}

async fn serve(state: ReadState, socket: WebSocket, visitor: Visitor) {
    let listening = state.live.join(visitor.user_id).await;
    // One of the counted is the hub's own handle here.
    if std::sync::Arc::strong_count(&listening) > SOCKETS_PER_USER_MAX {
        return refuse(socket, CloseReason::TooManySockets).await;
    }
    let connections = state.metrics.websocket_connections.clone();
    connections.inc();
    tracing::debug!(event = "websocket_connected", user.id = %visitor.user_id, "a socket was opened");
    let session = Session::new(&state, &listening, visitor);
    session.run(socket).await;
    tracing::debug!(event = "websocket_disconnected", user.id = %visitor.user_id, "a socket was closed");
    connections.dec();
}

async fn refuse(mut socket: WebSocket, reason: CloseReason) {
    let frame = CloseFrame { code: reason.code(), reason: reason.text().into() };
    // The client may be gone already.
    let _ = socket.send(Message::Close(Some(frame))).await;
    // Its answer, or its end, so that the frame is not lost with the connection.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), socket.recv()).await;
}

/// The machine's time: tokens live by it, also when the clock is moved in development.
pub(super) fn machine_now() -> DateTime<Utc> {
    Utc::now()
}
