//! What events do to a gift. It accepts every history, in every order: facts are not argued with.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Bought, Credit, DishOrder, Gift, GiftActivated, GiftCreated, GiftCredited, GiftEvent, GiftIssued, GiftRefund,
    GiftRefundRequested, GiftRefundState, GiftReserved, GiftStage, GiftTerms, GiftUsage, Issue, Pot, Purse, UsageState,
};
use crate::domain::{
    ids::{PaymentId, RefundId},
    order::{Attempt, AttemptOutcome},
};

impl Gift {
    pub(super) fn evolve(&mut self, event: GiftEvent) {
        match (self, event) {
            (gift @ Self::NotBought, GiftEvent::GiftCreated(created)) => {
                *gift = Self::Bought(Box::new(Bought::new(created)))
            }
            (Self::NotBought, _) => {}
            (Self::Bought(bought), event) => bought.evolve(event),
        }
    }
}

impl Bought {
    fn new(created: GiftCreated) -> Self {
        Self {
            kind: created.kind,
            stage: GiftStage::PendingPayment,
            is_blocked: false,
            attempts: Vec::new(),
            issue: None,
            activated_by: None,
            activations: 0,
            dish_order: None,
            purse: Purse::empty(created.value),
            was_redeemed: false,
            uses: Vec::new(),
            refunds: Vec::new(),
            terms: Arc::new(GiftTerms {
                buyer_id: created.buyer_id,
                recipient_user_id: created.recipient_user_id,
                value: created.value,
                dish: created.dish,
                deliver_at: created.deliver_at,
                payment_deadline: created.payment_deadline,
                pii_sealed: created.pii_sealed,
            }),
        }
    }

    fn evolve(&mut self, event: GiftEvent) {
        match event {
            // A gift is born once.
            GiftEvent::GiftCreated(_) => {}
            GiftEvent::GiftPaymentRequested(requested) => {
                self.attempts.push(Attempt { payment_id: requested.payment_id, outcome: AttemptOutcome::Active });
            }
            GiftEvent::GiftPaymentAttemptFailed(failed) => {
                self.set_outcome(failed.payment_id, AttemptOutcome::Failed(failed.reason));
            }
            GiftEvent::GiftIssued(issued) => self.issued(issued),
            GiftEvent::GiftDelivered(_) => self.change_issue(|issue| issue.is_delivered = true),
            GiftEvent::GiftReminded(reminded) => self.change_issue(|issue| issue.remind_at = reminded.next_at),
            GiftEvent::GiftActivated(activated) => self.activated(&activated),
            GiftEvent::GiftActivationReverted(_) => {
                self.stage = GiftStage::Issued;
                (self.activated_by, self.dish_order) = (None, None);
            }
            GiftEvent::GiftConverted(converted) => self.kind = converted.to,
            GiftEvent::GiftReserved(reserved) => self.reserved(&reserved),
            GiftEvent::GiftRedeemed(redeemed) => {
                self.was_redeemed = true;
                self.purse.shift(Pot::Reserved, Pot::Redeemed, redeemed.amount);
                self.set_usage(redeemed.reservation_id, UsageState::Redeemed);
            }
            GiftEvent::GiftReservationReleased(released) => {
                self.purse.shift(Pot::Reserved, Pot::Available, released.amount);
                self.set_usage(released.reservation_id, UsageState::Released);
            }
            GiftEvent::GiftCredited(credited) => self.credited(&credited),
            GiftEvent::GiftExpired(_) => self.stage = GiftStage::Expired,
            GiftEvent::GiftCancelled(_) => self.stage = GiftStage::Cancelled,
            GiftEvent::GiftRefundRequested(requested) => self.refund_requested(&requested),
            GiftEvent::GiftRefundSettled(refund) => {
                self.purse.shift(Pot::Refunding, Pot::Refunded, refund.amount);
                self.set_refund(refund.refund_id, GiftRefundState::Settled);
            }
            GiftEvent::GiftRefundReverted(refund) => {
                self.purse.shift(Pot::Refunding, Pot::Available, refund.amount);
                self.set_refund(refund.refund_id, GiftRefundState::Reverted);
            }
            GiftEvent::GiftBlocked(_) => self.is_blocked = true,
            GiftEvent::GiftUnblocked(_) => self.is_blocked = false,
        }
    }

    fn issued(&mut self, issued: GiftIssued) {
        self.stage = GiftStage::Issued;
        self.purse = Purse::filled(issued.value);
        self.set_outcome(issued.payment_id, AttemptOutcome::Paid);
        self.issue = Some(Issue {
            payment_id: issued.payment_id,
            code_ref: issued.code_ref,
            last4: issued.last4,
            expires_at: issued.expires_at,
            remind_at: Some(issued.remind_at),
            is_delivered: false,
        });
    }

    fn activated(&mut self, activated: &GiftActivated) {
        self.stage = GiftStage::Activated;
        self.activated_by = Some(activated.activated_by);
        self.activations = self.activations.saturating_add(1);
        self.dish_order = activated.order_id.zip(activated.delivery_type).map(|(order_id, delivery_type)| {
            let pii_sealed = activated.pii_sealed.clone();
            DishOrder { order_id, delivery_type, pii_sealed }
        });
    }

    fn reserved(&mut self, reserved: &GiftReserved) {
        self.purse.shift(Pot::Available, Pot::Reserved, reserved.amount);
        self.uses.push(GiftUsage {
            reservation_id: reserved.reservation_id,
            order_id: reserved.order_id,
            amount: reserved.amount,
            state: UsageState::Reserved { until: reserved.until },
            credits: Vec::new(),
        });
    }

    fn credited(&mut self, credited: &GiftCredited) {
        self.purse.shift(Pot::Redeemed, Pot::Available, credited.amount);
        let credit = Credit { refund_id: credited.refund_id, amount: credited.amount };
        for usage in self.uses.iter_mut().filter(|usage| usage.order_id == credited.order_id) {
            usage.credits.push(credit);
        }
    }

    fn refund_requested(&mut self, requested: &GiftRefundRequested) {
        self.purse.shift(Pot::Available, Pot::Refunding, requested.amount);
        let (refund_id, amount) = (requested.refund_id, requested.amount);
        self.refunds.push(GiftRefund { refund_id, amount, state: GiftRefundState::Requested });
    }

    fn change_issue(&mut self, change: impl FnOnce(&mut Issue)) {
        if let Some(issue) = &mut self.issue {
            change(issue);
        }
    }

    fn set_outcome(&mut self, payment_id: PaymentId, outcome: AttemptOutcome) {
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.payment_id == payment_id) {
            attempt.outcome = outcome;
        }
    }

    fn set_usage(&mut self, reservation_id: Uuid, state: UsageState) {
        for usage in self.uses.iter_mut().filter(|usage| usage.reservation_id == reservation_id) {
            usage.state = state;
        }
    }

    fn set_refund(&mut self, refund_id: RefundId, state: GiftRefundState) {
        for refund in self.refunds.iter_mut().filter(|refund| refund.refund_id == refund_id) {
            refund.state = state;
        }
    }
}
