//! What events do to an order. It accepts every history, in every order: facts are not argued with.

use std::sync::Arc;

use super::{
    Attempt, AttemptOutcome, Claim, Order, OrderCreated, OrderEvent, OrderPaid, OrderPayoutFrozen, OrderPayoutUnfrozen,
    OrderRefundAuthorized, OrderStatus, Part, PartState, Payout, Placed, Receipt, Refund, RefundPart, Stage, Terms,
};
use crate::domain::{
    Portion,
    dispute::DisputeReason,
    ids::{PaymentId, RefundId},
};

impl Order {
    pub(super) fn evolve(&mut self, event: OrderEvent) {
        match (self, event) {
            (order @ Self::NotPlaced, OrderEvent::OrderCreated(created)) => *order = Self::Placed(Placed::new(created)),
            (Self::NotPlaced, _) => {}
            (Self::Placed(placed), event) => placed.evolve(event),
        }
    }
}

impl Placed {
    fn new(created: OrderCreated) -> Self {
        let portion = |item: &super::OrderItem| Portion { dish_id: item.dish_id, quantity: item.quantity };
        Self {
            terms: Arc::new(Terms {
                customer_id: created.customer_id,
                producer_id: created.producer_id,
                delivery_type: created.delivery_type,
                portions: created.items.iter().map(portion).collect(),
                takes_portions: !created.portions_taken.is_empty(),
                total: created.total_price,
                amount_due: created.amount_due,
                gift: created.gift,
                commission_bps: created.commission_bps,
                payment_deadline: created.payment_deadline,
                requested_for: created.requested_for,
            }),
            stage: Stage::WaitingForPayment,
            attempts: Vec::new(),
            receipt: None,
            payout: Payout::None,
            refunds: Vec::new(),
            ready_by: None,
            disputes: Vec::new(),
        }
    }

    fn evolve(&mut self, event: OrderEvent) {
        match event {
            // An order is born once.
            OrderEvent::OrderCreated(_) => {}
            OrderEvent::OrderPaymentRequested(requested) => {
                self.attempts.push(Attempt { payment_id: requested.payment_id, outcome: AttemptOutcome::Active });
            }
            OrderEvent::OrderPaymentAttemptFailed(failed) => {
                self.set_outcome(failed.payment_id, AttemptOutcome::Failed(failed.reason));
            }
            OrderEvent::OrderPaid(paid) => self.paid(&paid),
            // Told to the cook; nothing about the order changes.
            OrderEvent::OrderProducerReminded(_) => {}
            OrderEvent::OrderAccepted(accepted) => {
                self.stage = Stage::Accepted;
                self.ready_by = Some(accepted.ready_by);
            }
            OrderEvent::OrderEtaChanged(changed) => self.ready_by = Some(changed.ready_by),
            OrderEvent::OrderPreparationStarted(_) => self.stage = Stage::Preparing,
            OrderEvent::OrderReady(_) => self.stage = Stage::Ready,
            OrderEvent::OrderDispatched(_) => self.stage = Stage::OutForDelivery,
            OrderEvent::OrderDelivered(delivered) => {
                self.stage = Stage::Delivered { auto_complete_at: delivered.auto_complete_at };
            }
            OrderEvent::OrderCompleted(completed) => {
                self.stage = Stage::Completed { payout_due_at: completed.payout_due_at, rated: false };
            }
            OrderEvent::OrderCancelled(cancelled) => self.call_off(cancelled.from_status),
            OrderEvent::OrderRefundAuthorized(authorized) => self.refunds.push(Refund::new(&authorized)),
            OrderEvent::OrderRefundSettled(settled) => {
                self.set_part(settled.refund_id, settled.part, PartState::Settled);
            }
            OrderEvent::OrderRefundFailed(failed) => self.set_part(failed.refund_id, failed.part, PartState::Failed),
            OrderEvent::OrderPayoutFrozen(frozen) => self.claimed(&frozen),
            OrderEvent::OrderPayoutUnfrozen(unfrozen) => self.settled(&unfrozen),
            OrderEvent::OrderPayoutReleased(_) => self.payout = Payout::Released,
            OrderEvent::OrderRated(_) => self.rated(),
        }
    }

    fn paid(&mut self, paid: &OrderPaid) {
        self.stage = Stage::Paid { accept_deadline: paid.accept_deadline };
        self.payout = Payout::Held;
        self.receipt = Some(Receipt {
            payment_id: paid.payment_id,
            card: paid.card_amount,
            gift: paid.gift_amount,
            funds: paid.funds,
        });
        if let Some(payment_id) = paid.payment_id {
            self.set_outcome(payment_id, AttemptOutcome::Paid);
        }
    }

    fn call_off(&mut self, from: OrderStatus) {
        self.stage = Stage::Cancelled { from };
        self.payout = match self.payout {
            Payout::None => Payout::None,
            Payout::Held | Payout::Frozen | Payout::Voided => Payout::Voided,
            Payout::Released => Payout::Released,
        };
    }

    fn claimed(&mut self, frozen: &OrderPayoutFrozen) {
        self.disputes.push(Claim {
            dispute_id: frozen.dispute_id,
            claimed: frozen.claim.claimed_amount,
            is_chargeback: frozen.claim.reason_code == DisputeReason::Bank,
            appeal_before: None,
        });
        if self.payout == Payout::Held {
            self.payout = Payout::Frozen;
        }
    }

    fn settled(&mut self, unfrozen: &OrderPayoutUnfrozen) {
        for claim in self.disputes.iter_mut().filter(|claim| claim.dispute_id == unfrozen.dispute_id) {
            claim.appeal_before = Some(unfrozen.appeal_before);
        }
        if self.payout == Payout::Frozen {
            self.payout = Payout::Held;
        }
        if let (Stage::Delivered { auto_complete_at }, Some(later)) = (&mut self.stage, unfrozen.auto_complete_at) {
            *auto_complete_at = later;
        }
    }

    fn rated(&mut self) {
        if let Stage::Completed { rated, .. } = &mut self.stage {
            *rated = true;
        }
    }

    fn set_outcome(&mut self, payment_id: PaymentId, outcome: AttemptOutcome) {
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.payment_id == payment_id) {
            attempt.outcome = outcome;
        }
    }

    fn set_part(&mut self, refund_id: RefundId, part: RefundPart, state: PartState) {
        for refund in self.refunds.iter_mut().filter(|refund| refund.refund_id == refund_id) {
            match part {
                RefundPart::Card => refund.card.state = state,
                RefundPart::Gift => refund.gift.state = state,
            }
        }
    }
}

impl Refund {
    fn new(authorized: &OrderRefundAuthorized) -> Self {
        Self {
            refund_id: authorized.refund_id,
            source: authorized.source,
            source_id: authorized.source_id,
            card: Part { amount: authorized.card_amount, state: PartState::Pending },
            gift: Part { amount: authorized.gift_amount, state: PartState::Pending },
        }
    }
}
