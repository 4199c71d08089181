//! The catalogue as kitchens and administrators edit it.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{Actor, DishId, Money, ProducerId, UserId, order::DeliveryType},
    web::{ErrorCode, IfMatch, PathId, Principal, Problem, Role, headers::etag},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    command::{Command, to_json},
    documents::{CommandProblems, EditAnswer},
    gate::{Admin, Producer},
    state::AppState,
};
use crate::catalogue::{DishEdit, EditError, Editor, OpeningHours, ProducerEdit};

const NAME_MAX: usize = 200;
const TEXT_MAX: usize = 2_000;

/// What was edited.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Edited {
    /// Its id.
    id: Uuid,
}

/// A category.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CategoryBody {
    /// Its name, 1 to 200 characters.
    #[schema(example = "Soups")]
    name: String,
}

/// Make or rename a category
#[utoipa::path(
    put, path = "/api/v1/categories/{id}", operation_id = "put_category", tag = "catalogue",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The category")),
    request_body = CategoryBody,
    responses((status = 200, description = "As it is now", body = EditAnswer), CommandProblems)
)]
pub(super) async fn put_category(
    State(state): State<AppState>,
    PathId(id): PathId<Uuid>,
    command: Command<CategoryBody, Admin>,
) -> Result<Response, Problem> {
    let name = named(&command.body.name, "/name")?;
    Editor::new(state.db.clone()).put_category(id, name).await.map_err(edit_problem)?;
    answer(&state, id, 1)
}

/// A kitchen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProducerBody {
    /// The cook; for administrators, and required for a new kitchen.
    #[serde(default)]
    #[schema(nullable = false)]
    user_id: Option<UserId>,
    /// Its name, 1 to 200 characters.
    #[schema(example = "Olga's kitchen")]
    name: String,
    /// Where it is, 1 to 200 characters.
    #[schema(example = "Moscow")]
    city: String,
    /// What it mostly cooks.
    #[serde(default)]
    #[schema(nullable = false)]
    main_category_id: Option<Uuid>,
    /// Whether it sells.
    active: bool,
    /// The zone of its opening hours.
    #[schema(example = "Europe/Moscow")]
    timezone: String,
    /// By weekday (`mon` … `sun`), each a list of `["09:00", "21:00"]`; no weekday at all means always open.
    #[schema(value_type = Object, example = json!({"mon": [["09:00", "21:00"]]}))]
    opening_hours: OpeningHours,
    /// How it hands meals over.
    delivery_types: Vec<DeliveryType>,
    /// What bringing a meal costs.
    delivery_fee: Money,
    /// How long it declares to take, 1 to 1,440 minutes.
    #[schema(minimum = 1, maximum = 1440)]
    delivery_time_minutes: u32,
    /// The platform's share in 1/10 000; for administrators.
    #[serde(default)]
    #[schema(nullable = false, minimum = 0, maximum = 10000)]
    commission_bps: Option<u32>,
}

/// Open or change a kitchen
///
/// Administrators open kitchens; cooks change their own, but neither its owner nor the platform's share.
#[utoipa::path(
    put, path = "/api/v1/producers/{id}", operation_id = "put_producer", tag = "catalogue",
    security(("bearer" = [])),
    params(
        ("id" = ProducerId, Path, description = "The kitchen"),
        ("If-Match" = Option<String>, Header, description = "The version that was looked at"),
    ),
    request_body = ProducerBody,
    responses((status = 200, description = "As it is now", body = EditAnswer), CommandProblems)
)]
pub(super) async fn put_producer(
    State(state): State<AppState>,
    PathId(id): PathId<ProducerId>,
    command: Command<ProducerBody, (Producer, Admin)>,
) -> Result<Response, Problem> {
    let is_admin = may_edit(&command.principal, id)?;
    let body = &command.body;
    if !is_admin && (body.user_id.is_some() || body.commission_bps.is_some()) {
        return Err(Problem::new(ErrorCode::PermissionDenied).detail("only administrators change owner and share"));
    }
    let edit = producer_edit(body)?;
    let seen = command.if_match.and_then(IfMatch::version);
    let made = Editor::new(state.db.clone()).put_producer(id, &edit, seen).await;
    let version = made.map_err(|error| match error {
        // Only administrators may name the cook; to others there is no such kitchen.
        EditError::NoCook if is_admin => {
            Problem::validation("/user_id", "missing", "there is no such kitchen, and a new one needs a cook")
        }
        error => edit_problem(error),
    })?;
    answer(&state, id.0, version)
}

fn producer_edit(body: &ProducerBody) -> Result<ProducerEdit, Problem> {
    if !body.opening_hours.is_well_formed() {
        return Err(Problem::validation("/opening_hours", "malformed", "write {\"mon\": [[\"09:00\", \"21:00\"]]}"));
    }
    if body.timezone.parse::<chrono_tz::Tz>().is_err() {
        return Err(Problem::validation("/timezone", "malformed", "name a zone as Europe/Moscow"));
    }
    if body.delivery_types.is_empty() {
        return Err(Problem::validation("/delivery_types", "missing", "name at least one way"));
    }
    if body.delivery_fee.minor() < 0 {
        return Err(Problem::validation("/delivery_fee", "out_of_range", "bringing a meal costs nothing or more"));
    }
    let delivery_type = |kind: &DeliveryType| match kind {
        DeliveryType::Building => "BUILDING".to_owned(),
        DeliveryType::Pickup => "PICKUP".to_owned(),
        DeliveryType::Address => "ADDRESS".to_owned(),
    };
    Ok(ProducerEdit {
        user_id: body.user_id,
        name: named(&body.name, "/name")?.to_owned(),
        city: named(&body.city, "/city")?.to_owned(),
        main_category_id: body.main_category_id,
        active: body.active,
        timezone: body.timezone.clone(),
        opening_hours: body.opening_hours.clone(),
        delivery_types: body.delivery_types.iter().map(delivery_type).collect(),
        delivery_fee_minor: body.delivery_fee.minor(),
        currency: body.delivery_fee.currency().code().to_owned(),
        commission_bps: body.commission_bps.map(|bps| within(bps, "/commission_bps", 0, 10_000)).transpose()?,
        delivery_time_minutes: within(body.delivery_time_minutes, "/delivery_time_minutes", 1, 1_440)?,
    })
}

/// A dish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DishBody {
    /// Whose it is; it stays whose it was.
    producer_id: ProducerId,
    /// Its name, 1 to 200 characters.
    #[schema(example = "Borscht")]
    name: String,
    /// What it is; at most 2,000 characters.
    #[serde(default)]
    description: String,
    /// Its price, in the kitchen's currency. Orders that were placed keep theirs.
    price: Money,
    /// Whether it is on the menu.
    is_available: bool,
    /// How many can be sold from now on, besides those that are ordered already; as many as you like if left out. Selling
    /// one is a new version of the dish: with `If-Match` no number is overwritten that was not seen.
    #[serde(default)]
    #[schema(nullable = false, maximum = 100000)]
    portions_left: Option<u32>,
    /// Its category.
    #[serde(default)]
    #[schema(nullable = false)]
    category_id: Option<Uuid>,
    /// Its picture: an `http` or `https` URL of at most 2,000 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    photo_url: Option<String>,
}

/// Put a dish on the menu, or change it
#[utoipa::path(
    put, path = "/api/v1/dishes/{id}", operation_id = "put_dish", tag = "catalogue",
    security(("bearer" = [])),
    params(
        ("id" = DishId, Path, description = "The dish"),
        ("If-Match" = Option<String>, Header, description = "The version that was looked at"),
    ),
    request_body = DishBody,
    responses((status = 200, description = "As it is now", body = EditAnswer), CommandProblems)
)]
pub(super) async fn put_dish(
    State(state): State<AppState>,
    PathId(id): PathId<DishId>,
    command: Command<DishBody, (Producer, Admin)>,
) -> Result<Response, Problem> {
    let body = &command.body;
    may_edit(&command.principal, body.producer_id)?;
    if !body.price.is_positive() {
        return Err(Problem::validation("/price", "out_of_range", "a dish costs more than nothing"));
    }
    let edit = DishEdit {
        producer_id: body.producer_id,
        name: named(&body.name, "/name")?.to_owned(),
        description: short(&body.description, "/description")?.to_owned(),
        price: body.price,
        is_available: body.is_available,
        portions_left: body.portions_left.map(|left| within(left, "/portions_left", 0, 100_000)).transpose()?,
        category_id: body.category_id,
        photo_url: body.photo_url.as_deref().map(picture).transpose()?.map(str::to_owned),
    };
    let seen = command.if_match.and_then(IfMatch::version);
    let version = Editor::new(state.db.clone()).put_dish(id, &edit, seen).await.map_err(edit_problem)?;
    answer(&state, id.0, version)
}

/// Whether the caller is an administrator; 404 for other kitchens' cooks.
fn may_edit(principal: &Principal, kitchen: ProducerId) -> Result<bool, Problem> {
    if principal.is(Role::Admin) {
        return Ok(true);
    }
    match principal.actor_for(Role::Producer)? {
        Actor::Producer { producer_id, .. } if producer_id == kitchen => Ok(false),
        _ => Err(Problem::not_found("there is no such kitchen")),
    }
}

fn named<'a>(name: &'a str, pointer: &str) -> Result<&'a str, Problem> {
    let name = name.trim();
    if (1..=NAME_MAX).contains(&name.chars().count()) {
        return Ok(name);
    }
    Err(Problem::validation(pointer, "wrong_length", format!("write 1 to {NAME_MAX} characters")))
}

fn short<'a>(text: &'a str, pointer: &str) -> Result<&'a str, Problem> {
    if text.chars().count() <= TEXT_MAX {
        return Ok(text);
    }
    Err(Problem::validation(pointer, "wrong_length", format!("shorten the text to at most {TEXT_MAX} characters")))
}

/// A picture is fetched by browsers: nothing else than a place on the web is one.
fn picture(url: &str) -> Result<&str, Problem> {
    let url = short(url, "/photo_url")?;
    let on_the_web = url.parse::<Uri>().is_ok_and(|uri| {
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        is_web && uri.authority().is_some_and(|place| !place.host().is_empty() && !place.as_str().contains('@'))
    });
    if on_the_web { Ok(url) } else { Err(Problem::validation("/photo_url", "malformed", "give an http or https URL")) }
}

fn within(value: u32, pointer: &str, min: u32, max: u32) -> Result<i32, Problem> {
    match i32::try_from(value) {
        Ok(fits) if (min..=max).contains(&value) => Ok(fits),
        _ => Err(Problem::validation(pointer, "out_of_range", format!("give a value from {min} to {max}"))),
    }
}

fn edit_problem(error: EditError) -> Problem {
    match error {
        EditError::Changed(version) => Problem::new(ErrorCode::PreconditionFailed)
            .current_version(u64::try_from(version).unwrap_or_default())
            .detail("the version is another one now"),
        EditError::Missing | EditError::NoCook => Problem::not_found("there is no such thing"),
        EditError::Dangling => {
            let detail = "it names a kitchen or a category that does not exist, or another currency than the kitchen's";
            Problem::new(ErrorCode::BusinessRuleViolation).rule("catalogue_mismatch").detail(detail)
        }
        EditError::Database(error) => {
            tracing::warn!(%error, "the catalogue cannot be written");
            Problem::new(ErrorCode::ServiceUnavailable).retry_after(1)
        }
    }
}

/// The process that changed it must not be the last to know.
fn answer(state: &AppState, id: Uuid, version: i32) -> Result<Response, Problem> {
    state.catalogue.forget();
    let version = u64::try_from(version).unwrap_or_default();
    let data = to_json(&Edited { id }).map_err(Problem::internal)?;
    let body = format!(r#"{{"success":true,"data":{data},"meta":{{"version":{version}}}}}"#);
    let json = HeaderValue::from_static("application/json");
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, json), (header::ETAG, etag(version))], body).into_response())
}
