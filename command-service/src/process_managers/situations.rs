//! What process managers and timers look at before they decide.

use shared::{
    domain::{
        DomainEvent, EventSourced, OrderId, PaymentId,
        order::{Funds, Order, OrderEvent},
        payment::PaymentEvent,
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::{
    executor::{Executor, Poison, REST_MIN},
    step::Situation,
};
use crate::command_handler::CommandHandler;

impl Executor {
    /// The aggregates that the event is about, as they are now.
    pub(super) async fn situation(&self, event: &RecordedEvent) -> Result<Situation, Poison> {
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
                situation.order = self.load_since(&self.orders, event.aggregate_id, event.sequence).await?;
                let asked = situation.order.as_ref().and_then(held_by).or_else(|| goes_back_to(event));
                if let Some(payment_id) = asked {
                    situation.payment = self.load(&self.payments, payment_id.0).await?;
                }
            }
            Ok(DomainEvent::Order(_) | DomainEvent::Dispute(_)) => {}
            Ok(DomainEvent::Payment(payment_event)) => {
                situation.payment = self.load_since(&self.payments, event.aggregate_id, event.sequence).await?;
                let is_about_money = matches!(
                    payment_event,
                    PaymentEvent::PaymentAuthorized(_)
                        | PaymentEvent::PaymentSucceeded(_)
                        | PaymentEvent::PaymentFailed(_)
                        | PaymentEvent::PaymentIntegrityResolved(_)
                        | PaymentEvent::PaymentChargebackRecorded(_)
                        | PaymentEvent::PaymentExternalRefundRecorded(_)
                );
                self.situate_gift_payment(&mut situation).await?;
                if let (true, Some(order_id)) = (is_about_money, situation.order_of_payment()) {
                    situation.order = self.load(&self.orders, order_id.0).await?;
                }
            }
            Ok(DomainEvent::Gift(gift_event)) => {
                self.situate_gift(&mut situation, gift_event, event.aggregate_id, event.sequence).await?;
            }
            Err(error) => return Err(Poison { manager: "process_managers", reason: error.to_string() }),
        }
        Ok(situation)
    }

    /// The situation of a timer about an order: the order and its active attempt.
    pub async fn situation_of_order(&self, order_id: OrderId) -> Result<Situation, Poison> {
        let mut situation = self.empty_situation();
        situation.order = self.load(&self.orders, order_id.0).await?;
        if let Some(active) = situation.order.as_ref().and_then(Order::active_payment) {
            situation.payment = self.load(&self.payments, active.0).await?;
        }
        Ok(situation)
    }

    /// The situation of a timer about a payment.
    pub async fn situation_of_payment(&self, payment_id: PaymentId) -> Result<Situation, Poison> {
        let mut situation = self.empty_situation();
        situation.payment = self.load(&self.payments, payment_id.0).await?;
        Ok(situation)
    }

    /// The situation of a timer that needs to look at nothing.
    pub fn empty_situation(&self) -> Situation {
        Situation {
            now: self.clock.now(),
            order: None,
            payment: None,
            gift: None,
            dish: None,
            overdue: Vec::new(),
            policies: (*self.policies).clone(),
        }
    }

    pub(super) async fn load<A: EventSourced>(
        &self,
        handler: &CommandHandler<A>,
        id: Uuid,
    ) -> Result<Option<A>, Poison> {
        self.load_since(handler, id, u64::MAX).await
    }

    pub(super) async fn load_since<A: EventSourced>(
        &self,
        handler: &CommandHandler<A>,
        id: Uuid,
        sequence: u64,
    ) -> Result<Option<A>, Poison> {
        let mut rest = REST_MIN;
        loop {
            match handler.load_since(id, sequence).await {
                Ok(loaded) => return Ok(loaded.map(|loaded| loaded.aggregate)),
                Err(error) => self.rest_or_give_up("process_managers", &error, &mut rest).await?,
            }
        }
    }
}

/// The payment that a refund goes back through: the bank may have given it back already.
fn goes_back_to(event: &RecordedEvent) -> Option<PaymentId> {
    let Ok(DomainEvent::Order(OrderEvent::OrderRefundAuthorized(authorized))) = &event.event else { return None };
    authorized.payment_id.filter(|_| authorized.card_amount.is_positive())
}

/// The payment that held the money which paid the order: only it knows whether the money was taken.
fn held_by(order: &Order) -> Option<PaymentId> {
    order.receipt().filter(|receipt| receipt.funds == Funds::Authorized)?.payment_id
}
