//! Orders: the list, one, and its refunds.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        OrderId, ProducerId, UserId,
        order::{OrderStatus, Viewer},
    },
    sealing::{OrderContact, SealingError},
    web::{Caller, Envelope, PathId, Principal, Problem, ValidQuery},
};
use utoipa::IntoParams;

use super::{
    OrderView, ReadState,
    access::{Scope, scope_of, unavailable, viewer_of},
    documents::{OrderListAnswer, OrderViewAnswer, QueryProblems, RefundListAnswer},
    freshness::{StaleQuery, Version, Wanted},
    order_view::shows_contact,
    pages,
};
use crate::projections::{
    ORDERS,
    orders::{self, OrderFilter, OrderRow},
};

/// Which orders, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OrdersQuery {
    /// Only those that stand here.
    status: Option<OrderStatus>,
    /// Only those of this kitchen.
    producer_id: Option<ProducerId>,
    /// Placed at or after this instant.
    from: Option<DateTime<Utc>>,
    /// Placed before this instant.
    to: Option<DateTime<Utc>>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// Answer from the view as it is when it does not catch up in time.
    allow_stale: Option<bool>,
}

/// What a cursor is bound to.
#[derive(Debug, Serialize)]
struct FilterKey {
    customer_id: Option<UserId>,
    producer_id: Option<ProducerId>,
    status: Option<OrderStatus>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

/// The caller's orders, newest first.
///
/// A customer sees what they ordered, a cook what their kitchen cooks, an administrator everything.
#[utoipa::path(
    get, path = "/orders", operation_id = "list_orders", tag = "orders", security(("bearer" = [])),
    params(OrdersQuery),
    responses(
        (status = 200, description = "A page of orders; `meta.next_cursor` begins the next", body = OrderListAnswer),
        QueryProblems,
    )
)]
pub(super) async fn list_orders(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<OrdersQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    pages::instant("/from", query.from)?;
    pages::instant("/to", query.to)?;
    pages::range(query.from, query.to)?;
    let (filter, viewer) = filter_of(&caller, &query)?;
    let key = FilterKey {
        customer_id: filter.customer_id,
        producer_id: filter.producer_id,
        status: filter.status,
        from: filter.from,
        to: filter.to,
    };
    let after = pages::start_in_time(&state, query.cursor.as_deref(), &key)?;
    let seen = state.catch_up(wanted, query.allow_stale, &[ORDERS]).await?;
    let mut rows = orders::list(&state.db, &filter, (after, limit as i64 + 1)).await.map_err(unavailable)?;
    let next = pages::cut(&state, &mut rows, limit, &key, |row| (row.created_at.timestamp_micros(), row.id.0));
    let (policy, now) = (state.domain.order_policy(), state.clock.now());
    let views: Vec<_> = rows.into_iter().map(|row| OrderView::new(row, viewer, policy, now)).collect();
    Ok(seen.answer(Envelope::new(views).next_cursor(next)))
}

fn filter_of(caller: &Principal, query: &OrdersQuery) -> Result<(OrderFilter, Viewer), Problem> {
    let asked = OrderFilter {
        customer_id: None,
        producer_id: query.producer_id,
        status: query.status,
        from: query.from,
        to: query.to,
    };
    Ok(match scope_of(caller, query.producer_id)? {
        Scope::All => (asked, Viewer::Admin),
        Scope::Placed(customer_id) => (OrderFilter { customer_id: Some(customer_id), ..asked }, Viewer::Customer),
        // Another kitchen's orders are not there for this one: an empty list, not a refusal that tells something.
        Scope::Cooked(kitchen) if query.producer_id.is_none_or(|asked| asked == kitchen) => {
            (OrderFilter { producer_id: Some(kitchen), ..asked }, Viewer::Producer)
        }
        Scope::Cooked(_) => (OrderFilter { customer_id: Some(UserId::default()), ..asked }, Viewer::Producer),
    })
}

/// One order, as the caller may see it.
#[utoipa::path(
    get, path = "/orders/{id}", operation_id = "get_order", tag = "orders", security(("bearer" = [])),
    params(("id" = OrderId, Path, description = "The order"), StaleQuery),
    responses(
        (status = 200, description = "The order", body = OrderViewAnswer),
        (status = 304, description = "The caller has this version (`If-None-Match`), and would be shown the same"),
        QueryProblems,
    )
)]
pub(super) async fn get_order(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    PathId(id): PathId<OrderId>,
    wanted: Wanted,
    headers: HeaderMap,
    ValidQuery(query): ValidQuery<StaleQuery>,
) -> Result<Response, Problem> {
    let seen = state.catch_up(wanted.about(id.0), query.allow_stale, &[ORDERS]).await?;
    let (order, viewer) = find_for(&state, &caller, id).await?;
    let (version, now) = (Version { view: ORDERS, number: order.version, since: order.updated_at }, state.clock.now());
    let policy = state.domain.order_policy();
    let shown = order.pii_sealed.as_ref().filter(|_| shows_contact(&order, viewer, &policy, now));
    let contact = match shown {
        Some(sealed) => open_contact(&state, &order, sealed).await?,
        None => None,
    };
    // What was erased is gone from the picture, and no version says so.
    let is_erased = shown.is_some() && contact.is_none();
    let picture = |at| (OrderView::new(order.clone(), viewer, policy, at), shows_contact(&order, viewer, &policy, at));
    let known = !is_erased && version.is_known(&state, &headers, now, picture).await?;
    if viewer == Viewer::Admin && contact.is_some() && !known {
        note_access(&caller, id);
    }
    let (mut view, _) = picture(now);
    view.contact = contact.map(Into::into);
    Ok(seen.answer_version(Envelope::new(view), version.number, known))
}

/// The refunds of an order.
#[utoipa::path(
    get, path = "/orders/{id}/refunds", operation_id = "list_order_refunds", tag = "orders",
    security(("bearer" = [])),
    params(("id" = OrderId, Path, description = "The order"), StaleQuery),
    responses(
        (status = 200, description = "Every refund, the first first", body = RefundListAnswer),
        QueryProblems,
    )
)]
pub(super) async fn list_order_refunds(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    PathId(id): PathId<OrderId>,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<StaleQuery>,
) -> Result<Response, Problem> {
    let seen = state.catch_up(wanted.about(id.0), query.allow_stale, &[ORDERS]).await?;
    let (order, _) = find_for(&state, &caller, id).await?;
    Ok(seen.answer(Envelope::new(order.refunds).version(order.version)))
}

/// The order and the caller's side of it; 404 for strangers.
pub(super) async fn find_for(
    state: &ReadState,
    caller: &Principal,
    id: OrderId,
) -> Result<(OrderRow, Viewer), Problem> {
    let order = orders::find(&state.db, id).await.map_err(unavailable)?;
    let known = order.and_then(|order| {
        let viewer = viewer_of(caller, order.customer_id, order.producer_id)?;
        Some((order, viewer))
    });
    known.ok_or_else(|| Problem::not_found("there is no such order"))
}

/// What an administrator is shown of a person is written down.
fn note_access(caller: &Principal, id: OrderId) {
    tracing::info!(
        event = "personal_data_accessed",
        admin.id = %caller.user_id,
        order.id = %id,
        "an administrator reads whom order {id} is for"
    );
}

/// Opens whom the meal is for; none if that was erased.
async fn open_contact(state: &ReadState, order: &OrderRow, sealed: &str) -> Result<Option<OrderContact>, Problem> {
    match state.sealer.open(order.customer_id, sealed).await {
        Ok(contact) => Ok(contact),
        Err(SealingError::Database(error)) => Err(unavailable(error)),
        Err(error @ SealingError::Corrupt) => {
            tracing::error!(order.id = %order.id, %error, "the personal data of order {} cannot be opened", order.id);
            Ok(None)
        }
    }
}
