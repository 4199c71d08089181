//! Process managers: what follows from what. Each is a pure function from an event and the situation to steps; the
//! runner follows the log and does them.

mod cancellation;
mod dead_letters;
mod deadlines;
mod dispute;
mod executor;
mod fulfilment;
mod gift_deadlines;
mod gift_desk;
mod gift_expiry;
mod gift_purchase;
mod gift_use;
mod order_payment;
mod reconciliation;
mod refund;
mod runner;
mod situations;
mod step;
mod turns;

use shared::{
    domain::{DomainEvent, dispute::DisputeEvent, gift::GiftEvent, order::OrderEvent, payment::PaymentEvent},
    log::RecordedEvent,
};

pub use dead_letters::{OpenLetters, QUEUE};
pub use deadlines::on_timer;
pub use executor::{Cause, CommandObserver, EffectRun, Effects, Executor, Poison};
pub use gift_deadlines::is_given_up;
pub use gift_desk::GiftDesk;
pub use runner::{LetterObserver, Runner};
pub use step::{DishNow, Effect, GiftAct, Policies, Situation, Step};
pub use turns::Turns;

/// A process manager: its stable name, which names its commands, and its reaction.
pub struct ProcessManager {
    /// The stable name.
    pub name: &'static str,
    /// What follows from the event.
    pub react: fn(&RecordedEvent, &Situation) -> Vec<Step>,
}

/// All of them, in the order in which they react to one event.
pub const PROCESS_MANAGERS: [ProcessManager; 8] = [
    ProcessManager { name: "order_payment", react: order_payment::react },
    ProcessManager { name: "fulfilment", react: fulfilment::react },
    ProcessManager { name: "cancellation", react: cancellation::react },
    ProcessManager { name: "refund", react: refund::react },
    ProcessManager { name: "gift_purchase", react: gift_purchase::react },
    ProcessManager { name: "gift_use", react: gift_use::react },
    ProcessManager { name: "gift_expiry", react: gift_expiry::react },
    ProcessManager { name: "dispute", react: dispute::react },
];

/// Whether anybody reacts to the event at all.
pub fn is_relevant(event: &DomainEvent) -> bool {
    match event {
        DomainEvent::Order(event) => match event {
            OrderEvent::OrderCreated(created) => created.amount_due.is_zero(),
            OrderEvent::OrderPaymentRequested(_)
            | OrderEvent::OrderPaymentAttemptFailed(_)
            | OrderEvent::OrderPaid(_)
            | OrderEvent::OrderAccepted(_)
            | OrderEvent::OrderCancelled(_)
            | OrderEvent::OrderPayoutFrozen(_)
            | OrderEvent::OrderRefundAuthorized(_) => true,
            OrderEvent::OrderEtaChanged(_)
            | OrderEvent::OrderProducerReminded(_)
            | OrderEvent::OrderPayoutUnfrozen(_)
            | OrderEvent::OrderPreparationStarted(_)
            | OrderEvent::OrderReady(_)
            | OrderEvent::OrderDispatched(_)
            | OrderEvent::OrderDelivered(_)
            | OrderEvent::OrderCompleted(_)
            | OrderEvent::OrderRefundSettled(_)
            | OrderEvent::OrderRefundFailed(_)
            | OrderEvent::OrderPayoutReleased(_)
            | OrderEvent::OrderRated(_) => false,
        },
        DomainEvent::Payment(event) => match event {
            PaymentEvent::PaymentInitiated(_)
            | PaymentEvent::PaymentAuthorized(_)
            | PaymentEvent::PaymentCaptureRequested(_)
            | PaymentEvent::PaymentSucceeded(_)
            | PaymentEvent::PaymentFailed(_)
            | PaymentEvent::PaymentAbortRequested(_)
            | PaymentEvent::PaymentUnapplied(_)
            | PaymentEvent::PaymentRefundRequested(_)
            | PaymentEvent::PaymentRefundSucceeded(_)
            | PaymentEvent::PaymentRefundFailed(_)
            | PaymentEvent::PaymentRefundResolved(_)
            | PaymentEvent::PaymentIntegrityResolved(_)
            | PaymentEvent::PaymentChargebackRecorded(_)
            | PaymentEvent::PaymentExternalRefundRecorded(_) => true,
            PaymentEvent::PaymentSessionOpened(_)
            | PaymentEvent::PaymentProcessing(_)
            | PaymentEvent::PaymentApplied(_)
            | PaymentEvent::PaymentRefundSubmitted(_)
            | PaymentEvent::PaymentRefundUnknown(_)
            | PaymentEvent::PaymentAbortPostponed(_)
            | PaymentEvent::PaymentCapturePostponed(_)
            | PaymentEvent::PaymentRefundResolutionProposed(_)
            | PaymentEvent::PaymentIntegrityResolutionProposed(_)
            | PaymentEvent::PaymentIntegrityViolated(_) => false,
        },
        DomainEvent::Gift(event) => match event {
            GiftEvent::GiftPaymentRequested(_)
            | GiftEvent::GiftPaymentAttemptFailed(_)
            | GiftEvent::GiftIssued(_)
            | GiftEvent::GiftActivated(_)
            | GiftEvent::GiftReserved(_)
            | GiftEvent::GiftCredited(_)
            | GiftEvent::GiftExpired(_)
            | GiftEvent::GiftCancelled(_)
            | GiftEvent::GiftRefundRequested(_)
            | GiftEvent::GiftUnblocked(_) => true,
            GiftEvent::GiftCreated(_)
            | GiftEvent::GiftDelivered(_)
            | GiftEvent::GiftReminded(_)
            | GiftEvent::GiftActivationReverted(_)
            | GiftEvent::GiftConverted(_)
            | GiftEvent::GiftRedeemed(_)
            | GiftEvent::GiftReservationReleased(_)
            | GiftEvent::GiftRefundSettled(_)
            | GiftEvent::GiftRefundReverted(_)
            | GiftEvent::GiftBlocked(_) => false,
        },
        DomainEvent::Dispute(event) => match event {
            DisputeEvent::DisputeResolved(_) | DisputeEvent::DisputeSlaBreached(_) => true,
            DisputeEvent::DisputeOpened(_)
            | DisputeEvent::DisputeEvidenceSubmitted(_)
            | DisputeEvent::DisputeResponded(_)
            | DisputeEvent::DisputeEscalated(_)
            | DisputeEvent::DisputeOfferMade(_)
            | DisputeEvent::DisputeOfferDeclined(_)
            | DisputeEvent::DisputeResolutionProposed(_) => false,
        },
    }
}

#[cfg(test)]
mod tests;
