//! Tickets for sockets.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use shared::web::{Caller, Envelope, Problem};
use utoipa::ToSchema;

use super::{
    ReadState,
    access::unavailable,
    documents::{QueryProblems, TicketAnswer},
    freshness::private,
};
use crate::live::tickets::{self, TicketHolder};

/// A ticket for one socket.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WsTicket {
    /// Open `/ws?ticket=<ticket>` with it, once.
    pub ticket: String,
    /// For how many seconds it is good.
    #[schema(example = 30)]
    pub expires_in: i64,
}

/// Buys a ticket that opens one socket within 30 seconds.
#[utoipa::path(
    post, path = "/ws-tickets", operation_id = "create_ws_ticket", tag = "live", security(("bearer" = [])),
    responses(
        (status = 201, description = "The ticket", body = TicketAnswer),
        QueryProblems,
    )
)]
pub(super) async fn create_ws_ticket(
    State(state): State<ReadState>,
    Caller(caller): Caller,
) -> Result<Response, Problem> {
    let seconds = i64::try_from(caller.expires_at).unwrap_or(i64::MAX);
    let token_expires_at = DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let holder = TicketHolder { user_id: caller.user_id, token_expires_at };
    let ticket = tickets::issue(&state.db, holder).await.map_err(unavailable)?;
    let body = Envelope::new(WsTicket { ticket, expires_in: tickets::LIFETIME.num_seconds() });
    let mut response = (StatusCode::CREATED, body).into_response();
    private(&mut response);
    Ok(response)
}
