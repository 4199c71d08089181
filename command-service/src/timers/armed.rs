//! Which events start which deadlines.

use chrono::{DateTime, Utc};
use shared::domain::{
    DomainEvent,
    dispute::DisputeEvent,
    gift::GiftEvent,
    order::{OrderEvent, OrderPolicy},
    payment::PaymentEvent,
};
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
    /// An attempt that the provider could not be brought to call off is tried again.
    AbortRetry,
    /// Held money that the provider did not give is asked for again.
    CaptureRetry,
    /// A cook who has not answered is reminded.
    ProducerRemind,
    /// A meal that should be there and is not is looked at by a person.
    StuckFulfilment,
    /// A cook has not answered a dispute.
    DisputeResponse,
    /// Nobody has decided a dispute.
    DisputeDecision,
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
    const ALL: [Self; 18] = [
        Self::OrderPaymentDeadline,
        Self::ProducerAccept,
        Self::OrderAutoComplete,
        Self::PayoutRelease,
        Self::CaptureLimit,
        Self::RefundRetry,
        Self::PaymentPoll,
        Self::AbortRetry,
        Self::CaptureRetry,
        Self::ProducerRemind,
        Self::StuckFulfilment,
        Self::DisputeResponse,
        Self::DisputeDecision,
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
            Self::PaymentPoll => "payment_poll",
            Self::AbortRetry => "abort_retry",
            Self::CaptureRetry => "capture_retry",
            Self::ProducerRemind => "producer_remind",
            Self::StuckFulfilment => "stuck_fulfilment",
            Self::DisputeResponse => "dispute_response",
            Self::DisputeDecision => "dispute_decision",
            Self::GiftPaymentDeadline => "gift_payment_deadline",
            Self::GiftDeliver => "gift_deliver",
            Self::GiftRemind => "gift_remind",
            Self::GiftExpiry => "gift_expiry",
            Self::GiftReservationTtl => "gift_reservation_ttl",
        }
    }

    /// Whether a provider is asked when it fires: nobody's deadline waits for the answer.
    pub fn asks_provider(self) -> bool {
        match self {
            Self::RefundRetry | Self::PaymentPoll | Self::AbortRetry | Self::CaptureRetry => true,
            Self::OrderPaymentDeadline
            | Self::ProducerAccept
            | Self::OrderAutoComplete
            | Self::PayoutRelease
            | Self::CaptureLimit
            | Self::ProducerRemind
            | Self::StuckFulfilment
            | Self::DisputeResponse
            | Self::DisputeDecision
            | Self::GiftPaymentDeadline
            | Self::GiftDeliver
            | Self::GiftRemind
            | Self::GiftExpiry
            | Self::GiftReservationTtl => false,
        }
    }

    /// The stored names of those that ask a provider.
    pub fn names_that_ask_providers() -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|kind| kind.asks_provider()).map(Self::as_str).collect()
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How long a payment rests before the provider is asked about it for the first time.
const FIRST_POLL: chrono::Duration = chrono::Duration::seconds(60);

/// The deadlines that `event` of the aggregate starts; those that no event names are the policy's.
pub fn armed_by<'a>(
    aggregate_id: Uuid,
    event: &'a NewEvent,
    policy: &OrderPolicy,
) -> impl Iterator<Item = NewTimer> + use<'a> {
    let deadlines = match &event.event {
        DomainEvent::Order(order_event) => {
            let [first, second] = of_order(order_event, event.occurred_at, policy);
            [first, second, None]
        }
        DomainEvent::Payment(payment_event) => [of_payment(payment_event, event.occurred_at), None, None],
        DomainEvent::Dispute(dispute_event) => [of_dispute(dispute_event), None, None],
        DomainEvent::Gift(gift_event) => of_gift(gift_event),
    };
    deadlines.into_iter().flatten().map(move |(kind, due_at)| NewTimer {
        timer_id: Uuid::new_v5(&event.event_id, kind.as_str().as_bytes()),
        kind: kind.as_str(),
        aggregate_id,
        correlation_id: event.correlation_id,
        causation_id: event.event_id,
        due_at,
    })
}

type Deadline = (TimerKind, DateTime<Utc>);

fn of_order(event: &OrderEvent, occurred_at: DateTime<Utc>, policy: &OrderPolicy) -> [Option<Deadline>; 2] {
    let first = match event {
        OrderEvent::OrderCreated(created) if created.amount_due.is_positive() => {
            Some((TimerKind::OrderPaymentDeadline, created.payment_deadline))
        }
        OrderEvent::OrderPaid(paid) => {
            let remind_at = occurred_at + policy.remind_after;
            let remind = (remind_at < paid.accept_deadline).then_some((TimerKind::ProducerRemind, remind_at));
            return [Some((TimerKind::ProducerAccept, paid.accept_deadline)), remind];
        }
        OrderEvent::OrderAccepted(accepted) => {
            Some((TimerKind::StuckFulfilment, accepted.ready_by + policy.stuck_after))
        }
        OrderEvent::OrderReady(_) | OrderEvent::OrderDispatched(_) => {
            Some((TimerKind::StuckFulfilment, occurred_at + policy.stuck_after))
        }
        OrderEvent::OrderDelivered(delivered) => Some((TimerKind::OrderAutoComplete, delivered.auto_complete_at)),
        OrderEvent::OrderCompleted(completed) => Some((TimerKind::PayoutRelease, completed.payout_due_at)),
        // What a dispute held up goes on.
        OrderEvent::OrderPayoutUnfrozen(unfrozen) => {
            let complete = unfrozen.auto_complete_at.map(|at| (TimerKind::OrderAutoComplete, at));
            return [complete, unfrozen.payout_due_at.map(|at| (TimerKind::PayoutRelease, at))];
        }
        OrderEvent::OrderCreated(_)
        | OrderEvent::OrderPaymentRequested(_)
        | OrderEvent::OrderPaymentAttemptFailed(_)
        | OrderEvent::OrderProducerReminded(_)
        | OrderEvent::OrderEtaChanged(_)
        | OrderEvent::OrderPreparationStarted(_)
        | OrderEvent::OrderCancelled(_)
        | OrderEvent::OrderRefundAuthorized(_)
        | OrderEvent::OrderRefundSettled(_)
        | OrderEvent::OrderRefundFailed(_)
        | OrderEvent::OrderPayoutFrozen(_)
        | OrderEvent::OrderPayoutReleased(_)
        | OrderEvent::OrderRated(_) => None,
    };
    [first, None]
}

fn of_payment(event: &PaymentEvent, occurred_at: DateTime<Utc>) -> Option<Deadline> {
    match event {
        PaymentEvent::PaymentAuthorized(authorized) => Some((TimerKind::CaptureLimit, authorized.capture_before)),
        PaymentEvent::PaymentAbortPostponed(postponed) => Some((TimerKind::AbortRetry, postponed.retry_at)),
        PaymentEvent::PaymentCapturePostponed(postponed) => Some((TimerKind::CaptureRetry, postponed.retry_at)),
        PaymentEvent::PaymentRefundFailed(failed) => Some((TimerKind::RefundRetry, failed.retry_at?)),
        PaymentEvent::PaymentInitiated(_)
        | PaymentEvent::PaymentRefundSubmitted(_)
        | PaymentEvent::PaymentRefundUnknown(_) => Some((TimerKind::PaymentPoll, occurred_at + FIRST_POLL)),
        _ => None,
    }
}

fn of_dispute(event: &DisputeEvent) -> Option<Deadline> {
    match event {
        DisputeEvent::DisputeOpened(opened) => Some((TimerKind::DisputeResponse, opened.response_due)),
        DisputeEvent::DisputeResponded(responded) => Some((TimerKind::DisputeDecision, responded.decision_due)),
        DisputeEvent::DisputeEscalated(escalated) => Some((TimerKind::DisputeDecision, escalated.decision_due)),
        DisputeEvent::DisputeEvidenceSubmitted(_)
        | DisputeEvent::DisputeOfferMade(_)
        | DisputeEvent::DisputeOfferDeclined(_)
        | DisputeEvent::DisputeResolutionProposed(_)
        | DisputeEvent::DisputeSlaBreached(_)
        | DisputeEvent::DisputeResolved(_) => None,
    }
}

fn of_gift(event: &GiftEvent) -> [Option<Deadline>; 3] {
    let only = match event {
        GiftEvent::GiftCreated(created) => Some((TimerKind::GiftPaymentDeadline, created.payment_deadline)),
        GiftEvent::GiftIssued(issued) => {
            return [
                Some((TimerKind::GiftDeliver, issued.deliver_at)),
                Some((TimerKind::GiftRemind, issued.remind_at)),
                Some((TimerKind::GiftExpiry, issued.expires_at)),
            ];
        }
        GiftEvent::GiftReminded(reminded) => reminded.next_at.map(|next_at| (TimerKind::GiftRemind, next_at)),
        GiftEvent::GiftReserved(reserved) => Some((TimerKind::GiftReservationTtl, reserved.until)),
        GiftEvent::GiftPaymentRequested(_)
        | GiftEvent::GiftPaymentAttemptFailed(_)
        | GiftEvent::GiftDelivered(_)
        | GiftEvent::GiftActivated(_)
        | GiftEvent::GiftActivationReverted(_)
        | GiftEvent::GiftConverted(_)
        | GiftEvent::GiftRedeemed(_)
        | GiftEvent::GiftReservationReleased(_)
        | GiftEvent::GiftCredited(_)
        | GiftEvent::GiftExpired(_)
        | GiftEvent::GiftCancelled(_)
        | GiftEvent::GiftRefundRequested(_)
        | GiftEvent::GiftRefundSettled(_)
        | GiftEvent::GiftRefundReverted(_)
        | GiftEvent::GiftBlocked(_)
        | GiftEvent::GiftUnblocked(_) => None,
    };
    [only, None, None]
}
