//! What the shell may read of a gift.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Bought, CodeRef, DishOrder, Gift, GiftKind, GiftRefund, GiftRefundState, GiftStage, GiftStatus, GiftTerms,
    GiftUsage, Issue, Pot, Purse, UsageState,
};
use crate::domain::{
    Money,
    ids::{OrderId, PaymentId, RefundId, UserId},
    order::{Attempt, AttemptOutcome},
    payment::FailureReason,
};

impl Gift {
    /// The gift, if it was chosen.
    pub fn bought(&self) -> Option<&Bought> {
        match self {
            Self::NotBought => None,
            Self::Bought(bought) => Some(bought.as_ref()),
        }
    }

    /// Where it stands.
    pub fn status(&self) -> Option<GiftStatus> {
        self.bought().map(Bought::status)
    }

    /// What was agreed.
    pub fn terms(&self) -> Option<&GiftTerms> {
        self.bought().map(|bought| bought.terms.as_ref())
    }

    /// What it is now: a dish may have turned into its value.
    pub fn kind(&self) -> Option<GiftKind> {
        self.bought().map(|bought| bought.kind)
    }

    /// Whether nobody may use it until somebody has looked.
    pub fn is_blocked(&self) -> bool {
        self.bought().is_some_and(|bought| bought.is_blocked)
    }

    /// What it is worth, pot by pot.
    pub fn purse(&self) -> Option<Purse> {
        self.bought().map(|bought| bought.purse)
    }

    /// What can be spent of it.
    pub fn available(&self) -> Option<Money> {
        self.purse().map(|purse| purse.amount(Pot::Available))
    }

    /// What it has since it was paid.
    pub fn issue(&self) -> Option<&Issue> {
        self.bought().and_then(|bought| bought.issue.as_ref())
    }

    /// The payment of the open attempt.
    pub fn active_payment(&self) -> Option<PaymentId> {
        self.bought().and_then(Bought::active_payment)
    }

    /// Every attempt to pay, the first first.
    pub fn attempts(&self) -> &[Attempt] {
        self.bought().map_or(&[], |bought| &bought.attempts)
    }

    /// Attempts that the buyer lost; the provider's outages do not count.
    pub fn payment_attempts_lost(&self) -> usize {
        attempts_lost(self.attempts())
    }

    /// Who took it.
    pub fn activated_by(&self) -> Option<UserId> {
        self.bought().and_then(|bought| bought.activated_by)
    }

    /// The order of the dish that the activation asked for.
    pub fn dish_order(&self) -> Option<&DishOrder> {
        self.bought().and_then(|bought| bought.dish_order.as_ref())
    }

    /// Every use of it, the first first.
    pub fn uses(&self) -> &[GiftUsage] {
        self.bought().map_or(&[], |bought| &bought.uses)
    }

    /// What an order has of it.
    pub fn usage(&self, reservation_id: Uuid) -> Option<&GiftUsage> {
        self.bought().and_then(|bought| bought.usage(reservation_id))
    }

    /// The shares whose orders should have been paid or called off by now.
    pub fn overdue_uses(&self, now: DateTime<Utc>) -> impl Iterator<Item = &GiftUsage> {
        let is_overdue = move |usage: &&GiftUsage| match usage.state {
            UsageState::Reserved { until } => until <= now,
            UsageState::Redeemed | UsageState::Released => false,
        };
        self.uses().iter().filter(is_overdue)
    }

    /// Refunds to the buyer, the first first.
    pub fn refunds(&self) -> &[GiftRefund] {
        self.bought().map_or(&[], |bought| &bought.refunds)
    }

    /// The refund of that id, if it is on its way.
    pub fn pending_refund(&self, refund_id: RefundId) -> Option<&GiftRefund> {
        let pending =
            |refund: &&GiftRefund| refund.refund_id == refund_id && refund.state == GiftRefundState::Requested;
        self.refunds().iter().find(pending)
    }

    /// Whether somebody with this code may know what is on the gift: the code is right, the gift is neither blocked nor
    /// over, and it is not somebody else's.
    pub fn is_shown_to(&self, user_id: UserId, code_ref: &CodeRef) -> bool {
        let shown = |bought: &Bought| {
            let open = match bought.stage {
                GiftStage::PendingPayment | GiftStage::Cancelled => false,
                GiftStage::Issued | GiftStage::Activated | GiftStage::Expired => true,
            };
            let is_buyer = bought.activated_by.is_none() && bought.terms.buyer_id == user_id;
            open && bought.knows(code_ref) && (is_buyer || bought.holder(user_id, Some(code_ref)).is_ok())
        };
        self.bought().is_some_and(|bought| !bought.is_blocked && shown(bought))
    }
}

impl Bought {
    /// Where it stands.
    pub fn status(&self) -> GiftStatus {
        let is_spent = self.purse.is_all_in(&[Pot::Redeemed, Pot::Refunded]);
        match self.stage {
            GiftStage::PendingPayment => GiftStatus::PendingPayment,
            GiftStage::Issued => GiftStatus::Issued,
            GiftStage::Activated if !self.was_redeemed => GiftStatus::Activated,
            GiftStage::Activated if is_spent => GiftStatus::Redeemed,
            GiftStage::Activated => GiftStatus::PartiallyRedeemed,
            GiftStage::Expired => GiftStatus::Expired,
            GiftStage::Cancelled => GiftStatus::Cancelled,
        }
    }

    /// The payment of the open attempt.
    pub fn active_payment(&self) -> Option<PaymentId> {
        let active = |attempt: &&Attempt| attempt.outcome == AttemptOutcome::Active;
        self.attempts.iter().find(active).map(|attempt| attempt.payment_id)
    }

    pub(super) fn is_dish_order(&self, order_id: OrderId) -> bool {
        self.dish_order.as_ref().is_some_and(|order| order.order_id == order_id)
    }

    pub(super) fn available(&self) -> Money {
        self.purse.amount(Pot::Available)
    }

    pub(super) fn usage(&self, reservation_id: Uuid) -> Option<&GiftUsage> {
        self.uses.iter().find(|usage| usage.reservation_id == reservation_id)
    }

    pub(super) fn knows(&self, code_ref: &CodeRef) -> bool {
        self.issue.as_ref().is_some_and(|issue| issue.code_ref == *code_ref)
    }
}

/// Attempts that the buyer lost; the provider's outages are nobody's loss.
pub(super) fn attempts_lost(attempts: &[Attempt]) -> usize {
    let lost = |attempt: &&Attempt| match attempt.outcome {
        AttemptOutcome::Failed(reason) => reason != FailureReason::ProviderUnavailable,
        AttemptOutcome::Active | AttemptOutcome::Paid => false,
    };
    attempts.iter().filter(lost).count()
}
