//! In which role a caller acts. The order itself decides whether that role may.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use shared::{
    domain::{Actor, DisputeId, GiftId, OrderId, ProducerId, UserId},
    web::{Principal, Problem, Role},
};

use super::{
    command::{Command, log_problem},
    gate::{Admin, Customer, Gate},
    gift_codes::load_gift,
    state::AppState,
};
use crate::command_handler::CommandError;

/// The two sides of an order or a dispute.
type Sides = (Option<UserId>, Option<ProducerId>);

/// The actor of a command on an order that several roles may give: the side of the order the caller is on. A stranger
/// acts in whichever role there is, and the order is none of it.
pub(super) async fn party<T, W: Gate>(
    state: &AppState,
    command: &Command<T, W>,
    order_id: OrderId,
) -> Result<Actor, Problem> {
    let sides = async || {
        let order = state.orders.load(order_id.0).await?.map(|loaded| loaded.aggregate).unwrap_or_default();
        Ok((order.customer_id(), order.producer_id()))
    };
    side_of::<W, _>(&command.principal, sides).await
}

/// The same for a dispute.
pub(super) async fn party_of_dispute<T, W: Gate>(
    state: &AppState,
    command: &Command<T, W>,
    dispute_id: DisputeId,
) -> Result<Actor, Problem> {
    let sides = async || {
        let dispute = state.disputes.load(dispute_id.0).await?.map(|loaded| loaded.aggregate).unwrap_or_default();
        let terms = dispute.terms();
        Ok((terms.map(|terms| terms.customer_id), terms.map(|terms| terms.producer_id)))
    };
    side_of::<W, _>(&command.principal, sides).await
}

/// Who is both acts as the buyer of their own gifts.
pub(super) async fn buyer_or_admin<T>(
    state: &AppState,
    command: &Command<T, (Customer, Admin)>,
    gift_id: GiftId,
) -> Result<Role, Problem> {
    let principal = &command.principal;
    let (is_customer, is_admin) = (principal.is(Role::Customer), principal.is(Role::Admin));
    if !is_admin || !is_customer {
        return Ok(if is_admin { Role::Admin } else { Role::Customer });
    }
    let gift = load_gift(state, gift_id).await?;
    let is_buyer = gift.terms().is_some_and(|terms| terms.buyer_id == principal.user_id);
    Ok(if is_buyer { Role::Customer } else { Role::Admin })
}

/// Looks the sides up only for somebody who may be more than one.
async fn side_of<W: Gate, E>(
    principal: &Principal,
    sides: impl AsyncFnOnce() -> Result<Sides, CommandError<E>>,
) -> Result<Actor, Problem>
where
    CommandError<E>: std::error::Error,
{
    let roles: Vec<Role> = W::ROLES.iter().copied().filter(|role| principal.is(*role)).collect();
    if let [only] = roles[..] {
        return principal.actor_for(only);
    }
    let sides = match sides().await {
        Ok(sides) => sides,
        Err(CommandError::Log(error)) => return Err(log_problem(error)),
        Err(error) => return Err(Problem::internal(error)),
    };
    let side = roles.iter().copied().find(|role| is_side(sides, principal, *role));
    // Whoever came through the gate has one of its roles.
    principal.actor_for(side.or(roles.first().copied()).unwrap_or(W::ROLES[0]))
}

fn is_side(sides: Sides, principal: &Principal, role: Role) -> bool {
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
        // Headers that contradict one another hide nobody: then it is whoever opened the connection.
        let peer = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
        Ok(Self(state.proxies.client_of(&parts.extensions, &parts.headers).or_else(peer)))
    }
}
