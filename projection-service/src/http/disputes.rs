//! Disputes: the list, and one.

use axum::{extract::State, response::Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        DisputeId, OrderId, ProducerId, UserId,
        dispute::{DisputeStatus, DisputeViewer},
        order::Viewer,
    },
    sealing::SealingError,
    web::{Caller, Envelope, PathId, Principal, Problem, ValidQuery},
};
use utoipa::IntoParams;

use super::{
    DisputeView, ReadState,
    access::{Scope, scope_of, unavailable, viewer_of},
    dispute_view::{Looker, Words, readable},
    documents::{DisputeListAnswer, DisputeViewAnswer, QueryProblems},
    freshness::{StaleQuery, Version, Wanted},
    pages,
};
use crate::projections::{
    DISPUTES,
    disputes::{self, DisputeFilter, DisputeRow, SealedWords},
};

/// Which disputes, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DisputesQuery {
    /// Only those that stand here.
    status: Option<DisputeStatus>,
    /// Only those of this kitchen.
    producer_id: Option<ProducerId>,
    /// Only those about this order.
    order_id: Option<OrderId>,
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
    status: Option<DisputeStatus>,
    order_id: Option<OrderId>,
}

/// The caller's disputes, newest first.
///
/// A customer sees what they opened, a cook what is about their kitchen, an administrator everything.
#[utoipa::path(
    get, path = "/disputes", operation_id = "list_disputes", tag = "disputes", security(("bearer" = [])),
    params(DisputesQuery),
    responses(
        (status = 200, description = "A page of disputes; `meta.next_cursor` begins the next", body = DisputeListAnswer),
        QueryProblems,
    )
)]
pub(super) async fn list_disputes(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<DisputesQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    let (filter, viewer) = filter_of(&caller, &query)?;
    let key = FilterKey {
        customer_id: filter.customer_id,
        producer_id: filter.producer_id,
        status: filter.status,
        order_id: filter.order_id,
    };
    let after = pages::start_in_time(&state, query.cursor.as_deref(), &key)?;
    let seen = state.catch_up(wanted, query.allow_stale, &[DISPUTES]).await?;
    let mut rows = disputes::list(&state.db, &filter, (after, limit as i64 + 1)).await.map_err(unavailable)?;
    let next = pages::cut(&state, &mut rows, limit, &key, |row| (row.opened_at.timestamp_micros(), row.id.0));
    let (now, looker) = (state.clock.now(), Looker { viewer, user_id: caller.user_id });
    let views: Vec<_> = rows.into_iter().map(|row| DisputeView::new(row, looker, None, now)).collect();
    Ok(seen.answer(Envelope::new(views).next_cursor(next)))
}

fn filter_of(caller: &Principal, query: &DisputesQuery) -> Result<(DisputeFilter, DisputeViewer), Problem> {
    let asked = DisputeFilter {
        customer_id: None,
        producer_id: query.producer_id,
        status: query.status,
        order_id: query.order_id,
    };
    Ok(match scope_of(caller, query.producer_id)? {
        Scope::All => (asked, DisputeViewer::Admin),
        Scope::Placed(customer_id) => {
            (DisputeFilter { customer_id: Some(customer_id), ..asked }, DisputeViewer::Customer)
        }
        // Another kitchen's disputes are not there for this one: an empty list, not a refusal that tells something.
        Scope::Cooked(kitchen) if query.producer_id.is_none_or(|asked| asked == kitchen) => {
            (DisputeFilter { producer_id: Some(kitchen), ..asked }, DisputeViewer::Producer)
        }
        Scope::Cooked(_) => (DisputeFilter { customer_id: Some(UserId::default()), ..asked }, DisputeViewer::Producer),
    })
}

/// One dispute, as the caller may see it.
#[utoipa::path(
    get, path = "/disputes/{id}", operation_id = "get_dispute", tag = "disputes", security(("bearer" = [])),
    params(("id" = DisputeId, Path, description = "The dispute"), StaleQuery),
    responses(
        (status = 200, description = "The dispute", body = DisputeViewAnswer),
        (status = 304, description = "The caller has this version (`If-None-Match`), and would be shown the same"),
        QueryProblems,
    )
)]
pub(super) async fn get_dispute(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    PathId(id): PathId<DisputeId>,
    wanted: Wanted,
    headers: HeaderMap,
    ValidQuery(query): ValidQuery<StaleQuery>,
) -> Result<Response, Problem> {
    let seen = state.catch_up(wanted.about(id.0), query.allow_stale, &[DISPUTES]).await?;
    let found = disputes::find(&state.db, id).await.map_err(unavailable)?;
    let known = found.and_then(|row| Some((viewer_of(&caller, row.customer_id, row.producer_id)?, row)));
    let (side, row) = known.ok_or_else(|| Problem::not_found("there is no such dispute"))?;
    let viewer = match side {
        Viewer::Customer => DisputeViewer::Customer,
        Viewer::Producer => DisputeViewer::Producer,
        Viewer::Admin => DisputeViewer::Admin,
    };
    let (version, now) = (Version { view: DISPUTES, number: row.version, since: row.updated_at }, state.clock.now());
    let looker = Looker { viewer, user_id: caller.user_id };
    let sealed = readable(&row, viewer);
    let written = sealed.count();
    let words = open_words(&state, &row, sealed).await?;
    // What was erased is gone from the picture, and no version says so.
    let is_erased = words.count() < written;
    let picture = |at| DisputeView::new(row.clone(), looker, None, at);
    let known = !is_erased && version.is_known(&state, &headers, now, picture).await?;
    if viewer == DisputeViewer::Admin && !known {
        note_access(&caller, id);
    }
    let view = DisputeView::new(row, looker, Some(words), now);
    Ok(seen.answer_version(Envelope::new(view), version.number, known))
}

/// What an administrator reads of people is written down.
fn note_access(caller: &Principal, id: DisputeId) {
    tracing::info!(
        event = "personal_data_accessed",
        admin.id = %caller.user_id,
        dispute.id = %id,
        "an administrator reads what was said in dispute {id}"
    );
}

/// Opens what people wrote; what was erased stays away.
async fn open_words(state: &ReadState, row: &DisputeRow, sealed: Words<SealedWords>) -> Result<Words<String>, Problem> {
    Ok(Words {
        description: open(state, row, sealed.description).await?,
        response: open(state, row, sealed.response).await?,
        evidence: open_all(state, row, sealed.evidence).await?,
        offers: open_all(state, row, sealed.offers).await?,
    })
}

async fn open_all(
    state: &ReadState,
    row: &DisputeRow,
    sealed: Vec<Option<SealedWords>>,
) -> Result<Vec<Option<String>>, Problem> {
    let mut opened = Vec::with_capacity(sealed.len());
    for words in sealed {
        opened.push(open(state, row, words).await?);
    }
    Ok(opened)
}

async fn open(state: &ReadState, row: &DisputeRow, sealed: Option<SealedWords>) -> Result<Option<String>, Problem> {
    let Some(SealedWords { subject, sealed }) = sealed else { return Ok(None) };
    match state.sealer.open(subject, &sealed).await {
        Ok(words) => Ok(words),
        Err(SealingError::Database(error)) => Err(unavailable(error)),
        Err(error @ SealingError::Corrupt) => {
            tracing::error!(dispute.id = %row.id, %error, "what was said in dispute {} cannot be opened", row.id);
            Ok(None)
        }
    }
}
