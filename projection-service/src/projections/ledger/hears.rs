//! Which events the books need to hear: those that post, and those that a later posting needs.

use shared::domain::{DomainEvent, gift::GiftEvent, order::OrderEvent, payment::PaymentEvent};

/// Whether the event posts, or has to be known when another one does.
pub(super) fn hears(event: &DomainEvent) -> bool {
    match event {
        DomainEvent::Order(event) => order_is_heard(event),
        DomainEvent::Payment(event) => payment_is_heard(event),
        DomainEvent::Gift(event) => gift_is_heard(event),
        DomainEvent::Dispute(_) => false,
    }
}

fn order_is_heard(event: &OrderEvent) -> bool {
    match event {
        OrderEvent::OrderCreated(_)
        | OrderEvent::OrderPaid(_)
        | OrderEvent::OrderRefundAuthorized(_)
        | OrderEvent::OrderRefundSettled(_)
        | OrderEvent::OrderPayoutReleased(_) => true,
        OrderEvent::OrderPaymentRequested(_)
        | OrderEvent::OrderPaymentAttemptFailed(_)
        | OrderEvent::OrderAccepted(_)
        | OrderEvent::OrderEtaChanged(_)
        | OrderEvent::OrderPreparationStarted(_)
        | OrderEvent::OrderReady(_)
        | OrderEvent::OrderDispatched(_)
        | OrderEvent::OrderDelivered(_)
        | OrderEvent::OrderCompleted(_)
        | OrderEvent::OrderCancelled(_)
        | OrderEvent::OrderRefundFailed(_)
        | OrderEvent::OrderProducerReminded(_)
        | OrderEvent::OrderPayoutFrozen(_)
        | OrderEvent::OrderPayoutUnfrozen(_)
        | OrderEvent::OrderRated(_) => false,
    }
}

fn payment_is_heard(event: &PaymentEvent) -> bool {
    match event {
        PaymentEvent::PaymentSucceeded(_)
        | PaymentEvent::PaymentRefundRequested(_)
        | PaymentEvent::PaymentRefundSucceeded(_)
        | PaymentEvent::PaymentRefundResolved(_)
        | PaymentEvent::PaymentChargebackRecorded(_)
        | PaymentEvent::PaymentExternalRefundRecorded(_) => true,
        PaymentEvent::PaymentInitiated(_)
        | PaymentEvent::PaymentSessionOpened(_)
        | PaymentEvent::PaymentProcessing(_)
        | PaymentEvent::PaymentAuthorized(_)
        | PaymentEvent::PaymentCaptureRequested(_)
        | PaymentEvent::PaymentFailed(_)
        | PaymentEvent::PaymentAbortRequested(_)
        | PaymentEvent::PaymentApplied(_)
        | PaymentEvent::PaymentUnapplied(_)
        | PaymentEvent::PaymentRefundSubmitted(_)
        | PaymentEvent::PaymentRefundFailed(_)
        | PaymentEvent::PaymentRefundUnknown(_)
        | PaymentEvent::PaymentAbortPostponed(_)
        | PaymentEvent::PaymentCapturePostponed(_)
        | PaymentEvent::PaymentRefundResolutionProposed(_)
        | PaymentEvent::PaymentIntegrityViolated(_)
        | PaymentEvent::PaymentIntegrityResolutionProposed(_)
        | PaymentEvent::PaymentIntegrityResolved(_) => false,
    }
}

fn gift_is_heard(event: &GiftEvent) -> bool {
    match event {
        GiftEvent::GiftIssued(_)
        | GiftEvent::GiftReserved(_)
        | GiftEvent::GiftReservationReleased(_)
        | GiftEvent::GiftRedeemed(_)
        | GiftEvent::GiftCredited(_)
        | GiftEvent::GiftRefundRequested(_)
        | GiftEvent::GiftRefundReverted(_) => true,
        GiftEvent::GiftCreated(_)
        | GiftEvent::GiftPaymentRequested(_)
        | GiftEvent::GiftPaymentAttemptFailed(_)
        | GiftEvent::GiftDelivered(_)
        | GiftEvent::GiftReminded(_)
        | GiftEvent::GiftActivated(_)
        | GiftEvent::GiftActivationReverted(_)
        | GiftEvent::GiftConverted(_)
        | GiftEvent::GiftExpired(_)
        | GiftEvent::GiftCancelled(_)
        | GiftEvent::GiftRefundSettled(_)
        | GiftEvent::GiftBlocked(_)
        | GiftEvent::GiftUnblocked(_) => false,
    }
}
