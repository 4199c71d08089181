//! Two administrators look into the bank's books about a refund that nobody knows the outcome of.

use super::{
    refunds::{requesting, result},
    *,
};
use crate::domain::ids::UserId;

const FIRST: u128 = 71;
const SECOND: u128 = 72;
const PROPOSED: &str = "payment_refund_resolution_proposed";
const RESOLVED: &str = "payment_refund_resolved";

fn found(given: &[PaymentEvent], admin: u128, finding: RefundFinding) -> Result<Vec<PaymentEvent>, PaymentError> {
    saying(given, admin, finding, "RRN 123456789012 in the cabinet")
}

fn saying(
    given: &[PaymentEvent],
    admin: u128,
    finding: RefundFinding,
    reason: &str,
) -> Result<Vec<PaymentEvent>, PaymentError> {
    let command = PaymentCommand::ResolveRefund { refund_id: refund_id(1), finding, reason: reason.to_owned() };
    let actor = Actor::Admin(UserId(Uuid::from_u128(admin)));
    replay(given).decide(&Intent { actor, now: minute(9), command })
}

pub(super) fn finding() -> PaymentCommand {
    PaymentCommand::ResolveRefund { refund_id: refund_id(1), finding: RefundFinding::Done, reason: "r".to_owned() }
}

fn types(events: &[PaymentEvent]) -> Vec<&'static str> {
    events.iter().map(PaymentEvent::type_name).collect()
}

/// A refund of 50.00 with that outcome under its first epoch.
fn refunded(outcome: RefundOutcome) -> Vec<PaymentEvent> {
    let mut history = history(PaymentStatus::Succeeded);
    happens(&mut history, requesting(1, 5_000));
    happens(&mut history, result(1, 1, outcome));
    history
}

fn agreed(mut history: Vec<PaymentEvent>, finding: RefundFinding) -> Vec<PaymentEvent> {
    for admin in [FIRST, SECOND] {
        history.extend(found(&history, admin, finding).unwrap());
    }
    history
}

#[test]
fn one_proposes_and_another_agrees() {
    use RefundFinding::*;
    let mut history = refunded(RefundOutcome::Unknown);
    history.extend(found(&history, FIRST, Done).unwrap());
    assert_eq!(types(&history[history.len() - 1..]), [PROPOSED]);
    assert_eq!(found(&history, FIRST, Done), Ok(vec![]), "nobody is their own second pair of eyes");
    assert_eq!(types(&found(&history, SECOND, NotDone).unwrap()), [PROPOSED], "another opinion is another proposal");
    let events = found(&history, SECOND, Done).unwrap();
    assert_eq!(types(&events), [RESOLVED, "payment_refund_succeeded"]);
    history.extend(events);
    assert_eq!(found(&history, SECOND, Done), Ok(vec![]), "the same again is done");
    assert_eq!(found(&history, SECOND, NotDone), Err(PaymentError::RefundNotInDoubt));
}

#[test]
fn what_was_not_done_is_sent_at_once_under_the_next_epoch() {
    for outcome in [RefundOutcome::Unknown, RefundOutcome::Submitted] {
        let history = agreed(refunded(outcome), RefundFinding::NotDone);
        assert_eq!(history.last().unwrap().type_name(), "payment_refund_failed");
        let next = replay(&history).next_refund(minute(9)).unwrap();
        assert_eq!((next.refund_id, next.epoch), (refund_id(1), 2));
        // Should the bank say later that it was done after all, it is done.
        assert_eq!(names(&history, result(1, 1, RefundOutcome::Succeeded)), Ok(vec!["payment_refund_succeeded"]));
    }
}

#[test]
fn what_the_provider_leaves_to_people_is_done_by_them_or_sent_again() {
    let by_hand = RefundOutcome::Failed { code: Some("3028".to_owned()), retry_at: None };
    let done = agreed(refunded(by_hand.clone()), RefundFinding::Done);
    assert_eq!(done.last().unwrap().type_name(), "payment_refund_succeeded");
    let again = agreed(refunded(by_hand), RefundFinding::NotDone);
    assert_eq!(replay(&again).next_refund(minute(9)).unwrap().epoch, 2);
}

#[test]
fn what_takes_its_way_by_itself_is_nobodys_to_decide() {
    let retry_at = Some(minute(60));
    let put_off = refunded(RefundOutcome::Failed { code: None, retry_at });
    assert_eq!(found(&put_off, FIRST, RefundFinding::Done), Err(PaymentError::RefundNotInDoubt));
    let mut waiting = history(PaymentStatus::Succeeded);
    assert_eq!(found(&waiting, FIRST, RefundFinding::Done), Err(PaymentError::RefundNotFound));
    happens(&mut waiting, requesting(1, 5_000));
    assert_eq!(found(&waiting, FIRST, RefundFinding::NotDone), Err(PaymentError::RefundNotInDoubt));
}

#[test]
fn what_a_gift_was_refused_is_on_the_gift_again() {
    let mut history = history(PaymentStatus::Succeeded);
    let (amount, source) = (Money::rub(5_000), PaymentRefundSource::GiftRefund);
    happens(&mut history, PaymentCommand::RequestRefund { refund_id: refund_id(1), amount, source });
    happens(&mut history, result(1, 1, RefundOutcome::Failed { code: None, retry_at: None }));
    for finding in [RefundFinding::Done, RefundFinding::NotDone] {
        assert_eq!(found(&history, FIRST, finding), Err(PaymentError::RefundNotInDoubt));
    }
}

#[test]
fn a_word_about_one_epoch_is_no_second_opinion_about_the_next() {
    let mut history = refunded(RefundOutcome::Unknown);
    history.extend(found(&history, FIRST, RefundFinding::Done).unwrap());
    happens(&mut history, result(1, 1, RefundOutcome::Failed { code: None, retry_at: Some(minute(6)) }));
    happens(&mut history, result(1, 2, RefundOutcome::Unknown));
    assert_eq!(types(&found(&history, SECOND, RefundFinding::Done).unwrap()), [PROPOSED]);
}

#[test]
fn nothing_that_lost_its_place_is_done_or_sent() {
    let mut history = refunded(RefundOutcome::Failed { code: None, retry_at: None });
    happens(&mut history, requesting(2, 20_000));
    assert_eq!(found(&history, FIRST, RefundFinding::Done), Err(PaymentError::RefundExceedsCaptured));
}

#[test]
fn a_finding_has_a_reason() {
    let history = refunded(RefundOutcome::Unknown);
    let wrong = PaymentError::InvalidValue { pointer: "/reason" };
    assert_eq!(saying(&history, FIRST, RefundFinding::Done, "  "), Err(wrong));
    let long = "x".repeat(501);
    let too_long = PaymentError::TooLong { pointer: "/reason", max: 500 };
    assert_eq!(saying(&history, FIRST, RefundFinding::Done, &long), Err(too_long));
}

fn charged_back(kopecks: i64, registry_ref: &str) -> PaymentCommand {
    PaymentCommand::RecordChargeback(BankAct { amount: Money::rub(kopecks), registry_ref: registry_ref.to_owned() })
}

/// All 200.00 were to go back, and the customer's bank takes so much of them first.
fn crowded_out(kopecks: i64) -> Vec<PaymentEvent> {
    let mut history = history(PaymentStatus::Succeeded);
    happens(&mut history, requesting(1, 20_000));
    happens(&mut history, charged_back(kopecks, "CB-1"));
    assert_eq!(replay(&history).next_refund(minute(9)), None, "it is not sent a second time");
    assert_eq!(replay(&history).crowded_out(minute(9)).map(|refund| refund.refund_id), Some(refund_id(1)));
    happens(&mut history, result(1, 1, RefundOutcome::Failed { code: None, retry_at: None }));
    assert_eq!(replay(&history).crowded_out(minute(9)), None);
    history
}

#[test]
fn what_the_bank_took_back_itself_is_settled_by_two_and_never_sent() {
    let mut history = crowded_out(20_000);
    history.extend(found(&history, FIRST, RefundFinding::Done).unwrap());
    let events = found(&history, SECOND, RefundFinding::Done).unwrap();
    assert_eq!(types(&events), [RESOLVED], "we sent nothing");
    let PaymentEvent::PaymentRefundResolved(resolved) = &events[0] else { panic!("{events:?}") };
    assert_eq!(resolved.back_already, Some(Money::rub(20_000)));
    history.extend(events);
    let payment = replay(&history);
    assert_eq!((payment.refunds()[0].state, payment.is_settled()), (RefundState::BackAlready, true));
    assert_eq!((payment.next_refund(minute(99)), payment.crowded_out(minute(9))), (None, None));
    for late in [RefundOutcome::Succeeded, RefundOutcome::Failed { code: None, retry_at: Some(minute(1)) }] {
        assert_eq!(names(&history, result(1, 2, late)), Ok(vec![]));
    }
    assert_eq!(found(&history, FIRST, RefundFinding::Done), Ok(vec![]));
    assert_eq!(found(&history, FIRST, RefundFinding::NotDone), Err(PaymentError::RefundNotInDoubt));
}

#[test]
fn what_the_bank_took_only_a_part_of_is_owed_until_it_has_all() {
    let mut history = crowded_out(15_000);
    for finding in [RefundFinding::Done, RefundFinding::NotDone] {
        assert_eq!(found(&history, FIRST, finding), Err(PaymentError::RefundExceedsCaptured));
    }
    // Somebody gives the rest back in the bank's cabinet.
    let rest = BankAct { amount: Money::rub(5_000), registry_ref: "EX-1".to_owned() };
    happens(&mut history, PaymentCommand::RecordExternalRefund(rest));
    let history = agreed(history, RefundFinding::Done);
    assert_eq!(replay(&history).refunds()[0].state, RefundState::BackAlready);
}

#[test]
fn one_chargeback_stands_for_one_refund() {
    let mut history = history(PaymentStatus::Succeeded);
    happens(&mut history, requesting(1, 10_000));
    happens(&mut history, requesting(2, 10_000));
    happens(&mut history, charged_back(15_000, "CB-1"));
    happens(&mut history, result(1, 1, RefundOutcome::Failed { code: None, retry_at: None }));
    happens(&mut history, result(2, 1, RefundOutcome::Failed { code: None, retry_at: None }));
    let mut history = agreed(history, RefundFinding::Done);
    let second = PaymentCommand::ResolveRefund {
        refund_id: refund_id(2),
        finding: RefundFinding::Done,
        reason: "the same chargeback".to_owned(),
    };
    let by = |admin| Actor::Admin(UserId(Uuid::from_u128(admin)));
    let asked = |history: &[PaymentEvent]| {
        replay(history).decide(&Intent { actor: by(FIRST), now: minute(9), command: second.clone() })
    };
    assert_eq!(asked(&history), Err(PaymentError::RefundExceedsCaptured));
    happens(&mut history, charged_back(5_000, "CB-2"));
    assert_eq!(types(&asked(&history).unwrap()), [PROPOSED]);
}

#[test]
fn a_refund_is_written_down_although_a_chargeback_leaves_nothing_to_send() {
    let mut history = history(PaymentStatus::Succeeded);
    happens(&mut history, charged_back(20_000, "CB-1"));
    happens(&mut history, requesting(1, 20_000));
    assert!(replay(&history).crowded_out(minute(9)).is_some());
    assert_eq!(names(&history, requesting(2, 1)), Err("refund_exceeds_captured"));
}
