//! What is answered about gifts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::{
    GiftId, Money, OrderId, UserId,
    gift::{Gift, GiftDish, GiftKind, GiftStatus},
};
use utoipa::ToSchema;

use super::views::PaymentData;

/// A gift after a command. `GET /api/v1/gifts/{id}` shows all of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GiftData {
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
    /// The dish, for a gift of that kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dish: Option<GiftDish>,
    /// Who gets it, if it is somebody who signs in here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub recipient_user_id: Option<UserId>,
    /// When an unpaid gift is called off.
    pub payment_deadline: DateTime<Utc>,
    /// Until when it may be spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<DateTime<Utc>>,
    /// The last four symbols of its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last4: Option<String>,
    /// The order of the dish, which is placed in a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    /// The payment that was opened for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment: Option<PaymentData>,
}

/// A gift's code, for its buyer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GiftCodeData {
    /// The gift.
    pub id: GiftId,
    /// The code.
    #[schema(example = "7F3K-9QXA-M2ZC-41TB")]
    pub code: String,
    /// Until when it may be used.
    pub expires_at: DateTime<Utc>,
}

/// What is on a gift, for whoever has its code.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GiftBalanceData {
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
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// The last four symbols of its code.
    pub last4: String,
}

/// The gift as it is answered.
pub(super) fn gift_data(id: GiftId, gift: &Gift, payment: Option<PaymentData>) -> Option<GiftData> {
    let terms = gift.terms()?;
    Some(GiftData {
        id,
        kind: gift.kind()?,
        status: gift.status()?,
        value: terms.value,
        available: gift.available()?,
        dish: terms.dish.clone(),
        recipient_user_id: terms.recipient_user_id,
        payment_deadline: terms.payment_deadline,
        expires_at: gift.issue().map(|issue| issue.expires_at),
        last4: gift.issue().map(|issue| issue.last4.clone()),
        order_id: gift.dish_order().map(|order| order.order_id),
        payment,
    })
}

/// The balance as it is answered; none of a gift that was never paid.
pub(super) fn balance_data(id: GiftId, gift: &Gift) -> Option<GiftBalanceData> {
    let issue = gift.issue()?;
    Some(GiftBalanceData {
        id,
        kind: gift.kind()?,
        status: gift.status()?,
        value: gift.terms()?.value,
        available: gift.available()?,
        expires_at: issue.expires_at,
        last4: issue.last4.clone(),
    })
}
