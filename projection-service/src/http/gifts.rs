//! Gifts: the list, and one.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        GiftId, Money, OrderId, UserId,
        gift::{
            GiftCancelReason, GiftDish, GiftKind, GiftPolicy, GiftSituation, GiftStatus, GiftViewer, Pot,
            allowed_gift_actions,
        },
    },
    sealing::{GiftContact, SealingError},
    web::{Caller, Envelope, ErrorCode, PathId, Principal, Problem, Role, ValidQuery},
};
use utoipa::{IntoParams, ToSchema};

use super::{
    ReadState,
    access::unavailable,
    documents::{GiftListAnswer, GiftViewAnswer, QueryProblems},
    freshness::{StaleQuery, Version, Wanted},
    pages,
};
use crate::projections::{
    GIFTS,
    gifts::{self, GiftAttemptRow, GiftRefundRow, GiftRow, GiftSide, GiftUseRow},
};

/// A gift, as the caller may see it. What does not apply is absent.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GiftView {
    /// The gift.
    pub id: GiftId,
    /// What is given.
    pub kind: GiftKind,
    /// Where it stands.
    pub status: GiftStatus,
    /// What it is worth.
    pub value: Money,
    /// What can be spent of it.
    pub available: Money,
    /// What orders hold that are not paid yet.
    pub reserved: Money,
    /// What paid orders.
    pub redeemed: Money,
    /// What is on its way back to the buyer.
    pub refunding: Money,
    /// What is back with the buyer.
    pub refunded: Money,
    /// The dish, for a gift of that kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dish: Option<GiftDish>,
    /// The last four symbols of its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last4: Option<String>,
    /// Whether nobody can use it until somebody has looked.
    pub is_blocked: bool,
    /// For the buyer and administrators: who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub buyer_id: Option<UserId>,
    /// Who spends it: who took it, or whom it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub recipient_user_id: Option<UserId>,
    /// For the buyer: whom it is for, and the message; for the recipient: the message alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub recipient: Option<GiftRecipient>,
    /// When the recipient is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deliver_at: Option<DateTime<Utc>>,
    /// When the recipient was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub activated_at: Option<DateTime<Utc>>,
    /// Until when it may be spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<DateTime<Utc>>,
    /// When an unpaid gift is called off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_deadline: Option<DateTime<Utc>>,
    /// For the recipient: the order of the dish.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    /// For the recipient and administrators: the orders it paid for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub uses: Option<Vec<GiftUseRow>>,
    /// For the buyer and administrators: every attempt to pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attempts: Option<Vec<GiftAttemptRow>>,
    /// For the buyer and administrators: what goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refunds: Option<Vec<GiftRefundRow>>,
    /// Why it was called off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cancel_reason: Option<GiftCancelReason>,
    /// When it was chosen.
    pub created_at: DateTime<Utc>,
    /// When something last happened to it.
    pub updated_at: DateTime<Utc>,
    /// What the caller may do with it now.
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
}

/// Whom a gift is for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GiftRecipient {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// The phone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub phone: Option<String>,
    /// The mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email: Option<String>,
    /// What the buyer wishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
}

/// The side on which somebody lists gifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum GiftRole {
    /// What the caller bought.
    #[default]
    Bought,
    /// What the caller was given.
    Received,
}

/// Which gifts, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GiftsQuery {
    /// `bought` if left out. An administrator who leaves it out sees all.
    #[param(inline)]
    role: Option<GiftRole>,
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
    gifts_of: Option<UserId>,
    role: Option<GiftRole>,
}

/// The caller's gifts, newest first.
#[utoipa::path(
    get, path = "/gifts", operation_id = "list_gifts", tag = "gifts", security(("bearer" = [])),
    params(GiftsQuery),
    responses(
        (status = 200, description = "A page of gifts; `meta.next_cursor` begins the next", body = GiftListAnswer),
        QueryProblems,
    )
)]
pub(super) async fn list_gifts(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<GiftsQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    let (side, viewer) = side_of(&caller, query.role)?;
    let is_theirs = side != GiftSide::All;
    let key = FilterKey { gifts_of: is_theirs.then_some(caller.user_id), role: query.role };
    let after = pages::start_in_time(&state, query.cursor.as_deref(), &key)?;
    let seen = state.catch_up(wanted, query.allow_stale, &[GIFTS]).await?;
    let mut rows = gifts::list(&state.db, side, (after, limit as i64 + 1)).await.map_err(unavailable)?;
    let next = pages::cut(&state, &mut rows, limit, &key, |row| (row.created_at.timestamp_micros(), row.id.0));
    let (policy, now) = (state.domain.gift_policy(), state.clock.now());
    let views: Vec<_> = rows.into_iter().map(|row| GiftView::new(row, viewer, policy, now)).collect();
    Ok(seen.answer(Envelope::new(views).next_cursor(next)))
}

fn side_of(caller: &Principal, role: Option<GiftRole>) -> Result<(GiftSide, GiftViewer), Problem> {
    match role {
        None if caller.is(Role::Admin) => Ok((GiftSide::All, GiftViewer::Admin)),
        _ if !caller.is(Role::Customer) => {
            Err(Problem::new(ErrorCode::PermissionDenied).detail("gifts are shown to who buys and who is given them"))
        }
        None | Some(GiftRole::Bought) => Ok((GiftSide::Bought(caller.user_id), GiftViewer::Buyer)),
        Some(GiftRole::Received) => Ok((GiftSide::Received(caller.user_id), GiftViewer::Recipient)),
    }
}

/// One gift, as the caller may see it.
#[utoipa::path(
    get, path = "/gifts/{id}", operation_id = "get_gift", tag = "gifts", security(("bearer" = [])),
    params(("id" = GiftId, Path, description = "The gift"), StaleQuery),
    responses(
        (status = 200, description = "The gift", body = GiftViewAnswer),
        (status = 304, description = "The caller has this version (`If-None-Match`), and would be shown the same"),
        QueryProblems,
    )
)]
pub(super) async fn get_gift(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    PathId(id): PathId<GiftId>,
    wanted: Wanted,
    headers: HeaderMap,
    ValidQuery(query): ValidQuery<StaleQuery>,
) -> Result<Response, Problem> {
    let seen = state.catch_up(wanted.about(id.0), query.allow_stale, &[GIFTS]).await?;
    let found = gifts::find(&state.db, id).await.map_err(unavailable)?;
    let known = found.and_then(|gift| Some((viewer_of(&caller, &gift)?, gift)));
    let Some((viewer, gift)) = known else { return Err(Problem::not_found("there is no such gift")) };
    let (version, now) = (Version { view: GIFTS, number: gift.version, since: gift.updated_at }, state.clock.now());
    let is_buyers = viewer == GiftViewer::Buyer || caller.is(Role::Customer) && gift.buyer_id == caller.user_id;
    let shown = gift.pii_sealed.as_ref().filter(|_| is_buyers || viewer == GiftViewer::Recipient);
    let recipient = match shown {
        Some(sealed) => open(&state, &gift, sealed).await?,
        None => None,
    };
    // What was erased is gone from the picture, and no version says so.
    let is_erased = shown.is_some() && recipient.is_none();
    let policy = state.domain.gift_policy();
    let picture = |at| {
        let view = GiftView::new(gift.clone(), viewer, policy, at);
        if is_buyers { view.with_purchase(&gift) } else { view }
    };
    let known = !is_erased && version.is_known(&state, &headers, now, picture).await?;
    let recipient = recipient.and_then(|recipient| if is_buyers { Some(recipient) } else { recipient.message_alone() });
    let view = GiftView { recipient, ..picture(now) };
    Ok(seen.answer_version(Envelope::new(view), version.number, known))
}

fn viewer_of(caller: &Principal, gift: &GiftRow) -> Option<GiftViewer> {
    let is_customer = caller.is(Role::Customer);
    let is_told = gift.activated_by.is_some() || gift.delivered_at.is_some();
    if is_customer && gift.activated_by == Some(caller.user_id) {
        Some(GiftViewer::Recipient)
    } else if is_customer && gift.buyer_id == caller.user_id {
        Some(GiftViewer::Buyer)
    } else if is_customer && is_told && gift.recipient() == Some(caller.user_id) {
        Some(GiftViewer::Recipient)
    } else {
        caller.is(Role::Admin).then_some(GiftViewer::Admin)
    }
}

async fn open(state: &ReadState, gift: &GiftRow, sealed: &str) -> Result<Option<GiftRecipient>, Problem> {
    let opened: Result<Option<GiftContact>, SealingError> = state.sealer.open(gift.buyer_id, sealed).await;
    match opened {
        Ok(contact) => Ok(contact.map(|contact| GiftRecipient {
            name: contact.recipient_name,
            phone: contact.phone,
            email: contact.email,
            message: contact.message,
        })),
        Err(SealingError::Database(error)) => Err(unavailable(error)),
        Err(SealingError::Corrupt) => Err(Problem::internal(SealingError::Corrupt)),
    }
}

impl GiftView {
    /// The gift as this side sees it.
    pub fn new(row: GiftRow, viewer: GiftViewer, policy: GiftPolicy, now: DateTime<Utc>) -> Self {
        let pot = |pot| row.purse.amount(pot);
        let (is_recipient, is_admin) = (viewer == GiftViewer::Recipient, viewer == GiftViewer::Admin);
        let allowed_actions = allowed_gift_actions(&GiftSituation {
            status: row.status,
            viewer,
            kind: row.kind,
            is_blocked: row.is_blocked,
            available: pot(Pot::Available),
            has_active_attempt: row.has_active_attempt(),
            attempts_lost: row.attempts_lost(),
            attempts_opened: row.attempts.len(),
            payment_deadline: row.payment_deadline,
            expires_at: row.expires_at,
            now,
            policy,
        });
        Self {
            id: row.id,
            kind: row.kind,
            status: row.status,
            value: row.value,
            available: pot(Pot::Available),
            reserved: pot(Pot::Reserved),
            redeemed: pot(Pot::Redeemed),
            refunding: pot(Pot::Refunding),
            refunded: pot(Pot::Refunded),
            buyer_id: Some(row.buyer_id).filter(|_| !is_recipient),
            recipient_user_id: row.recipient(),
            recipient: None,
            deliver_at: row.deliver_at.filter(|_| !is_recipient),
            delivered_at: row.delivered_at,
            activated_at: row.activated_at,
            expires_at: row.expires_at,
            payment_deadline: Some(row.payment_deadline).filter(|_| row.status == GiftStatus::PendingPayment),
            order_id: row.order_id.filter(|_| is_recipient || is_admin),
            uses: Some(row.uses).filter(|_| is_recipient || is_admin),
            attempts: Some(row.attempts).filter(|_| !is_recipient),
            refunds: Some(row.refunds).filter(|_| !is_recipient),
            cancel_reason: row.cancel_reason,
            created_at: row.created_at,
            updated_at: row.updated_at,
            allowed_actions,
            dish: row.dish,
            last4: row.last4,
            is_blocked: row.is_blocked,
        }
    }

    /// With what its buyer sees, also when the buyer is who spends it.
    fn with_purchase(self, row: &GiftRow) -> Self {
        Self {
            buyer_id: Some(row.buyer_id),
            deliver_at: row.deliver_at,
            attempts: Some(row.attempts.clone()),
            refunds: Some(row.refunds.clone()),
            ..self
        }
    }
}

impl GiftRecipient {
    /// Who is given something reads the message; the rest is what the buyer told us of them.
    fn message_alone(self) -> Option<Self> {
        let message = Some(self.message?);
        Some(Self { name: None, phone: None, email: None, message })
    }
}
