//! Calls that go wrong: what each failure means, and that guards and flows draw the right conclusion.

use fake_bank::{Fault, FaultRule, Operation as Call};
use shared::domain::{
    RefundId,
    payment::{CaptureMode, RefundOutcome},
};

use super::*;
use crate::providers::{
    ErrorClass, GuardSettings, GuardedProvider, OpenSession, Opened, RefundAttempt, RetrySettings, open_session, refund,
};

/// An answer that nobody waits for.
const NEVER_MS: u64 = 60_000;

async fn class_after(fault: Fault) -> ErrorClass {
    let wired = wired().await;
    let (_, session) = wired.opened(10_000, CaptureMode::OnPayment).await;
    let stalls = matches!(fault, Fault::StallBefore { .. } | Fault::StallAfter { .. } | Fault::TrickleAfter { .. });
    let tbank = if stalls { wired.waiting(Duration::from_millis(700)) } else { Arc::clone(&wired.tbank) };
    wired.bank.misbehave(FaultRule::next(Call::GetState, fault));
    tbank.get_state(&ctx(), &session.provider_payment_id).await.unwrap_err().class
}

fn code(code: &str) -> Fault {
    Fault::Code { code: code.to_owned(), message: String::new() }
}

#[tokio::test]
async fn what_a_failure_means() {
    let minute = Duration::from_secs(90);
    for (fault, class) in [
        (Fault::DropBefore, ErrorClass::OutcomeUnknown),
        (Fault::DropAfter, ErrorClass::OutcomeUnknown),
        (Fault::StallBefore { ms: NEVER_MS }, ErrorClass::OutcomeUnknown),
        (Fault::StallAfter { ms: NEVER_MS }, ErrorClass::OutcomeUnknown),
        (Fault::TrickleAfter { ms: NEVER_MS }, ErrorClass::OutcomeUnknown),
        (Fault::ResetAfter, ErrorClass::OutcomeUnknown),
        (Fault::StatusBefore { status: 500 }, ErrorClass::OutcomeUnknown),
        (Fault::StatusAfter { status: 502 }, ErrorClass::OutcomeUnknown),
        (Fault::StatusBefore { status: 403 }, ErrorClass::Config),
        (Fault::StatusBefore { status: 302 }, ErrorClass::Config),
        (Fault::StatusBefore { status: 400 }, ErrorClass::InvalidRequest),
        (Fault::RateLimit { retry_after_s: 90 }, ErrorClass::RateLimited { retry_after: minute }),
        (Fault::GarbageAfter, ErrorClass::OutcomeUnknown),
        (Fault::HugeAfter, ErrorClass::OutcomeUnknown),
        (code("9001"), ErrorClass::Transient),
        (code("501"), ErrorClass::Config),
        (code("8"), ErrorClass::StateConflict),
        (code("4321"), ErrorClass::Unlisted),
    ] {
        assert_eq!(class_after(fault.clone()).await, class, "{fault:?}");
    }
}

#[tokio::test]
async fn a_bank_that_is_not_there_was_sent_nothing() {
    let wired = wired().await;
    let nowhere = Tbank::new(options("http://127.0.0.1:1/v2"), wired.clock.clone()).unwrap();
    let request = wired.request(PaymentId(Uuid::now_v7()), 10_000, CaptureMode::OnPayment);
    assert_eq!(nowhere.init(&ctx(), &request).await.unwrap_err().class, ErrorClass::NotSent);
}

#[tokio::test]
async fn a_wrong_password_is_a_mistake_of_ours_that_no_retry_mends() {
    let wired = wired().await;
    wired.bank.set_password("another");
    let request = wired.request(PaymentId(Uuid::now_v7()), 10_000, CaptureMode::OnPayment);
    let error = wired.tbank.init(&ctx(), &request).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Config, Some("204")));
}

fn guarded(wired: &Wired) -> GuardedProvider {
    guarding(wired, Arc::clone(&wired.tbank))
}

fn guarding(wired: &Wired, tbank: Arc<Tbank>) -> GuardedProvider {
    let retry = RetrySettings { base: Duration::ZERO, ..RetrySettings::default() };
    let settings = GuardSettings { retry, ..GuardSettings::default() };
    GuardedProvider::new(tbank as _, settings, wired.clock.clone(), Arc::new(()))
}

fn wish(wired: &Wired, payment_id: PaymentId) -> OpenSession {
    let request = wired.request(payment_id, 10_000, CaptureMode::OnPayment);
    OpenSession {
        payment_id,
        amount: request.amount,
        description: request.description,
        return_url: request.return_url,
        expires_at: request.expires_at,
        capture_mode: request.capture_mode,
        customer_key: None,
        metadata: request.metadata,
        init_try: 1,
        sent_before: false,
    }
}

#[tokio::test]
async fn a_page_whose_address_was_lost_is_withdrawn_and_the_next_has_another_reference() {
    let stalled = Fault::StallAfter { ms: NEVER_MS };
    for fault in [Fault::DropAfter, Fault::StatusAfter { status: 500 }, Fault::GarbageAfter, stalled] {
        let wired = wired().await;
        // The bank makes the page and answers three more questions within that, or the test tells nothing.
        let limit = Duration::from_secs(if matches!(fault, Fault::StallAfter { .. }) { 3 } else { 20 });
        wired.bank.misbehave(FaultRule::next(Call::Init, fault));
        let payment_id = PaymentId(Uuid::now_v7());
        let opened = open_session(&guarding(&wired, wired.waiting(limit)), &ctx(), wish(&wired, payment_id)).await;
        assert!(matches!(opened, Opened::Opened { init_try: 2, .. }), "{opened:?}");
        let pages = wired.bank.payments_of(&payment_id.0.to_string());
        let words: Vec<&str> = pages.iter().map(|page| page.status.as_str()).collect();
        assert_eq!(words, ["CANCELED", "NEW"]);
    }
}

fn refund_of(id: &str, minor: i64) -> RefundAttempt {
    RefundAttempt {
        provider_payment_id: id.to_owned(),
        refund_id: RefundId(Uuid::from_u128(7)),
        epoch: 1,
        amount: shared::domain::Money::rub(minor),
        takes_the_rest: false,
        sent_before: false,
    }
}

#[tokio::test]
async fn a_refund_by_card_goes_back_once_whatever_is_lost() {
    for fault in [Fault::DropBefore, Fault::DropAfter, Fault::StatusAfter { status: 500 }, Fault::GarbageAfter] {
        let wired = wired().await;
        let (payment_id, id) = wired.paid(50_000).await;
        wired.bank.misbehave(FaultRule::next(Call::Cancel, fault.clone()));
        let done = refund(&guarded(&wired), &ctx(), &refund_of(&id, 20_000)).await;
        assert_eq!(done.outcome, RefundOutcome::Succeeded, "{fault:?}");
        let page = &wired.bank.payments_of(&payment_id.0.to_string())[0];
        assert_eq!((page.refunded, page.acts.len()), (20_000, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_refund_by_sbp_is_told_by_the_difference_and_never_repeated_blindly() {
    for (fault, outcome, parked) in [
        (Fault::DropAfter, RefundOutcome::Succeeded, false),
        // It may still come.
        (Fault::DropBefore, RefundOutcome::Unknown, true),
        // The bank said that it cannot just now; perhaps it did.
        (code("9001"), RefundOutcome::Unknown, true),
    ] {
        let wired = wired().await;
        let (payment_id, session) = wired.opened(50_000, CaptureMode::OnPayment).await;
        let order_ref = payment_id.0.to_string();
        wired.bank.pay_by_sbp(&order_ref, fake_bank::Telling::nothing()).await.unwrap();
        wired.bank.misbehave(FaultRule::next(Call::Cancel, fault.clone()));
        let attempt = refund_of(&session.provider_payment_id, 20_000);
        let done = refund(&guarded(&wired), &ctx(), &attempt).await;
        assert_eq!((done.outcome, done.is_parked), (outcome, parked), "{fault:?}");
        assert_eq!(wired.bank.calls(Call::Cancel), 1, "{fault:?}");
        // Asked again later, it is looked at and not done again.
        if parked {
            let again = refund(&guarded(&wired), &ctx(), &RefundAttempt { sent_before: true, ..attempt }).await;
            assert!(again.is_parked);
            assert_eq!(wired.bank.calls(Call::Cancel), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn an_ambiguous_part_by_sbp_is_left_to_a_person() {
    let wired = wired().await;
    let (payment_id, session) = wired.opened(50_000, CaptureMode::OnPayment).await;
    let (order_ref, id) = (payment_id.0.to_string(), session.provider_payment_id);
    wired.bank.pay_by_sbp(&order_ref, fake_bank::Telling::nothing()).await.unwrap();
    assert_eq!(refund(&guarded(&wired), &ctx(), &refund_of(&id, 10_000)).await.outcome, RefundOutcome::Succeeded);
    wired.bank.misbehave(FaultRule::next(Call::Cancel, Fault::DropAfter));
    let second = RefundAttempt { refund_id: RefundId(Uuid::from_u128(8)), ..refund_of(&id, 10_000) };
    let done = refund(&guarded(&wired), &ctx(), &second).await;
    assert_eq!((done.outcome, done.is_parked), (RefundOutcome::Unknown, true));
    assert_eq!(wired.bank.calls(Call::Cancel), 2);
}
