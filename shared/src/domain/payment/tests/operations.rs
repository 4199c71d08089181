//! Taking held money, calling an attempt off, and what money is good for.

use super::*;

fn capturing(kopecks: i64, operation: u128) -> PaymentCommand {
    PaymentCommand::Capture { amount: Money::rub(kopecks), operation_id: Uuid::from_u128(operation) }
}

fn aborted(outcome: AbortOutcome) -> PaymentCommand {
    PaymentCommand::RecordAbortOutcome(outcome)
}

fn returned(kopecks: i64) -> PaymentCommand {
    aborted(AbortOutcome::Returned {
        provider_payment_id: BANK_ID.into(),
        amount: Money::rub(kopecks),
        source: EvidenceSource::Webhook,
    })
}

fn with(status: PaymentStatus, more: &[PaymentEvent]) -> Vec<PaymentEvent> {
    [history(status), more.to_vec()].concat()
}

const LIVE: [PaymentStatus; 4] =
    [PaymentStatus::Initiated, PaymentStatus::AwaitingCustomer, PaymentStatus::Processing, PaymentStatus::Authorized];

#[test]
fn held_money_is_taken_once_and_in_time() {
    let mut history = history(PaymentStatus::Authorized);
    assert_eq!(names(&history, capturing(20_001, 1)), Err("capture_exceeds_authorized"));
    check(&history, capturing(0, 1), Err(PaymentError::InvalidValue { pointer: "/amount" }));
    happens(&mut history, capturing(20_000, 1));
    assert_eq!(replay(&history).in_flight_capture(), Some((price(), Uuid::from_u128(1))));
    assert_eq!(names(&history, capturing(20_000, 1)), Ok(vec![]));
    assert_eq!(names(&history, capturing(20_000, 2)), Err("operation_in_flight"));
    happens(&mut history, hearing(ProviderStatus::Confirmed));
    assert_eq!(replay(&history).in_flight_capture(), None);
    assert_eq!(names(&history, capturing(20_000, 1)), Ok(vec![]));
}

#[test]
fn held_money_runs_out() {
    let payment = replay(&history(PaymentStatus::Authorized));
    let (_, capture_before) = payment.authorized().unwrap();
    let at = |now| payment.decide(&Intent { actor: system(), now, command: capturing(20_000, 1) });
    assert!(at(capture_before - TimeDelta::microseconds(1)).is_ok());
    assert_eq!(at(capture_before), Err(PaymentError::CaptureWindowPassed));
}

#[test]
fn a_part_of_the_held_money_may_be_taken() {
    let mut history = history(PaymentStatus::Authorized);
    happens(&mut history, capturing(15_000, 1));
    let mut less = report(ProviderStatus::Confirmed);
    less.amount = Some(Money::rub(15_000));
    happens(&mut history, telling(less));
    assert_eq!(replay(&history).captured(), Some(Money::rub(15_000)));
    assert_eq!(names(&history, refunds::requesting(1, 15_001)), Err("refund_exceeds_captured"));
}

#[test]
fn an_attempt_that_is_called_off_ends() {
    for status in LIVE {
        let given = with(status, &[aborting()]);
        assert!(replay(&given).is_aborting());
        assert_eq!(names(&given, PaymentCommand::Abort { cause: "again".into() }), Ok(vec![]));
        check(&given, aborted(AbortOutcome::Cancelled), Ok(vec![failed(FailureReason::Cancelled)]));
        check(&given, aborted(AbortOutcome::Voided), Ok(vec![failed(FailureReason::Voided)]));
        check(&given, hearing(ProviderStatus::Cancelled), Ok(vec![failed(FailureReason::Cancelled)]));
    }
    let long = PaymentCommand::Abort { cause: "x".repeat(501) };
    check(&history(LIVE[0]), long, Err(PaymentError::TooLong { pointer: "/cause", max: 500 }));
}

#[test]
fn money_that_calling_off_sent_back_is_booked_in_one_decision() {
    let expected = [vec![unapplied(UnappliedCause::Late), succeeded(true)], unapplied_refund().to_vec()].concat();
    for status in LIVE {
        let given = with(status, &[aborting()]);
        check(&given, returned(20_000), Ok(expected.clone()));
        // The answer was lost; the question after it finds the same.
        check(&given, hearing(ProviderStatus::Refunded), Ok(expected.clone()));
        assert_eq!(names(&history(status), returned(20_000)), Err("invalid_transition"));
        let booked = [given, expected.clone()].concat();
        let payment = replay(&booked);
        assert_eq!(payment.status(), Some(PaymentStatus::Refunded));
        assert!(payment.is_unapplied() && payment.is_settled());
        assert_eq!(names(&booked, returned(20_000)), Ok(vec![]));
        assert_eq!(names(&booked, hearing(ProviderStatus::Confirmed)), Ok(vec![]));
        assert_eq!(names(&booked, PaymentCommand::MarkApplied), Err("payment_already_unapplied"));
    }
    let given = with(PaymentStatus::AwaitingCustomer, &[aborting()]);
    assert_eq!(names(&given, returned(19_999)), Ok(vec!["payment_integrity_violated"]));
    let held = with(PaymentStatus::AwaitingCustomer, &[aborting(), violated()]);
    assert_eq!(names(&held, returned(20_000)), Err("payment_on_hold"));
}

fn violated() -> PaymentEvent {
    PaymentIntegrityViolated { field: "amount".into(), expected: "2".into(), actual: "1".into() }.into()
}

#[test]
fn money_that_comes_while_calling_off_buys_nothing() {
    let mut history = with(PaymentStatus::AwaitingCustomer, &[aborting()]);
    let [requested, gone] = unapplied_refund();
    let expected = vec![unapplied(UnappliedCause::Late), succeeded(true), requested];
    check(&history, hearing(ProviderStatus::Confirmed), Ok(expected.clone()));
    history.extend(expected);
    assert!(!replay(&history).is_aborting());
    let next = replay(&history).next_refund(minute(5)).unwrap();
    assert_eq!((next.refund_id, next.epoch), (RefundId::of_unapplied(PAYMENT), 1));
    // The saga asks for the refund too; it is the same one.
    let again = PaymentCommand::RequestRefund {
        refund_id: RefundId::of_unapplied(PAYMENT),
        amount: price(),
        source: PaymentRefundSource::Unapplied,
    };
    assert_eq!(names(&history, again), Ok(vec![]));
    check(&history, returned(20_000), Ok(vec![gone]));
    let held = with(PaymentStatus::AwaitingCustomer, &[aborting()]);
    check(&held, hearing(ProviderStatus::Authorized), Ok(vec![authorized(true)]));
}

#[test]
fn an_attempt_that_ended_otherwise_may_still_turn_out_to_have_been_paid_and_sent_back() {
    let expected = [vec![unapplied(UnappliedCause::Late), succeeded(true)], unapplied_refund().to_vec()].concat();
    check(&with(PaymentStatus::Failed, &[]), returned(20_000), Ok(expected));
}

#[test]
fn money_that_bought_something_is_not_unbought_by_calling_off() {
    // The order was paid by the hold; it owes the refund itself, and the next report settles that.
    let mut history = with(PaymentStatus::Authorized, &[applied(), aborting()]);
    check(&history, returned(20_000), Ok(vec![succeeded(true)]));
    happens(&mut history, returned(20_000));
    happens(&mut history, refunds::requesting(1, 20_000));
    happens(&mut history, refunds::result(1, 1, RefundOutcome::Submitted));
    assert_eq!(names(&history, hearing(ProviderStatus::Refunded)), Ok(vec!["payment_refund_succeeded"]));
}

#[test]
fn calling_off_overtakes_a_capture() {
    let mut history = history(PaymentStatus::Authorized);
    happens(&mut history, capturing(20_000, 1));
    happens(&mut history, PaymentCommand::Abort { cause: "order cancelled".into() });
    assert_eq!(names(&history, capturing(20_000, 1)), Err("operation_in_flight"));
    happens(&mut history, aborted(AbortOutcome::Voided));
    assert_eq!(replay(&history).status(), Some(PaymentStatus::Failed));
}

#[test]
fn money_is_applied_or_unapplied_once() {
    for status in [PaymentStatus::Authorized, PaymentStatus::Succeeded] {
        let mut bought = history(status);
        check(&bought, PaymentCommand::MarkApplied, Ok(vec![applied()]));
        bought.push(applied());
        assert!(replay(&bought).is_applied());
        assert_eq!(names(&bought, PaymentCommand::MarkApplied), Ok(vec![]));
        let unapply = |cause| PaymentCommand::MarkUnapplied { cause };
        assert_eq!(names(&bought, unapply(UnappliedCause::Duplicate)), Err("payment_already_applied"));
        let mut surplus = history(status);
        check(&surplus, unapply(UnappliedCause::Duplicate), Ok(vec![unapplied(UnappliedCause::Duplicate)]));
        surplus.push(unapplied(UnappliedCause::Duplicate));
        assert_eq!(names(&surplus, unapply(UnappliedCause::OrderClosed)), Ok(vec![]));
        assert_eq!(names(&surplus, PaymentCommand::MarkApplied), Err("payment_already_unapplied"));
    }
}

#[test]
fn held_money_that_buys_nothing_is_not_taken_and_goes_back_if_it_was() {
    let surplus = with(PaymentStatus::Authorized, &[unapplied(UnappliedCause::Duplicate)]);
    assert_eq!(names(&surplus, capturing(20_000, 1)), Err("payment_already_unapplied"));
    let [requested, _] = unapplied_refund();
    check(&surplus, hearing(ProviderStatus::Confirmed), Ok(vec![succeeded(true), requested]));
}

fn put_off(given: &[PaymentEvent], at: DateTime<Utc>) -> Vec<PaymentEvent> {
    let command = PaymentCommand::PostponeCapture { because: "TIMEOUT".into() };
    replay(given).decide(&Intent { actor: system(), now: at, command }).unwrap()
}

#[test]
fn held_money_that_the_bank_does_not_give_is_asked_for_less_and_less_often_until_the_hold_ends() {
    let mut history = history(PaymentStatus::Authorized);
    assert_eq!(put_off(&history, minute(6)), [], "nobody asked for it");
    happens(&mut history, capturing(20_000, 1));
    for minutes in [1, 5, 15, 60, 360, 360] {
        let events = put_off(&history, minute(6));
        assert_eq!(
            events,
            [PaymentCapturePostponed { because: "TIMEOUT".into(), retry_at: minute(6 + minutes) }.into()]
        );
        history.extend(events);
        assert!(replay(&history).in_flight_capture().is_some());
    }
    let (_, capture_before) = replay(&history).authorized().unwrap();
    assert_eq!(put_off(&history, capture_before - TimeDelta::hours(6)), [], "there the hold is lifted");
    happens(&mut history, PaymentCommand::Abort { cause: "called off".into() });
    assert_eq!(put_off(&history, minute(6)), [], "it is called off");
}

#[test]
fn a_hold_of_which_we_hear_late_ends_no_later_for_that() {
    let given = history(PaymentStatus::AwaitingCustomer);
    let heard_at = |at| {
        let intent = Intent { actor: system(), now: at, command: hearing(ProviderStatus::Authorized) };
        match &replay(&given).decide(&intent).unwrap()[..] {
            [PaymentEvent::PaymentAuthorized(authorized)] => authorized.capture_before,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(heard_at(minute(5)), minute(5) + TimeDelta::days(6));
    // The page is dead since minute 30.
    assert_eq!(heard_at(minute(0) + TimeDelta::days(3)), minute(30) + TimeDelta::days(6));
}
