//! The fold of an order's events into its fact.

use shared::{
    domain::{AggregateType, DomainEvent, OrderId, order::OrderEvent},
    log::RecordedEvent,
};
use smallvec::smallvec;

use super::row::{OrderFact, Outcome};
use crate::engine::{FoldError, Keys, Projection};

/// The projection of facts and roll-ups.
#[derive(Debug)]
pub struct OrderFacts;

impl Projection for OrderFacts {
    const NAME: &'static str = crate::projections::ORDER_FACTS;
    type Key = OrderId;
    type Row = OrderFact;

    /// Most of what happens to an order counts nowhere and costs nothing here. An event that cannot be read might count.
    fn keys(event: &RecordedEvent) -> Keys<OrderId> {
        match event.aggregate_type {
            AggregateType::Order if counts(event) => smallvec![OrderId(event.aggregate_id)],
            AggregateType::Order | AggregateType::Payment | AggregateType::Gift | AggregateType::Dispute => smallvec![],
        }
    }

    fn may_exist(event: &RecordedEvent) -> bool {
        event.sequence > 1
    }

    fn apply(
        row: Option<OrderFact>,
        event: &RecordedEvent,
        domain: &DomainEvent,
    ) -> Result<Option<OrderFact>, FoldError> {
        let DomainEvent::Order(order_event) = domain else { return Ok(row) };
        match (row, order_event) {
            (None, OrderEvent::OrderCreated(created)) => Ok(Some(OrderFact::new(event, created))),
            (None, _) => Err(FoldError::out_of_place(domain, "does not exist")),
            (Some(row), OrderEvent::OrderCreated(_)) => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(row), _) if event.sequence <= row.version => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(mut row), order_event) => {
                if row.take(event, order_event)? {
                    row.version = event.sequence;
                }
                Ok(Some(row))
            }
        }
    }
}

fn counts(event: &RecordedEvent) -> bool {
    let Ok(DomainEvent::Order(order_event)) = &event.event else { return true };
    match order_event {
        OrderEvent::OrderCreated(_)
        | OrderEvent::OrderPaid(_)
        | OrderEvent::OrderDelivered(_)
        | OrderEvent::OrderCompleted(_)
        | OrderEvent::OrderCancelled(_)
        | OrderEvent::OrderRefundAuthorized(_)
        | OrderEvent::OrderRated(_) => true,
        OrderEvent::OrderPaymentRequested(_)
        | OrderEvent::OrderPaymentAttemptFailed(_)
        | OrderEvent::OrderAccepted(_)
        | OrderEvent::OrderEtaChanged(_)
        | OrderEvent::OrderPreparationStarted(_)
        | OrderEvent::OrderReady(_)
        | OrderEvent::OrderDispatched(_)
        | OrderEvent::OrderRefundSettled(_)
        | OrderEvent::OrderRefundFailed(_)
        | OrderEvent::OrderProducerReminded(_)
        | OrderEvent::OrderPayoutFrozen(_)
        | OrderEvent::OrderPayoutUnfrozen(_)
        | OrderEvent::OrderPayoutReleased(_) => false,
    }
}

impl OrderFact {
    /// Whether the event changed anything.
    fn take(&mut self, event: &RecordedEvent, order_event: &OrderEvent) -> Result<bool, FoldError> {
        let at = event.occurred_at;
        match order_event {
            // Handled where rows are born.
            OrderEvent::OrderCreated(_) => {}
            OrderEvent::OrderPaid(_) => self.paid_at = Some(at),
            OrderEvent::OrderDelivered(_) => self.delivered_at = Some(at),
            OrderEvent::OrderCompleted(_) => self.end(Outcome::Completed, at),
            OrderEvent::OrderCancelled(_) => self.end(Outcome::Cancelled, at),
            OrderEvent::OrderRefundAuthorized(refund) => self.give_back(refund.card_amount, refund.gift_amount)?,
            OrderEvent::OrderRated(rated) => self.rate(rated),
            OrderEvent::OrderPaymentRequested(_)
            | OrderEvent::OrderPaymentAttemptFailed(_)
            | OrderEvent::OrderAccepted(_)
            | OrderEvent::OrderEtaChanged(_)
            | OrderEvent::OrderPreparationStarted(_)
            | OrderEvent::OrderReady(_)
            | OrderEvent::OrderDispatched(_)
            | OrderEvent::OrderRefundSettled(_)
            | OrderEvent::OrderRefundFailed(_)
            | OrderEvent::OrderProducerReminded(_)
            | OrderEvent::OrderPayoutFrozen(_)
            | OrderEvent::OrderPayoutUnfrozen(_)
            | OrderEvent::OrderPayoutReleased(_) => return Ok(false),
        }
        Ok(true)
    }
}
