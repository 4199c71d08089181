//! What is remembered of a gift.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{
    Money,
    gift::{GiftCreated, GiftEvent},
    ids::{OrderId, PaymentId, RefundId},
};

/// A gift. Its pots are plain numbers: that none is negative is what is judged.
#[derive(Debug, Clone)]
pub(crate) struct GiftFacts {
    pub(crate) value: Money,
    pub(crate) active: Option<PaymentId>,
    pub(crate) payment_id: Option<PaymentId>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) is_activated: bool,
    pub(crate) is_expired: bool,
    pub(crate) is_cancelled: bool,
    pub(crate) is_blocked: bool,
    pub(crate) pots: Pots,
    /// Each with its order, its share and what became of it.
    pub(crate) reservations: HashMap<Uuid, (OrderId, Money, Share)>,
    pub(crate) refunds: HashMap<RefundId, Money>,
}

/// What became of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Reserved,
    Redeemed,
    Released,
}

/// Where the worth of a gift is, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pots {
    pub(crate) available: i64,
    pub(crate) reserved: i64,
    pub(crate) refunding: i64,
    /// Net of what refunds of orders brought back.
    pub(crate) redeemed: i64,
    pub(crate) refunded: i64,
}

impl Pots {
    pub(crate) fn sum(self) -> i64 {
        self.available + self.reserved + self.refunding + self.redeemed + self.refunded
    }

    pub(crate) fn after(self, event: &GiftEvent) -> Self {
        let mut pots = self;
        match event {
            GiftEvent::GiftIssued(issued) => pots.available += issued.value.minor(),
            GiftEvent::GiftReserved(it) => {
                pots.available -= it.amount.minor();
                pots.reserved += it.amount.minor();
            }
            GiftEvent::GiftRedeemed(it) => {
                pots.reserved -= it.amount.minor();
                pots.redeemed += it.amount.minor();
            }
            GiftEvent::GiftReservationReleased(it) => {
                pots.reserved -= it.amount.minor();
                pots.available += it.amount.minor();
            }
            GiftEvent::GiftCredited(it) => {
                pots.redeemed -= it.amount.minor();
                pots.available += it.amount.minor();
            }
            GiftEvent::GiftRefundRequested(it) => {
                pots.available -= it.amount.minor();
                pots.refunding += it.amount.minor();
            }
            GiftEvent::GiftRefundSettled(it) => {
                pots.refunding -= it.amount.minor();
                pots.refunded += it.amount.minor();
            }
            GiftEvent::GiftRefundReverted(it) => {
                pots.refunding -= it.amount.minor();
                pots.available += it.amount.minor();
            }
            GiftEvent::GiftCreated(_)
            | GiftEvent::GiftPaymentRequested(_)
            | GiftEvent::GiftPaymentAttemptFailed(_)
            | GiftEvent::GiftDelivered(_)
            | GiftEvent::GiftReminded(_)
            | GiftEvent::GiftActivated(_)
            | GiftEvent::GiftActivationReverted(_)
            | GiftEvent::GiftConverted(_)
            | GiftEvent::GiftExpired(_)
            | GiftEvent::GiftCancelled(_)
            | GiftEvent::GiftBlocked(_)
            | GiftEvent::GiftUnblocked(_) => {}
        }
        pots
    }
}

impl GiftFacts {
    pub(crate) fn new(created: &GiftCreated) -> Self {
        Self {
            value: created.value,
            active: None,
            payment_id: None,
            expires_at: None,
            is_activated: false,
            is_expired: false,
            is_cancelled: false,
            is_blocked: false,
            pots: Pots::default(),
            reservations: HashMap::new(),
            refunds: HashMap::new(),
        }
    }

    /// Whether nothing is left to spend or on its way.
    pub(crate) fn is_over(&self) -> bool {
        let nothing_moves = self.pots.available == 0 && self.pots.reserved == 0 && self.pots.refunding == 0;
        nothing_moves && (self.is_cancelled || self.payment_id.is_some())
    }

    /// Whether its money is there to be spent.
    pub(crate) fn is_issued(&self) -> bool {
        self.payment_id.is_some()
    }

    pub(crate) fn take(&mut self, event: &GiftEvent) {
        self.pots = self.pots.after(event);
        match event {
            GiftEvent::GiftPaymentRequested(requested) => self.active = Some(requested.payment_id),
            GiftEvent::GiftPaymentAttemptFailed(failed) => {
                self.active.take_if(|active| *active == failed.payment_id);
            }
            GiftEvent::GiftIssued(issued) => {
                (self.active, self.payment_id) = (None, Some(issued.payment_id));
                self.expires_at = Some(issued.expires_at);
            }
            GiftEvent::GiftActivated(_) => self.is_activated = true,
            GiftEvent::GiftActivationReverted(_) => self.is_activated = false,
            GiftEvent::GiftReserved(it) => {
                self.reservations.insert(it.reservation_id, (it.order_id, it.amount, Share::Reserved));
            }
            GiftEvent::GiftRedeemed(it) => self.end(it.reservation_id, Share::Redeemed),
            GiftEvent::GiftReservationReleased(it) => self.end(it.reservation_id, Share::Released),
            GiftEvent::GiftExpired(_) => self.is_expired = true,
            GiftEvent::GiftCancelled(_) => self.is_cancelled = true,
            GiftEvent::GiftRefundRequested(it) => {
                self.refunds.insert(it.refund_id, it.amount);
            }
            GiftEvent::GiftBlocked(_) => self.is_blocked = true,
            GiftEvent::GiftUnblocked(_) => self.is_blocked = false,
            GiftEvent::GiftCreated(_)
            | GiftEvent::GiftDelivered(_)
            | GiftEvent::GiftReminded(_)
            | GiftEvent::GiftConverted(_)
            | GiftEvent::GiftCredited(_)
            | GiftEvent::GiftRefundSettled(_)
            | GiftEvent::GiftRefundReverted(_) => {}
        }
    }

    fn end(&mut self, reservation_id: Uuid, share: Share) {
        if let Some((_, _, state)) = self.reservations.get_mut(&reservation_id) {
            *state = share;
        }
    }
}
