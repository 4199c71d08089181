//! What can happen to an order.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CancelReason, DeliveryType, Fault, Funds, PayoutWas, PriceSource, RefundPart, RefundSource};
use crate::domain::{
    Money, Portion,
    dispute::{DisputeClaim, OpenedBy},
    events::aggregate_events,
    ids::{DishId, DisputeId, GiftId, PaymentId, ProducerId, RefundId, UserId},
};

aggregate_events! {
    /// An event of an order.
    OrderEvent {
        /// The order was placed; prices, names and commission are frozen in it.
        OrderCreated => "order_created" v 2,
        /// A payment attempt was opened.
        OrderPaymentRequested => "order_payment_requested" v 1,
        /// The open attempt came to nothing.
        OrderPaymentAttemptFailed => "order_payment_attempt_failed" v 1,
        /// The money is there.
        OrderPaid => "order_paid" v 2,
        /// The cook did not answer yet and was reminded.
        OrderProducerReminded => "order_producer_reminded" v 1,
        /// The cook took it on.
        OrderAccepted => "order_accepted" v 1,
        /// The promise of when it is ready was moved.
        OrderEtaChanged => "order_eta_changed" v 1,
        /// Cooking began.
        OrderPreparationStarted => "order_preparation_started" v 1,
        /// The meal is ready.
        OrderReady => "order_ready" v 1,
        /// The meal is on its way.
        OrderDispatched => "order_dispatched" v 1,
        /// The meal was handed over.
        OrderDelivered => "order_delivered" v 1,
        /// Everybody is content, or the time to complain passed.
        OrderCompleted => "order_completed" v 1,
        /// The order was called off.
        OrderCancelled => "order_cancelled" v 1,
        /// Money is owed back to the customer.
        OrderRefundAuthorized => "order_refund_authorized" v 1,
        /// A part of an owed refund reached the customer.
        OrderRefundSettled => "order_refund_settled" v 1,
        /// A part of an owed refund could not be paid out.
        OrderRefundFailed => "order_refund_failed" v 1,
        /// A dispute laid claim to the cook's share.
        OrderPayoutFrozen => "order_payout_frozen" v 1,
        /// The dispute was decided, its claim ended.
        OrderPayoutUnfrozen => "order_payout_unfrozen" v 1,
        /// The cook's share was released.
        OrderPayoutReleased => "order_payout_released" v 1,
        /// The customer gave marks.
        OrderRated => "order_rated" v 1,
    }
}

/// One line of an order, frozen at its creation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct OrderItem {
    /// 1, 2, 3, …
    pub line_no: u32,
    /// The dish.
    pub dish_id: DishId,
    /// Its name at that time.
    pub dish_name: String,
    /// Its price at that time.
    pub unit_price: Money,
    /// How many, 1 to 99.
    pub quantity: u32,
    /// `unit_price` × `quantity`.
    pub line_total: Money,
    /// The version of the price that was read.
    pub price_version: i32,
    /// Where the price came from.
    pub price_source: PriceSource,
}

/// How much of an order a gift pays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct GiftUse {
    /// The gift.
    pub gift_id: GiftId,
    /// The reservation on it.
    pub reservation_id: Uuid,
    /// The amount it covers.
    pub amount: Money,
}

/// `order_created`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderCreated {
    /// Who ordered.
    pub customer_id: UserId,
    /// Who cooks.
    pub producer_id: ProducerId,
    /// The lines, 1 to 20.
    pub items: Vec<OrderItem>,
    /// Where it is handed over.
    pub delivery_type: DeliveryType,
    /// The fee for bringing it.
    pub delivery_fee: Money,
    /// Lines and fee.
    pub total_price: Money,
    /// What a gift pays of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gift: Option<GiftUse>,
    /// What is left to pay by card.
    pub amount_due: Money,
    /// The platform's share of the net, in 1/10 000.
    pub commission_bps: u32,
    /// When an unpaid order is called off.
    pub payment_deadline: DateTime<Utc>,
    /// When the customer wants to eat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_for: Option<DateTime<Utc>>,
    /// Name, phone, address and comment, sealed with the customer's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pii_sealed: Option<String>,
    /// What was taken of dishes with a limit, each dish once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub portions_taken: Vec<Portion>,
}

/// `order_payment_requested`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPaymentRequested {
    /// The attempt's payment: `PaymentId::of_order_attempt`.
    pub payment_id: PaymentId,
    /// 1, 2, …
    pub attempt_no: u32,
    /// What it has to bring.
    pub amount_due: Money,
    /// The provider that was asked for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<crate::domain::payment::Provider>,
    /// Where the customer's browser goes afterwards.
    pub return_url: String,
    /// When the money is taken.
    pub capture_mode: crate::domain::payment::CaptureMode,
    /// When the attempt stops being useful: the order's payment deadline.
    pub expires_at: DateTime<Utc>,
}

/// `order_payment_attempt_failed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPaymentAttemptFailed {
    /// The attempt's payment.
    pub payment_id: PaymentId,
    /// 1, 2, …
    pub attempt_no: u32,
    /// Why.
    pub reason: crate::domain::payment::FailureReason,
}

/// `order_paid`, version 2. Version 1 had no `funds`: everything was captured at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPaid {
    /// The payment that brought the card's part; none if a gift paid all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// Paid by card.
    pub card_amount: Money,
    /// Paid by gift.
    pub gift_amount: Money,
    /// How sure the money is.
    pub funds: Funds,
    /// When an order that no cook took on is called off.
    pub accept_deadline: DateTime<Utc>,
}

/// `order_producer_reminded`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderProducerReminded {
    /// When the order is called off if no cook takes it on.
    pub accept_deadline: DateTime<Utc>,
}

/// `order_accepted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderAccepted {
    /// Minutes until it is ready, 1 to 600.
    pub eta_minutes: u32,
    /// The same as an instant.
    pub ready_by: DateTime<Utc>,
}

/// `order_eta_changed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderEtaChanged {
    /// Minutes from now, 1 to 600.
    pub eta_minutes: u32,
    /// The same as an instant.
    pub ready_by: DateTime<Utc>,
}

/// `order_preparation_started`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPreparationStarted {
    /// The cook's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `order_ready`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderReady {
    /// The cook's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `order_dispatched`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderDispatched {
    /// The cook's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `order_delivered`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderDelivered {
    /// What proves the handing over (a photo's reference).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_ref: Option<String>,
    /// When it completes by itself.
    pub auto_complete_at: DateTime<Utc>,
}

/// `order_completed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderCompleted {
    /// When the cook's share may be released; disputes must be opened before it.
    pub payout_due_at: DateTime<Utc>,
}

/// `order_cancelled`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderCancelled {
    /// Why, for machines.
    pub reason_code: CancelReason,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// Who: `customer`, `producer`, `admin` or `system`.
    pub cancelled_by: String,
    /// Where the order stood.
    pub from_status: super::OrderStatus,
    /// Whether captured money has to go back.
    pub refund_required: bool,
}

/// `order_refund_authorized`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderRefundAuthorized {
    /// The refund.
    pub refund_id: RefundId,
    /// What it comes from.
    pub source: RefundSource,
    /// The event, dispute or request it comes from; one refund per source and id.
    pub source_id: Uuid,
    /// The part that goes to the card (taken first, so that no gift turns into cash).
    pub card_amount: Money,
    /// The part that goes to the gift.
    pub gift_amount: Money,
    /// Who bears it.
    pub fault: Fault,
    /// The payment that the card's part goes back through; none if there is no such part, or the bank has given it
    /// back already (a chargeback, a refund in the bank's cabinet).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
}

/// `order_refund_settled`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderRefundSettled {
    /// The refund.
    pub refund_id: RefundId,
    /// Which part.
    pub part: RefundPart,
}

/// `order_refund_failed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderRefundFailed {
    /// The refund.
    pub refund_id: RefundId,
    /// Which part.
    pub part: RefundPart,
    /// Why.
    pub reason: String,
}

/// `order_payout_frozen`: all that is needed to open the dispute, should whoever claimed not come to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPayoutFrozen {
    /// The dispute: `DisputeId::of_order`.
    pub dispute_id: DisputeId,
    /// Where the cook's share stood.
    pub payout_was: PayoutWas,
    /// Who opened it.
    pub opened_by: OpenedBy,
    /// What could go back at that time.
    pub refundable: Money,
    /// What is claimed, and why.
    pub claim: DisputeClaim,
}

/// `order_payout_unfrozen`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPayoutUnfrozen {
    /// The dispute.
    pub dispute_id: DisputeId,
    /// What was authorised back because of it.
    pub refund_amount: Money,
    /// Until when the customer may appeal.
    pub appeal_before: DateTime<Utc>,
    /// When the order completes by itself, if it was only delivered so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_complete_at: Option<DateTime<Utc>>,
    /// When the cook's share may be released, if the order is complete and it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout_due_at: Option<DateTime<Utc>>,
}

/// `order_payout_released`: gross − refunded = commission + `producer_net`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPayoutReleased {
    /// What was paid.
    pub gross: Money,
    /// What was authorised back.
    pub refunded: Money,
    /// The platform's share.
    pub commission: Money,
    /// The cook's share.
    pub producer_net: Money,
}

/// A mark for one dish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DishRating {
    /// The dish.
    pub dish_id: DishId,
    /// 1 to 5.
    pub rating: u8,
}

/// `order_rated`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderRated {
    /// 1 to 5.
    pub rating: u8,
    /// Marks by dish.
    #[serde(default)]
    pub per_item: Vec<DishRating>,
    /// A few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
