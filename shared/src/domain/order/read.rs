//! What the shell may read of an order.

use chrono::{DateTime, Utc};

use super::{
    Attempt, AttemptOutcome, Claim, CreateOrder, GiftUse, Order, OrderError, OrderEvent, OrderStatus, PartState,
    Payout, Placed, Receipt, Refund, RefundPart, Stage, Terms,
};
use crate::domain::{
    Money, PortionMove,
    ids::{DisputeId, PaymentId, ProducerId, RefundId, UserId},
};

impl Order {
    /// The order, if it was placed.
    pub fn placed(&self) -> Option<&Placed> {
        match self {
            Self::NotPlaced => None,
            Self::Placed(placed) => Some(placed),
        }
    }

    /// Where it stands.
    pub fn status(&self) -> Option<OrderStatus> {
        self.placed().map(Placed::status)
    }

    /// What was agreed.
    pub fn terms(&self) -> Option<&Terms> {
        self.placed().map(|placed| placed.terms.as_ref())
    }

    /// Who ordered.
    pub fn customer_id(&self) -> Option<UserId> {
        self.terms().map(|terms| terms.customer_id)
    }

    /// Who cooks.
    pub fn producer_id(&self) -> Option<ProducerId> {
        self.terms().map(|terms| terms.producer_id)
    }

    /// Lines and fee.
    pub fn total(&self) -> Option<Money> {
        self.terms().map(|terms| terms.total)
    }

    /// What is to be paid by card.
    pub fn amount_due(&self) -> Option<Money> {
        self.terms().map(|terms| terms.amount_due)
    }

    /// What a gift pays of it.
    pub fn gift(&self) -> Option<&GiftUse> {
        self.terms().and_then(|terms| terms.gift.as_ref())
    }

    /// The payment of the open attempt.
    pub fn active_payment(&self) -> Option<PaymentId> {
        self.placed().and_then(Placed::active_payment)
    }

    /// Every attempt to pay, the first first.
    pub fn attempts(&self) -> &[Attempt] {
        self.placed().map_or(&[], |placed| &placed.attempts)
    }

    /// What was paid.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.placed().and_then(|placed| placed.receipt.as_ref())
    }

    /// The payment that paid it.
    pub fn paid_by(&self) -> Option<PaymentId> {
        self.receipt().and_then(|receipt| receipt.payment_id)
    }

    /// When an unpaid order is called off.
    pub fn payment_deadline(&self) -> Option<DateTime<Utc>> {
        self.terms().map(|terms| terms.payment_deadline)
    }

    /// When a paid order that no cook took on is called off.
    pub fn accept_deadline(&self) -> Option<DateTime<Utc>> {
        match self.placed()?.stage {
            Stage::Paid { accept_deadline } => Some(accept_deadline),
            _ => None,
        }
    }

    /// When a delivered order completes by itself.
    pub fn auto_complete_at(&self) -> Option<DateTime<Utc>> {
        match self.placed()?.stage {
            Stage::Delivered { auto_complete_at } => Some(auto_complete_at),
            _ => None,
        }
    }

    /// When the cook's share of a completed order may be released.
    pub fn payout_due_at(&self) -> Option<DateTime<Utc>> {
        match self.placed()?.stage {
            Stage::Completed { payout_due_at, .. } => Some(payout_due_at),
            _ => None,
        }
    }

    /// The dispute that is not decided yet.
    pub fn open_dispute(&self) -> Option<DisputeId> {
        self.placed().and_then(Placed::open_claim).map(|claim| claim.dispute_id)
    }

    /// What could go back at most: held money counts only if the caller knows that it was taken.
    pub fn left_to_refund(&self, held_was_taken: bool) -> Option<Money> {
        let left = self.placed()?.money_left(held_was_taken)?;
        left.card.add(left.gift).ok()
    }

    /// What of the card's part could go back.
    pub fn card_left_to_refund(&self) -> Option<Money> {
        self.placed()?.money_left(false).map(|left| left.card)
    }

    /// When the meal was promised for, once a cook took it on.
    pub fn ready_by(&self) -> Option<DateTime<Utc>> {
        self.placed()?.ready_by
    }

    /// Every dispute's claim, the first first.
    pub fn disputes(&self) -> &[Claim] {
        self.placed().map_or(&[], |placed| &placed.disputes)
    }

    /// Where the cook's share stands.
    pub fn payout(&self) -> Payout {
        self.placed().map_or(Payout::None, |placed| placed.payout)
    }

    /// Every refund, the first first.
    pub fn refunds(&self) -> &[Refund] {
        self.placed().map_or(&[], |placed| &placed.refunds)
    }

    /// The parts of refunds that have not reached the customer: refund, part, amount.
    pub fn pending_refunds(&self) -> impl Iterator<Item = (RefundId, RefundPart, Money)> + '_ {
        self.refunds().iter().flat_map(|refund| {
            [(RefundPart::Card, refund.card), (RefundPart::Gift, refund.gift)]
                .into_iter()
                .filter(|(_, part)| part.amount.is_positive() && part.state != PartState::Settled)
                .map(|(name, part)| (refund.refund_id, name, part.amount))
        })
    }
}

impl Order {
    /// Attempts that the customer lost; the provider's outages do not count.
    pub fn payment_attempts_lost(&self) -> usize {
        super::decide::attempts_lost(self.attempts())
    }
}

impl Order {
    /// What the event takes of the kitchen's pots or gives back. Once the cook has begun, nothing can be sold again.
    pub(super) fn moves_portions(&self, event: &OrderEvent) -> Option<PortionMove> {
        if let OrderEvent::OrderCreated(created) = event {
            return (!created.portions_taken.is_empty()).then(|| PortionMove::Take(created.portions_taken.clone()));
        }
        let OrderEvent::OrderCancelled(_) = event else { return None };
        if !self.terms().is_some_and(|terms| terms.takes_portions) {
            return None;
        }
        match self.status()? {
            OrderStatus::WaitingForPayment | OrderStatus::Paid | OrderStatus::Accepted => Some(PortionMove::GiveBack),
            OrderStatus::Preparing
            | OrderStatus::Ready
            | OrderStatus::OutForDelivery
            | OrderStatus::Delivered
            | OrderStatus::Completed
            | OrderStatus::Cancelled => None,
        }
    }
}

impl CreateOrder {
    /// What the order would cost, if it may be placed now.
    pub fn quote(&self, now: DateTime<Utc>) -> Result<Money, OrderError> {
        super::decide::quote(self, now)
    }
}

impl Placed {
    /// Where it stands.
    pub fn status(&self) -> OrderStatus {
        self.stage.status()
    }

    /// The payment of the open attempt.
    pub fn active_payment(&self) -> Option<PaymentId> {
        let active = |attempt: &&Attempt| attempt.outcome == AttemptOutcome::Active;
        self.attempts.iter().find(active).map(|attempt| attempt.payment_id)
    }
}

impl Stage {
    /// The name of the stage.
    pub fn status(self) -> OrderStatus {
        match self {
            Self::WaitingForPayment => OrderStatus::WaitingForPayment,
            Self::Paid { .. } => OrderStatus::Paid,
            Self::Accepted => OrderStatus::Accepted,
            Self::Preparing => OrderStatus::Preparing,
            Self::Ready => OrderStatus::Ready,
            Self::OutForDelivery => OrderStatus::OutForDelivery,
            Self::Delivered { .. } => OrderStatus::Delivered,
            Self::Completed { .. } => OrderStatus::Completed,
            Self::Cancelled { .. } => OrderStatus::Cancelled,
        }
    }
}
