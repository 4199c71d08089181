//! What happens when a deadline of a gift comes. The gift judges again, so a deadline that is out of date does nothing.

use chrono::TimeDelta;
use shared::domain::{
    GiftId,
    gift::{DeliveryChannel, Gift, GiftCancelReason, GiftCommand, GiftStatus, ReleaseCause},
    order::{Order, OrderStatus},
};

use super::{
    deadlines::is_under_way,
    gift_purchase::cancel,
    order_payment::abort,
    step::{Situation, Step},
};
use crate::timers::TimerKind;

/// When a reservation whose order still waits for its money is looked at again.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(10);

pub(super) fn on_payment_deadline(gift_id: GiftId, is_first: bool, situation: &Situation) -> Vec<Step> {
    let Some(gift) = &situation.gift else { return Vec::new() };
    if gift.status() != Some(GiftStatus::PendingPayment) {
        return Vec::new();
    }
    if is_first && is_under_way(situation) {
        let due_at = situation.now + situation.policies.payment_grace;
        return vec![Step::Arm { kind: TimerKind::GiftPaymentDeadline, due_at }];
    }
    let abort = gift.active_payment().map(|payment_id| abort(payment_id, "the time to pay is over"));
    abort.into_iter().chain([cancel(gift_id, GiftCancelReason::PaymentTimeout)]).collect()
}

/// Who signs in here is told in the feed. Everybody else is told by the buyer, who can read the code: there is no other
/// way out of this system that could carry it.
pub(super) fn deliver(gift_id: GiftId, situation: &Situation) -> Vec<Step> {
    let terms = situation.gift.as_ref().and_then(Gift::terms);
    let is_named = terms.is_some_and(|terms| terms.recipient_user_id.is_some());
    let channel = if is_named { DeliveryChannel::Feed } else { DeliveryChannel::Buyer };
    vec![Step::gift(gift_id, GiftCommand::RecordDelivery { channel })]
}

pub(super) fn remind(gift_id: GiftId, situation: &Situation) -> Vec<Step> {
    vec![Step::gift(gift_id, GiftCommand::Remind { policy: situation.policies.gift })]
}

pub(super) fn expire(gift_id: GiftId) -> Vec<Step> {
    vec![Step::gift(gift_id, GiftCommand::Expire)]
}

/// Whether the share that is reserved for an order will never be redeemed: it was not placed, or called off unpaid. The
/// share of an order that was paid is on its way to be redeemed, also if the order was called off since.
pub fn is_given_up(order: Option<&Order>) -> bool {
    order.is_none_or(|order| order.status() == Some(OrderStatus::Cancelled) && order.receipt().is_none())
}

/// Frees the shares that were given up; the others are looked at again.
pub(super) fn release_overdue(gift_id: GiftId, situation: &Situation) -> Vec<Step> {
    let (over, open): (Vec<_>, Vec<_>) = situation.overdue.iter().partition(|(_, is_given_up)| *is_given_up);
    let mut steps: Vec<Step> = over
        .into_iter()
        .map(|(reservation_id, _)| {
            let cause = ReleaseCause::Ttl;
            Step::gift(gift_id, GiftCommand::Release { reservation_id, cause })
        })
        .collect();
    if !open.is_empty() {
        steps.push(Step::Arm { kind: TimerKind::GiftReservationTtl, due_at: situation.now + LOOK_AGAIN });
    }
    steps
}
