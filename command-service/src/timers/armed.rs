//! Which events start which deadlines.

use chrono::{DateTime, Utc};
use shared::domain::{DomainEvent, gift::GiftEvent, order::OrderEvent, payment::PaymentEvent};
use uuid::Uuid;

use crate::event_log::{NewEvent, NewTimer};

/// What a timer is about. The names are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// An order that nobody paid is called off.
    OrderPaymentDeadline,
    /// An order that no cook took on is called off.
    ProducerAccept,
    /// A delivered order that nobody complained about is complete.
    OrderAutoComplete,
    /// The cook's share is released.
    PayoutRelease,
    /// Held money that was never taken is given up.
    CaptureLimit,
    /// A refund that failed or got lost is looked at again.
    RefundRetry,
    /// A gift that nobody paid is called off.
    GiftPaymentDeadline,
    /// The recipient of a gift is told of it.
    GiftDeliver,
    /// The holder of a gift is reminded of its end.
    GiftRemind,
    /// A gift's time is over.
    GiftExpiry,
    /// A share of a gift whose order should be paid by now is looked at.
    GiftReservationTtl,
}

impl TimerKind {
    const ALL: [Self; 11] = [
        Self::OrderPaymentDeadline,
        Self::ProducerAccept,
        Self::OrderAutoComplete,
        Self::PayoutRelease,
        Self::CaptureLimit,
        Self::RefundRetry,
        Self::GiftPaymentDeadline,
        Self::GiftDeliver,
        Self::GiftRemind,
        Self::GiftExpiry,
        Self::GiftReservationTtl,
    ];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderPaymentDeadline => "order_payment_deadline",
            Self::ProducerAccept => "producer_accept",
            Self::OrderAutoComplete => "order_auto_complete",
            Self::PayoutRelease => "payout_release",
            Self::CaptureLimit => "capture_limit",
            Self::RefundRetry => "refund_retry",
            Self::GiftPaymentDeadline => "gift_payment_deadline",
            Self::GiftDeliver => "gift_deliver",
            Self::GiftRemind => "gift_remind",
            Self::GiftExpiry => "gift_expiry",
            Self::GiftReservationTtl => "gift_reservation_ttl",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How long a refund whose outcome is unknown rests before somebody asks the provider.
const REFUND_UNKNOWN_REST: chrono::Duration = chrono::Duration::seconds(60);

/// The deadlines that `event` of the aggregate starts.
pub fn armed_by(aggregate_id: Uuid, event: &NewEvent) -> Vec<NewTimer> {
    let timer = |(kind, due_at): (TimerKind, DateTime<Utc>)| NewTimer {
        timer_id: Uuid::new_v5(&event.event_id, kind.as_str().as_bytes()),
        kind: kind.as_str(),
        aggregate_id,
        correlation_id: event.correlation_id,
        causation_id: event.event_id,
        due_at,
    };
    match &event.event {
        DomainEvent::Gift(gift_event) => by_gift(gift_event).into_iter().map(timer).collect(),
        DomainEvent::Order(_) | DomainEvent::Payment(_) => by_order_or_payment(event).map(timer).into_iter().collect(),
    }
}

fn by_gift(event: &GiftEvent) -> Vec<(TimerKind, DateTime<Utc>)> {
    match event {
        GiftEvent::GiftCreated(created) => vec![(TimerKind::GiftPaymentDeadline, created.payment_deadline)],
        GiftEvent::GiftIssued(issued) => vec![
            (TimerKind::GiftDeliver, issued.deliver_at),
            (TimerKind::GiftRemind, issued.remind_at),
            (TimerKind::GiftExpiry, issued.expires_at),
        ],
        GiftEvent::GiftReminded(reminded) => {
            reminded.next_at.map(|next_at| (TimerKind::GiftRemind, next_at)).into_iter().collect()
        }
        GiftEvent::GiftReserved(reserved) => vec![(TimerKind::GiftReservationTtl, reserved.until)],
        _ => Vec::new(),
    }
}

fn by_order_or_payment(event: &NewEvent) -> Option<(TimerKind, DateTime<Utc>)> {
    Some(match &event.event {
        DomainEvent::Order(OrderEvent::OrderCreated(created)) if created.amount_due.is_positive() => {
            (TimerKind::OrderPaymentDeadline, created.payment_deadline)
        }
        DomainEvent::Order(OrderEvent::OrderPaid(paid)) => (TimerKind::ProducerAccept, paid.accept_deadline),
        DomainEvent::Order(OrderEvent::OrderDelivered(delivered)) => {
            (TimerKind::OrderAutoComplete, delivered.auto_complete_at)
        }
        DomainEvent::Order(OrderEvent::OrderCompleted(completed)) => {
            (TimerKind::PayoutRelease, completed.payout_due_at)
        }
        DomainEvent::Payment(PaymentEvent::PaymentAuthorized(authorized)) => {
            (TimerKind::CaptureLimit, authorized.capture_before)
        }
        DomainEvent::Payment(PaymentEvent::PaymentRefundFailed(failed)) => (TimerKind::RefundRetry, failed.retry_at?),
        DomainEvent::Payment(PaymentEvent::PaymentRefundUnknown(_)) => {
            (TimerKind::RefundRetry, event.occurred_at + REFUND_UNKNOWN_REST)
        }
        DomainEvent::Order(_) | DomainEvent::Payment(_) | DomainEvent::Gift(_) => return None,
    })
}
