//! Spending a gift: a share is reserved before its order is placed, and redeemed when the order is paid.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Decision;
use crate::domain::{
    Money,
    gift::{
        Bought, GiftActivated, GiftCredited, GiftError, GiftExpired, GiftKind, GiftRedeemed, GiftRefundCause,
        GiftReservationReleased, GiftReserved, GiftStage, ReleaseCause, ReserveGift, ReservePurpose, UsageState,
    },
    ids::{OrderId, RefundId},
};

impl Bought {
    pub(super) fn reserve(&self, request: &ReserveGift, now: DateTime<Utc>) -> Decision {
        match self.usage(request.reservation_id).map(|usage| usage.state) {
            // The same order again: it has its share.
            Some(UsageState::Reserved { .. } | UsageState::Redeemed) => return Ok(vec![]),
            Some(UsageState::Released) => return Err(GiftError::ReservationOver),
            None => {}
        }
        self.holder(request.customer_id, request.code_ref.as_ref())?;
        let is_new_holder = match self.stage {
            GiftStage::PendingPayment | GiftStage::Cancelled => return Err(GiftError::NotFound),
            GiftStage::Expired => return Err(GiftError::Expired),
            GiftStage::Issued => true,
            GiftStage::Activated => false,
        };
        if self.is_over(now) {
            return Err(GiftError::Expired);
        }
        let amount = self.share(request)?;
        if amount.is_zero() {
            return Ok(vec![]);
        }
        if self.uses.len() >= request.policy.uses_max {
            return Err(GiftError::UseLimitReached);
        }
        let mut events = Vec::with_capacity(2);
        if is_new_holder {
            let activated_by = request.customer_id;
            events.push(GiftActivated { activated_by, order_id: None, delivery_type: None, pii_sealed: None }.into());
        }
        let reserved = GiftReserved {
            reservation_id: request.reservation_id,
            order_id: request.order_id,
            amount,
            until: request.payment_deadline + request.policy.reservation_grace,
            available_after: self.available().sub(amount)?,
        };
        events.push(reserved.into());
        Ok(events)
    }

    /// The order's share of what is available.
    fn share(&self, request: &ReserveGift) -> Result<Money, GiftError> {
        let available = self.available();
        if request.total.currency() != available.currency() {
            return Err(GiftError::CurrencyMismatch);
        }
        match (self.kind, request.purpose) {
            (GiftKind::Amount, ReservePurpose::Order { wanted }) => {
                applied(available, request.total, wanted, request.policy.payable_min_minor)
            }
            // A dish pays for itself and nothing else, and only once.
            (GiftKind::Dish, ReservePurpose::Dish) if self.is_dish_order(request.order_id) => {
                if available == request.total { Ok(available) } else { Err(GiftError::InsufficientBalance) }
            }
            (GiftKind::Dish, ReservePurpose::Order { .. } | ReservePurpose::Dish)
            | (GiftKind::Amount, ReservePurpose::Dish) => Err(GiftError::Restricted),
        }
    }

    pub(super) fn redeem(&self, reservation_id: Uuid) -> Decision {
        let usage = self.usage(reservation_id).ok_or(GiftError::ReservationNotFound)?;
        match usage.state {
            UsageState::Reserved { .. } => {
                let (order_id, amount) = (usage.order_id, usage.amount);
                Ok(vec![GiftRedeemed { reservation_id, order_id, amount, available_after: self.available() }.into()])
            }
            UsageState::Redeemed => Ok(vec![]),
            UsageState::Released => Err(GiftError::ReservationOver),
        }
    }

    pub(super) fn release(&self, reservation_id: Uuid, cause: ReleaseCause, now: DateTime<Utc>) -> Decision {
        let usage = self.usage(reservation_id).ok_or(GiftError::ReservationNotFound)?;
        let until = match usage.state {
            UsageState::Reserved { until } => until,
            UsageState::Redeemed => return Err(GiftError::ReservationOver),
            UsageState::Released => return Ok(vec![]),
        };
        if cause == ReleaseCause::Ttl && now < until {
            return Err(GiftError::TooEarly);
        }
        let released = GiftReservationReleased {
            reservation_id,
            order_id: usage.order_id,
            amount: usage.amount,
            cause,
            available_after: self.available().add(usage.amount)?,
        };
        let mut events = vec![released.into()];
        // What comes free after the end goes where the rest went.
        if self.stage == GiftStage::Expired {
            events.extend(self.send_back("release", reservation_id, usage.amount, GiftRefundCause::Expiry));
        }
        Ok(events)
    }

    pub(super) fn credit(&self, refund_id: RefundId, order_id: OrderId, amount: Money, now: DateTime<Utc>) -> Decision {
        let redeemed = |usage: &&_| is_redeemed_for(usage, order_id);
        let usage = self.uses.iter().find(redeemed).ok_or(GiftError::ReservationNotFound)?;
        // One refund comes back once.
        if usage.credits.iter().any(|credit| credit.refund_id == refund_id) {
            return Ok(vec![]);
        }
        if !amount.is_positive() {
            return Err(GiftError::InvalidValue { pointer: "/amount" });
        }
        let mut left = usage.amount.sub(amount)?;
        for credit in &usage.credits {
            left = left.sub(credit.amount)?;
        }
        if left.minor() < 0 {
            return Err(GiftError::CreditExceedsRedeemed);
        }
        let available_after = self.available().add(amount)?;
        let mut events = vec![GiftCredited { refund_id, order_id, amount, available_after }.into()];
        if self.issue.as_ref().is_some_and(|issue| now >= issue.expires_at) {
            let is_expired = self.stage == GiftStage::Expired;
            if !is_expired {
                events.push(GiftExpired { unspent: available_after }.into());
            }
            // What was available at the end without us noticing goes back together with the credit.
            let back = if is_expired { amount } else { available_after };
            events.extend(self.send_back(&format!("credit:{order_id}"), refund_id.0, back, GiftRefundCause::Expiry));
        }
        Ok(events)
    }
}

fn is_redeemed_for(usage: &crate::domain::gift::GiftUsage, order_id: OrderId) -> bool {
    usage.order_id == order_id && usage.state == UsageState::Redeemed
}

/// How much of `total` the gift pays: what was asked for, or all there is; what is left for the card must be nothing, or
/// as much as a card pays at least.
fn applied(available: Money, total: Money, wanted: Option<Money>, payable_min: i64) -> Result<Money, GiftError> {
    let most = match wanted {
        Some(wanted) if !wanted.is_positive() || total.sub(wanted)?.minor() < 0 => {
            return Err(GiftError::InvalidValue { pointer: "/gift_amount" });
        }
        Some(wanted) if available.sub(wanted)?.minor() < 0 => return Err(GiftError::InsufficientBalance),
        Some(wanted) => wanted,
        None if available.is_zero() => return Err(GiftError::InsufficientBalance),
        None => available.min(total)?,
    };
    let due = total.minor() - most.minor();
    if due == 0 || due >= payable_min {
        return Ok(most);
    }
    Ok(Money::from_minor((total.minor() - payable_min).max(0), total.currency())?)
}
