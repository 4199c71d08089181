//! What every event does to the row of a payment.

use chrono::Utc;
use shared::domain::{
    Money, OrderId, PaymentId, RefundId, UserId,
    payment::{
        CaptureMode, EvidenceSource, FailureReason, IntegrityDecision, PaymentAbortRequested, PaymentApplied,
        PaymentAuthorized, PaymentCaptureRequested, PaymentChargebackRecorded, PaymentEvent,
        PaymentExternalRefundRecorded, PaymentFailed, PaymentInitiated, PaymentIntegrityResolutionProposed,
        PaymentIntegrityResolved, PaymentIntegrityViolated, PaymentProcessing, PaymentRefundFailed,
        PaymentRefundRequested, PaymentRefundResolutionProposed, PaymentRefundSource, PaymentRefundSubmitted,
        PaymentRefundSucceeded, PaymentRefundUnknown, PaymentSessionOpened, PaymentStatus, PaymentSucceeded,
        PaymentUnapplied, Provider, Purpose, RefundFinding, UnappliedCause,
    },
};
use uuid::Uuid;

use super::{PaymentRefundStatus, PaymentRow, PaymentUse, Payments, RefundProposalRow};
use crate::{engine::Fold, projections::samples::Log};

const PAYMENT: Uuid = Uuid::from_u128(1);
const REFUND: RefundId = RefundId(Uuid::from_u128(5));

struct Life {
    log: Log,
    fold: Fold<Payments>,
}

impl Life {
    fn new() -> Self {
        let mut life = Self { log: Log::new(), fold: Fold::new(Default::default()) };
        life.takes(PaymentInitiated {
            purpose: Purpose::Order { order_id: OrderId(Uuid::from_u128(2)) },
            amount: Money::rub(10_000),
            provider: Provider::DevFake,
            provider_order_ref: "ref".to_owned(),
            return_url: "http://localhost".to_owned(),
            capture_mode: CaptureMode::OnPayment,
            expires_at: Utc::now(),
        });
        life
    }

    #[track_caller]
    fn takes(&mut self, event: impl Into<PaymentEvent>) -> &PaymentRow {
        let event = self.log.push_payment(PAYMENT, event);
        self.fold.take(&event).unwrap();
        self.row()
    }

    fn row(&self) -> &PaymentRow {
        self.fold.row(&PaymentId(PAYMENT)).unwrap()
    }

    fn refund(&self) -> PaymentRefundStatus {
        self.row().refunds[0].status
    }
}

fn session() -> PaymentSessionOpened {
    let (provider_payment_id, payment_url) = ("77".to_owned(), "http://localhost/pay".to_owned());
    PaymentSessionOpened { provider_payment_id, payment_url, init_try: 1 }
}

fn succeeded(late: bool) -> PaymentSucceeded {
    let (provider_payment_id, amount) = ("77".to_owned(), Money::rub(10_000));
    PaymentSucceeded { provider_payment_id, amount, source: EvidenceSource::Webhook, late }
}

fn refund_requested(kopecks: i64) -> PaymentRefundRequested {
    PaymentRefundRequested { refund_id: REFUND, amount: Money::rub(kopecks), source: PaymentRefundSource::OrderRefund }
}

fn refund_succeeded(kopecks: i64) -> PaymentRefundSucceeded {
    PaymentRefundSucceeded { refund_id: REFUND, amount: Money::rub(kopecks), epoch: 1 }
}

#[test]
fn a_payment_goes_from_its_page_to_its_use() {
    let mut life = Life::new();
    assert_eq!(life.row().status, PaymentStatus::Initiated);
    let row = life.takes(session());
    assert_eq!(
        (row.status, row.payment_url.as_deref()),
        (PaymentStatus::AwaitingCustomer, Some("http://localhost/pay"))
    );
    let processing =
        PaymentProcessing { provider_payment_id: "77".to_owned(), provider_status: "3DS_CHECKING".to_owned() };
    assert_eq!(life.takes(processing).status, PaymentStatus::Processing);
    let held = PaymentAuthorized {
        provider_payment_id: "77".to_owned(),
        amount: Money::rub(10_000),
        source: EvidenceSource::Poll,
        capture_before: Utc::now(),
        late: false,
    };
    assert_eq!(life.takes(held).status, PaymentStatus::Authorized);
    let capture = PaymentCaptureRequested { amount: Money::rub(10_000), operation_id: Uuid::nil() };
    assert_eq!(life.takes(capture).status, PaymentStatus::Authorized);
    let row = life.takes(succeeded(false));
    assert_eq!((row.status, row.captured_amount), (PaymentStatus::Succeeded, Some(Money::rub(10_000))));
    let target = Purpose::Order { order_id: OrderId(Uuid::from_u128(2)) };
    assert_eq!(life.takes(PaymentApplied { target }).used, PaymentUse::Applied);
}

#[test]
fn a_report_that_was_faster_than_the_answer_stays() {
    let mut life = Life::new();
    life.takes(succeeded(false));
    assert_eq!(life.takes(session()).status, PaymentStatus::Succeeded);
}

#[test]
fn late_money_outranks_a_failure_and_goes_back() {
    let mut life = Life::new();
    life.takes(PaymentAbortRequested { cause: "timeout".to_owned() });
    let failed = PaymentFailed {
        reason: FailureReason::Expired,
        provider_error_code: Some("99".to_owned()),
        customer_retryable: true,
    };
    assert_eq!(life.takes(failed).failure.as_ref().unwrap().reason, FailureReason::Expired);
    let row = life.takes(succeeded(true));
    assert!(row.status == PaymentStatus::Succeeded && row.late && row.failure.is_none());
    let row = life.takes(PaymentUnapplied { cause: UnappliedCause::Late });
    assert_eq!((row.used, row.unapplied_cause), (PaymentUse::Unapplied, Some(UnappliedCause::Late)));
}

#[test]
fn refunds_are_followed_through_trouble_to_their_end() {
    let mut life = Life::new();
    life.takes(succeeded(false));
    life.takes(refund_requested(4_000));
    assert_eq!(life.refund(), PaymentRefundStatus::Requested);
    life.takes(PaymentRefundSubmitted { refund_id: REFUND, epoch: 1 });
    assert_eq!(life.refund(), PaymentRefundStatus::Submitted);
    life.takes(PaymentRefundUnknown { refund_id: REFUND, epoch: 1 });
    assert_eq!(life.refund(), PaymentRefundStatus::Unknown);
    let (finding, proposed_by, reason) = (RefundFinding::NotDone, UserId(Uuid::nil()), "looked".to_owned());
    let proposed = PaymentRefundResolutionProposed { refund_id: REFUND, epoch: 1, finding, reason, proposed_by };
    let seen = life.takes(proposed).refunds[0].proposal.clone();
    assert_eq!(seen, Some(RefundProposalRow { finding, proposed_by }));
    let failed = PaymentRefundFailed { refund_id: REFUND, epoch: 1, code: Some("3029".to_owned()), retry_at: None };
    let row = &life.takes(failed).refunds[0];
    assert_eq!((row.code.as_deref(), &row.proposal), (Some("3029"), &None), "what is over is no proposal");
    assert_eq!(life.refund(), PaymentRefundStatus::Failed);
    let row = life.takes(refund_succeeded(4_000));
    assert_eq!((row.status, row.refunded_amount), (PaymentStatus::PartiallyRefunded, Money::rub(4_000)));
    assert_eq!(life.takes(refund_succeeded(6_000)).status, PaymentStatus::Refunded);
}

#[test]
fn a_contradiction_holds_it() {
    let mut life = Life::new();
    let violated = PaymentIntegrityViolated {
        field: "amount".to_owned(),
        expected: "10000".to_owned(),
        actual: "9999".to_owned(),
    };
    assert!(life.takes(violated).integrity_hold);
}

#[test]
fn two_administrators_lift_a_hold() {
    let mut life = Life::new();
    let (one, other) = (UserId(Uuid::from_u128(7)), UserId(Uuid::from_u128(8)));
    let text = || "amount".to_owned();
    life.takes(PaymentIntegrityViolated { field: text(), expected: text(), actual: text() });
    let decision = IntegrityDecision::RefundAll;
    let row = life.takes(PaymentIntegrityResolutionProposed { decision, proposed_by: one });
    assert_eq!(row.integrity_proposal.as_ref().unwrap().proposed_by, one);
    let row = life.takes(PaymentIntegrityResolved { decision, proposed_by: one, approved_by: other });
    assert_eq!((row.integrity_hold, &row.integrity_proposal), (false, &None));
}

#[test]
fn what_the_bank_did_is_listed_and_a_refund_there_counts() {
    let mut life = Life::new();
    life.takes(succeeded(false));
    let row = life.takes(PaymentChargebackRecorded { amount: Money::rub(4_000), registry_ref: "C".to_owned() });
    assert_eq!((row.status, row.refunded_amount), (PaymentStatus::Succeeded, Money::rub(0)));
    let row = life.takes(PaymentExternalRefundRecorded {
        amount: Money::rub(4_000),
        registry_ref: "R".to_owned(),
        stands_for: None,
    });
    assert_eq!((row.status, row.refunded_amount), (PaymentStatus::PartiallyRefunded, Money::rub(4_000)));
    assert_eq!(row.bank_acts.len(), 2);
}

#[test]
fn what_does_not_follow_is_refused_and_changes_nothing() {
    let mut life = Life::new();
    let before = life.row().clone();
    let unknown = life.log.push_payment(PAYMENT, refund_succeeded(1));
    assert!(life.fold.take(&unknown).is_err());
    let first = life.log.events[0].clone();
    assert!(life.fold.take(&first).is_err());
    let stranger = life.log.push_payment(Uuid::from_u128(9), session());
    assert!(life.fold.take(&stranger).is_err());
    assert_eq!(*life.row(), before);
}

#[test]
fn a_refund_that_a_clerk_gave_at_the_bank_is_back_and_counts_once() {
    let mut life = Life::new();
    life.takes(succeeded(false));
    life.takes(refund_requested(4_000));
    life.takes(PaymentRefundFailed { refund_id: REFUND, epoch: 1, code: Some("3029".to_owned()), retry_at: None });
    let row = life.takes(PaymentExternalRefundRecorded {
        amount: Money::rub(4_000),
        registry_ref: "R".to_owned(),
        stands_for: Some(REFUND),
    });
    assert_eq!((row.status, row.refunded_amount), (PaymentStatus::PartiallyRefunded, Money::rub(4_000)));
    assert_eq!((row.refunds[0].code.as_deref(), row.refunds[0].retry_at), (None, None));
    assert_eq!(life.refund(), PaymentRefundStatus::BackAlready);
}
