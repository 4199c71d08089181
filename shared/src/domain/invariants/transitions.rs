//! The tables of which event may follow in which state, as the business states them; the aggregates have their own.

use super::facts::{DisputeFacts, GiftFacts, OrderFacts, PaymentFacts};
use crate::domain::{
    dispute::DisputeEvent,
    gift::GiftEvent,
    order::{DeliveryType, OrderEvent, OrderStatus},
    payment::{PaymentEvent, PaymentStatus},
};

/// The status that an event leads to; none if it leaves it.
pub(super) fn order_status_after(event: &OrderEvent) -> Option<OrderStatus> {
    match event {
        OrderEvent::OrderCreated(_) => Some(OrderStatus::WaitingForPayment),
        OrderEvent::OrderPaid(_) => Some(OrderStatus::Paid),
        OrderEvent::OrderAccepted(_) => Some(OrderStatus::Accepted),
        OrderEvent::OrderPreparationStarted(_) => Some(OrderStatus::Preparing),
        OrderEvent::OrderReady(_) => Some(OrderStatus::Ready),
        OrderEvent::OrderDispatched(_) => Some(OrderStatus::OutForDelivery),
        OrderEvent::OrderDelivered(_) => Some(OrderStatus::Delivered),
        OrderEvent::OrderCompleted(_) => Some(OrderStatus::Completed),
        OrderEvent::OrderCancelled(_) => Some(OrderStatus::Cancelled),
        OrderEvent::OrderPaymentRequested(_)
        | OrderEvent::OrderPaymentAttemptFailed(_)
        | OrderEvent::OrderProducerReminded(_)
        | OrderEvent::OrderEtaChanged(_)
        | OrderEvent::OrderRefundAuthorized(_)
        | OrderEvent::OrderRefundSettled(_)
        | OrderEvent::OrderRefundFailed(_)
        | OrderEvent::OrderPayoutReleased(_)
        | OrderEvent::OrderPayoutFrozen(_)
        | OrderEvent::OrderPayoutUnfrozen(_)
        | OrderEvent::OrderRated(_) => None,
    }
}

/// The status that an event leads to; none if it leaves it. What went back is not told apart here.
pub(super) fn payment_status_after(event: &PaymentEvent) -> Option<PaymentStatus> {
    match event {
        PaymentEvent::PaymentInitiated(_) => Some(PaymentStatus::Initiated),
        PaymentEvent::PaymentSessionOpened(_) => Some(PaymentStatus::AwaitingCustomer),
        PaymentEvent::PaymentProcessing(_) => Some(PaymentStatus::Processing),
        PaymentEvent::PaymentAuthorized(_) => Some(PaymentStatus::Authorized),
        PaymentEvent::PaymentSucceeded(_) => Some(PaymentStatus::Succeeded),
        PaymentEvent::PaymentFailed(_) => Some(PaymentStatus::Failed),
        PaymentEvent::PaymentCaptureRequested(_)
        | PaymentEvent::PaymentCapturePostponed(_)
        | PaymentEvent::PaymentAbortRequested(_)
        | PaymentEvent::PaymentAbortPostponed(_)
        | PaymentEvent::PaymentApplied(_)
        | PaymentEvent::PaymentUnapplied(_)
        | PaymentEvent::PaymentRefundRequested(_)
        | PaymentEvent::PaymentRefundSubmitted(_)
        | PaymentEvent::PaymentRefundSucceeded(_)
        | PaymentEvent::PaymentRefundFailed(_)
        | PaymentEvent::PaymentRefundUnknown(_)
        | PaymentEvent::PaymentRefundResolutionProposed(_)
        | PaymentEvent::PaymentRefundResolved(_)
        | PaymentEvent::PaymentIntegrityViolated(_)
        | PaymentEvent::PaymentIntegrityResolutionProposed(_)
        | PaymentEvent::PaymentIntegrityResolved(_)
        | PaymentEvent::PaymentChargebackRecorded(_)
        | PaymentEvent::PaymentExternalRefundRecorded(_) => None,
    }
}

/// Whether the event may follow in this order.
pub(super) fn order_allows(order: &OrderFacts, event: &OrderEvent) -> bool {
    use OrderStatus::{Accepted, Cancelled, Completed, Delivered, OutForDelivery, Paid, Preparing, Ready};
    let is_pickup = order.delivery_type == DeliveryType::Pickup;
    let knows = |refund_id| order.refunds.iter().any(|refund| refund.refund_id == refund_id);
    match event {
        OrderEvent::OrderCreated(_) => false,
        OrderEvent::OrderPaymentRequested(_) | OrderEvent::OrderPaid(_) => {
            order.status == OrderStatus::WaitingForPayment
        }
        OrderEvent::OrderPaymentAttemptFailed(failed) => order.attempts.contains(&failed.payment_id),
        OrderEvent::OrderProducerReminded(_) | OrderEvent::OrderAccepted(_) => order.status == Paid,
        OrderEvent::OrderEtaChanged(_) => matches!(order.status, Accepted | Preparing | Ready),
        OrderEvent::OrderPreparationStarted(_) => order.status == Accepted,
        OrderEvent::OrderReady(_) => order.status == Preparing,
        OrderEvent::OrderDispatched(_) => order.status == Ready && !is_pickup,
        OrderEvent::OrderDelivered(_) => order.status == if is_pickup { Ready } else { OutForDelivery },
        OrderEvent::OrderCompleted(_) => order.status == Delivered,
        OrderEvent::OrderCancelled(_) => !matches!(order.status, Delivered | Completed | Cancelled),
        OrderEvent::OrderRefundAuthorized(_) => order.paid.is_some(),
        OrderEvent::OrderRefundSettled(settled) => knows(settled.refund_id),
        OrderEvent::OrderRefundFailed(failed) => knows(failed.refund_id),
        OrderEvent::OrderPayoutReleased(_) | OrderEvent::OrderRated(_) => order.status == Completed,
        OrderEvent::OrderPayoutFrozen(_) => !matches!(order.status, OrderStatus::WaitingForPayment | Cancelled),
        OrderEvent::OrderPayoutUnfrozen(unfrozen) => {
            order.open_claim().is_some_and(|claim| claim.dispute_id == unfrozen.dispute_id)
        }
    }
}

/// Whether the event may follow in this payment.
pub(super) fn payment_allows(payment: &PaymentFacts, event: &PaymentEvent) -> bool {
    use PaymentStatus::{Authorized, AwaitingCustomer, Failed, Initiated, Processing};
    let status = payment.status;
    let knows = |refund_id| payment.refunds.iter().any(|back| back.refund_id == refund_id);
    match event {
        PaymentEvent::PaymentInitiated(_) => false,
        PaymentEvent::PaymentSessionOpened(_) => status == Initiated,
        PaymentEvent::PaymentProcessing(_) => matches!(status, Initiated | AwaitingCustomer),
        PaymentEvent::PaymentAuthorized(_) => matches!(status, Initiated | AwaitingCustomer | Processing | Failed),
        PaymentEvent::PaymentCaptureRequested(_) | PaymentEvent::PaymentCapturePostponed(_) => status == Authorized,
        // That it was captured once is another invariant.
        PaymentEvent::PaymentSucceeded(_) => true,
        PaymentEvent::PaymentFailed(_) => matches!(status, Initiated | AwaitingCustomer | Processing | Authorized),
        PaymentEvent::PaymentAbortRequested(_) | PaymentEvent::PaymentAbortPostponed(_) => {
            matches!(status, Initiated | AwaitingCustomer | Processing | Authorized)
        }
        PaymentEvent::PaymentApplied(_) => matches!(status, Authorized | PaymentStatus::Succeeded),
        // It may be said before the money comes.
        PaymentEvent::PaymentUnapplied(_) => true,
        PaymentEvent::PaymentRefundRequested(_)
        | PaymentEvent::PaymentChargebackRecorded(_)
        | PaymentEvent::PaymentExternalRefundRecorded(_) => status == PaymentStatus::Succeeded,
        PaymentEvent::PaymentRefundSubmitted(refund) => knows(refund.refund_id),
        PaymentEvent::PaymentRefundSucceeded(refund) => knows(refund.refund_id),
        PaymentEvent::PaymentRefundFailed(refund) => knows(refund.refund_id),
        PaymentEvent::PaymentRefundUnknown(refund) => knows(refund.refund_id),
        PaymentEvent::PaymentRefundResolutionProposed(proposed) => knows(proposed.refund_id),
        PaymentEvent::PaymentRefundResolved(resolved) => {
            knows(resolved.refund_id) && resolved.proposed_by != resolved.approved_by
        }
        PaymentEvent::PaymentIntegrityViolated(_)
        | PaymentEvent::PaymentIntegrityResolutionProposed(_)
        | PaymentEvent::PaymentIntegrityResolved(_) => true,
    }
}

/// Whether the event may follow in this gift. Its reservations have invariants of their own.
pub(super) fn gift_allows(gift: &GiftFacts, event: &GiftEvent) -> bool {
    let is_pending = !gift.is_issued() && !gift.is_cancelled;
    let is_open = gift.is_issued() && !gift.is_cancelled && !gift.is_expired;
    match event {
        GiftEvent::GiftCreated(_) => false,
        GiftEvent::GiftPaymentRequested(_) | GiftEvent::GiftIssued(_) => is_pending,
        GiftEvent::GiftActivated(_) | GiftEvent::GiftConverted(_) | GiftEvent::GiftExpired(_) => is_open,
        GiftEvent::GiftCancelled(_) => is_pending || (is_open && !gift.is_activated),
        GiftEvent::GiftActivationReverted(_) => gift.is_activated,
        GiftEvent::GiftReserved(_)
        | GiftEvent::GiftPaymentAttemptFailed(_)
        | GiftEvent::GiftDelivered(_)
        | GiftEvent::GiftReminded(_)
        | GiftEvent::GiftRedeemed(_)
        | GiftEvent::GiftReservationReleased(_)
        | GiftEvent::GiftCredited(_)
        | GiftEvent::GiftRefundRequested(_)
        | GiftEvent::GiftRefundSettled(_)
        | GiftEvent::GiftRefundReverted(_)
        | GiftEvent::GiftBlocked(_)
        | GiftEvent::GiftUnblocked(_) => true,
    }
}

/// Whether the event may follow in this dispute. That nothing follows its resolution is another invariant.
pub(super) fn dispute_allows(dispute: &DisputeFacts, event: &DisputeEvent) -> bool {
    match event {
        DisputeEvent::DisputeOpened(_) => false,
        DisputeEvent::DisputeResponded(_) | DisputeEvent::DisputeEscalated(_) => !dispute.is_under_review,
        DisputeEvent::DisputeSlaBreached(_) => dispute.is_under_review,
        DisputeEvent::DisputeEvidenceSubmitted(_)
        | DisputeEvent::DisputeOfferMade(_)
        | DisputeEvent::DisputeOfferDeclined(_)
        | DisputeEvent::DisputeResolutionProposed(_)
        | DisputeEvent::DisputeResolved(_) => true,
    }
}
