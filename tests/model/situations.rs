//! What process managers and timers look at before they decide, as the executor looks at it.

use command_service::process_managers::{Situation, is_given_up};
use shared::{
    domain::{
        DomainEvent, PaymentId,
        order::{Funds, Order, OrderEvent},
        payment::PaymentEvent,
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use crate::world::World;

impl World {
    /// The aggregates that the event is about, as the executor looks at them.
    pub fn situation(&self, event: &RecordedEvent) -> Situation {
        let mut situation = self.empty_situation();
        match &event.event {
            Ok(DomainEvent::Order(
                OrderEvent::OrderPaid(_)
                | OrderEvent::OrderAccepted(_)
                | OrderEvent::OrderCancelled(_)
                | OrderEvent::OrderRefundAuthorized(_)
                | OrderEvent::OrderPayoutFrozen(_)
                | OrderEvent::OrderPaymentAttemptFailed(_),
            )) => {
                situation.order = self.orders.get(&event.aggregate_id).map(|held| held.state.clone());
                let goes_back_to = match &event.event {
                    Ok(DomainEvent::Order(OrderEvent::OrderRefundAuthorized(authorized))) => {
                        authorized.payment_id.filter(|_| authorized.card_amount.is_positive())
                    }
                    Ok(_) | Err(_) => None,
                };
                if let Some(payment_id) = situation.order.as_ref().and_then(held_by).or(goes_back_to) {
                    situation.payment = self.payments.get(&payment_id.0).map(|held| held.state.clone());
                }
            }
            Ok(DomainEvent::Payment(payment_event)) => {
                situation.payment = self.payments.get(&event.aggregate_id).map(|held| held.state.clone());
                let is_about_money = matches!(
                    payment_event,
                    PaymentEvent::PaymentAuthorized(_)
                        | PaymentEvent::PaymentSucceeded(_)
                        | PaymentEvent::PaymentFailed(_)
                        | PaymentEvent::PaymentIntegrityResolved(_)
                        | PaymentEvent::PaymentChargebackRecorded(_)
                        | PaymentEvent::PaymentExternalRefundRecorded(_)
                );
                if let Some(gift_id) = situation.gift_of_payment() {
                    situation.gift = self.gifts.get(&gift_id.0).map(|held| held.state.clone());
                }
                if let (true, Some(order_id)) = (is_about_money, situation.order_of_payment()) {
                    situation.order = self.orders.get(&order_id.0).map(|held| held.state.clone());
                }
            }
            Ok(DomainEvent::Gift(_)) => {
                situation.gift = self.gifts.get(&event.aggregate_id).map(|held| held.state.clone());
            }
            Ok(DomainEvent::Order(_) | DomainEvent::Dispute(_)) | Err(_) => {}
        }
        situation
    }

    pub fn empty_situation(&self) -> Situation {
        Situation {
            now: self.clock.now(),
            order: None,
            payment: None,
            gift: None,
            dish: None,
            overdue: Vec::new(),
            policies: self.policies.clone(),
        }
    }

    /// A gift, its active attempt, and the orders that should be paid by now.
    pub fn situate_gift(&self, situation: &mut Situation, id: Uuid) {
        situation.gift = self.gifts.get(&id).map(|held| held.state.clone());
        let Some(gift) = &situation.gift else { return };
        if let Some(active) = gift.active_payment() {
            situation.payment = self.payments.get(&active.0).map(|held| held.state.clone());
        }
        for usage in gift.overdue_uses(situation.now) {
            let order = self.orders.get(&usage.order_id.0).map(|held| &held.state);
            situation.overdue.push((usage.reservation_id, is_given_up(order)));
        }
    }
}

fn held_by(order: &Order) -> Option<PaymentId> {
    order.receipt().filter(|receipt| receipt.funds == Funds::Authorized)?.payment_id
}
