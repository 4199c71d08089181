//! One attempt to pay.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::Serialize;
use shared::{
    domain::{
        GiftId, Money, OrderId, PaymentId,
        order::Viewer,
        payment::{CaptureMode, PaymentStatus, Provider},
    },
    web::{Caller, Envelope, PathId, Principal, Problem, Role, ValidQuery},
};
use utoipa::ToSchema;

use super::{
    ReadState,
    access::{unavailable, viewer_of},
    documents::{PaymentViewAnswer, QueryProblems},
    freshness::{StaleQuery, Version, Wanted},
};
use crate::projections::{
    GIFTS, ORDERS, PAYMENTS,
    payments::{self, BankActRow, IntegrityProposalRow, OwnedPayment, PaymentFailureRow, PaymentRefundRow, PaymentUse},
};

/// An attempt to pay, as the caller may see it: a cook sees status and amount only. What does not apply is absent.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PaymentView {
    /// The payment.
    pub payment_id: PaymentId,
    /// Where it stands.
    pub status: PaymentStatus,
    /// What it has to bring.
    pub amount: Money,
    /// The order it pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    /// The gift it buys.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gift_id: Option<GiftId>,
    /// Who moves the money.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub provider: Option<Provider>,
    /// When the money is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub capture_mode: Option<CaptureMode>,
    /// The page to pay on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_url: Option<String>,
    /// When that page dies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<DateTime<Utc>>,
    /// What was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub captured_amount: Option<Money>,
    /// What went back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refunded_amount: Option<Money>,
    /// Each way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refunds: Option<Vec<PaymentRefundRow>>,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failure: Option<PaymentFailureRow>,
    /// What became of the money.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub used: Option<PaymentUse>,
    /// Whether the money came after the attempt was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub late: Option<bool>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub created_at: Option<DateTime<Utc>>,
    /// When something last happened to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub updated_at: Option<DateTime<Utc>>,
    /// For administrators: the provider contradicted what was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub integrity_hold: Option<bool>,
    /// For administrators: what one of them would do about it; another has to say the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub integrity_proposal: Option<IntegrityProposalRow>,
    /// For administrators: chargebacks, and refunds given at the bank.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bank_acts: Option<Vec<BankActRow>>,
    /// For administrators: what the provider knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub provider_payment_id: Option<String>,
    /// For administrators: what we told the provider to know it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub provider_order_ref: Option<String>,
}

/// One attempt to pay.
#[utoipa::path(
    get, path = "/payments/{id}", operation_id = "get_payment", tag = "payments", security(("bearer" = [])),
    params(("id" = PaymentId, Path, description = "The payment"), StaleQuery),
    responses(
        (status = 200, description = "The payment", body = PaymentViewAnswer),
        (status = 304, description = "The caller has this version (`If-None-Match`), and would be shown the same"),
        QueryProblems,
    )
)]
pub(super) async fn get_payment(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    PathId(id): PathId<PaymentId>,
    wanted: Wanted,
    headers: HeaderMap,
    ValidQuery(query): ValidQuery<StaleQuery>,
) -> Result<Response, Problem> {
    // Whose it is, its order or gift knows.
    let seen = state.catch_up(wanted.about(id.0), query.allow_stale, &[ORDERS, GIFTS, PAYMENTS]).await?;
    let found = payments::find(&state.db, id).await.map_err(unavailable)?;
    let known = found.and_then(|found| Some((side_of(&caller, &found)?, found)));
    let Some((viewer, OwnedPayment { payment, .. })) = known else {
        return Err(Problem::not_found("there is no such payment"));
    };
    let version = Version { view: PAYMENTS, number: payment.version, since: payment.updated_at };
    let picture = |_| PaymentView::new(payment.clone(), viewer);
    let now = state.clock.now();
    let known = version.is_known(&state, &headers, now, picture).await?;
    Ok(seen.answer_version(Envelope::new(picture(now)), version.number, known))
}

fn side_of(caller: &Principal, found: &OwnedPayment) -> Option<Viewer> {
    match (found.customer_id, found.producer_id) {
        (Some(customer_id), Some(producer_id)) => viewer_of(caller, customer_id, producer_id),
        // A gift has no kitchen.
        (Some(buyer_id), None) if caller.is(Role::Customer) && caller.user_id == buyer_id => Some(Viewer::Customer),
        _ => caller.is(Role::Admin).then_some(Viewer::Admin),
    }
}

/// What one administrator says of a refund is between administrators until another says the same.
fn refunds_for(refunds: Vec<payments::PaymentRefundRow>, is_admin: bool) -> Vec<payments::PaymentRefundRow> {
    let shown = |refund: payments::PaymentRefundRow| payments::PaymentRefundRow {
        proposal: refund.proposal.filter(|_| is_admin),
        ..refund
    };
    refunds.into_iter().map(shown).collect()
}

impl PaymentView {
    fn new(payment: payments::PaymentRow, viewer: Viewer) -> Self {
        let is_admin = viewer == Viewer::Admin;
        let shows_all = viewer != Viewer::Producer;
        Self {
            order_id: payment.order_id(),
            gift_id: payment.gift_id(),
            payment_id: payment.id,
            status: payment.status,
            amount: payment.amount,
            provider: shows_all.then_some(payment.provider),
            capture_mode: shows_all.then_some(payment.capture_mode),
            payment_url: payment.payment_url.filter(|_| shows_all),
            expires_at: shows_all.then_some(payment.expires_at),
            captured_amount: payment.captured_amount.filter(|_| shows_all),
            refunded_amount: shows_all.then_some(payment.refunded_amount),
            refunds: shows_all.then(|| refunds_for(payment.refunds, is_admin)),
            failure: payment.failure.filter(|_| shows_all),
            used: shows_all.then_some(payment.used),
            late: shows_all.then_some(payment.late),
            created_at: shows_all.then_some(payment.created_at),
            updated_at: shows_all.then_some(payment.updated_at),
            integrity_hold: is_admin.then_some(payment.integrity_hold),
            integrity_proposal: payment.integrity_proposal.filter(|_| is_admin),
            bank_acts: is_admin.then_some(payment.bank_acts),
            provider_payment_id: payment.provider_payment_id.filter(|_| is_admin),
            provider_order_ref: is_admin.then_some(payment.provider_order_ref),
        }
    }
}
