//! What the bank does without us, and what it cannot be brought to do.

use super::*;

pub(super) fn charged_back(kopecks: i64, registry_ref: &str) -> PaymentCommand {
    PaymentCommand::RecordChargeback(act(kopecks, registry_ref))
}

pub(super) fn refunded(kopecks: i64, registry_ref: &str) -> PaymentCommand {
    PaymentCommand::RecordExternalRefund(act(kopecks, registry_ref))
}

fn act(kopecks: i64, registry_ref: &str) -> BankAct {
    BankAct { amount: Money::rub(kopecks), registry_ref: registry_ref.to_owned() }
}

#[test]
fn only_money_that_came_can_be_taken_back() {
    const NOT: Result<Vec<&str>, &str> = Err("invalid_transition");
    for command in [charged_back(100, "r1"), refunded(100, "r1")] {
        for status in STATUSES {
            let answer = names(&history(status), command.clone());
            match status {
                PaymentStatus::Succeeded | PaymentStatus::PartiallyRefunded => assert!(answer.is_ok(), "{status:?}"),
                PaymentStatus::Refunded => assert_ne!(answer, NOT),
                PaymentStatus::Initiated
                | PaymentStatus::AwaitingCustomer
                | PaymentStatus::Processing
                | PaymentStatus::Authorized
                | PaymentStatus::Failed => assert_eq!(answer, NOT, "{status:?}"),
            }
        }
    }
}

#[test]
fn an_act_of_the_bank_is_written_down_once() {
    let mut history = history(PaymentStatus::Succeeded);
    happens(&mut history, charged_back(5_000, "r1"));
    assert_eq!(names(&history, charged_back(5_000, "r1")), Ok(vec![]));
    assert_eq!(names(&history, charged_back(5_001, "r1")), Err("registry_ref_used"));
    assert_eq!(names(&history, refunded(5_000, "r1")), Err("registry_ref_used"));
    happens(&mut history, charged_back(15_000, "r2"));
    assert_eq!(names(&history, charged_back(1, "r3")), Err("chargeback_exceeds_captured"));
    assert_eq!(replay(&history).bank_acts().len(), 2);
}

#[test]
fn an_act_needs_an_amount_and_a_name() {
    let given = history(PaymentStatus::Succeeded);
    check(&given, charged_back(0, "r"), Err(PaymentError::InvalidValue { pointer: "/amount" }));
    check(&given, refunded(1, " "), Err(PaymentError::InvalidValue { pointer: "/registry_ref" }));
    let long = "x".repeat(101);
    check(&given, refunded(1, &long), Err(PaymentError::TooLong { pointer: "/registry_ref", max: 100 }));
    let dollar = BankAct { amount: Money::parse("1", "USD").unwrap(), registry_ref: "r".into() };
    assert_eq!(names(&given, PaymentCommand::RecordChargeback(dollar)), Err("currency_mismatch"));
}

#[test]
fn what_the_bank_took_back_cannot_go_back_again() {
    let mut history = history(PaymentStatus::Succeeded);
    happens(&mut history, charged_back(15_000, "r1"));
    assert_eq!(replay(&history).status(), Some(PaymentStatus::Succeeded), "a chargeback is no refund");
    happens(&mut history, refunds::requesting(1, 5_001));
    happens(&mut history, refunds::requesting(2, 5_000));
    // It is owed all the same, and what fits beside the chargeback is sent.
    let payment = replay(&history);
    assert_eq!(payment.next_refund(minute(9)).map(|next| next.refund_id), Some(refund_id(2)));
    assert_eq!(payment.crowded_out(minute(9)).map(|refund| refund.refund_id), Some(refund_id(1)));
}

#[test]
fn a_refund_at_the_bank_counts_as_gone() {
    let mut history = history(PaymentStatus::PartiallyRefunded);
    happens(&mut history, refunded(5_000, "r1"));
    assert_eq!(replay(&history).status(), Some(PaymentStatus::PartiallyRefunded));
    assert_eq!(names(&history, refunded(10_001, "r2")), Err("refund_exceeds_captured"));
    happens(&mut history, refunded(10_000, "r2"));
    assert_eq!(replay(&history).status(), Some(PaymentStatus::Refunded));
    assert_eq!(names(&history, refunds::requesting(2, 1)), Err("refund_exceeds_captured"));
    assert_eq!(names(&history, hearing(ProviderStatus::Refunded)), Ok(vec![]), "it is known");
}

#[test]
fn a_refund_under_way_is_not_taken_for_one_of_the_banks_own() {
    let mut history = history(PaymentStatus::Succeeded);
    happens(&mut history, refunds::requesting(1, 20_000));
    assert_eq!(names(&history, hearing(ProviderStatus::Refunded)), Ok(vec![]), "it may be the one we asked for");
    happens(&mut history, refunds::result(1, 1, RefundOutcome::Unknown));
    assert_eq!(names(&history, refunded(20_000, "r1")), Err("refund_in_flight"));
    assert_eq!(names(&history, hearing(ProviderStatus::Refunded)), Ok(vec!["payment_refund_succeeded"]));
}

#[test]
fn all_of_it_gone_without_us_is_a_refund_at_the_bank() {
    let mut given = history(PaymentStatus::Succeeded);
    let registry_ref = "told by the provider".to_owned();
    let expected = PaymentExternalRefundRecorded { amount: price(), registry_ref, stands_for: None };
    check(&given, hearing(ProviderStatus::Refunded), Ok(vec![expected.into()]));
    assert_eq!(names(&given, hearing(ProviderStatus::PartiallyRefunded)), Ok(vec![]), "nobody knows how much");
    happens(&mut given, hearing(ProviderStatus::Refunded));
    assert_eq!(replay(&given).status(), Some(PaymentStatus::Refunded));
    assert_eq!(names(&given, hearing(ProviderStatus::Refunded)), Ok(vec![]));
}

fn not_yet(given: &[PaymentEvent], at: DateTime<Utc>) -> Result<Vec<PaymentEvent>, PaymentError> {
    let outcome = AbortOutcome::NotYet { because: "TIMEOUT".into() };
    let command = PaymentCommand::RecordAbortOutcome(outcome);
    replay(given).decide(&Intent { actor: system(), now: at, command })
}

#[test]
fn what_cannot_be_called_off_is_tried_again_less_and_less_often() {
    let mut history = [history(PaymentStatus::AwaitingCustomer), vec![aborting()]].concat();
    for minutes in [1, 5, 15, 60, 360, 360] {
        let events = not_yet(&history, minute(31)).unwrap();
        let retry_at = minute(31 + minutes);
        assert_eq!(events, [PaymentAbortPostponed { because: "TIMEOUT".into(), retry_at }.into()]);
        history.extend(events);
        assert!(replay(&history).is_aborting());
    }
}

#[test]
fn nothing_is_called_off_for_ever() {
    let dead = minute(30) + TimeDelta::hours(36);
    for status in [PaymentStatus::Initiated, PaymentStatus::AwaitingCustomer, PaymentStatus::Processing] {
        let mut given = [history(status), vec![aborting()]].concat();
        assert!(matches!(
            not_yet(&given, dead - TimeDelta::seconds(1)).unwrap()[..],
            [PaymentEvent::PaymentAbortPostponed(_)]
        ));
        let events = not_yet(&given, dead).unwrap();
        assert_eq!(events, [failed(FailureReason::Expired)]);
        given.extend(events);
        assert!(!replay(&given).is_aborting());
        let late = [succeeded(true)];
        check(&given, hearing(ProviderStatus::Confirmed), Ok(late.to_vec()));
    }
    let held = [history(PaymentStatus::Authorized), vec![aborting()]].concat();
    let lifted = minute(5) + TimeDelta::days(6) + TimeDelta::hours(36);
    assert_eq!(not_yet(&held, dead).unwrap().len(), 1);
    assert!(matches!(not_yet(&held, dead).unwrap()[0], PaymentEvent::PaymentAbortPostponed(_)));
    assert_eq!(not_yet(&held, lifted).unwrap(), [failed(FailureReason::Expired)]);
}

#[test]
fn what_is_over_or_was_never_called_off_is_not_postponed() {
    for status in [PaymentStatus::Succeeded, PaymentStatus::Failed] {
        assert_eq!(not_yet(&history(status), minute(40)), Ok(vec![]));
    }
    let live = history(PaymentStatus::AwaitingCustomer);
    assert_eq!(not_yet(&live, minute(40)), Err(PaymentError::InvalidTransition));
}

#[test]
fn a_refund_that_failed_is_not_sent_again_once_the_bank_took_the_money_back() {
    let mut history = history(PaymentStatus::Succeeded);
    happens(&mut history, refunds::requesting(1, 20_000));
    let failed = RefundOutcome::Failed { code: None, retry_at: Some(minute(0)) };
    happens(&mut history, refunds::result(1, 1, failed));
    assert!(replay(&history).next_refund(minute(5)).is_some());
    happens(&mut history, charged_back(1, "r1"));
    let payment = replay(&history);
    assert_eq!(payment.next_refund(minute(5)), None);
    // When its time comes it is left to people, without another call.
    let left = payment.crowded_out(minute(5)).unwrap();
    assert_eq!((left.refund_id, left.epoch, payment.crowded_out(minute(-1))), (refund_id(1), 2, None));
    happens(&mut history, refunds::result(1, 2, RefundOutcome::Failed { code: None, retry_at: None }));
    assert_eq!(replay(&history).crowded_out(minute(99)), None);
}

/// A refund of 50.00 that the provider refused: to be sent again, or left to people.
fn refused(id: u128, retry_at: Option<DateTime<Utc>>) -> Vec<PaymentEvent> {
    let mut history = history(PaymentStatus::Succeeded);
    refuse(&mut history, id, retry_at);
    history
}

fn refuse(history: &mut Vec<PaymentEvent>, id: u128, retry_at: Option<DateTime<Utc>>) {
    happens(history, refunds::requesting(id, 5_000));
    happens(history, refunds::result(id, 1, RefundOutcome::Failed { code: Some("3029".into()), retry_at }));
}

/// What the act of the bank that happened last stands for.
fn stood_for(history: &[PaymentEvent]) -> Option<RefundId> {
    match history.last() {
        Some(PaymentEvent::PaymentExternalRefundRecorded(act)) => act.stands_for,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_refund_that_was_given_back_at_the_bank_is_never_sent_again() {
    for retry_at in [Some(minute(6)), None] {
        let mut history = refused(1, retry_at);
        happens(&mut history, refunded(5_000, "r1"));
        assert_eq!(stood_for(&history), Some(refund_id(1)));
        let payment = replay(&history);
        assert_eq!((payment.refunds()[0].state, payment.is_settled()), (RefundState::BackAlready, true));
        assert_eq!((payment.next_refund(minute(600)), payment.crowded_out(minute(600))), (None, None));
        assert_eq!(payment.status(), Some(PaymentStatus::PartiallyRefunded));
        for late in [RefundOutcome::Succeeded, RefundOutcome::Unknown] {
            assert_eq!(names(&history, refunds::result(1, 2, late)), Ok(vec![]));
        }
        // The rest may still go back, and no more.
        assert_eq!(names(&history, refunds::requesting(2, 15_001)), Err("refund_exceeds_captured"));
        assert_eq!(names(&history, refunds::requesting(2, 15_000)), Ok(vec!["payment_refund_requested"]));
    }
}

#[test]
fn another_amount_is_a_refund_of_its_own() {
    let mut history = refused(1, Some(minute(6)));
    happens(&mut history, refunded(4_999, "r1"));
    assert_eq!(stood_for(&history), None);
    assert_eq!(replay(&history).next_refund(minute(6)).map(|next| next.epoch), Some(2));
}

#[test]
fn one_act_stands_for_one_refund_and_first_for_one_that_waits_for_people() {
    let mut history = refused(1, Some(minute(6)));
    refuse(&mut history, 2, None);
    happens(&mut history, refunded(5_000, "r1"));
    assert_eq!(stood_for(&history), Some(refund_id(2)));
    happens(&mut history, refunded(5_000, "r2"));
    assert_eq!(stood_for(&history), Some(refund_id(1)));
    happens(&mut history, refunded(5_000, "r3"));
    assert_eq!(stood_for(&history), None);
}

#[test]
fn what_a_gift_has_again_is_not_what_the_bank_gave() {
    let with = |retry_at| {
        let mut history = history(PaymentStatus::Succeeded);
        let (amount, source) = (Money::rub(5_000), PaymentRefundSource::GiftRefund);
        happens(&mut history, PaymentCommand::RequestRefund { refund_id: refund_id(1), amount, source });
        happens(&mut history, refunds::result(1, 1, RefundOutcome::Failed { code: None, retry_at }));
        happens(&mut history, refunded(5_000, "r1"));
        stood_for(&history)
    };
    assert_eq!((with(None), with(Some(minute(6)))), (None, Some(refund_id(1))));
}

#[test]
fn so_many_acts_of_the_bank_are_not_about_one_payment() {
    let mut history = history(PaymentStatus::Succeeded);
    for n in 0..50 {
        let act = if n % 2 == 0 { charged_back(1, &format!("r{n}")) } else { refunded(1, &format!("r{n}")) };
        happens(&mut history, act);
    }
    for act in [charged_back(1, "r50"), refunded(1, "r50")] {
        check(&history, act.clone(), Err(PaymentError::BankActsExhausted));
        assert_eq!(names(&history, act), Err("bank_acts_exhausted"));
    }
    assert_eq!(names(&history, refunded(1, "r49")), Ok(vec![]), "what is known stays known");
}
