//! Which events start which deadlines.

use shared::domain::{DomainEvent, order::OrderEvent, payment::PaymentEvent};
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
    /// A refund that failed is tried again.
    RefundRetry,
    /// The provider is asked about a payment that is not at its end.
    PaymentPoll,
}

impl TimerKind {
    const ALL: [Self; 7] = [
        Self::OrderPaymentDeadline,
        Self::ProducerAccept,
        Self::OrderAutoComplete,
        Self::PayoutRelease,
        Self::CaptureLimit,
        Self::RefundRetry,
        Self::PaymentPoll,
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
            Self::PaymentPoll => "payment_poll",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How long a payment rests before the provider is asked about it for the first time.
const FIRST_POLL: chrono::Duration = chrono::Duration::seconds(60);

/// The deadline that `event` of the aggregate starts, if any.
pub fn armed_by(aggregate_id: Uuid, event: &NewEvent) -> Option<NewTimer> {
    let (kind, due_at) = match &event.event {
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
        DomainEvent::Payment(
            PaymentEvent::PaymentInitiated(_)
            | PaymentEvent::PaymentRefundSubmitted(_)
            | PaymentEvent::PaymentRefundUnknown(_),
        ) => (TimerKind::PaymentPoll, event.occurred_at + FIRST_POLL),
        DomainEvent::Order(_) | DomainEvent::Payment(_) => return None,
    };
    Some(NewTimer {
        timer_id: Uuid::new_v5(&event.event_id, kind.as_str().as_bytes()),
        kind: kind.as_str(),
        aggregate_id,
        correlation_id: event.correlation_id,
        causation_id: event.event_id,
        due_at,
    })
}
