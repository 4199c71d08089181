//! The catalogue, open to everybody.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{header, request::Parts};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{DishId, ProducerId},
    web::{Envelope, OptionalCaller, PathId, Problem, Role, ValidQuery, headers::etag, problem::ProblemDetails},
};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    ReadState,
    access::unavailable,
    documents::{CategoryListAnswer, DishAnswer, DishListAnswer, OpenProblems, ProducerAnswer, ProducerListAnswer},
    pages,
};
use crate::projections::catalogue::{self, DishFilter, ProducerFilter};

/// Which dishes, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DishesQuery {
    /// Only those of this kitchen.
    producer_id: Option<ProducerId>,
    /// Only those of this category.
    category_id: Option<Uuid>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// The menus, by name.
#[utoipa::path(
    get, path = "/dishes", operation_id = "list_dishes", tag = "catalogue",
    params(DishesQuery),
    responses(
        (status = 200, description = "A page of dishes; `meta.next_cursor` begins the next", body = DishListAnswer),
        OpenProblems,
    )
)]
pub(super) async fn list_dishes(
    State(state): State<ReadState>,
    ValidQuery(query): ValidQuery<DishesQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    let key = ("dishes", query.producer_id, query.category_id);
    let after = pages::start(&state, query.cursor.as_deref(), &key)?.map(|cursor| cursor.id);
    let filter = DishFilter { producer_id: query.producer_id, category_id: query.category_id };
    let rows = catalogue::list_dishes(&state.db, &filter, after, limit as i64 + 1).await;
    page(&state, rows, limit, &key, |dish| dish.id.0)
}

/// One dish. Looking at it is counted, once per viewer and half hour.
#[utoipa::path(
    get, path = "/dishes/{id}", operation_id = "get_dish", tag = "catalogue",
    params(("id" = DishId, Path, description = "The dish")),
    responses(
        (status = 200, description = "The dish", body = DishAnswer),
        (status = 401, description = "A token was sent and is not believed; without one the dish is shown to anybody",
            body = ProblemDetails, content_type = "application/problem+json"),
        OpenProblems,
    )
)]
pub(super) async fn get_dish(
    State(state): State<ReadState>,
    PathId(id): PathId<DishId>,
    Looker(viewer): Looker,
) -> Result<Response, Problem> {
    let dish = catalogue::find_dish(&state.db, id).await.map_err(unavailable)?;
    let dish = dish.ok_or_else(|| Problem::not_found("there is no such dish"))?;
    state.views.saw(viewer, id);
    let version = dish.version;
    Ok(versioned(dish, version))
}

/// Which kitchens, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProducersQuery {
    /// Only those of this main category.
    category_id: Option<Uuid>,
    /// Only those in this city.
    city: Option<String>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// The kitchens that sell, by name.
#[utoipa::path(
    get, path = "/producers", operation_id = "list_producers", tag = "catalogue",
    params(ProducersQuery),
    responses(
        (status = 200, description = "A page of kitchens; `meta.next_cursor` begins the next", body = ProducerListAnswer),
        OpenProblems,
    )
)]
pub(super) async fn list_producers(
    State(state): State<ReadState>,
    ValidQuery(query): ValidQuery<ProducersQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    let key = ("producers", query.category_id, query.city.clone());
    let after = pages::start(&state, query.cursor.as_deref(), &key)?.map(|cursor| cursor.id);
    let filter = ProducerFilter { category_id: query.category_id, city: query.city };
    let rows = catalogue::list_producers(&state.db, &filter, after, limit as i64 + 1).await;
    page(&state, rows, limit, &key, |producer| producer.id.0)
}

/// One kitchen.
#[utoipa::path(
    get, path = "/producers/{id}", operation_id = "get_producer", tag = "catalogue",
    params(("id" = ProducerId, Path, description = "The kitchen")),
    responses(
        (status = 200, description = "The kitchen; to its cook and to administrators with the marketplace's share",
            body = ProducerAnswer),
        (status = 401, description = "A token was sent and is not believed; without one the kitchen is shown to anybody",
            body = ProblemDetails, content_type = "application/problem+json"),
        OpenProblems,
    )
)]
pub(super) async fn get_producer(
    State(state): State<ReadState>,
    PathId(id): PathId<ProducerId>,
    OptionalCaller(caller): OptionalCaller,
) -> Result<Response, Problem> {
    let producer = catalogue::find_producer(&state.db, id).await.map_err(unavailable)?;
    let producer = producer.ok_or_else(|| Problem::not_found("there is no such kitchen"))?;
    let sees_share = caller
        .is_some_and(|caller| caller.is(Role::Admin) || (caller.is(Role::Producer) && caller.producer_id == Some(id)));
    let producer = if sees_share { producer } else { producer.for_everybody() };
    let version = producer.version;
    Ok(versioned(producer, version))
}

/// An entry with the version that a change of it has to name.
fn versioned<T: Serialize>(entry: T, version: i32) -> Response {
    let version = u64::try_from(version).unwrap_or(0);
    let mut response = Envelope::new(entry).version(version).into_response();
    response.headers_mut().insert(header::ETAG, etag(version));
    response
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CategoriesQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// The kinds of food, by name.
#[utoipa::path(
    get, path = "/categories", operation_id = "list_categories", tag = "catalogue",
    params(CategoriesQuery),
    responses(
        (status = 200, description = "A page of categories; `meta.next_cursor` begins the next", body = CategoryListAnswer),
        OpenProblems,
    )
)]
pub(super) async fn list_categories(
    State(state): State<ReadState>,
    ValidQuery(query): ValidQuery<CategoriesQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    let after = pages::start(&state, query.cursor.as_deref(), &"categories")?.map(|cursor| cursor.id);
    let rows = catalogue::list_categories(&state.db, after, limit as i64 + 1).await;
    page(&state, rows, limit, &"categories", |category| category.id)
}

/// Names are looked up by the id when the next page is read; only that is carried.
fn page<T: Serialize>(
    state: &ReadState,
    rows: Result<Vec<T>, sqlx::Error>,
    limit: usize,
    key: &impl Serialize,
    id: impl Fn(&T) -> Uuid,
) -> Result<Response, Problem> {
    let mut rows = rows.map_err(unavailable)?;
    let next = pages::cut(state, &mut rows, limit, key, |row| (0, id(row)));
    Ok(Envelope::new(rows).next_cursor(next).into_response())
}

/// Who looks: a person, or else an address and a browser. Only a hash of it is kept.
pub(super) struct Looker(u64);

impl FromRequestParts<ReadState> for Looker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ReadState) -> Result<Self, Problem> {
        let OptionalCaller(caller) = OptionalCaller::from_request_parts(parts, state).await?;
        let mut hasher = DefaultHasher::new();
        match caller {
            Some(caller) => caller.user_id.hash(&mut hasher),
            None => {
                let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
                peer.map(|ConnectInfo(address)| address.ip()).hash(&mut hasher);
                parts.headers.get(header::USER_AGENT).map(|agent| agent.as_bytes()).hash(&mut hasher);
            }
        }
        Ok(Self(hasher.finish()))
    }
}
