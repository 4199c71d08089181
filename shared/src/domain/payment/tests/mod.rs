//! Every rule and every refusal of a payment.

mod access;
mod bank;
mod diagram;
mod integrity;
mod operations;
mod properties;
mod refunds;
mod reports;
mod resolutions;
mod transitions;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::test::TestFramework;
use uuid::Uuid;

use super::*;
use crate::domain::{
    Actor, EventSourced, Intent, Money, Rejection, RejectionKind,
    ids::{OrderId, PaymentId, RefundId},
};

pub(super) const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(1));
pub(super) const ORDER: OrderId = OrderId(Uuid::from_u128(2));
pub(super) const BANK_ID: &str = "8742591";

/// The moment of the attempt, and minutes after it.
pub(super) fn minute(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
}

pub(super) fn system() -> Actor {
    Actor::system("payment_effects")
}

pub(super) fn price() -> Money {
    Money::rub(20_000)
}

pub(super) fn intent(command: PaymentCommand) -> Intent<PaymentCommand> {
    Intent { actor: system(), now: minute(5), command }
}

/// The one place that knows the aggregate's API.
#[track_caller]
pub(super) fn check(given: &[PaymentEvent], when: PaymentCommand, then: Result<Vec<PaymentEvent>, PaymentError>) {
    let actual = TestFramework::<Payment>::with(()).given(given.to_vec()).when(intent(when)).inspect_result();
    assert_eq!(actual, then);
}

/// The names of the events, or of the rule that forbids.
pub(super) fn names(given: &[PaymentEvent], when: PaymentCommand) -> Result<Vec<&'static str>, &'static str> {
    let events = replay(given).decide(&intent(when)).map_err(|error| error.rule())?;
    Ok(events.iter().map(PaymentEvent::type_name).collect())
}

pub(super) fn replay(events: &[PaymentEvent]) -> Payment {
    events.iter().fold(Payment::default(), |mut payment, event| {
        cqrs_es::Aggregate::apply(&mut payment, event.clone());
        payment
    })
}

/// Adds to the history what the command makes happen; it must be something.
#[track_caller]
pub(super) fn happens(history: &mut Vec<PaymentEvent>, when: PaymentCommand) {
    let events = replay(history).decide(&intent(when)).unwrap();
    assert!(!events.is_empty());
    history.extend(events);
}

pub(super) fn request() -> InitiatePayment {
    InitiatePayment {
        payment_id: PAYMENT,
        purpose: Purpose::Order { order_id: ORDER },
        amount: price(),
        provider: Provider::Tbank,
        provider_enabled: true,
        return_url: "https://homefood.test/paid".into(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: minute(30),
        policy: PaymentPolicy::default(),
    }
}

pub(super) fn initiated() -> PaymentEvent {
    let initiated = PaymentInitiated {
        purpose: Purpose::Order { order_id: ORDER },
        amount: price(),
        provider: Provider::Tbank,
        provider_order_ref: PAYMENT.provider_order_ref(1),
        return_url: "https://homefood.test/paid".into(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: minute(30),
    };
    initiated.into()
}

pub(super) fn opened() -> PaymentEvent {
    let (provider_payment_id, payment_url) = (BANK_ID.to_owned(), "https://bank.test/pay".to_owned());
    PaymentSessionOpened { provider_payment_id, payment_url, init_try: 1 }.into()
}

pub(super) fn processing() -> PaymentEvent {
    let (provider_payment_id, provider_status) = (BANK_ID.to_owned(), "3DS_CHECKING".to_owned());
    PaymentProcessing { provider_payment_id, provider_status }.into()
}

pub(super) fn authorized(late: bool) -> PaymentEvent {
    let authorized = PaymentAuthorized {
        provider_payment_id: BANK_ID.into(),
        amount: price(),
        source: EvidenceSource::Webhook,
        capture_before: minute(5) + TimeDelta::days(6),
        late,
    };
    authorized.into()
}

pub(super) fn succeeded(late: bool) -> PaymentEvent {
    let provider_payment_id = BANK_ID.to_owned();
    PaymentSucceeded { provider_payment_id, amount: price(), source: EvidenceSource::Webhook, late }.into()
}

pub(super) fn failed(reason: FailureReason) -> PaymentEvent {
    PaymentFailed { reason, provider_error_code: None, customer_retryable: true }.into()
}

pub(super) fn aborting() -> PaymentEvent {
    PaymentAbortRequested { cause: "too late".into() }.into()
}

pub(super) fn unapplied(cause: UnappliedCause) -> PaymentEvent {
    PaymentUnapplied { cause }.into()
}

pub(super) fn applied() -> PaymentEvent {
    PaymentApplied { target: Purpose::Order { order_id: ORDER } }.into()
}

pub(super) fn refund_id(id: u128) -> RefundId {
    RefundId(Uuid::from_u128(100 + id))
}

pub(super) fn refund_requested(id: u128, kopecks: i64) -> PaymentEvent {
    let (refund_id, amount) = (refund_id(id), Money::rub(kopecks));
    PaymentRefundRequested { refund_id, amount, source: PaymentRefundSource::OrderRefund }.into()
}

pub(super) fn refund_succeeded(id: u128, kopecks: i64) -> PaymentEvent {
    PaymentRefundSucceeded { refund_id: refund_id(id), amount: Money::rub(kopecks), epoch: 1 }.into()
}

/// All that is known when an attempt called off turns out to have been paid and to have been sent back.
pub(super) fn unapplied_refund() -> [PaymentEvent; 2] {
    let refund_id = RefundId::of_unapplied(PAYMENT);
    let requested = PaymentRefundRequested { refund_id, amount: price(), source: PaymentRefundSource::Unapplied };
    [requested.into(), PaymentRefundSucceeded { refund_id, amount: price(), epoch: 1 }.into()]
}

pub(super) fn report(status: ProviderStatus) -> ProviderReport {
    ProviderReport {
        provider_payment_id: BANK_ID.into(),
        order_ref: PAYMENT.provider_order_ref(1),
        status,
        provider_word: "3DS_CHECKING".into(),
        amount: Some(price()),
        source: EvidenceSource::Webhook,
        error_code: None,
        customer_retryable: true,
    }
}

pub(super) fn hearing(status: ProviderStatus) -> PaymentCommand {
    telling(report(status))
}

pub(super) fn telling(report: ProviderReport) -> PaymentCommand {
    PaymentCommand::RecordProviderStatus(RecordProviderStatus { report, policy: PaymentPolicy::default() })
}

pub(super) const STATUSES: [PaymentStatus; 8] = [
    PaymentStatus::Initiated,
    PaymentStatus::AwaitingCustomer,
    PaymentStatus::Processing,
    PaymentStatus::Authorized,
    PaymentStatus::Succeeded,
    PaymentStatus::PartiallyRefunded,
    PaymentStatus::Refunded,
    PaymentStatus::Failed,
];

/// The shortest way to a status.
pub(super) fn history(status: PaymentStatus) -> Vec<PaymentEvent> {
    let refunded = |kopecks| vec![succeeded(false), refund_requested(1, kopecks), refund_succeeded(1, kopecks)];
    let rest = match status {
        PaymentStatus::Initiated => return vec![initiated()],
        PaymentStatus::AwaitingCustomer => vec![],
        PaymentStatus::Processing => vec![processing()],
        PaymentStatus::Authorized => vec![authorized(false)],
        PaymentStatus::Succeeded => vec![succeeded(false)],
        PaymentStatus::PartiallyRefunded => refunded(5_000),
        PaymentStatus::Refunded => refunded(20_000),
        PaymentStatus::Failed => vec![failed(FailureReason::Declined)],
    };
    [vec![initiated(), opened()], rest].concat()
}
