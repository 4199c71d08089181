//! 17 to 20: gifts.

use super::{
    Moment, Verdict,
    facts::{GiftFacts, Share},
    hold,
};
use crate::domain::{
    DomainEvent, Money,
    gift::GiftEvent,
    ids::{GiftId, OrderId},
};

fn gift_of<'a>(now: &Moment<'a>) -> Option<(&'a GiftFacts, &'a GiftEvent)> {
    let DomainEvent::Gift(event) = now.domain else { return None };
    now.before.gifts.get(&GiftId(now.event.aggregate_id)).map(|gift| (gift, event))
}

/// 17: no pot is ever negative, and together they are the face value: nothing before the gift is issued.
pub(super) fn pots_are_whole(now: &Moment<'_>) -> Verdict {
    let Some((gift, event)) = gift_of(now) else { return Ok(()) };
    let pots = gift.pots.after(event);
    let is_issued = gift.is_issued() || matches!(event, GiftEvent::GiftIssued(_));
    let face = if is_issued { gift.value.minor() } else { 0 };
    let least = [pots.available, pots.reserved, pots.refunding, pots.redeemed, pots.refunded].into_iter().min();
    hold(least >= Some(0), || format!("a pot is negative: {pots:?}"))?;
    hold(pots.sum() == face, || format!("the pots hold {}, the gift is worth {face}", pots.sum()))
}

/// 18: a reservation ends once, with the amount it began with; it begins once.
pub(super) fn reservation_ends_once(now: &Moment<'_>) -> Verdict {
    let Some((gift, event)) = gift_of(now) else { return Ok(()) };
    match event {
        GiftEvent::GiftReserved(it) => hold(!gift.reservations.contains_key(&it.reservation_id), || {
            format!("reservation {} was made before", it.reservation_id)
        }),
        GiftEvent::GiftRedeemed(it) => ends(gift, it.reservation_id, (it.order_id, it.amount)),
        GiftEvent::GiftReservationReleased(it) => ends(gift, it.reservation_id, (it.order_id, it.amount)),
        _ => Ok(()),
    }
}

fn ends(gift: &GiftFacts, reservation_id: uuid::Uuid, end: (OrderId, Money)) -> Verdict {
    let reservation = gift.reservations.get(&reservation_id);
    hold(reservation == Some(&(end.0, end.1, Share::Reserved)), || {
        format!("reservation {reservation_id} is {reservation:?}, and ends with {end:?}")
    })
}

/// 19: a gift's money came before it is issued, it is issued before it is activated, activated once, and expires once.
pub(super) fn is_paid_before_use(now: &Moment<'_>) -> Verdict {
    let Some((gift, event)) = gift_of(now) else { return Ok(()) };
    match event {
        GiftEvent::GiftIssued(issued) => {
            let payment = now.before.payments.get(&issued.payment_id);
            let is_its = payment.and_then(|it| it.gift_id()) == Some(GiftId(now.event.aggregate_id));
            let came = payment.filter(|payment| is_its && payment.unapplied == 0).and_then(|payment| payment.captured);
            hold(came == Some(issued.value), || format!("payment {} brought {came:?}", issued.payment_id))?;
            hold(!gift.is_issued(), || "it was issued before".to_owned())
        }
        GiftEvent::GiftActivated(_) => {
            hold(gift.is_issued(), || "it was not issued".to_owned())?;
            hold(!gift.is_activated, || "it was activated before".to_owned())
        }
        GiftEvent::GiftActivationReverted(_) => hold(gift.is_activated, || "it was not activated".to_owned()),
        GiftEvent::GiftExpired(_) => hold(!gift.is_expired, || "it expired before".to_owned()),
        _ => Ok(()),
    }
}

/// 20: nothing is reserved after expiry.
pub(super) fn reserves_before_expiry(now: &Moment<'_>) -> Verdict {
    let Some((gift, GiftEvent::GiftReserved(_))) = gift_of(now) else { return Ok(()) };
    hold(!gift.is_expired, || "it has expired".to_owned())
}
