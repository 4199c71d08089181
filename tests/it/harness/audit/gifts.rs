//! The gifts in the log: no rouble of one is spent twice, and none gets lost.

use std::{collections::HashMap, sync::Arc};

use shared::{
    domain::{DomainEvent, Money, gift::GiftEvent, gift::Pot, order::OrderEvent},
    log::RecordedEvent,
};
use uuid::Uuid;

#[derive(Debug, Default)]
struct Gift {
    face: i64,
    pots: [i64; 5],
    reservations: HashMap<Uuid, (i64, bool)>,
    credited: HashMap<Uuid, i64>,
    redeemed: HashMap<Uuid, i64>,
    is_activated: bool,
    is_expired: bool,
}

pub fn check(events: &[Arc<RecordedEvent>]) {
    let mut gifts = HashMap::<Uuid, Gift>::new();
    let mut shares = HashMap::<Uuid, i64>::new();
    for event in events {
        match event.event.as_ref().unwrap() {
            DomainEvent::Gift(news) => gifts.entry(event.aggregate_id).or_default().take(event.position, news),
            DomainEvent::Order(OrderEvent::OrderCreated(created)) => {
                let Some(gift) = &created.gift else { continue };
                let reserved = gifts[&gift.gift_id.0].reservations[&gift.reservation_id];
                assert_eq!(reserved, (gift.amount.minor(), false), "position {}: a share that is held", event.position);
                shares.insert(event.aggregate_id, gift.amount.minor());
            }
            DomainEvent::Order(OrderEvent::OrderPaid(paid)) => {
                let share = shares.get(&event.aggregate_id).copied().unwrap_or(0);
                assert_eq!(paid.gift_amount.minor(), share, "position {}: the gift's part", event.position);
            }
            DomainEvent::Order(_) | DomainEvent::Payment(_) | DomainEvent::Dispute(_) => {}
        }
    }
}

impl Gift {
    fn take(&mut self, position: u64, event: &GiftEvent) {
        match event {
            GiftEvent::GiftIssued(issued) => {
                assert_eq!(self.face, 0, "position {position}: issued twice");
                self.face = issued.value.minor();
                self.pots[0] = self.face;
            }
            GiftEvent::GiftActivated(_) => {
                assert!(!self.is_activated && self.face > 0, "position {position}: activated twice, or unpaid");
                self.is_activated = true;
            }
            GiftEvent::GiftActivationReverted(_) => self.is_activated = false,
            GiftEvent::GiftExpired(_) => {
                assert!(!self.is_expired, "position {position}: expired twice");
                self.is_expired = true;
            }
            GiftEvent::GiftReserved(it) => {
                assert!(!self.is_expired, "position {position}: spent after the end");
                let again = self.reservations.insert(it.reservation_id, (it.amount.minor(), false));
                assert!(again.is_none(), "position {position}: reserved twice");
                self.shift(position, Pot::Available, Pot::Reserved, it.amount);
            }
            GiftEvent::GiftRedeemed(it) => {
                self.end(position, it.reservation_id, it.amount);
                self.redeemed.insert(it.order_id.0, it.amount.minor());
                self.shift(position, Pot::Reserved, Pot::Redeemed, it.amount);
            }
            GiftEvent::GiftReservationReleased(it) => {
                self.end(position, it.reservation_id, it.amount);
                self.shift(position, Pot::Reserved, Pot::Available, it.amount);
            }
            GiftEvent::GiftCredited(it) => {
                let credited = self.credited.entry(it.order_id.0).or_default();
                *credited += it.amount.minor();
                assert!(*credited <= self.redeemed[&it.order_id.0], "position {position}: more back than was spent");
                self.shift(position, Pot::Redeemed, Pot::Available, it.amount);
            }
            GiftEvent::GiftRefundRequested(it) => self.shift(position, Pot::Available, Pot::Refunding, it.amount),
            GiftEvent::GiftRefundSettled(it) => self.shift(position, Pot::Refunding, Pot::Refunded, it.amount),
            GiftEvent::GiftRefundReverted(it) => self.shift(position, Pot::Refunding, Pot::Available, it.amount),
            _ => {}
        }
    }

    fn end(&mut self, position: u64, reservation_id: Uuid, amount: Money) {
        let reservation = self.reservations.get_mut(&reservation_id).unwrap();
        assert_eq!(*reservation, (amount.minor(), false), "position {position}: a share ends once");
        reservation.1 = true;
    }

    fn shift(&mut self, position: u64, from: Pot, to: Pot, amount: Money) {
        self.pots[from as usize] -= amount.minor();
        self.pots[to as usize] += amount.minor();
        assert!(self.pots.iter().all(|pot| *pot >= 0), "position {position}: a pot below nothing: {self:?}");
        assert_eq!(self.pots.iter().sum::<i64>(), self.face, "position {position}: money got lost");
    }
}
