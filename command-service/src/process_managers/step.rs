//! What a process manager wants done, as data.

use chrono::{DateTime, Utc};
use shared::domain::{
    DisputeId, GiftId, Money, OrderId, PaymentId,
    dispute::{DisputeCommand, DisputePolicy},
    gift::{Gift, GiftCommand, GiftPolicy},
    order::{Order, OrderCommand, OrderPolicy, ProducerSnapshot, RequestedLine},
    payment::{Payment, PaymentCommand, PaymentPolicy, Provider, Purpose},
};

use uuid::Uuid;

use crate::timers::TimerKind;

/// One thing to do. Steps of one event are done in order, each after the one before is durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask something of an order.
    Order {
        /// The order.
        order_id: OrderId,
        /// What.
        command: OrderCommand,
        /// What to do instead if it says no; without it, a no is an answer too.
        otherwise: Vec<Step>,
    },
    /// Ask something of a payment.
    Payment {
        /// The payment.
        payment_id: PaymentId,
        /// What.
        command: PaymentCommand,
        /// What to do instead if it says no; without it, a no is an answer too.
        otherwise: Vec<Step>,
    },
    /// Ask something of a gift, or of the vault that holds its code.
    Gift {
        /// The gift.
        gift_id: GiftId,
        /// What.
        act: GiftAct,
        /// What to do instead if it says no; without it, a no is an answer too.
        otherwise: Vec<Step>,
    },
    /// Ask something of a dispute.
    Dispute {
        /// The dispute.
        dispute_id: DisputeId,
        /// What.
        command: DisputeCommand,
    },
    /// Do something outside.
    Effect(Effect),
    /// Call a person.
    Alarm {
        /// What is wrong, for machines.
        kind: &'static str,
    },
    /// Start a deadline that no event starts.
    Arm {
        /// What is to happen.
        kind: TimerKind,
        /// When.
        due_at: DateTime<Utc>,
    },
}

/// Something to do with a gift.
#[derive(Debug, Clone, PartialEq)]
pub enum GiftAct {
    /// Ask it.
    Ask(Box<GiftCommand>),
    /// Make its code, and tell it that its money is there.
    Issue {
        /// The payment that brought the money.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
    },
    /// Erase its code.
    EraseCode,
}

/// Something to do at the payment provider. The payment says what exactly, at the moment of doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Open a page to pay on.
    OpenSession(PaymentId),
    /// Go on with opening a page of which it is not known whether it was opened.
    ResumeSession(PaymentId),
    /// Call the attempt off.
    Abort(PaymentId),
    /// Take the held money.
    Capture(PaymentId),
    /// Do the next refund.
    Refund(PaymentId),
    /// Ask where it stands, until there is an answer.
    Ask(PaymentId),
    /// Look once where it stands.
    Look(PaymentId),
    /// Leave it to a person: the provider's last word came and it is not at an end.
    GiveUp(PaymentId),
}

impl Effect {
    /// The payment it is about.
    pub fn payment_id(self) -> PaymentId {
        match self {
            Self::OpenSession(id)
            | Self::ResumeSession(id)
            | Self::Abort(id)
            | Self::Capture(id)
            | Self::Refund(id)
            | Self::Ask(id)
            | Self::Look(id)
            | Self::GiveUp(id) => id,
        }
    }
}

/// What a process manager may look at: the aggregates the event is about, as they are now (never older than the event),
/// and the settings.
#[derive(Debug, Clone)]
pub struct Situation {
    /// Now.
    pub now: DateTime<Utc>,
    /// The order, where the event is about one.
    pub order: Option<Order>,
    /// The payment, where the event is about one.
    pub payment: Option<Payment>,
    /// The gift, where the event is about one or about its payment.
    pub gift: Option<Gift>,
    /// What the order of a given dish needs to know of the catalogue.
    pub dish: Option<DishNow>,
    /// The reservations of the gift whose time is over, and whether their orders will never redeem them.
    pub overdue: Vec<(Uuid, bool)>,
    /// The settings.
    pub policies: Policies,
}

/// A given dish and its kitchen as the catalogue has them now.
#[derive(Debug, Clone)]
pub struct DishNow {
    /// The kitchen.
    pub producer: ProducerSnapshot,
    /// The dish, in the quantity that was given.
    pub line: RequestedLine,
}

/// The settings that process managers hand on.
#[derive(Debug, Clone)]
pub struct Policies {
    /// Durations and limits of orders.
    pub order: OrderPolicy,
    /// Durations and limits of disputes.
    pub dispute: DisputePolicy,
    /// Durations and limits of payments.
    pub payment: PaymentPolicy,
    /// Durations and limits of gifts.
    pub gift: GiftPolicy,
    /// The provider for customers who do not choose one.
    pub default_provider: Provider,
    /// The providers that may be used.
    pub enabled_providers: Vec<Provider>,
    /// How much longer a customer who is being checked by the bank may take.
    pub payment_grace: chrono::Duration,
}

impl Situation {
    /// The order that the payment is for.
    pub fn order_of_payment(&self) -> Option<OrderId> {
        match self.payment.as_ref()?.purpose()? {
            Purpose::Order { order_id } => Some(order_id),
            Purpose::Gift { .. } => None,
        }
    }

    /// The gift that the payment is for.
    pub fn gift_of_payment(&self) -> Option<GiftId> {
        match self.payment.as_ref()?.purpose()? {
            Purpose::Gift { gift_id } => Some(gift_id),
            Purpose::Order { .. } => None,
        }
    }
}

impl Step {
    /// Asks an order; a no is an answer too.
    pub fn order(order_id: OrderId, command: OrderCommand) -> Self {
        Self::Order { order_id, command, otherwise: Vec::new() }
    }

    /// Asks a gift; a no is an answer too.
    pub fn gift(gift_id: GiftId, command: GiftCommand) -> Self {
        Self::Gift { gift_id, act: GiftAct::Ask(Box::new(command)), otherwise: Vec::new() }
    }

    /// Asks a dispute; a no is an answer too.
    pub fn dispute(dispute_id: DisputeId, command: DisputeCommand) -> Self {
        Self::Dispute { dispute_id, command }
    }

    /// Asks a payment; a no is an answer too.
    pub fn payment(payment_id: PaymentId, command: PaymentCommand) -> Self {
        Self::Payment { payment_id, command, otherwise: Vec::new() }
    }
}
