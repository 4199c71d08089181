//! The money in the log: nothing is paid without money, nothing goes back twice, nothing stays that has nothing to buy.

use std::{collections::HashMap, sync::Arc};

use shared::{
    domain::{
        DomainEvent,
        order::{Funds, OrderEvent},
        payment::PaymentEvent,
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::Leftovers;

#[derive(Debug, Default)]
struct Payment {
    came: Option<i64>,
    /// What was held at some time, whatever became of it.
    was_held: Option<i64>,
    /// Not only held.
    taken: bool,
    unapplied: bool,
    /// Refunds by id: how much, and whether it arrived.
    refunds: HashMap<Uuid, (i64, Refund)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refund {
    Open,
    Arrived,
    Failed,
}

#[derive(Debug, Default)]
struct Order {
    total: i64,
    paid: Option<i64>,
    paid_by: Option<Uuid>,
    owes_everything: bool,
    owed: i64,
    settled: usize,
    refunds: usize,
}

pub fn check(events: &[Arc<RecordedEvent>], leftovers: &Leftovers) {
    let mut payments = HashMap::<Uuid, Payment>::new();
    let mut orders = HashMap::<Uuid, Order>::new();
    for event in events {
        match event.event.as_ref().unwrap() {
            DomainEvent::Dispute(_) => {}
            DomainEvent::Payment(news) => payments.entry(event.aggregate_id).or_default().take(event.position, news),
            DomainEvent::Order(news) => {
                orders.entry(event.aggregate_id).or_default().take(event.position, news, &payments);
            }
            DomainEvent::Gift(_) => {}
        }
    }
    for (id, payment) in &payments {
        let is_back = payment.arrived() == payment.came.unwrap_or(0);
        let excused = leftovers.money_of.contains(id);
        assert!(!payment.unapplied || is_back || excused, "money of {id} has nothing to buy: {payment:?}");
    }
    for (id, order) in &orders {
        // A hold that was let go in time took nothing.
        let was_taken = order.paid_by.is_none_or(|payment| payments[&payment].taken);
        let is_back = order.paid == Some(order.owed) && order.settled == order.refunds;
        assert!(
            !order.owes_everything || !was_taken || is_back || leftovers.money_of.contains(id),
            "order {id} was called off: {order:?}"
        );
    }
}

impl Payment {
    fn arrived(&self) -> i64 {
        self.refunds.values().filter(|(_, state)| *state == Refund::Arrived).map(|(amount, _)| amount).sum()
    }

    fn take(&mut self, position: u64, event: &PaymentEvent) {
        match event {
            PaymentEvent::PaymentAuthorized(authorized) => {
                (self.came, self.was_held) = (Some(authorized.amount.minor()), Some(authorized.amount.minor()));
            }
            PaymentEvent::PaymentSucceeded(succeeded) => {
                (self.came, self.taken) = (Some(succeeded.amount.minor()), true);
            }
            // The hold was lifted: nothing was taken.
            PaymentEvent::PaymentFailed(_) if !self.taken => self.came = None,
            PaymentEvent::PaymentUnapplied(_) => self.unapplied = true,
            PaymentEvent::PaymentRefundRequested(requested) => {
                let refund = (requested.amount.minor(), Refund::Open);
                let again = self.refunds.insert(requested.refund_id.0, refund);
                assert!(again.is_none(), "position {position}: asked for the same refund twice");
                let claimed = self.refunds.values().filter(|(_, state)| *state != Refund::Failed);
                let claimed: i64 = claimed.map(|(amount, _)| amount).sum();
                assert!(Some(claimed) <= self.came, "position {position}: more goes back than came: {self:?}");
            }
            PaymentEvent::PaymentRefundSucceeded(succeeded) => {
                let refund = self.refunds.get_mut(&succeeded.refund_id.0).unwrap();
                assert_ne!(refund.1, Refund::Arrived, "position {position}: a refund arrived twice");
                assert_eq!(refund.0, succeeded.amount.minor(), "position {position}: another amount went back");
                refund.1 = Refund::Arrived;
            }
            // The customer has it from the bank: two people found so.
            PaymentEvent::PaymentRefundResolved(resolved) if resolved.back_already.is_some() => {
                self.refunds.get_mut(&resolved.refund_id.0).unwrap().1 = Refund::Arrived;
            }
            PaymentEvent::PaymentExternalRefundRecorded(act) => {
                if let Some(refund_id) = act.stands_for {
                    self.refunds.get_mut(&refund_id.0).unwrap().1 = Refund::Arrived;
                }
            }
            PaymentEvent::PaymentRefundFailed(failed) if failed.retry_at.is_none() => {
                self.refunds.get_mut(&failed.refund_id.0).unwrap().1 = Refund::Failed;
            }
            _ => {}
        }
    }
}

impl Order {
    fn take(&mut self, position: u64, event: &OrderEvent, payments: &HashMap<Uuid, Payment>) {
        match event {
            OrderEvent::OrderCreated(created) => {
                let lines: i64 = created.items.iter().map(|item| item.line_total.minor()).sum();
                self.total = created.total_price.minor();
                assert_eq!(self.total, lines + created.delivery_fee.minor(), "position {position}: the total");
            }
            OrderEvent::OrderPaid(paid) => {
                let sum = paid.card_amount.minor() + paid.gift_amount.minor();
                assert_eq!(sum, self.total, "position {position}: paid is not the total");
                let payment = paid.payment_id.and_then(|id| payments.get(&id.0));
                let is_held = paid.funds == Funds::Authorized;
                // The hold may be lifted before its order hears of it; the order is called off when it hears of that too.
                let came = payment.filter(|payment| !payment.unapplied);
                let came = came.and_then(|payment| payment.came.or(payment.was_held.filter(|_| is_held)));
                assert_eq!(came.unwrap_or(0), paid.card_amount.minor(), "position {position}: paid without the money");
                self.paid = Some(sum);
                self.paid_by = paid.payment_id.map(|id| id.0);
            }
            OrderEvent::OrderCancelled(cancelled) => self.owes_everything = cancelled.refund_required,
            OrderEvent::OrderRefundAuthorized(authorized) => {
                let parts = [authorized.card_amount, authorized.gift_amount];
                self.refunds += parts.iter().filter(|part| part.is_positive()).count();
                self.owed += authorized.card_amount.minor() + authorized.gift_amount.minor();
                assert!(Some(self.owed) <= self.paid, "position {position}: more is owed back than was paid");
            }
            OrderEvent::OrderRefundSettled(_) => self.settled += 1,
            OrderEvent::OrderPayoutReleased(released) => {
                let parts = [released.refunded, released.commission, released.producer_net];
                let parts: i64 = parts.into_iter().map(|part| part.minor()).sum();
                assert_eq!(parts, released.gross.minor(), "position {position}: the shares are not the whole");
                assert_eq!(Some(released.gross.minor()), self.paid, "position {position}: shared what was not paid");
            }
            _ => {}
        }
    }
}
