//! Everything that is known of one gift.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        GiftId, Money, OrderId, PaymentId, RefundId, UserId,
        gift::{GiftCancelReason, GiftCreated, GiftDish, GiftKind, GiftRefundCause, GiftStatus, Pot, Purse},
        payment::FailureReason,
    },
    log::RecordedEvent,
};
use utoipa::ToSchema;
use uuid::Uuid;

/// One gift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the events")]
pub struct GiftRow {
    pub id: GiftId,
    pub buyer_id: UserId,
    pub recipient_user_id: Option<UserId>,
    pub kind: GiftKind,
    pub value: Money,
    pub dish: Option<GiftDish>,
    pub deliver_at: Option<DateTime<Utc>>,
    pub payment_deadline: DateTime<Utc>,
    pub pii_sealed: Option<String>,
    pub status: GiftStatus,
    pub is_blocked: bool,
    pub purse: Purse,
    /// Something was redeemed once; so a spent gift that gets money back does not look untouched.
    pub was_redeemed: bool,
    pub attempts: Vec<GiftAttemptRow>,
    pub last4: Option<String>,
    pub issued_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub activated_by: Option<UserId>,
    pub activated_at: Option<DateTime<Utc>>,
    /// The order of the dish.
    pub order_id: Option<OrderId>,
    pub uses: Vec<GiftUseRow>,
    pub refunds: Vec<GiftRefundRow>,
    pub cancel_reason: Option<GiftCancelReason>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: u64,
}

impl GiftRow {
    /// The row of a gift that was just chosen.
    pub(super) fn new(event: &RecordedEvent, created: &GiftCreated) -> Self {
        Self {
            id: GiftId(event.aggregate_id),
            buyer_id: created.buyer_id,
            recipient_user_id: created.recipient_user_id,
            kind: created.kind,
            value: created.value,
            dish: created.dish.clone(),
            deliver_at: created.deliver_at,
            payment_deadline: created.payment_deadline,
            pii_sealed: created.pii_sealed.clone(),
            status: GiftStatus::PendingPayment,
            is_blocked: false,
            purse: Purse::empty(created.value),
            was_redeemed: false,
            attempts: Vec::new(),
            last4: None,
            issued_at: None,
            delivered_at: None,
            expires_at: None,
            activated_by: None,
            activated_at: None,
            order_id: None,
            uses: Vec::new(),
            refunds: Vec::new(),
            cancel_reason: None,
            created_at: event.occurred_at,
            updated_at: event.occurred_at,
            version: event.sequence,
        }
    }

    /// Who spends it: who took it, or whom it is meant for.
    pub fn recipient(&self) -> Option<UserId> {
        self.activated_by.or(self.recipient_user_id)
    }

    /// Attempts that failed, the provider's outages not counted.
    pub fn attempts_lost(&self) -> usize {
        let lost = |attempt: &&GiftAttemptRow| {
            attempt.status == GiftAttemptStatus::Failed && attempt.failure != Some(FailureReason::ProviderUnavailable)
        };
        self.attempts.iter().filter(lost).count()
    }

    /// Whether an attempt to pay is open.
    pub fn has_active_attempt(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.status == GiftAttemptStatus::Active)
    }

    /// While somebody holds it, the status follows from the purse.
    pub(super) fn set_spent(&mut self) {
        if !self.was_redeemed
            || !matches!(self.status, GiftStatus::Activated | GiftStatus::PartiallyRedeemed | GiftStatus::Redeemed)
        {
            return;
        }
        let is_spent = self.purse.is_all_in(&[Pot::Redeemed, Pot::Refunded]);
        self.status = if is_spent { GiftStatus::Redeemed } else { GiftStatus::PartiallyRedeemed };
    }
}

/// An attempt to pay a gift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GiftAttemptRow {
    /// Its payment.
    pub payment_id: PaymentId,
    /// What became of it.
    pub status: GiftAttemptStatus,
    /// Why it came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failure: Option<FailureReason>,
}

/// What became of an attempt to pay a gift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GiftAttemptStatus {
    /// Nothing yet.
    Active,
    /// It came to nothing.
    Failed,
    /// It paid the gift.
    Paid,
}

/// What one order has of a gift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GiftUseRow {
    /// One for each order.
    pub reservation_id: Uuid,
    /// The order.
    pub order_id: OrderId,
    /// Its share.
    pub amount: Money,
    /// How far it is.
    pub status: GiftUseStatus,
    /// What refunds of the order brought back.
    pub credited: Money,
    /// When the share was reserved.
    pub reserved_at: DateTime<Utc>,
}

/// How far the use of a gift for an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GiftUseStatus {
    /// The order is not paid yet.
    Reserved,
    /// The order is paid.
    Redeemed,
    /// The order came to nothing.
    Released,
}

/// Money on its way back to the buyer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GiftRefundRow {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub cause: GiftRefundCause,
    /// How far it is.
    pub status: GiftRefundStatus,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
}

/// How far a refund to the buyer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GiftRefundStatus {
    /// On its way.
    Requested,
    /// With the buyer.
    Settled,
    /// It could not go back; a person has to look.
    Reverted,
}
