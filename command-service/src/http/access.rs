//! In which role a caller acts. The order itself decides whether that role may.

use std::{convert::Infallible, net::IpAddr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use shared::{
    domain::{Actor, DisputeId, OrderId, ProducerId, UserId},
    web::{Principal, Problem, Role},
};

use super::state::AppState;
use crate::command_handler::CommandError;

/// The actor of a command on an order that several roles may give: the side of the order the caller is on. A stranger
/// acts in whichever role there is, and the order is none of it.
pub(super) async fn party(
    state: &AppState,
    principal: &Principal,
    order_id: OrderId,
    allowed: &[Role],
) -> Result<Actor, Problem> {
    principal.require_any(allowed)?;
    let roles: Vec<Role> = allowed.iter().copied().filter(|role| principal.is(*role)).collect();
    if let [only] = roles[..] {
        return principal.actor_for(only);
    }
    let order = match state.orders.load(order_id.0).await {
        Ok(loaded) => loaded.map(|loaded| loaded.aggregate).unwrap_or_default(),
        Err(CommandError::Log(error)) => return Err(super::command::log_problem(error)),
        Err(error) => return Err(Problem::internal(error)),
    };
    let sides = (order.customer_id(), order.producer_id());
    let side = roles.iter().copied().find(|role| is_side(sides, principal, *role));
    principal.actor_for(side.unwrap_or(roles[0]))
}

/// The same for a dispute.
pub(super) async fn party_of_dispute(
    state: &AppState,
    principal: &Principal,
    dispute_id: DisputeId,
    allowed: &[Role],
) -> Result<Actor, Problem> {
    principal.require_any(allowed)?;
    let roles: Vec<Role> = allowed.iter().copied().filter(|role| principal.is(*role)).collect();
    if let [only] = roles[..] {
        return principal.actor_for(only);
    }
    let dispute = match state.disputes.load(dispute_id.0).await {
        Ok(loaded) => loaded.map(|loaded| loaded.aggregate).unwrap_or_default(),
        Err(CommandError::Log(error)) => return Err(super::command::log_problem(error)),
        Err(error) => return Err(Problem::internal(error)),
    };
    let terms = dispute.terms();
    let sides = (terms.map(|terms| terms.customer_id), terms.map(|terms| terms.producer_id));
    let side = roles.iter().copied().find(|role| is_side(sides, principal, *role));
    principal.actor_for(side.unwrap_or(roles[0]))
}

fn is_side(sides: (Option<UserId>, Option<ProducerId>), principal: &Principal, role: Role) -> bool {
    match role {
        Role::Customer => sides.0 == Some(principal.user_id),
        Role::Producer => principal.producer_id.is_some() && sides.1 == principal.producer_id,
        Role::Admin => true,
        Role::Analyst => false,
    }
}

/// Where a request comes from, as far as that is known.
pub(super) struct ClientAddress(pub Option<IpAddr>);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self(state.proxies.client_of(&parts.extensions, &parts.headers)))
    }
}
