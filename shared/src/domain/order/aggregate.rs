//! The order itself: only what a rule needs to know; the read models hold the rest.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DeliveryType, Funds, GiftUse, OrderCommand, OrderError, OrderEvent, OrderStatus, RefundSource, decide};
use crate::domain::{
    Money, Portion, PortionMove,
    aggregate::event_sourced,
    ids::{DisputeId, PaymentId, ProducerId, RefundId, UserId},
    payment::FailureReason,
};

/// An order: the one place that decides what is owed for a meal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Order {
    /// Nobody placed it.
    #[default]
    NotPlaced,
    /// It was placed.
    Placed(Placed),
}

/// An order that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// What was agreed; shared, so that a copy of the order costs little.
    pub(super) terms: Arc<Terms>,
    pub(super) stage: Stage,
    /// Bounded by `OrderPolicy::payment_attempts_opened_max`.
    pub(super) attempts: Vec<Attempt>,
    /// None until it is paid; never taken back, refunds count against it.
    pub(super) receipt: Option<Receipt>,
    pub(super) payout: Payout,
    /// Bounded: see `decide::refund`.
    pub(super) refunds: Vec<Refund>,
    /// When the meal was promised for, once a cook took it on.
    pub(super) ready_by: Option<DateTime<Utc>>,
    /// At most two: a dispute and its appeal.
    pub(super) disputes: Vec<Claim>,
}

/// A dispute's claim to the cook's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The dispute.
    pub dispute_id: DisputeId,
    /// What is wanted; none means all that can go back.
    pub claimed: Option<Money>,
    /// Whether the bank took the money back already.
    pub is_chargeback: bool,
    /// Until when its decision may be appealed; none while it is not decided.
    pub appeal_before: Option<DateTime<Utc>>,
}

/// What was agreed when the order was placed; it never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Who ordered.
    pub customer_id: UserId,
    /// Who cooks.
    pub producer_id: ProducerId,
    /// Where it is handed over.
    pub delivery_type: DeliveryType,
    /// How many of which dish.
    pub portions: Vec<Portion>,
    /// Whether some of them were taken of a dish with a limit.
    #[serde(default)]
    pub takes_portions: bool,
    /// Lines and fee.
    pub total: Money,
    /// What is to be paid by card; a gift pays the rest of the total.
    pub amount_due: Money,
    /// What a gift pays of it.
    #[serde(default)]
    pub gift: Option<GiftUse>,
    /// The platform's share of the net, in 1/10 000.
    pub commission_bps: u32,
    /// When an unpaid order is called off.
    pub payment_deadline: DateTime<Utc>,
    /// When the customer wants to eat.
    pub requested_for: Option<DateTime<Utc>>,
}

/// Where an order stands, with what only matters there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Placed, not paid.
    WaitingForPayment,
    /// Paid, no cook has taken it on yet.
    Paid {
        /// When it is called off if no cook takes it on.
        accept_deadline: DateTime<Utc>,
    },
    /// A cook took it on.
    Accepted,
    /// It is being cooked.
    Preparing,
    /// It is ready.
    Ready,
    /// It is on its way.
    OutForDelivery,
    /// It was handed over.
    Delivered {
        /// When it completes by itself.
        auto_complete_at: DateTime<Utc>,
    },
    /// Everybody is content, or the time to complain passed.
    Completed {
        /// When the cook's share may be released.
        payout_due_at: DateTime<Utc>,
        /// Whether the customer gave marks.
        rated: bool,
    },
    /// It was called off.
    Cancelled {
        /// Where it stood then.
        from: OrderStatus,
    },
}

/// One attempt to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its payment.
    pub payment_id: PaymentId,
    /// What became of it.
    pub outcome: AttemptOutcome,
}

/// What became of an attempt to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptOutcome {
    /// Nothing yet.
    Active,
    /// It came to nothing; its money may still come late.
    Failed(FailureReason),
    /// It paid the order.
    Paid,
}

/// What was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The payment that brought the card's part.
    pub payment_id: Option<PaymentId>,
    /// By card.
    pub card: Money,
    /// By gift.
    pub gift: Money,
    /// How sure the card's part is.
    pub funds: Funds,
}

/// Where the cook's share stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payout {
    /// Nothing was paid yet.
    None,
    /// Kept back until the time to complain is over.
    Held,
    /// Kept back until a dispute is decided.
    Frozen,
    /// Given out.
    Released,
    /// There is none: the order was called off.
    Voided,
}

/// Money that is owed back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The refund.
    pub refund_id: RefundId,
    /// What it comes from.
    pub source: RefundSource,
    /// The event, dispute or request it comes from.
    pub source_id: Uuid,
    /// The part that goes to the card.
    pub card: Part,
    /// The part that goes to the gift.
    pub gift: Part,
}

/// One part of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How much; nothing means that the refund has no such part.
    pub amount: Money,
    /// How far it is.
    pub state: PartState,
}

/// How far a part of a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartState {
    /// On its way.
    Pending,
    /// Refused for now; still owed.
    Failed,
    /// With the customer.
    Settled,
}

event_sourced!(Order, "order", OrderCommand, OrderEvent, OrderError, {
    fn portions(&self, events: &[Self::Event]) -> Option<PortionMove> {
        events.iter().find_map(|event| self.moves_portions(event))
    }

    fn short_of_portions() -> Option<Self::Error> {
        Some(OrderError::InsufficientPortions)
    }
});
