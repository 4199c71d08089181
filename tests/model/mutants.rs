//! Planted defects: each is a wrapper around what the aggregates decide or what the shell does, here in the test alone, so
//! that no production code knows of it. The model run has to catch every one.

use shared::domain::{
    EventSourced, Intent, Money,
    gift::{Gift, GiftCommand, GiftError, GiftReserved, ReservePurpose},
    order::{
        AuthorizeRefund, Order, OrderCommand, OrderError, OrderPaid, OrderRefundAuthorized, OrderStatus, RefundAmount,
    },
    payment::{Payment, PaymentCommand, PaymentEvent, PaymentStatus, ProviderStatus},
};
use uuid::Uuid;

/// A defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// An order owes back whatever it is asked to.
    NoRefundCap,
    /// A gift reserves what it does not have.
    NoGiftBalanceCheck,
    /// A cancelled order takes money.
    MarkPaidOnCancelled,
    /// Money that comes after an attempt was given up is not written down.
    LateMoneyIgnored,
    /// A dispute is opened first and the share frozen later.
    FreezeBySaga,
    /// Money that was sent back by calling off is not said to have bought nothing.
    AbortWithoutUnapplied,
    /// Neither command ids nor business ids are looked at.
    BothDedupeLayersOff,
    /// Each try of a refund has a new name at the bank.
    NewNameOnEachRefundTry,
    /// The portions of an order are given back with its cancellation, and again by whoever follows it.
    PortionsGivenBackTwice,
}

impl Mutant {
    pub const ALL: [Self; 9] = [
        Self::NoRefundCap,
        Self::NoGiftBalanceCheck,
        Self::MarkPaidOnCancelled,
        Self::LateMoneyIgnored,
        Self::FreezeBySaga,
        Self::AbortWithoutUnapplied,
        Self::BothDedupeLayersOff,
        Self::NewNameOnEachRefundTry,
        Self::PortionsGivenBackTwice,
    ];
}

/// An aggregate that may have a planted defect.
pub trait Mutable: EventSourced<Action: std::fmt::Debug> {
    /// What the defective aggregate decides; the sound one where the defect changes nothing.
    fn decide_as(
        &self,
        mutant: Mutant,
        intent: &Intent<Self::Action>,
        nonce: u64,
    ) -> Result<Vec<Self::Event>, Self::Error>;
}

/// What the aggregate decides, with the defect if one is planted.
pub fn decide<A: Mutable>(
    aggregate: &A,
    mutant: Option<Mutant>,
    intent: &Intent<A::Action>,
    nonce: u64,
) -> Result<Vec<A::Event>, A::Error> {
    match mutant {
        None => aggregate.decide(intent),
        Some(mutant) => aggregate.decide_as(mutant, intent, nonce),
    }
}

impl Mutable for Order {
    fn decide_as(
        &self,
        mutant: Mutant,
        intent: &Intent<OrderCommand>,
        nonce: u64,
    ) -> Result<Vec<Self::Event>, OrderError> {
        match (mutant, &intent.command) {
            (Mutant::NoRefundCap, OrderCommand::AuthorizeRefund(request)) => {
                self.decide(intent).or_else(|error| match (error, request.amount) {
                    (OrderError::RefundExceedsPaid, RefundAmount::Exactly(amount)) => {
                        Ok(vec![uncapped(self, request, amount).into()])
                    }
                    (error, _) => Err(error),
                })
            }
            (Mutant::MarkPaidOnCancelled, OrderCommand::MarkPaid(paid))
                if self.status() == Some(OrderStatus::Cancelled) =>
            {
                let event = OrderPaid {
                    payment_id: paid.payment_id,
                    card_amount: paid.card_amount,
                    gift_amount: paid.gift_amount,
                    funds: paid.funds,
                    accept_deadline: intent.now,
                };
                Ok(vec![event.into()])
            }
            (Mutant::BothDedupeLayersOff, OrderCommand::AuthorizeRefund(request)) => {
                let source_id = Uuid::new_v5(&request.source_id, &nonce.to_be_bytes());
                let request = AuthorizeRefund { refund_id: source_id.into(), source_id, ..request.clone() };
                let command = OrderCommand::AuthorizeRefund(request);
                self.decide(&Intent { command, ..intent.clone() })
            }
            _ => self.decide(intent),
        }
    }
}

fn uncapped(order: &Order, request: &AuthorizeRefund, amount: Money) -> OrderRefundAuthorized {
    OrderRefundAuthorized {
        refund_id: request.refund_id,
        source: request.source,
        source_id: request.source_id,
        card_amount: amount,
        gift_amount: Money::zero(amount.currency()),
        fault: request.fault,
        payment_id: order.paid_by(),
    }
}

impl Mutable for Payment {
    fn decide_as(
        &self,
        mutant: Mutant,
        intent: &Intent<PaymentCommand>,
        nonce: u64,
    ) -> Result<Vec<Self::Event>, Self::Error> {
        match (mutant, &intent.command) {
            (Mutant::LateMoneyIgnored, PaymentCommand::RecordProviderStatus(record))
                if self.status() == Some(PaymentStatus::Failed)
                    && record.report.status == ProviderStatus::Confirmed =>
            {
                Ok(vec![])
            }
            (Mutant::AbortWithoutUnapplied, PaymentCommand::RecordAbortOutcome(_)) => {
                let events = self.decide(intent)?;
                Ok(events.into_iter().filter(|event| !matches!(event, PaymentEvent::PaymentUnapplied(_))).collect())
            }
            (Mutant::BothDedupeLayersOff, PaymentCommand::RequestRefund { refund_id, amount, source }) => {
                let refund_id = Uuid::new_v5(&refund_id.0, &nonce.to_be_bytes()).into();
                let command = PaymentCommand::RequestRefund { refund_id, amount: *amount, source: *source };
                self.decide(&Intent { command, ..intent.clone() })
            }
            _ => self.decide(intent),
        }
    }
}

impl Mutable for Gift {
    fn decide_as(&self, mutant: Mutant, intent: &Intent<GiftCommand>, _: u64) -> Result<Vec<Self::Event>, GiftError> {
        match (mutant, &intent.command) {
            (Mutant::NoGiftBalanceCheck, GiftCommand::Reserve(request)) => {
                self.decide(intent).or_else(|error| match (error, request.purpose) {
                    (GiftError::InsufficientBalance, ReservePurpose::Order { wanted: Some(amount) }) => {
                        let reserved = GiftReserved {
                            reservation_id: request.reservation_id,
                            order_id: request.order_id,
                            amount,
                            until: request.payment_deadline + request.policy.reservation_grace,
                            available_after: Money::zero(amount.currency()),
                        };
                        Ok(vec![reserved.into()])
                    }
                    (error, _) => Err(error),
                })
            }
            _ => self.decide(intent),
        }
    }
}

impl Mutable for shared::domain::dispute::Dispute {
    fn decide_as(&self, _: Mutant, intent: &Intent<Self::Action>, _: u64) -> Result<Vec<Self::Event>, Self::Error> {
        self.decide(intent)
    }
}
