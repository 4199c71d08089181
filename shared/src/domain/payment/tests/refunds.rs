//! Money that goes back.

use super::*;

pub(super) fn requesting(id: u128, kopecks: i64) -> PaymentCommand {
    let (refund_id, amount) = (refund_id(id), Money::rub(kopecks));
    PaymentCommand::RequestRefund { refund_id, amount, source: PaymentRefundSource::OrderRefund }
}

pub(super) fn result(id: u128, epoch: u32, outcome: RefundOutcome) -> PaymentCommand {
    PaymentCommand::RecordRefundResult { refund_id: refund_id(id), epoch, outcome }
}

fn refused(retry_at: Option<DateTime<Utc>>) -> RefundOutcome {
    RefundOutcome::Failed { code: Some("3029".into()), retry_at }
}

fn taken() -> Vec<PaymentEvent> {
    history(PaymentStatus::Succeeded)
}

#[test]
fn never_more_goes_back_than_was_taken() {
    let mut history = taken();
    assert_eq!(names(&history, requesting(1, 20_001)), Err("refund_exceeds_captured"));
    happens(&mut history, requesting(1, 12_000));
    assert_eq!(names(&history, requesting(2, 8_001)), Err("refund_exceeds_captured"));
    happens(&mut history, requesting(2, 8_000));
    assert_eq!(names(&history, requesting(1, 20_000)), Ok(vec![]), "asked before");
    assert_eq!(names(&history, requesting(3, 1)), Err("refund_exceeds_captured"));
    check(&taken(), requesting(1, 0), Err(PaymentError::InvalidValue { pointer: "/amount" }));
    let amount = Money::parse("1", "USD").unwrap();
    let source = PaymentRefundSource::OrderRefund;
    let dollar = PaymentCommand::RequestRefund { refund_id: refund_id(1), amount, source };
    assert_eq!(names(&taken(), dollar), Err("currency_mismatch"));
}

#[test]
fn refunds_wait_for_each_other() {
    let mut history = taken();
    happens(&mut history, requesting(1, 5_000));
    happens(&mut history, result(1, 1, RefundOutcome::Submitted));
    happens(&mut history, requesting(2, 5_000));
    let payment = replay(&history);
    assert_eq!(payment.in_flight_refund().unwrap().refund_id, refund_id(1));
    assert_eq!(payment.queued_refunds().count(), 1);
    assert_eq!(payment.next_refund(minute(5)), None);
    assert_eq!(names(&history, result(2, 1, RefundOutcome::Submitted)), Err("refund_in_flight"));
    happens(&mut history, result(1, 1, RefundOutcome::Succeeded));
    assert_eq!(replay(&history).status(), Some(PaymentStatus::PartiallyRefunded));
    let next = replay(&history).next_refund(minute(5)).unwrap();
    assert_eq!(next, NextRefund { refund_id: refund_id(2), amount: Money::rub(5_000), epoch: 1 });
}

#[test]
fn a_refund_is_told_once() {
    let mut history = taken();
    happens(&mut history, requesting(1, 20_000));
    happens(&mut history, result(1, 1, RefundOutcome::Submitted));
    assert_eq!(names(&history, result(1, 1, RefundOutcome::Submitted)), Ok(vec![]));
    happens(&mut history, result(1, 1, RefundOutcome::Succeeded));
    assert_eq!(replay(&history).status(), Some(PaymentStatus::Refunded));
    let all = [RefundOutcome::Submitted, RefundOutcome::Succeeded, RefundOutcome::Unknown, refused(None)];
    for outcome in all {
        assert_eq!(names(&history, result(1, 1, outcome)), Ok(vec![]));
    }
    assert_eq!(names(&history, result(2, 1, RefundOutcome::Succeeded)), Err("refund_not_found"));
}

#[test]
fn what_nobody_knows_is_repeated_under_the_same_epoch_only() {
    let mut history = taken();
    happens(&mut history, requesting(1, 5_000));
    happens(&mut history, result(1, 1, RefundOutcome::Unknown));
    assert_eq!(names(&history, result(1, 1, RefundOutcome::Unknown)), Ok(vec![]));
    assert_eq!(replay(&history).next_refund(minute(5)), None, "ask before doing it again");
    for epoch in [0, 2] {
        let command = result(1, epoch, RefundOutcome::Submitted);
        assert_eq!(names(&history, command), Err("refund_epoch_out_of_order"));
    }
    happens(&mut history, result(1, 1, RefundOutcome::Submitted));
    happens(&mut history, result(1, 1, RefundOutcome::Succeeded));
}

#[test]
fn a_refusal_opens_the_next_epoch() {
    let mut history = taken();
    happens(&mut history, requesting(1, 5_000));
    happens(&mut history, result(1, 1, RefundOutcome::Submitted));
    happens(&mut history, result(1, 1, refused(Some(minute(65)))));
    assert_eq!(replay(&history).next_refund(minute(64)), None);
    assert_eq!(replay(&history).next_refund(minute(65)).unwrap().epoch, 2);
    // Old words of the first epoch.
    for outcome in [RefundOutcome::Submitted, RefundOutcome::Unknown, refused(None)] {
        assert_eq!(names(&history, result(1, 1, outcome)), Ok(vec![]));
    }
    happens(&mut history, result(1, 2, RefundOutcome::Submitted));
    happens(&mut history, result(1, 2, RefundOutcome::Succeeded));
}

#[test]
fn a_refusal_for_a_person_to_look_at_is_not_tried_by_itself() {
    let mut history = taken();
    happens(&mut history, requesting(1, 5_000));
    happens(&mut history, result(1, 1, refused(None)));
    assert_eq!(replay(&history).next_refund(minute(9_999)), None);
    assert!(!replay(&history).is_settled());
    // The bank thought again, or a person did it by hand.
    assert_eq!(names(&history, result(1, 1, RefundOutcome::Succeeded)), Ok(vec!["payment_refund_succeeded"]));
}

#[test]
fn a_refused_refund_leaves_its_room_to_others_and_must_find_room_again() {
    let mut history = taken();
    happens(&mut history, requesting(1, 20_000));
    happens(&mut history, result(1, 1, refused(Some(minute(1)))));
    happens(&mut history, requesting(2, 15_000));
    for (epoch, outcome) in [(2, RefundOutcome::Submitted), (1, RefundOutcome::Succeeded)] {
        assert_eq!(names(&history, result(1, epoch, outcome)), Err("refund_exceeds_captured"));
    }
}

#[test]
fn a_refund_waits_for_a_capture_to_end() {
    // A forced history: held money was given back, and then taken again.
    let requested = PaymentCaptureRequested { amount: price(), operation_id: Uuid::nil() };
    let given = [taken(), vec![refund_requested(1, 5), requested.into()]].concat();
    assert_eq!(names(&given, result(1, 1, RefundOutcome::Submitted)), Err("operation_in_flight"));
    assert_eq!(replay(&given).next_refund(minute(5)), None);
}
