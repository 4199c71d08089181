//! What is remembered of an order.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::{
        Money, Portion,
        dispute::DisputeReason,
        ids::{DisputeId, GiftId, PaymentId, RefundId},
        order::{
            DeliveryType, Funds, OrderCreated, OrderEvent, OrderPaid, OrderPayoutReleased, OrderStatus, RefundPart,
            RefundSource,
        },
    },
    log::Position,
};

/// An order.
#[derive(Debug, Clone)]
pub(crate) struct OrderFacts {
    pub(crate) total: Money,
    pub(crate) gift: Option<(GiftId, Uuid, Money)>,
    pub(crate) commission_bps: u32,
    pub(crate) delivery_type: DeliveryType,
    portions: Vec<Portion>,
    pub(crate) status: OrderStatus,
    pub(crate) payment_deadline: DateTime<Utc>,
    pub(crate) accept_deadline: Option<DateTime<Utc>>,
    pub(crate) payout_due_at: Option<DateTime<Utc>>,
    pub(crate) active: Option<PaymentId>,
    /// Every payment that was asked for.
    pub(crate) attempts: Vec<PaymentId>,
    pub(crate) paid: Option<OrderPaid>,
    pub(crate) applied: Option<PaymentId>,
    /// Whether it was called off, and has to give money back.
    pub(crate) cancelled: Option<bool>,
    pub(crate) refunds: Vec<OwedRefund>,
    pub(crate) released: Option<OrderPayoutReleased>,
    pub(crate) claims: Vec<ClaimFacts>,
    pub(crate) position: Position,
}

/// A dispute's claim to the cook's share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClaimFacts {
    pub(crate) dispute_id: DisputeId,
    pub(crate) is_open: bool,
    /// A chargeback: the bank has the card's part already.
    pub(crate) is_the_banks: bool,
}

/// Money that an order owes back.
#[derive(Debug, Clone)]
pub(crate) struct OwedRefund {
    pub(crate) refund_id: RefundId,
    pub(crate) source: RefundSource,
    pub(crate) source_id: Uuid,
    pub(crate) card: Money,
    pub(crate) gift: Money,
    pub(crate) is_card_settled: bool,
    pub(crate) is_gift_settled: bool,
}

impl OwedRefund {
    pub(crate) fn is_settled(&self) -> bool {
        (self.card.is_zero() || self.is_card_settled) && (self.gift.is_zero() || self.is_gift_settled)
    }
}

impl OrderFacts {
    pub(crate) fn new(created: &OrderCreated) -> Self {
        Self {
            total: created.total_price,
            gift: created.gift.as_ref().map(|gift| (gift.gift_id, gift.reservation_id, gift.amount)),
            commission_bps: created.commission_bps,
            delivery_type: created.delivery_type,
            portions: created.portions_taken.clone(),
            status: OrderStatus::WaitingForPayment,
            payment_deadline: created.payment_deadline,
            accept_deadline: None,
            payout_due_at: None,
            active: None,
            attempts: Vec::new(),
            paid: None,
            applied: None,
            cancelled: None,
            refunds: Vec::new(),
            released: None,
            claims: Vec::new(),
            position: 0,
        }
    }

    /// What was paid, in minor units: by card and by gift.
    pub(crate) fn paid_minor(&self) -> (i64, i64) {
        self.paid.as_ref().map_or((0, 0), |paid| (paid.card_amount.minor(), paid.gift_amount.minor()))
    }

    /// What is owed back, in minor units: to the card and to the gift.
    pub(crate) fn owed_minor(&self) -> (i64, i64) {
        self.refunds
            .iter()
            .fold((0, 0), |(card, gift), refund| (card + refund.card.minor(), gift + refund.gift.minor()))
    }

    pub(crate) fn open_claim(&self) -> Option<&ClaimFacts> {
        self.claims.iter().find(|claim| claim.is_open)
    }

    /// Whether the card's part was only held, and the order was called off: then nobody takes it.
    pub(crate) fn is_let_go(&self) -> bool {
        let is_held = self.paid.as_ref().is_some_and(|paid| paid.funds == Funds::Authorized);
        is_held && self.status == OrderStatus::Cancelled
    }

    pub(crate) fn is_over(&self) -> bool {
        let settled = self.refunds.iter().all(OwedRefund::is_settled);
        match self.status {
            OrderStatus::Cancelled => settled && (self.cancelled != Some(true) || !self.refunds.is_empty()),
            OrderStatus::Completed => settled && self.released.is_some(),
            OrderStatus::WaitingForPayment
            | OrderStatus::Paid
            | OrderStatus::Accepted
            | OrderStatus::Preparing
            | OrderStatus::Ready
            | OrderStatus::OutForDelivery
            | OrderStatus::Delivered => false,
        }
    }

    /// What calling it off gives back to the pot: nothing once cooking began, and nothing twice.
    pub(crate) fn portions_set_free(&self, event: &OrderEvent) -> Vec<Portion> {
        let OrderEvent::OrderCancelled(_) = event else { return Vec::new() };
        match self.status {
            OrderStatus::WaitingForPayment | OrderStatus::Paid | OrderStatus::Accepted => self.portions.clone(),
            OrderStatus::Preparing
            | OrderStatus::Ready
            | OrderStatus::OutForDelivery
            | OrderStatus::Delivered
            | OrderStatus::Completed
            | OrderStatus::Cancelled => Vec::new(),
        }
    }

    pub(crate) fn take(&mut self, position: Position, event: &OrderEvent) {
        self.position = position;
        if let Some(status) = super::super::transitions::order_status_after(event) {
            self.status = status;
        }
        match event {
            OrderEvent::OrderPaymentRequested(requested) => {
                self.active = Some(requested.payment_id);
                self.attempts.push(requested.payment_id);
            }
            OrderEvent::OrderPaymentAttemptFailed(failed) => {
                self.active.take_if(|active| *active == failed.payment_id);
            }
            OrderEvent::OrderPaid(paid) => {
                self.accept_deadline = Some(paid.accept_deadline);
                (self.active, self.paid) = (None, Some(paid.clone()));
            }
            OrderEvent::OrderCompleted(completed) => self.payout_due_at = Some(completed.payout_due_at),
            OrderEvent::OrderCancelled(cancelled) => self.cancelled = Some(cancelled.refund_required),
            OrderEvent::OrderRefundAuthorized(refund) => self.refunds.push(OwedRefund {
                refund_id: refund.refund_id,
                source: refund.source,
                source_id: refund.source_id,
                card: refund.card_amount,
                gift: refund.gift_amount,
                is_card_settled: false,
                is_gift_settled: false,
            }),
            OrderEvent::OrderRefundSettled(settled) => {
                let same = self.refunds.iter_mut().filter(|refund| refund.refund_id == settled.refund_id);
                same.for_each(|refund| match settled.part {
                    RefundPart::Card => refund.is_card_settled = true,
                    RefundPart::Gift => refund.is_gift_settled = true,
                });
            }
            OrderEvent::OrderPayoutReleased(released) => self.released = Some(released.clone()),
            OrderEvent::OrderPayoutFrozen(frozen) => self.claims.push(ClaimFacts {
                dispute_id: frozen.dispute_id,
                is_open: true,
                is_the_banks: frozen.claim.reason_code == DisputeReason::Bank,
            }),
            OrderEvent::OrderPayoutUnfrozen(unfrozen) => {
                let same = self.claims.iter_mut().filter(|claim| claim.dispute_id == unfrozen.dispute_id);
                same.for_each(|claim| claim.is_open = false);
            }
            OrderEvent::OrderCreated(_)
            | OrderEvent::OrderAccepted(_)
            | OrderEvent::OrderEtaChanged(_)
            | OrderEvent::OrderPreparationStarted(_)
            | OrderEvent::OrderReady(_)
            | OrderEvent::OrderDispatched(_)
            | OrderEvent::OrderDelivered(_)
            | OrderEvent::OrderRefundFailed(_)
            | OrderEvent::OrderProducerReminded(_)
            | OrderEvent::OrderRated(_) => {}
        }
    }
}
