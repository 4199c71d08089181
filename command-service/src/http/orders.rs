//! What customers ask of orders.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        DishId, GiftId, Money, OrderId,
        order::{
            CancelReason, CreateOrder, DeliveryType, DishRating, Order, OrderCommand, OrderError, Rate, RequestedLine,
        },
    },
    sealing::OrderContact,
    web::{PathId, Problem},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    access::{ClientAddress, party},
    command::{Command, Target},
    documents::{CommandProblems, OrderAnswer},
    gate::{Admin, Customer, Producer},
    gift_orders,
    state::AppState,
    views::view,
};
use crate::catalogue::{CatalogueError, ProducerFacts};

/// Dishes in one order.
const ITEMS_MAX: usize = 20;
/// Characters of an address or a comment.
pub(super) const TEXT_MAX: usize = 500;
/// Characters of a name.
pub(super) const NAME_MAX: usize = 100;

/// An order to be placed: one dish by `dish_id` and `quantity`, or several as `items`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "dish_id": "01900000-0000-7000-8000-000000000101", "quantity": 2, "delivery_type": "BUILDING",
    "delivery_address_text": "Building 7, flat 12", "user_name": "Anna", "phone": "+79990000001"
}))]
pub(super) struct NewOrder {
    /// The only dish.
    #[serde(default)]
    #[schema(nullable = false)]
    dish_id: Option<DishId>,
    /// How many of it, 1 to 99.
    #[serde(default)]
    #[schema(nullable = false)]
    quantity: Option<u32>,
    /// Several dishes of one kitchen, 1 to 20.
    #[serde(default)]
    #[schema(nullable = false)]
    items: Option<Vec<NewItem>>,
    /// Where it is handed over; `BUILDING` if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    delivery_type: Option<DeliveryType>,
    /// Required unless it is fetched; at most 500 characters.
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
    /// When the customer wants to eat, at most 30 days ahead; as soon as possible if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    requested_for: Option<DateTime<Utc>>,
    /// The total that the customer saw; the order is refused if it is another one now.
    #[serde(default)]
    #[schema(nullable = false)]
    expected_total: Option<Money>,
    /// The code of a gift that pays a part; whoever gives it first takes the gift.
    #[serde(default)]
    #[schema(nullable = false)]
    pub gift_code: Option<String>,
    /// A gift that the customer has taken already, instead of its code.
    #[serde(default)]
    #[schema(nullable = false)]
    pub gift_id: Option<GiftId>,
    /// How much the gift pays; as much as it can if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    pub gift_amount: Option<Money>,
}

/// So many of one dish.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewItem {
    /// The dish.
    dish_id: DishId,
    /// How many, 1 to 99.
    #[schema(minimum = 1, maximum = 99)]
    quantity: u32,
}

/// Place an order
#[utoipa::path(
    post, path = "/api/v1/orders", operation_id = "create_order", tag = "orders", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Done once under this key")),
    request_body = NewOrder,
    responses((status = 201, description = "Placed", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn create_order(
    State(state): State<AppState>,
    address: ClientAddress,
    command: Command<NewOrder, Customer>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    if let Some(handle) = gift_orders::wanted_gift(&command.body)? {
        return gift_orders::create(&state, &command, actor, handle, address).await;
    }
    let order_id = OrderId(Uuid::now_v7());
    let create = match agree(&state, &command, order_id).await {
        Ok(create) => OrderCommand::Create(Box::new(create)),
        Err(problem) => return command.refuse(&state, problem).await,
    };
    command
        .execute(
            &state,
            on_order(&state, order_id, true, StatusCode::CREATED, &view(&state, order_id, &actor)),
            actor,
            create,
        )
        .await
}

/// Looks up what the order needs to know: dishes, kitchen, the sealed contact.
pub(super) async fn agree(
    state: &AppState,
    command: &Command<NewOrder, Customer>,
    order_id: OrderId,
) -> Result<CreateOrder, Problem> {
    let wish = &command.body;
    let items = items(wish)?;
    let lines = lines(state, &items).await?;
    let first = lines.first().ok_or_else(|| Problem::validation("/items", "missing", "order at least one dish"))?;
    let producer = state.catalogue.producer(first.producer_id).await.map_err(catalogue_problem)?;
    let producer = producer.ok_or_else(|| Problem::not_found("there is no such kitchen"))?;
    let now = state.clock.now();
    let customer_id = command.principal.user_id;
    let delivery_type = wish.delivery_type.unwrap_or(DeliveryType::Building);
    let texts = (&wish.user_name, &wish.phone, &wish.delivery_address_text, &wish.comment);
    let contact = contact(texts, delivery_type)?;
    let sealed = state.sealer.seal(customer_id, &contact).await.map_err(sealing_problem)?;
    Ok(CreateOrder {
        order_id,
        customer_id,
        producer: ProducerFacts::snapshot(&producer, wish.requested_for.unwrap_or(now)),
        lines,
        delivery_type,
        requested_for: wish.requested_for,
        expected_total: wish.expected_total,
        pii_sealed: Some(sealed),
        gift: None,
        policy: state.policies.order,
    })
}

fn items(wish: &NewOrder) -> Result<Vec<NewItem>, Problem> {
    let items = match (&wish.items, wish.dish_id) {
        (Some(items), None) if wish.quantity.is_none() => items.clone(),
        (None, Some(dish_id)) => {
            let quantity = wish.quantity.ok_or_else(|| Problem::validation("/quantity", "missing", "say how many"))?;
            vec![NewItem { dish_id, quantity }]
        }
        (None, None) => return Err(Problem::validation("/dish_id", "missing", "name a dish, or several as items")),
        (Some(_), _) => return Err(Problem::validation("/items", "conflict", "name dish_id or items, not both")),
    };
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(Problem::validation("/items", "wrong_length", format!("name 1 to {ITEMS_MAX} dishes")));
    }
    let wrong = items.iter().position(|item| !(1..=99).contains(&item.quantity));
    match wrong {
        Some(index) => {
            let pointer =
                if wish.items.is_some() { format!("/items/{index}/quantity") } else { "/quantity".to_owned() };
            Err(Problem::validation(pointer, "out_of_range", "order 1 to 99 of a dish"))
        }
        None => Ok(items),
    }
}

async fn lines(state: &AppState, items: &[NewItem]) -> Result<Vec<RequestedLine>, Problem> {
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let dish = state.catalogue.dish_to_take(item.dish_id, item.quantity).await.map_err(catalogue_problem)?;
        let dish = dish.ok_or_else(|| Problem::not_found("there is no such dish"))?;
        lines.push(dish.line(item.quantity));
    }
    Ok(lines)
}

/// Name, phone, address and comment as they were sent.
pub(super) type ContactTexts<'a> = (&'a Option<String>, &'a Option<String>, &'a Option<String>, &'a Option<String>);

/// Whom a meal is for, within the limits.
pub(super) fn contact(
    (user_name, phone, address, comment): ContactTexts<'_>,
    delivery_type: DeliveryType,
) -> Result<OrderContact, Problem> {
    short("/delivery_address_text", address, TEXT_MAX)?;
    short("/comment", comment, TEXT_MAX)?;
    short("/user_name", user_name, NAME_MAX)?;
    let address = address.as_deref().map(str::trim).filter(|text| !text.is_empty());
    if delivery_type != DeliveryType::Pickup && address.is_none() {
        return Err(Problem::validation("/delivery_address_text", "missing", "say where to bring it"));
    }
    check_phone("/phone", phone)?;
    Ok(OrderContact {
        user_name: user_name.clone().unwrap_or_default(),
        phone: phone.clone().unwrap_or_default(),
        delivery_address_text: address.map(str::to_owned),
        comment: comment.clone(),
    })
}

/// 400 unless the text is short enough.
pub(super) fn short(pointer: &str, text: &Option<String>, max: usize) -> Result<(), Problem> {
    match text {
        Some(text) if text.chars().count() > max => {
            Err(Problem::validation(pointer, "wrong_length", format!("shorten the text to at most {max} characters")))
        }
        Some(_) | None => Ok(()),
    }
}

/// 400 unless it is written as phones are.
pub(super) fn check_phone(pointer: &str, phone: &Option<String>) -> Result<(), Problem> {
    if phone.as_deref().is_some_and(|phone| !is_e164(phone)) {
        return Err(Problem::validation(pointer, "malformed", "write the phone as +79990000001"));
    }
    Ok(())
}

/// Personal data that could not be sealed, as the caller sees it.
pub(super) fn sealing_problem(error: shared::sealing::SealingError) -> Problem {
    tracing::warn!(%error, "personal data cannot be sealed");
    Problem::new(shared::web::ErrorCode::ServiceUnavailable).retry_after(1)
}

fn is_e164(phone: &str) -> bool {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    (8..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A catalogue that cannot be read, as the caller sees it.
pub(super) fn catalogue_problem(error: CatalogueError) -> Problem {
    tracing::warn!(%error, "the catalogue cannot be read");
    Problem::new(shared::web::ErrorCode::ServiceUnavailable).retry_after(1)
}

/// A wish to call an order off.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrder {
    /// Why, for machines; follows from who asks if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    reason_code: Option<CancelReason>,
    /// Why, for people; at most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Call an order off
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/cancel", operation_id = "cancel_order", tag = "orders",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = CancelOrder,
    responses((status = 200, description = "Called off", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn cancel_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<CancelOrder, (Customer, Producer, Admin)>,
) -> Result<Response, Problem> {
    let actor = party(&state, &command, order_id).await?;
    let cancel =
        OrderCommand::Cancel { reason_code: command.body.reason_code, reason_text: command.body.reason.clone() };
    command
        .execute(
            &state,
            on_order(&state, order_id, false, StatusCode::OK, &view(&state, order_id, &actor)),
            actor,
            cancel,
        )
        .await
}

/// Nothing has to be said.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Confirm that all is well
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/complete", operation_id = "complete_order", tag = "orders",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = Nothing,
    responses((status = 200, description = "Completed", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn complete_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<Nothing, (Customer, Admin)>,
) -> Result<Response, Problem> {
    let actor = party(&state, &command, order_id).await?;
    let complete = OrderCommand::Complete { policy: state.policies.order };
    command
        .execute(
            &state,
            on_order(&state, order_id, false, StatusCode::OK, &view(&state, order_id, &actor)),
            actor,
            complete,
        )
        .await
}

/// Marks for an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RateOrder {
    /// 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    rating: u8,
    /// Marks by dish.
    #[serde(default)]
    per_item: Vec<DishRating>,
    /// A few words; at most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    comment: Option<String>,
}

/// Give marks
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/rating", operation_id = "rate_order", tag = "orders",
    security(("bearer" = [])), params(("id" = OrderId, Path, description = "The order")), request_body = RateOrder,
    responses((status = 201, description = "Rated", body = OrderAnswer), CommandProblems)
)]
pub(super) async fn rate_order(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<RateOrder, Customer>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    let rate = OrderCommand::Rate(Rate {
        rating: command.body.rating,
        per_item: command.body.per_item.clone(),
        comment: command.body.comment.clone(),
        policy: state.policies.order,
    });
    command
        .execute(
            &state,
            on_order(&state, order_id, false, StatusCode::CREATED, &view(&state, order_id, &actor)),
            actor,
            rate,
        )
        .await
}

/// A command's way to an order.
pub(super) fn on_order<'a>(
    state: &'a AppState,
    order_id: OrderId,
    is_new: bool,
    status: StatusCode,
    view: &'a (dyn Fn(&Order) -> Result<String, serde_json::Error> + Sync),
) -> Target<'a, Order> {
    let aggregate_id = order_id.0;
    Target { handler: &state.orders, aggregate_id, is_new, status, view, problem: order_problem, answers_later: false }
}

/// An order's refusal, with what helps the caller to do better.
pub(super) fn order_problem(error: &OrderError) -> Problem {
    let problem = Problem::from(error);
    match error {
        OrderError::PriceChanged { current_total } => {
            problem.extension("current_total", serde_json::to_value(current_total).unwrap_or_default())
        }
        _ => problem,
    }
}
