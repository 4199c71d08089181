//! What can be asked of an order.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CancelReason, DeliveryType, DishRating, Fault, Funds, GiftUse, OrderPolicy, RefundPart, RefundSource};
use crate::domain::{
    Money,
    dispute::DisputeClaim,
    ids::{DishId, DisputeId, OrderId, PaymentId, ProducerId, RefundId, UserId},
    payment::{CaptureMode, FailureReason, ProviderChoice},
};

/// A command for an order. Facts that a decision may not look up (prices, opening hours, policy) travel inside.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderCommand {
    /// Places the order.
    Create(Box<CreateOrder>),
    /// Opens an attempt to pay; with an attempt open already, nothing new happens.
    RequestPayment(RequestPayment),
    /// The open attempt came to nothing.
    RecordPaymentFailure {
        /// The attempt's payment.
        payment_id: PaymentId,
        /// Why.
        reason: FailureReason,
    },
    /// The money is there.
    MarkPaid(MarkPaid),
    /// Reminds a cook who has not answered.
    RemindProducer,
    /// The cook takes it on.
    Accept {
        /// Minutes until it is ready, 1 to 600.
        eta_minutes: u32,
    },
    /// The cook refuses it.
    Reject {
        /// Why, for machines.
        reason_code: RejectReason,
        /// Why, for people.
        comment: Option<String>,
    },
    /// Cooking begins.
    StartPreparation {
        /// The cook's note.
        note: Option<String>,
    },
    /// The meal is ready.
    MarkReady {
        /// The cook's note.
        note: Option<String>,
    },
    /// The meal leaves the kitchen.
    Dispatch {
        /// The cook's note.
        note: Option<String>,
    },
    /// The meal was handed over.
    MarkDelivered {
        /// What proves it (a photo's reference).
        proof_ref: Option<String>,
        /// The durations in force.
        policy: OrderPolicy,
    },
    /// The customer confirms, or the time to complain passed.
    Complete {
        /// The durations in force.
        policy: OrderPolicy,
    },
    /// Calls it off.
    Cancel {
        /// Why, for machines; people may leave it out, then it follows from who they are.
        reason_code: Option<CancelReason>,
        /// Why, for people.
        reason_text: Option<String>,
    },
    /// Owes money back to the customer.
    AuthorizeRefund(AuthorizeRefund),
    /// A part of an owed refund reached the customer.
    SettleRefund {
        /// The refund.
        refund_id: RefundId,
        /// Which part.
        part: RefundPart,
    },
    /// A part of an owed refund could not be paid out.
    RecordRefundFailure {
        /// The refund.
        refund_id: RefundId,
        /// Which part.
        part: RefundPart,
        /// Why.
        reason: String,
    },
    /// Lays a dispute's claim to the cook's share, before the dispute itself exists.
    ClaimDispute(Box<ClaimDispute>),
    /// A dispute was decided: what it grants is owed and its claim ends, in one decision.
    SettleDispute(SettleDispute),
    /// Releases the cook's share.
    ReleasePayout,
    /// Gives marks.
    Rate(Rate),
    /// Moves the promise of when it is ready.
    AdjustEta {
        /// Minutes from now, 1 to 600.
        eta_minutes: u32,
    },
}

/// Everything that the decision to take an order needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateOrder {
    /// The new order.
    pub order_id: OrderId,
    /// Who orders.
    pub customer_id: UserId,
    /// The kitchen, as the catalogue has it now.
    pub producer: ProducerSnapshot,
    /// The dishes, as the catalogue has them now.
    pub lines: Vec<RequestedLine>,
    /// Where it is handed over.
    pub delivery_type: DeliveryType,
    /// When the customer wants to eat; none means as soon as possible.
    pub requested_for: Option<DateTime<Utc>>,
    /// The total that the customer saw; it is compared, never charged.
    pub expected_total: Option<Money>,
    /// Name, phone, address and comment, sealed with the customer's own key.
    pub pii_sealed: Option<String>,
    /// The gift's share, reserved before the order is placed.
    pub gift: Option<OrderGift>,
    /// The durations and limits in force.
    pub policy: OrderPolicy,
}

/// What a gift brings to an order.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderGift {
    /// The share that is reserved.
    pub share: GiftUse,
    /// Until when it is.
    pub reserved_until: DateTime<Utc>,
    /// For a dish that was given: the fee for bringing it as it was locked with the price, whatever the way. The dish's
    /// line then bears the locked price too.
    pub locked_delivery_fee: Option<Money>,
}

/// A kitchen at the moment of the order.
#[derive(Debug, Clone, PartialEq)]
pub struct ProducerSnapshot {
    /// The kitchen.
    pub producer_id: ProducerId,
    /// The cook, who may not buy from himself.
    pub owner_user_id: UserId,
    /// Whether it sells at all.
    pub active: bool,
    /// Whether it is open when the meal is wanted: now, or at `requested_for`.
    pub open_now: bool,
    /// The ways it hands meals over.
    pub delivery_types: Vec<DeliveryType>,
    /// What bringing a meal costs; fetching it costs nothing.
    pub delivery_fee: Money,
    /// The platform's share of the net, in 1/10 000.
    pub commission_bps: u32,
}

/// A dish at the moment of the order, and how many of it are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestedLine {
    /// The dish.
    pub dish_id: DishId,
    /// Its name.
    pub dish_name: String,
    /// Its price.
    pub unit_price: Money,
    /// How many, 1 to 99.
    pub quantity: u32,
    /// The version of the price.
    pub price_version: i32,
    /// Whether it is on the menu.
    pub available: bool,
    /// Whose dish it is.
    pub producer_id: ProducerId,
    /// How many are left; none means as many as you like.
    pub portions_left: Option<i64>,
}

/// Asks for an attempt to pay.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestPayment {
    /// The order: the attempt's payment id is derived from it.
    pub order_id: OrderId,
    /// Who is to move the money.
    pub provider: ProviderChoice,
    /// Where the customer's browser goes afterwards (already checked against the allow-list).
    pub return_url: String,
    /// When the money is taken; none means with the payment.
    pub capture_mode: Option<CaptureMode>,
    /// The durations and limits in force.
    pub policy: OrderPolicy,
}

/// Says that the money is there.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkPaid {
    /// The payment that brought the card's part; none if a gift paid all of it.
    pub payment_id: Option<PaymentId>,
    /// Paid by card.
    pub card_amount: Money,
    /// Paid by gift.
    pub gift_amount: Money,
    /// How sure the money is.
    pub funds: Funds,
    /// The durations in force.
    pub policy: OrderPolicy,
}

/// Why a cook refuses an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectReason {
    /// Something is used up.
    OutOfItems,
    /// The kitchen is closed.
    KitchenClosed,
    /// Too much to do.
    TooBusy,
    /// Something else.
    Other,
}

impl RejectReason {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfItems => "OUT_OF_ITEMS",
            Self::KitchenClosed => "KITCHEN_CLOSED",
            Self::TooBusy => "TOO_BUSY",
            Self::Other => "OTHER",
        }
    }
}

/// Owes money back.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthorizeRefund {
    /// The refund: `RefundId::of_source`.
    pub refund_id: RefundId,
    /// What it comes from.
    pub source: RefundSource,
    /// The event, dispute or request it comes from; one refund per source and id.
    pub source_id: Uuid,
    /// How much.
    pub amount: RefundAmount,
    /// Who bears it.
    pub fault: Fault,
}

/// How much goes back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RefundAmount {
    /// This much.
    Exactly(Money),
    /// Whatever was paid and not yet authorised back; nothing left is no refund.
    Rest,
    /// The rest, held money included: the shell knows that it was taken after all.
    RestOfTaken,
}

/// A dispute wants to be opened. Everything about the order is decided here, so that claim and payout cannot race.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimDispute {
    /// The order: the dispute's id is derived from it.
    pub order_id: OrderId,
    /// What is claimed, and why.
    pub claim: DisputeClaim,
    /// The durations in force.
    pub policy: OrderPolicy,
}

/// What a decided dispute means for its order.
#[derive(Debug, Clone, PartialEq)]
pub struct SettleDispute {
    /// The dispute.
    pub dispute_id: DisputeId,
    /// What it grants; no more than is left goes back.
    pub refund_amount: Money,
    /// Who bears it.
    pub fault: Fault,
    /// The durations in force.
    pub policy: OrderPolicy,
}

/// The customer's marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// 1 to 5.
    pub rating: u8,
    /// Marks by dish, at most one for each dish of the order.
    pub per_item: Vec<DishRating>,
    /// A few words.
    pub comment: Option<String>,
    /// The durations in force.
    pub policy: OrderPolicy,
}
