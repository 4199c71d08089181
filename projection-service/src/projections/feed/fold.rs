//! The fold: which event tells whom what.

use serde_json::Value;
use shared::{
    domain::{
        AggregateType, DomainEvent, GiftId, OrderId,
        dispute::DisputeEvent,
        gift::GiftEvent,
        order::{CancelReason, OrderCancelled, OrderEvent, OrderStatus},
    },
    log::{Position, RecordedEvent},
    web::socket::{Notification, NotificationKind, OrderStatusUpdate},
};
use smallvec::smallvec;

use super::row::{EntryKind, FeedGift, FeedKey, FeedOrder, FeedRow, NewEntry, Recipient};
use crate::engine::{FoldError, Keys, Projection};

/// The projection of feeds.
#[derive(Debug)]
pub struct Feed;

impl Projection for Feed {
    const NAME: &'static str = crate::projections::FEED;
    type Key = FeedKey;
    type Row = FeedRow;

    fn keys(event: &RecordedEvent) -> Keys<FeedKey> {
        match event.aggregate_type {
            AggregateType::Order => smallvec![FeedKey::Order(OrderId(event.aggregate_id))],
            // A dispute is of its order's flow, which the order gave its name.
            AggregateType::Dispute => smallvec![FeedKey::Order(OrderId(event.correlation_id))],
            AggregateType::Gift => smallvec![FeedKey::Gift(GiftId(event.aggregate_id))],
            AggregateType::Payment => smallvec![],
        }
    }

    fn may_exist(event: &RecordedEvent) -> bool {
        event.aggregate_type != AggregateType::Order || event.sequence > 1
    }

    fn apply(row: Option<FeedRow>, event: &RecordedEvent, domain: &DomainEvent) -> Result<Option<FeedRow>, FoldError> {
        let wrong = |found: String| FoldError::out_of_place(domain, found);
        match (row, domain) {
            (row, DomainEvent::Payment(_)) => Ok(row),
            (Some(FeedRow::Order(mut row)), DomainEvent::Dispute(dispute_event)) => {
                row.hear_dispute(event, dispute_event);
                Ok(Some(FeedRow::Order(row)))
            }
            (Some(row), DomainEvent::Dispute(_)) => Ok(Some(row)),
            (None, DomainEvent::Order(OrderEvent::OrderCreated(created))) => Ok(Some(FeedRow::Order(FeedOrder {
                order_id: OrderId(event.aggregate_id),
                customer_id: created.customer_id,
                producer_id: created.producer_id,
                status: OrderStatus::WaitingForPayment,
                version: event.sequence,
                entries: Vec::new(),
            }))),
            (None, DomainEvent::Gift(GiftEvent::GiftCreated(created))) => Ok(Some(FeedRow::Gift(FeedGift {
                gift_id: GiftId(event.aggregate_id),
                buyer_id: created.buyer_id,
                recipient_user_id: created.recipient_user_id,
                holder_id: None,
                version: event.sequence,
                entries: Vec::new(),
            }))),
            (None, DomainEvent::Order(_) | DomainEvent::Gift(_) | DomainEvent::Dispute(_)) => {
                Err(wrong("does not exist".to_owned()))
            }
            (Some(row), _) if event.sequence <= row.version() => Err(wrong(format!("is at version {}", row.version()))),
            (Some(FeedRow::Order(mut row)), DomainEvent::Order(order_event)) => {
                row.version = event.sequence;
                row.take(event, order_event);
                Ok(Some(FeedRow::Order(row)))
            }
            (Some(FeedRow::Gift(mut row)), DomainEvent::Gift(gift_event)) => {
                row.version = event.sequence;
                row.take(event, gift_event);
                Ok(Some(FeedRow::Gift(row)))
            }
            (Some(row), DomainEvent::Order(_) | DomainEvent::Gift(_)) => {
                Err(wrong(format!("is something else at version {}", row.version())))
            }
        }
    }

    fn settle(row: &mut FeedRow) {
        row.entries_mut().clear();
    }

    fn tell_only(row: &mut FeedRow, tells: &dyn Fn(Position) -> bool) {
        row.entries_mut().retain(|entry| tells(entry.position));
    }

    fn show(row: FeedRow) -> Value {
        let mut shown = serde_json::to_value(&row).unwrap_or_default();
        shown["told"] = row.entries().iter().map(NewEntry::shown).collect();
        shown
    }
}

impl FeedOrder {
    fn take(&mut self, event: &RecordedEvent, order_event: &OrderEvent) {
        use NotificationKind as Kind;
        match order_event {
            // Handled where rows are born; the customer is told by the answer.
            OrderEvent::OrderCreated(_) => {}
            // The customer is doing this right now.
            OrderEvent::OrderPaymentRequested(_) => {}
            OrderEvent::OrderPaymentAttemptFailed(_) => {
                self.tell_customer(
                    event,
                    Kind::PaymentFailed,
                    "Payment failed",
                    "The payment did not go through. You can try again.",
                );
            }
            OrderEvent::OrderPaid(_) => {
                self.moved(event, OrderStatus::Paid, None);
                self.tell_producer(event, Kind::NewOrder, "New order", "A paid order waits for you to accept it.");
            }
            OrderEvent::OrderProducerReminded(_) => {
                self.tell_producer(event, Kind::NewOrder, "An order waits", "Accept it soon, or it is cancelled.");
            }
            OrderEvent::OrderAccepted(_) => self.moved(event, OrderStatus::Accepted, None),
            // Shown with the order; not worth an interruption.
            OrderEvent::OrderEtaChanged(_) => {}
            OrderEvent::OrderPreparationStarted(_) => self.moved(event, OrderStatus::Preparing, None),
            OrderEvent::OrderReady(_) => {
                self.moved(event, OrderStatus::Ready, None);
                self.tell_customer(event, Kind::OrderReady, "Your order is ready", "The meal is cooked.");
            }
            OrderEvent::OrderDispatched(_) => self.moved(event, OrderStatus::OutForDelivery, None),
            OrderEvent::OrderDelivered(_) => {
                self.moved(event, OrderStatus::Delivered, None);
                self.tell_customer(event, Kind::OrderDelivered, "Order delivered", "Enjoy your meal!");
            }
            OrderEvent::OrderCompleted(_) => self.moved(event, OrderStatus::Completed, None),
            OrderEvent::OrderCancelled(cancelled) => self.called_off(event, cancelled),
            // The customer is told when the money arrives.
            OrderEvent::OrderRefundAuthorized(_) | OrderEvent::OrderRefundFailed(_) => {}
            OrderEvent::OrderRefundSettled(_) => {
                self.tell_customer(
                    event,
                    Kind::RefundSettled,
                    "Refund",
                    "The money for your order is on its way back.",
                );
            }
            OrderEvent::OrderPayoutFrozen(_) => {
                let body = "Your share of the order is held until it is decided. Answer it within a day.";
                self.tell_producer(event, Kind::DisputeOpened, "An order is disputed", body);
            }
            OrderEvent::OrderPayoutUnfrozen(_) => {
                self.tell_customer(event, Kind::DisputeResolved, "Dispute decided", "Your dispute was decided.");
                let body = "The dispute about an order was decided.";
                self.tell_producer(event, Kind::DisputeResolved, "Dispute decided", body);
            }
            OrderEvent::OrderPayoutReleased(_) => {
                self.tell_producer(event, Kind::PayoutReleased, "Payout", "Your share of an order was released.");
            }
            OrderEvent::OrderRated(_) => {}
        }
    }

    /// What the two sides tell each other. That a dispute was opened or decided, the order says.
    fn hear_dispute(&mut self, event: &RecordedEvent, dispute_event: &DisputeEvent) {
        let kind = NotificationKind::DisputeUpdated;
        let is_ours = |order_id: OrderId| order_id == self.order_id;
        match dispute_event {
            DisputeEvent::DisputeResponded(responded) if is_ours(responded.order_id) => {
                self.tell_customer(event, kind, "The cook answered", "An administrator decides your dispute now.");
            }
            DisputeEvent::DisputeOfferMade(made) if is_ours(made.order_id) => {
                let body = format!("The cook offers {} back. Accept or decline it.", made.amount);
                self.tell_customer(event, kind, "An offer", &body);
            }
            DisputeEvent::DisputeOfferDeclined(declined) if is_ours(declined.order_id) => {
                self.tell_producer(event, kind, "Offer declined", "You can make another one.");
            }
            DisputeEvent::DisputeEscalated(escalated) if is_ours(escalated.order_id) => {
                let body = "An administrator decides the dispute now.";
                self.tell_customer(event, kind, "Dispute under review", body);
                self.tell_producer(event, kind, "Dispute under review", body);
            }
            DisputeEvent::DisputeOpened(_)
            | DisputeEvent::DisputeEvidenceSubmitted(_)
            | DisputeEvent::DisputeResponded(_)
            | DisputeEvent::DisputeEscalated(_)
            | DisputeEvent::DisputeOfferMade(_)
            | DisputeEvent::DisputeOfferDeclined(_)
            | DisputeEvent::DisputeResolutionProposed(_)
            | DisputeEvent::DisputeSlaBreached(_)
            | DisputeEvent::DisputeResolved(_) => {}
        }
    }

    fn called_off(&mut self, event: &RecordedEvent, cancelled: &OrderCancelled) {
        let was_paid = self.status != OrderStatus::WaitingForPayment;
        let reason = reason_name(cancelled.reason_code);
        self.moved(event, OrderStatus::Cancelled, Some(reason));
        let body = cancelled.reason_text.as_deref().unwrap_or("The order was cancelled.");
        self.tell_customer(event, NotificationKind::OrderCancelled, "Order cancelled", body);
        if was_paid {
            self.tell_producer(event, NotificationKind::OrderCancelled, "Order cancelled", body);
        }
    }

    /// Tells both parties. A kitchen hears of an order from its payment on.
    fn moved(&mut self, event: &RecordedEvent, status: OrderStatus, reason: Option<&str>) {
        let previous_status = std::mem::replace(&mut self.status, status);
        let update = OrderStatusUpdate {
            order_id: self.order_id,
            status,
            previous_status,
            version: event.sequence,
            occurred_at: event.occurred_at,
            reason: reason.map(str::to_owned),
        };
        let unpaid_end = previous_status == OrderStatus::WaitingForPayment && status == OrderStatus::Cancelled;
        self.tell(event, Recipient::User(self.customer_id), EntryKind::OrderStatusUpdate(update.clone()));
        if !unpaid_end {
            self.tell(event, Recipient::Producer(self.producer_id), EntryKind::OrderStatusUpdate(update));
        }
    }

    fn tell_customer(&mut self, event: &RecordedEvent, kind: NotificationKind, title: &str, body: &str) {
        self.notify(event, Recipient::User(self.customer_id), kind, title, body);
    }

    fn tell_producer(&mut self, event: &RecordedEvent, kind: NotificationKind, title: &str, body: &str) {
        self.notify(event, Recipient::Producer(self.producer_id), kind, title, body);
    }

    fn notify(&mut self, event: &RecordedEvent, to: Recipient, kind: NotificationKind, title: &str, body: &str) {
        let order_id = Some(self.order_id);
        let (title, body) = (title.to_owned(), body.to_owned());
        let notification = Notification { kind, title, body, order_id, gift_id: None };
        self.tell(event, to, EntryKind::Notification(notification));
    }

    fn tell(&mut self, event: &RecordedEvent, recipient: Recipient, kind: EntryKind) {
        self.entries.push(NewEntry::new(event, recipient, kind));
    }
}

/// The stable name of a reason, as in the API.
fn reason_name(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::CustomerRequest => "CUSTOMER_REQUEST",
        CancelReason::ProducerRejected => "PRODUCER_REJECTED",
        CancelReason::ProducerTimeout => "PRODUCER_TIMEOUT",
        CancelReason::ProducerCancelled => "PRODUCER_CANCELLED",
        CancelReason::PaymentTimeout => "PAYMENT_TIMEOUT",
        CancelReason::PaymentFailed => "PAYMENT_FAILED",
        CancelReason::Admin => "ADMIN",
        CancelReason::Dispute => "DISPUTE",
        CancelReason::DishUnavailable => "DISH_UNAVAILABLE",
    }
}
