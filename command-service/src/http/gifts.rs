//! What buyers ask of gifts, and what administrators do.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        DishId, GiftId, Money, PaymentId, RefundId, UserId,
        gift::{
            Gift, GiftCommand, GiftDish, GiftError, GiftKind, GiftRefundCause, GiftWish, PurchaseGift,
            RequestGiftPayment, RequestGiftRefund,
        },
        payment::{Provider, ProviderChoice},
    },
    sealing::GiftContact,
    web::{PathId, Problem, Role},
};
use utoipa::ToSchema;

use super::{
    command::{Command, Target, to_json},
    documents::{CommandProblems, GiftAnswer, PaymentAnswer},
    gate::{Admin, Customer},
    gift_codes::load_gift,
    gift_views::gift_data,
    orders::{NAME_MAX, TEXT_MAX, catalogue_problem, check_phone, sealing_problem, short},
    payments::{check_return_url, choice, find_payment, opened, while_closed},
    state::AppState,
};
use crate::command_handler::Handled;

/// Characters of a mail address.
const EMAIL_MAX: usize = 254;

/// A gift to be bought: an amount as `value`, or a dish as `dish_id` and `quantity`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "value": {"amount": "1000.00", "currency": "RUB"}, "recipient": {"name": "Boris"}, "message": "Enjoy!",
    "return_url": "http://localhost:8080/paid"
}))]
pub(super) struct NewGift {
    /// `AMOUNT` or `DISH`; follows from the other fields if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    kind: Option<GiftKind>,
    /// 100 to 50 000 roubles.
    #[serde(default)]
    #[schema(nullable = false)]
    value: Option<Money>,
    /// The dish, whose price is locked.
    #[serde(default)]
    #[schema(nullable = false)]
    dish_id: Option<DishId>,
    /// How many of it, 1 to 99; one if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    quantity: Option<u32>,
    /// Whom it is for; anybody who gets the code if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    recipient: Option<NewRecipient>,
    /// A few words; at most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    message: Option<String>,
    /// When the recipient is to be told, at most 90 days ahead; as soon as it is paid if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    deliver_at: Option<DateTime<Utc>>,
    /// Where the browser goes after paying; one of the allowed places.
    return_url: String,
    /// The provider; the marketplace's choice if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    provider: Option<Provider>,
}

/// Whom a gift is for.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRecipient {
    /// At most 100 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    name: Option<String>,
    /// E.164.
    #[serde(default)]
    #[schema(nullable = false, example = "+79990000001")]
    phone: Option<String>,
    /// A mail address.
    #[serde(default)]
    #[schema(nullable = false)]
    email: Option<String>,
    /// Somebody who signs in here; then nobody else can use the gift.
    #[serde(default)]
    #[schema(nullable = false)]
    user_id: Option<UserId>,
}

/// Buy a gift
///
/// Opens its first page to pay on. If the provider takes long, `payment` has no `payment_url` yet.
#[utoipa::path(
    post, path = "/api/v1/gifts", operation_id = "create_gift", tag = "gifts", security(("bearer" = [])),
    params(("Idempotency-Key" = String, Header, description = "Done once under this key")),
    request_body = NewGift,
    responses((status = 201, description = "Chosen; it waits for its payment", body = GiftAnswer), CommandProblems)
)]
pub(super) async fn create_gift(
    State(state): State<AppState>,
    command: Command<NewGift, Customer>,
) -> Result<Response, Problem> {
    command.require_key()?;
    let actor = command.actor()?;
    check_return_url(&state, &command.body.return_url)?;
    let provider = command.body.provider.unwrap_or(state.policies.default_provider);
    if let Some(rest) = state.desk.closed_for(provider) {
        return while_closed(&state, &command, rest).await;
    }
    // The key names the gift, so that the same request again finds it.
    let gift_id = GiftId(command.id_of("gift"));
    let purchase = match agree(&state, &command, gift_id).await {
        Ok(purchase) => purchase,
        Err(problem) => return command.refuse(&state, problem).await,
    };
    let view = view(gift_id);
    let mut target = on_gift(&state, gift_id, true, StatusCode::CREATED, &view);
    target.answers_later = true;
    let (gift, is_news, replayed) = match command.submit(&state, &target, actor, purchase).await? {
        Handled::Done(done) => (done.aggregate, done.is_news, false),
        Handled::Replayed(receipt) if receipt.status.is_some() => return command.replay(&state, &receipt),
        // Somebody else is answering the same command, or was killed while doing so.
        Handled::Replayed(_) => (load_gift(&state, gift_id).await?, false, true),
    };
    let payment_id = PaymentId::of_gift_attempt(gift_id, 1);
    // What the provider answers is told with the payment; the gift waits in any case.
    let _ = opened(&state, payment_id, is_news).await;
    let payment = find_payment(&state, payment_id, u64::MAX).await?.map(|(data, _)| data);
    let data =
        gift_data(gift_id, &gift, payment).ok_or_else(|| Problem::internal("a gift was bought and is not there"))?;
    let data = to_json(&data).map_err(Problem::internal)?;
    command.late_answer(&state, StatusCode::CREATED, data, replayed).await
}

async fn agree(
    state: &AppState,
    command: &Command<NewGift, Customer>,
    gift_id: GiftId,
) -> Result<GiftCommand, Problem> {
    let wish = &command.body;
    let buyer_id = command.principal.user_id;
    let recipient = wish.recipient.clone().unwrap_or_default();
    let contact = contact(&recipient, &wish.message)?;
    let what = what(state, wish).await?;
    let pii_sealed = if contact == GiftContact::default() {
        None
    } else {
        Some(state.sealer.seal(buyer_id, &contact).await.map_err(sealing_problem)?)
    };
    Ok(GiftCommand::Purchase(Box::new(PurchaseGift {
        gift_id,
        buyer_id,
        wish: what,
        recipient_user_id: recipient.user_id,
        deliver_at: wish.deliver_at,
        pii_sealed,
        return_url: wish.return_url.clone(),
        provider: ProviderChoice {
            named: wish.provider,
            ..choice(state, wish.provider.unwrap_or(state.policies.default_provider))
        },
        policy: state.policies.gift,
    })))
}

fn contact(recipient: &NewRecipient, message: &Option<String>) -> Result<GiftContact, Problem> {
    short("/recipient/name", &recipient.name, NAME_MAX)?;
    short("/message", message, TEXT_MAX)?;
    check_phone("/recipient/phone", &recipient.phone)?;
    let is_mail = |text: &String| {
        let parts = text.split_once('@');
        text.len() <= EMAIL_MAX
            && parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
            && text.chars().all(|letter| !letter.is_whitespace() && !letter.is_control())
    };
    if recipient.email.as_ref().is_some_and(|email| !is_mail(email)) {
        return Err(Problem::validation("/recipient/email", "malformed", "write the address as boris@example.org"));
    }
    let NewRecipient { name, phone, email, .. } = recipient.clone();
    Ok(GiftContact { recipient_name: name, phone, email, message: message.clone() })
}

async fn what(state: &AppState, wish: &NewGift) -> Result<GiftWish, Problem> {
    let conflict = |pointer: &'static str| Problem::validation(pointer, "conflict", "name a value or a dish, not both");
    match (wish.value, wish.dish_id) {
        (Some(_), _) if wish.kind == Some(GiftKind::Dish) => Err(conflict("/kind")),
        (_, Some(_)) if wish.kind == Some(GiftKind::Amount) => Err(conflict("/kind")),
        (Some(_), None) if wish.quantity.is_some() => Err(conflict("/quantity")),
        (Some(value), None) => Ok(GiftWish::Amount(value)),
        (None, Some(dish_id)) => dish(state, dish_id, wish.quantity.unwrap_or(1)).await,
        (Some(_), Some(_)) => Err(conflict("/dish_id")),
        (None, None) => Err(Problem::validation("/value", "missing", "name a value, or a dish as dish_id")),
    }
}

async fn dish(state: &AppState, dish_id: DishId, quantity: u32) -> Result<GiftWish, Problem> {
    let facts = state.catalogue.dish_to_give(dish_id).await.map_err(catalogue_problem)?;
    let facts = facts.ok_or_else(|| Problem::not_found("there is no such dish"))?;
    let kitchen = state.catalogue.producer(facts.producer_id).await.map_err(catalogue_problem)?;
    let kitchen = kitchen.ok_or_else(|| Problem::not_found("there is no such kitchen"))?;
    Ok(GiftWish::Dish {
        available: facts.is_available && kitchen.active && facts.has(quantity),
        dish: GiftDish {
            dish_id,
            dish_name: facts.name.clone(),
            producer_id: facts.producer_id,
            quantity,
            unit_price: facts.price,
            price_version: facts.price_version,
            delivery_fee: kitchen.snapshot(state.clock.now()).delivery_fee,
        },
    })
}

/// A wish to pay a gift.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PayGift {
    /// Where the browser goes afterwards; one of the allowed places.
    #[schema(example = "http://localhost:8080/paid")]
    return_url: String,
    /// The provider; the marketplace's choice if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    provider: Option<Provider>,
}

/// Pay a gift after an attempt came to nothing
#[utoipa::path(
    post, path = "/api/v1/gifts/{id}/payments", operation_id = "pay_gift", tag = "gifts", security(("bearer" = [])),
    params(
        ("id" = GiftId, Path, description = "The gift"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = PayGift,
    responses(
        (status = 201, description = "The page is open", body = PaymentAnswer),
        (status = 202, description = "The provider is still being asked", body = PaymentAnswer),
        (status = 502, description = "The provider could not be reached or refused; pay again under a new key",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn pay_gift(
    State(state): State<AppState>,
    PathId(gift_id): PathId<GiftId>,
    command: Command<PayGift, Customer>,
) -> Result<Response, Problem> {
    command.require_key()?;
    let actor = command.actor()?;
    check_return_url(&state, &command.body.return_url)?;
    let provider = command.body.provider.unwrap_or(state.policies.default_provider);
    if let Some(rest) = state.desk.closed_for(provider)
        && load_gift(&state, gift_id).await.is_ok_and(|gift| gift.active_payment().is_none())
    {
        return while_closed(&state, &command, rest).await;
    }
    let request = GiftCommand::RequestPayment(RequestGiftPayment {
        gift_id,
        provider: ProviderChoice { named: command.body.provider, ..choice(&state, provider) },
        return_url: command.body.return_url.clone(),
        policy: state.policies.gift,
    });
    let view = view(gift_id);
    let mut target = on_gift(&state, gift_id, false, StatusCode::CREATED, &view);
    target.answers_later = true;
    let (gift, is_news, replayed) = match command.submit(&state, &target, actor, request).await? {
        Handled::Done(done) => (done.aggregate, done.is_news, false),
        Handled::Replayed(receipt) if receipt.status.is_some() => return command.replay(&state, &receipt),
        Handled::Replayed(_) => (load_gift(&state, gift_id).await?, false, true),
    };
    let payment_id = gift.active_payment().or_else(|| gift.attempts().last().map(|attempt| attempt.payment_id));
    let payment_id = payment_id.ok_or_else(|| Problem::internal("a payment was requested and there is no attempt"))?;
    let (status, data) = opened(&state, payment_id, is_news).await?;
    command.late_answer(&state, status, data, replayed).await
}

/// Why a gift is called off.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelGift {
    /// At most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Call a gift off
///
/// The buyer may until it is activated, and gets the money back; an administrator while it is not paid.
#[utoipa::path(
    post, path = "/api/v1/gifts/{id}/cancel", operation_id = "cancel_gift", tag = "gifts", security(("bearer" = [])),
    params(
        ("id" = GiftId, Path, description = "The gift"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = CancelGift,
    responses((status = 200, description = "Called off", body = GiftAnswer), CommandProblems)
)]
pub(super) async fn cancel_gift(
    State(state): State<AppState>,
    PathId(gift_id): PathId<GiftId>,
    command: Command<CancelGift, (Customer, Admin)>,
) -> Result<Response, Problem> {
    command.require_key()?;
    let role = buyer_or_admin(&state, &command, gift_id).await?;
    let actor = command.principal.actor_for(role)?;
    let cancel = GiftCommand::Cancel { reason_code: None, reason_text: command.body.reason.clone() };
    let view = view(gift_id);
    command.execute(&state, on_gift(&state, gift_id, false, StatusCode::OK, &view), actor, cancel).await
}

/// How much goes back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundGift {
    /// Everything that can still be spent if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    amount: Option<Money>,
}

/// Send money of a gift back to its buyer
///
/// The buyer may ask until it is activated, an administrator at any time.
#[utoipa::path(
    post, path = "/api/v1/gifts/{id}/refund", operation_id = "refund_gift", tag = "gifts", security(("bearer" = [])),
    params(
        ("id" = GiftId, Path, description = "The gift"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = RefundGift,
    responses((status = 202, description = "The money is on its way", body = GiftAnswer), CommandProblems)
)]
pub(super) async fn refund_gift(
    State(state): State<AppState>,
    PathId(gift_id): PathId<GiftId>,
    command: Command<RefundGift, (Customer, Admin)>,
) -> Result<Response, Problem> {
    command.require_key()?;
    let role = buyer_or_admin(&state, &command, gift_id).await?;
    let actor = command.principal.actor_for(role)?;
    let cause = if role == Role::Admin { GiftRefundCause::Admin } else { GiftRefundCause::BuyerRequest };
    // The key names the refund, so that the same request again is the same refund.
    let refund_id = RefundId::of_gift(gift_id, "request", command.id_of("refund"));
    let refund = GiftCommand::RequestRefund(RequestGiftRefund { refund_id, amount: command.body.amount, cause });
    let view = view(gift_id);
    command.execute(&state, on_gift(&state, gift_id, false, StatusCode::ACCEPTED, &view), actor, refund).await
}

/// Who is both acts as the buyer of their own gifts.
async fn buyer_or_admin<T>(
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

/// The view of a gift for its answers.
pub(super) fn view(gift_id: GiftId) -> impl Fn(&Gift) -> Result<String, serde_json::Error> + Sync {
    move |gift| {
        let data = gift_data(gift_id, gift, None);
        data.map_or_else(
            || Err(serde::ser::Error::custom("a command left a gift that does not exist")),
            |data| to_json(&data),
        )
    }
}

/// A command's way to a gift.
pub(super) fn on_gift<'a>(
    state: &'a AppState,
    gift_id: GiftId,
    is_new: bool,
    status: StatusCode,
    view: &'a (dyn Fn(&Gift) -> Result<String, serde_json::Error> + Sync),
) -> Target<'a, Gift> {
    let (aggregate_id, problem) = (gift_id.0, |error: &GiftError| Problem::from(error));
    Target { handler: &state.gifts, aggregate_id, is_new, status, view, problem, answers_later: false }
}
