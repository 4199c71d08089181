//! An order that a gift pays a part of. Two streams, and no transaction over both: the gift's share is reserved first,
//! for a limited time, and then the order is placed. Killed in between, the share comes free when its time is over.

use axum::response::Response;
use http::StatusCode;
use shared::{
    domain::{
        Actor, GiftId, Intent, OrderId,
        gift::{Gift, GiftCommand, ReleaseCause, ReserveGift, ReservePurpose, UsageState},
        order::{CreateOrder, GiftUse, OrderCommand, OrderGift},
    },
    web::{ErrorCode, Problem},
};

use super::{
    access::ClientAddress,
    command::{Command, log_problem},
    gate::Customer,
    gift_codes::GivenCode,
    orders::{NewOrder, agree, on_order, order_problem},
    state::AppState,
    views::view,
};
use crate::command_handler::{CommandError, Handled, NoAnswer, Submission};

/// How an order names its gift.
pub(super) enum GiftHandle {
    /// By the code.
    Code(String),
    /// By the id, from somebody who has taken it.
    Taken(GiftId),
}

/// The gift that an order names, if it names one.
pub(super) fn wanted_gift(wish: &NewOrder) -> Result<Option<GiftHandle>, Problem> {
    match (&wish.gift_code, wish.gift_id) {
        (Some(code), None) => Ok(Some(GiftHandle::Code(code.clone()))),
        (None, Some(gift_id)) => Ok(Some(GiftHandle::Taken(gift_id))),
        (Some(_), Some(_)) => Err(Problem::validation("/gift_id", "conflict", "name a gift by its code or its id")),
        (None, None) if wish.gift_amount.is_some() => {
            Err(Problem::validation("/gift_code", "missing", "say which gift pays"))
        }
        (None, None) => Ok(None),
    }
}

/// Reserves the gift's share, places the order, and gives the share up if the order is refused.
pub(super) async fn create(
    state: &AppState,
    command: &Command<NewOrder, Customer>,
    actor: Actor,
    handle: GiftHandle,
    address: ClientAddress,
) -> Result<Response, Problem> {
    if let Some(answer) = command.answered(state).await? {
        return Ok(answer);
    }
    // The same command again, after a crash between its two steps, goes on with the same share.
    let order_id = OrderId(command.id_of("order"));
    match with_share(state, command, order_id, handle, address).await {
        Ok(create) => place(state, command, actor, create).await,
        Err(problem) => command.refuse(state, problem).await,
    }
}

/// What is ordered, with the gift's share of it reserved.
async fn with_share(
    state: &AppState,
    command: &Command<NewOrder, Customer>,
    order_id: OrderId,
    handle: GiftHandle,
    address: ClientAddress,
) -> Result<CreateOrder, Problem> {
    let mut create = agree(state, command, order_id).await?;
    let total = create.quote(state.clock.now()).map_err(|error| order_problem(&error))?;
    let (gift_id, given) = match handle {
        GiftHandle::Taken(gift_id) => (gift_id, None),
        GiftHandle::Code(code) => {
            let given = GivenCode::look_up(state, command.principal.user_id, address, &code).await?;
            (given.gift_id()?, Some(given))
        }
    };
    let reserve = ReserveGift {
        reservation_id: gift_id.reservation_for(order_id),
        order_id,
        customer_id: command.principal.user_id,
        code_ref: given.as_ref().map(|given| given.code_ref.clone()),
        purpose: ReservePurpose::Order { wanted: command.body.gift_amount },
        total,
        payment_deadline: state.clock.now() + state.policies.order.payment_window,
        policy: state.policies.gift,
    };
    let reserved = ask_gift(state, command, gift_id, "reserve", GiftCommand::Reserve(reserve)).await;
    let gift = match given {
        Some(given) => given.judge(state, reserved).await?,
        None => reserved?,
    };
    create.gift = share(gift_id, order_id, &gift);
    Ok(create)
}

/// What the order has of the gift: nothing, if a share would leave less than a card can pay.
fn share(gift_id: GiftId, order_id: OrderId, gift: &Gift) -> Option<OrderGift> {
    let reservation_id = gift_id.reservation_for(order_id);
    let usage = gift.usage(reservation_id)?;
    let UsageState::Reserved { until } = usage.state else { return None };
    Some(OrderGift {
        share: GiftUse { gift_id, reservation_id, amount: usage.amount },
        reserved_until: until,
        locked_delivery_fee: None,
    })
}

async fn place(
    state: &AppState,
    command: &Command<NewOrder, Customer>,
    actor: Actor,
    create: CreateOrder,
) -> Result<Response, Problem> {
    let order_id = create.order_id;
    let share = create.gift.as_ref().map(|gift| (gift.share.gift_id, gift.share.reservation_id));
    let place = OrderCommand::Create(Box::new(create));
    let view = view(state, order_id, &actor);
    let answer =
        command.execute(state, on_order(state, order_id, false, StatusCode::CREATED, &view), actor, place).await;
    let is_refused = |problem: &Problem| problem.status().is_client_error();
    if let (Err(problem), Some((gift_id, reservation_id))) = (&answer, share)
        && is_refused(problem)
        // The same request may have been done by another of us at the same time: then the share is the order's.
        && matches!(state.orders.load(order_id.0).await, Ok(None))
    {
        let release = GiftCommand::Release { reservation_id, cause: ReleaseCause::OrderRefused };
        // If this does not come through either, the share's own time does it.
        if let Err(problem) = ask_gift(state, command, gift_id, "release", release).await {
            tracing::warn!(gift.id = %gift_id, status = %problem.status(), "a gift's share is given up later");
        }
    }
    answer
}

/// Has the system ask something of the gift on the way to an order.
async fn ask_gift(
    state: &AppState,
    command: &Command<NewOrder, Customer>,
    gift_id: GiftId,
    what: &str,
    action: GiftCommand,
) -> Result<Gift, Problem> {
    let command_id = command.id_of(what);
    let submission = Submission {
        aggregate_id: gift_id.0,
        is_new: false,
        command_id,
        fingerprint: None,
        expected_version: None,
        correlation_id: gift_id.0,
        causation_id: command_id,
        request_id: None,
        traceparent: Some(command.traceparent()),
        intent: Intent { actor: Actor::system("gift_use"), now: state.clock.now(), command: action },
    };
    match state.gifts.execute(submission, &NoAnswer).await {
        Ok(Handled::Done(done)) => Ok(done.aggregate),
        Ok(Handled::Replayed(_)) => Err(Problem::internal("a command without a receipt found one")),
        Err(CommandError::Refused(error)) => Err(Problem::from(&error)),
        Err(CommandError::VersionMismatch { .. } | CommandError::LostRace) => {
            Err(Problem::new(ErrorCode::ConcurrencyConflict)
                .detail("others used the same gift at the same time; try again"))
        }
        Err(CommandError::Append(error)) => Err(super::command::append_problem(error)),
        Err(CommandError::Log(error)) => Err(log_problem(error)),
    }
}
