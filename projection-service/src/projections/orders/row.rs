//! Everything that is known of one order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        DisputeId, Money, OrderId, PaymentId, ProducerId, RefundId, UserId,
        dispute::DisputeReason,
        order::{
            CancelReason, DeliveryType, DishRating, Fault, GiftUse, OrderCancelled, OrderCreated, OrderItem,
            OrderPayoutFrozen, OrderPayoutReleased, OrderPayoutUnfrozen, OrderRated, OrderRefundAuthorized,
            OrderStatus, RefundPart, RefundSource,
        },
    },
    log::RecordedEvent,
};
use utoipa::ToSchema;
use uuid::Uuid;

/// One order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the events")]
pub struct OrderRow {
    pub id: OrderId,
    pub customer_id: UserId,
    pub producer_id: ProducerId,
    pub status: OrderStatus,
    pub items: Vec<OrderItem>,
    pub delivery_type: DeliveryType,
    pub delivery_fee: Money,
    pub total_price: Money,
    pub amount_due: Money,
    pub commission_bps: u32,
    pub gift: Option<GiftUse>,
    pub payment: Option<PaymentSummary>,
    pub attempts_opened: u32,
    /// Failed ones, the provider's outages not counted.
    pub attempts_lost: u32,
    pub refunds: Vec<RefundRow>,
    /// A dispute and its appeal.
    #[serde(default)]
    pub disputes: Vec<OrderDisputeRow>,
    pub payout: Option<PayoutRow>,
    pub requested_for: Option<DateTime<Utc>>,
    pub eta_minutes: Option<u32>,
    pub ready_by: Option<DateTime<Utc>>,
    pub note: Option<String>,
    pub proof_ref: Option<String>,
    pub rating: Option<RatingRow>,
    pub cancellation: Option<CancellationRow>,
    pub payment_deadline: DateTime<Utc>,
    pub accept_deadline: Option<DateTime<Utc>>,
    pub auto_complete_at: Option<DateTime<Utc>>,
    pub payout_due_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub preparation_started_at: Option<DateTime<Utc>>,
    pub ready_at: Option<DateTime<Utc>>,
    pub dispatched_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The business flow, for the causation tree.
    pub correlation_id: Uuid,
    /// The version of the order's stream.
    pub version: u64,
    /// Opened only for those who may see it.
    pub pii_sealed: Option<String>,
}

impl OrderRow {
    /// The row of an order that was just placed.
    pub(super) fn new(event: &RecordedEvent, created: &OrderCreated) -> Self {
        Self {
            id: OrderId(event.aggregate_id),
            customer_id: created.customer_id,
            producer_id: created.producer_id,
            status: OrderStatus::WaitingForPayment,
            items: created.items.clone(),
            delivery_type: created.delivery_type,
            delivery_fee: created.delivery_fee,
            total_price: created.total_price,
            amount_due: created.amount_due,
            commission_bps: created.commission_bps,
            gift: created.gift.clone(),
            payment: None,
            attempts_opened: 0,
            attempts_lost: 0,
            refunds: Vec::new(),
            disputes: Vec::new(),
            payout: None,
            requested_for: created.requested_for,
            eta_minutes: None,
            ready_by: None,
            note: None,
            proof_ref: None,
            rating: None,
            cancellation: None,
            payment_deadline: created.payment_deadline,
            accept_deadline: None,
            auto_complete_at: None,
            payout_due_at: None,
            created_at: event.occurred_at,
            updated_at: event.occurred_at,
            paid_at: None,
            accepted_at: None,
            preparation_started_at: None,
            ready_at: None,
            dispatched_at: None,
            delivered_at: None,
            completed_at: None,
            cancelled_at: None,
            correlation_id: event.correlation_id,
            version: event.sequence,
            pii_sealed: created.pii_sealed.clone(),
        }
    }
}

impl OrderRow {
    /// What was paid and is not promised back, in minor units; held money counts until the order is called off.
    pub fn refundable_minor(&self) -> i64 {
        let Some(payment) = self.payment.as_ref().filter(|_| self.paid_at.is_some()) else { return 0 };
        let is_let_go = self.status == OrderStatus::Cancelled;
        let card = match payment.status {
            AttemptStatus::Authorized if is_let_go => 0,
            AttemptStatus::Authorized | AttemptStatus::Succeeded => payment.amount.minor(),
            AttemptStatus::Pending | AttemptStatus::Failed => 0,
        };
        let back = |refund: &RefundRow| refund.card_amount.minor().saturating_add(refund.gift_amount.minor());
        let paid = card.saturating_add(payment.gift_amount.map_or(0, Money::minor));
        self.refunds.iter().fold(paid, |left, refund| left.saturating_sub(back(refund)))
    }
}

/// The newest attempt to pay, as far as the order knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PaymentSummary {
    /// The payment; none if a gift paid all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_id: Option<PaymentId>,
    /// 1, 2, … for attempts by card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attempt_no: Option<u32>,
    /// What became of it.
    pub status: AttemptStatus,
    /// What it had to bring, or brought.
    pub amount: Money,
    /// What a gift brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gift_amount: Option<Money>,
    /// Why it came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<shared::domain::payment::FailureReason>,
}

/// What became of an attempt to pay an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptStatus {
    /// It is open.
    Pending,
    /// It came to nothing.
    Failed,
    /// The money was held when the order was paid; whether it was taken since, the payment says.
    Authorized,
    /// The money was taken.
    Succeeded,
}

/// Money owed back to the customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundRow {
    /// The refund.
    pub refund_id: RefundId,
    /// What it comes from.
    pub source: RefundSource,
    /// The part that goes to the card.
    pub card_amount: Money,
    /// How far that part is.
    pub card_status: RefundStatus,
    /// The part that goes to the gift.
    pub gift_amount: Money,
    /// How far that part is.
    pub gift_status: RefundStatus,
    /// Who bears it.
    pub fault: Fault,
    /// When it was decided.
    pub authorized_at: DateTime<Utc>,
    /// When the last part arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub settled_at: Option<DateTime<Utc>>,
}

impl RefundRow {
    pub(super) fn new(event: &RecordedEvent, authorized: &OrderRefundAuthorized) -> Self {
        let status = |amount: Money| if amount.is_zero() { RefundStatus::None } else { RefundStatus::Pending };
        Self {
            refund_id: authorized.refund_id,
            source: authorized.source,
            card_amount: authorized.card_amount,
            card_status: status(authorized.card_amount),
            gift_amount: authorized.gift_amount,
            gift_status: status(authorized.gift_amount),
            fault: authorized.fault,
            authorized_at: event.occurred_at,
            settled_at: None,
        }
    }

    pub(super) fn set(&mut self, part: RefundPart, status: RefundStatus, at: DateTime<Utc>) {
        match part {
            RefundPart::Card => self.card_status = status,
            RefundPart::Gift => self.gift_status = status,
        }
        let done = |status| matches!(status, RefundStatus::None | RefundStatus::Settled);
        self.settled_at = (done(self.card_status) && done(self.gift_status)).then_some(at);
    }
}

/// How far a part of a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundStatus {
    /// There is no such part.
    None,
    /// On its way.
    Pending,
    /// It could not be paid out yet.
    Failed,
    /// With the customer.
    Settled,
}

/// A dispute, as far as its order knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderDisputeRow {
    /// The dispute.
    pub dispute_id: DisputeId,
    /// What went wrong.
    pub reason_code: DisputeReason,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was decided; while it is not, the cook's share is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub settled_at: Option<DateTime<Utc>>,
    /// What went back because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refund_amount: Option<Money>,
    /// Until when it may be appealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub appeal_before: Option<DateTime<Utc>>,
}

impl OrderDisputeRow {
    pub(super) fn new(frozen: &OrderPayoutFrozen, opened_at: DateTime<Utc>) -> Self {
        Self {
            dispute_id: frozen.dispute_id,
            reason_code: frozen.claim.reason_code,
            opened_at,
            settled_at: None,
            refund_amount: None,
            appeal_before: None,
        }
    }

    pub(super) fn settle(&mut self, unfrozen: &OrderPayoutUnfrozen, settled_at: DateTime<Utc>) {
        self.settled_at = Some(settled_at);
        self.refund_amount = Some(unfrozen.refund_amount);
        self.appeal_before = Some(unfrozen.appeal_before);
    }
}

/// How the money of an order was shared out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the fields are those of the event")]
pub struct PayoutRow {
    pub gross: Money,
    pub refunded: Money,
    pub commission: Money,
    pub producer_net: Money,
    pub released_at: DateTime<Utc>,
}

impl PayoutRow {
    pub(super) fn new(payout: &OrderPayoutReleased, released_at: DateTime<Utc>) -> Self {
        let OrderPayoutReleased { gross, refunded, commission, producer_net } = *payout;
        Self { gross, refunded, commission, producer_net, released_at }
    }
}

/// The customer's marks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RatingRow {
    /// 1 to 5.
    pub rating: u8,
    /// Marks by dish.
    pub per_item: Vec<DishRating>,
    /// A few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub comment: Option<String>,
    /// When.
    pub rated_at: DateTime<Utc>,
}

impl RatingRow {
    pub(super) fn new(rated: &OrderRated, rated_at: DateTime<Utc>) -> Self {
        let OrderRated { rating, per_item, comment } = rated.clone();
        Self { rating, per_item, comment, rated_at }
    }
}

/// Why an order was called off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CancellationRow {
    /// Why, for machines.
    pub reason_code: CancelReason,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason_text: Option<String>,
    /// Who: `customer`, `producer`, `admin` or `system`.
    pub cancelled_by: String,
    /// Where the order stood.
    pub from_status: OrderStatus,
    /// Whether money has to go back.
    pub refund_required: bool,
}

impl CancellationRow {
    pub(super) fn new(cancelled: &OrderCancelled) -> Self {
        let OrderCancelled { reason_code, reason_text, cancelled_by, from_status, refund_required } = cancelled.clone();
        Self { reason_code, reason_text, cancelled_by, from_status, refund_required }
    }
}
