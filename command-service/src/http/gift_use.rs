//! What recipients ask of gifts.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        GiftId,
        gift::{ActivateGift, CodeRef, ConvertGift, DishDelivery, DishState, Gift, GiftCommand, GiftDish},
        order::DeliveryType,
    },
    web::{PathId, Problem},
};
use utoipa::ToSchema;

use super::{
    access::ClientAddress,
    command::Command,
    documents::{CommandProblems, GiftAnswer},
    gate::Customer,
    gift_codes::{GivenCode, load_gift},
    gifts::{on_gift, view},
    orders::{catalogue_problem, contact, sealing_problem},
    state::AppState,
};

/// A gift to be taken, by its code; who is named as the recipient may name the gift instead. For a dish: where to bring it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "7F3K-9QXA-M2ZC-41TB"}))]
pub(super) struct TakeGift {
    /// The code, as it was given.
    #[serde(default)]
    #[schema(nullable = false)]
    code: Option<String>,
    /// The gift, for who is named as its recipient.
    #[serde(default)]
    #[schema(nullable = false)]
    gift_id: Option<GiftId>,
    /// Where a dish is handed over.
    #[serde(default)]
    #[schema(nullable = false)]
    delivery_type: Option<DeliveryType>,
    /// Required for a dish unless it is fetched; at most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    delivery_address_text: Option<String>,
    /// Who fetches or opens the door; at most 100 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    user_name: Option<String>,
    /// E.164.
    #[serde(default)]
    #[schema(nullable = false, example = "+79990000001")]
    phone: Option<String>,
    /// A wish for the cook; at most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    comment: Option<String>,
}

/// Take a gift
///
/// An amount can then be spent by whoever took it. A dish is ordered at once: `order_id` names its order, which is placed
/// in a moment; if the kitchen refuses, the gift waits for its recipient again. Wrong codes are counted.
#[utoipa::path(
    post, path = "/api/v1/gifts/activate", operation_id = "activate_gift", tag = "gifts", security(("bearer" = [])),
    params(("Idempotency-Key" = String, Header, description = "Done once under this key")),
    request_body = TakeGift,
    responses(
        (status = 200, description = "Taken", body = GiftAnswer),
        (status = 429, description = "Too many wrong codes; `Retry-After` says when to try again",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn activate_gift(
    State(state): State<AppState>,
    address: ClientAddress,
    command: Command<TakeGift, Customer>,
) -> Result<Response, Problem> {
    command.require_key()?;
    if let Some(answer) = command.answered(&state).await? {
        return Ok(answer);
    }
    // What is wrong with the request itself is said before anybody looks whether there is such a gift.
    let texts =
        (&command.body.user_name, &command.body.phone, &command.body.delivery_address_text, &command.body.comment);
    let wanted = command.body.delivery_type.map(|wanted| contact(texts, wanted).map(|contact| (wanted, contact)));
    let wanted = wanted.transpose()?;
    let (gift_id, given) = match (&command.body.code, command.body.gift_id) {
        (Some(code), None) => {
            let given = GivenCode::look_up(&state, command.principal.user_id, address, code).await?;
            match given.gift_id() {
                Ok(gift_id) => (gift_id, Some(given)),
                Err(problem) => return command.refuse(&state, problem).await,
            }
        }
        (None, Some(gift_id)) => (gift_id, None),
        (None, None) => return Err(Problem::validation("/code", "missing", "give the code")),
        (Some(_), Some(_)) => return Err(Problem::validation("/gift_id", "conflict", "give the code or the gift")),
    };
    let code_ref = given.as_ref().map(|given| given.code_ref.clone());
    let sealed = match &wanted {
        Some((_, contact)) => {
            Some(state.sealer.seal(command.principal.user_id, contact).await.map_err(sealing_problem)?)
        }
        None => None,
    };
    let wanted = wanted.map(|(wanted, _)| (wanted, sealed));
    let answer = take(&state, &command, gift_id, code_ref, wanted).await;
    judge(&state, given, answer).await
}

async fn take(
    state: &AppState,
    command: &Command<TakeGift, Customer>,
    gift_id: GiftId,
    code_ref: Option<CodeRef>,
    wanted: Option<(DeliveryType, Option<String>)>,
) -> Result<Response, Problem> {
    let gift = match load_gift(state, gift_id).await {
        Ok(gift) => gift,
        Err(problem) => return command.refuse(state, problem).await,
    };
    let dish = gift.terms().and_then(|terms| terms.dish.as_ref());
    let delivery = match (wanted, dish) {
        (Some((delivery_type, pii_sealed)), Some(dish)) => {
            Some(DishDelivery { delivery_type, pii_sealed, state: dish_state(state, dish).await? })
        }
        (Some(_) | None, _) => None,
    };
    let activate = GiftCommand::Activate(Box::new(ActivateGift { gift_id, code_ref, delivery }));
    let actor = command.actor()?;
    let view = view(gift_id);
    command.execute(state, on_gift(state, gift_id, false, StatusCode::OK, &view), actor, activate).await
}

/// Who turns a dish into its value.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnGift {
    /// The code, from somebody who has not taken the gift yet.
    #[serde(default)]
    #[schema(nullable = false)]
    code: Option<String>,
}

/// Turn a dish that is gone into its value
#[utoipa::path(
    post, path = "/api/v1/gifts/{id}/convert", operation_id = "convert_gift", tag = "gifts",
    security(("bearer" = [])),
    params(
        ("id" = GiftId, Path, description = "The gift"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = TurnGift,
    responses(
        (status = 200, description = "It is an amount now", body = GiftAnswer),
        (status = 429, description = "Too many wrong codes; `Retry-After` says when to try again",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn convert_gift(
    State(state): State<AppState>,
    PathId(gift_id): PathId<GiftId>,
    address: ClientAddress,
    command: Command<TurnGift, Customer>,
) -> Result<Response, Problem> {
    command.require_key()?;
    if let Some(answer) = command.answered(&state).await? {
        return Ok(answer);
    }
    let given = match &command.body.code {
        Some(code) => Some(GivenCode::look_up(&state, command.principal.user_id, address, code).await?),
        None => None,
    };
    let code_ref = given.as_ref().map(|given| given.code_ref.clone());
    let answer = turn(&state, &command, gift_id, code_ref).await;
    judge(&state, given, answer).await
}

async fn turn(
    state: &AppState,
    command: &Command<TurnGift, Customer>,
    gift_id: GiftId,
    code_ref: Option<CodeRef>,
) -> Result<Response, Problem> {
    let gift: Gift = match load_gift(state, gift_id).await {
        Ok(gift) => gift,
        Err(problem) => return command.refuse(state, problem).await,
    };
    let dish_available = match gift.terms().and_then(|terms| terms.dish.as_ref()) {
        Some(dish) => dish_state(state, dish).await?.available,
        None => false,
    };
    let actor = command.actor()?;
    let convert = GiftCommand::Convert(ConvertGift { code_ref, dish_available });
    let view = view(gift_id);
    command.execute(state, on_gift(state, gift_id, false, StatusCode::OK, &view), actor, convert).await
}

/// Whether the dish can be had now.
async fn dish_state(state: &AppState, dish: &GiftDish) -> Result<DishState, Problem> {
    let facts = state.catalogue.dish_to_give(dish.dish_id).await.map_err(catalogue_problem)?;
    let kitchen = state.catalogue.producer(dish.producer_id).await.map_err(catalogue_problem)?;
    let enough = facts.as_ref().is_some_and(|facts| facts.is_available && facts.has(dish.quantity));
    let kitchen = kitchen.map(|kitchen| kitchen.snapshot(state.clock.now()));
    Ok(DishState {
        available: enough && kitchen.as_ref().is_some_and(|kitchen| kitchen.active),
        open_now: kitchen.as_ref().is_some_and(|kitchen| kitchen.open_now),
        owner_user_id: kitchen.as_ref().map(|kitchen| kitchen.owner_user_id),
        delivery_types: kitchen.map(|kitchen| kitchen.delivery_types).unwrap_or_default(),
    })
}

async fn judge(
    state: &AppState,
    given: Option<GivenCode>,
    answer: Result<Response, Problem>,
) -> Result<Response, Problem> {
    match given {
        Some(given) => given.judge(state, answer).await,
        None => answer,
    }
}
