//! The claim of a dispute to what is owed, and its end.

use super::*;
use crate::domain::dispute::{DisputeClaim, DisputeReason, Evidence, EvidenceKind, OpenedBy};

pub(super) fn claim(reason_code: DisputeReason) -> DisputeClaim {
    DisputeClaim {
        reason_code,
        description_sealed: Some("sealed".into()),
        claimed_amount: None,
        evidence: vec![],
        appeal_of: None,
    }
}

fn claim_of(kopecks: i64) -> DisputeClaim {
    DisputeClaim { claimed_amount: Some(Money::rub(kopecks)), ..claim(DisputeReason::Late) }
}

fn photo() -> Evidence {
    Evidence { kind: EvidenceKind::Photo, text_sealed: None, file_refs: vec!["a".repeat(64)] }
}

pub(super) fn claiming(claim: DisputeClaim) -> OrderCommand {
    OrderCommand::ClaimDispute(Box::new(ClaimDispute { order_id: ORDER, claim, policy: policy() }))
}

pub(super) fn settling(number: u32, kopecks: i64) -> OrderCommand {
    let dispute_id = DisputeId::of_order(ORDER, number);
    let (refund_amount, fault) = (Money::rub(kopecks), Fault::Producer);
    OrderCommand::SettleDispute(SettleDispute { dispute_id, refund_amount, fault, policy: policy() })
}

type Asked = (Actor, DateTime<Utc>, OrderCommand);

fn by_customer(at: i64, claim: DisputeClaim) -> Asked {
    (customer(), minute(at), claiming(claim))
}

#[track_caller]
fn happens(history: &mut Vec<OrderEvent>, (actor, now, command): Asked) {
    let events = replay(history).decide(&Intent { actor, now, command }).unwrap();
    assert!(!events.is_empty());
    history.extend(events);
}

const DAY: i64 = 24 * 60;
/// The order is complete at minute 200; the window closes two days later.
const CLOSES: i64 = 200 + 2 * DAY;

#[test]
fn a_claim_freezes_the_share_of_every_paid_order() {
    use OrderStatus::*;
    for status in OrderStatus::ALL {
        let given = history(status);
        let answer = names(&given, by_customer(150, claim(DisputeReason::Late)));
        match status {
            WaitingForPayment | Cancelled => assert_eq!(answer, Err("order_not_disputable"), "{status:?}"),
            Paid | Accepted | Preparing | Ready | OutForDelivery | Delivered | Completed => {
                assert_eq!(answer, Ok(vec!["order_payout_frozen"]), "{status:?}");
            }
        }
    }
    let given = history(Delivered);
    let frozen = OrderPayoutFrozen {
        dispute_id: DisputeId::of_order(ORDER, 1),
        payout_was: PayoutWas::Held,
        opened_by: OpenedBy::Customer,
        refundable: Money::rub(20_000),
        claim: claim_of(5_000),
    };
    check(&given, by_customer(150, claim_of(5_000)), Ok(vec![frozen.clone().into()]));
    let order = replay(&[given, vec![frozen.into()]].concat());
    assert_eq!(order.payout(), Payout::Frozen);
    assert_eq!(order.open_dispute(), Some(DisputeId::of_order(ORDER, 1)));
}

#[test]
fn one_dispute_is_open_at_a_time() {
    let mut history = history(OrderStatus::Delivered);
    happens(&mut history, by_customer(150, claim(DisputeReason::Late)));
    for actor in [customer(), admin()] {
        let again = (actor, minute(151), claiming(claim(DisputeReason::Late)));
        assert_eq!(names(&history, again), Err("dispute_already_open"));
    }
}

#[test]
fn the_window_closes_when_the_share_may_go() {
    let completed = history(OrderStatus::Completed);
    let a_moment = TimeDelta::microseconds(1);
    let at = |when| names(&completed, (customer(), when, claiming(claim(DisputeReason::Late))));
    assert_eq!(at(minute(CLOSES) - a_moment), Ok(vec!["order_payout_frozen"]));
    assert_eq!(at(minute(CLOSES)), Err("dispute_window_closed"));
    let release = (system(), minute(CLOSES) - a_moment, OrderCommand::ReleasePayout);
    assert_eq!(names(&completed, release), Err("too_early"));
    let late = (admin(), minute(CLOSES + 9_000), claiming(claim(DisputeReason::Late)));
    assert_eq!(names(&completed, late), Ok(vec!["order_payout_frozen"]));
}

#[test]
fn after_the_payout_an_administrator_may_still_open_one() {
    let mut history = history(OrderStatus::Completed);
    happens(&mut history, (system(), minute(CLOSES), OrderCommand::ReleasePayout));
    let opened = by_customer(CLOSES + 1, claim(DisputeReason::Late));
    assert_eq!(names(&history, opened), Err("dispute_window_closed"));
    happens(&mut history, (admin(), minute(CLOSES + 1), claiming(claim(DisputeReason::Late))));
    match history.last() {
        Some(OrderEvent::OrderPayoutFrozen(frozen)) => {
            assert_eq!((frozen.payout_was, frozen.opened_by), (PayoutWas::Released, OpenedBy::Admin));
        }
        other => panic!("{other:?}"),
    }
    let again = (admin(), minute(CLOSES + 1), claiming(claim(DisputeReason::Late)));
    assert_eq!(names(&history, again), Err("dispute_already_open"));
    happens(&mut history, (system(), minute(CLOSES + 2), settling(1, 5_000)));
    let order = replay(&history);
    assert_eq!((order.payout(), order.refunds().len()), (Payout::Released, 1), "it is a debt now");
}

#[test]
fn a_claim_is_no_more_than_is_left() {
    let mut history = history(OrderStatus::Delivered);
    assert_eq!(names(&history, by_customer(150, claim_of(20_001))), Err("claim_exceeds_refundable"));
    check(&history, by_customer(150, claim_of(0)), Err(OrderError::InvalidValue { pointer: "/claimed_amount" }));
    let dollars = DisputeClaim { claimed_amount: Some(Money::parse("1", "USD").unwrap()), ..claim_of(1) };
    assert_eq!(names(&history, by_customer(150, dollars)), Err("currency_mismatch"));
    let all = OrderCommand::AuthorizeRefund(AuthorizeRefund {
        refund_id: RefundId::default(),
        source: RefundSource::Admin,
        source_id: Uuid::nil(),
        amount: RefundAmount::Rest,
        fault: Fault::None,
    });
    happens(&mut history, (admin(), minute(149), all));
    assert_eq!(names(&history, by_customer(150, claim(DisputeReason::Late))), Err("claim_exceeds_refundable"));
}

#[test]
fn a_meal_is_missed_an_hour_after_its_time() {
    let missing = |given: &[OrderEvent], at| names(given, by_customer(at, claim(DisputeReason::NotReceived)));
    let accepted = history(OrderStatus::Accepted);
    assert_eq!(missing(&accepted, 99), Err("too_early"), "promised for minute 40");
    assert_eq!(missing(&accepted, 100), Ok(vec!["order_payout_frozen"]));
    assert_eq!(missing(&history(OrderStatus::Paid), 100), Err("too_early"), "nobody promised anything yet");
    let moved = [accepted, vec![OrderEtaChanged { eta_minutes: 50, ready_by: minute(90) }.into()]].concat();
    assert_eq!(missing(&moved, 149), Err("too_early"));
    assert_eq!(missing(&moved, 150), Ok(vec!["order_payout_frozen"]));
}

#[test]
fn complaints_about_the_meal_itself_need_evidence() {
    let given = history(OrderStatus::Delivered);
    for reason in [DisputeReason::Quality, DisputeReason::NotAsDescribed] {
        assert_eq!(names(&given, by_customer(150, claim(reason))), Err("evidence_required"));
        let shown = DisputeClaim { evidence: vec![photo()], ..claim(reason) };
        assert_eq!(names(&given, by_customer(150, shown)), Ok(vec!["order_payout_frozen"]));
    }
    for reason in [DisputeReason::WrongItem, DisputeReason::Late, DisputeReason::Partial, DisputeReason::Fraud] {
        assert_eq!(names(&given, by_customer(150, claim(reason))), Ok(vec!["order_payout_frozen"]));
    }
    let refused = |pointer: &str| Err(OrderError::InvalidClaim { pointer: pointer.to_owned() });
    let many = DisputeClaim { evidence: vec![photo(); 11], ..claim(DisputeReason::Quality) };
    check(&given, by_customer(150, many), refused("/evidence"));
    let files = |file_refs| DisputeClaim { evidence: vec![photo(), Evidence { file_refs, ..photo() }], ..claim_of(1) };
    let no_hash = vec!["a".repeat(64), "A".repeat(64)];
    check(&given, by_customer(150, files(no_hash)), refused("/evidence/1/file_refs/1"));
    check(&given, by_customer(150, files(vec!["a".repeat(64); 11])), refused("/evidence/1/file_refs"));
    check(&given, by_customer(150, files(vec![])), refused("/evidence/1/text"));
}

#[test]
fn settled_the_share_is_free_and_what_was_granted_is_owed_in_one_decision() {
    let mut history = history(OrderStatus::Completed);
    happens(&mut history, by_customer(300, claim(DisputeReason::Late)));
    let release = |at| (system(), minute(at), OrderCommand::ReleasePayout);
    assert_eq!(names(&history, release(CLOSES)), Err("payout_frozen"));
    let settled = names(&history, (system(), minute(CLOSES + 10), settling(1, 5_000)));
    assert_eq!(settled, Ok(vec!["order_refund_authorized", "order_payout_unfrozen"]));
    happens(&mut history, (system(), minute(CLOSES + 10), settling(1, 5_000)));
    assert_eq!(names(&history, (system(), minute(CLOSES + 11), settling(1, 5_000))), Ok(vec![]), "once");
    match history.last() {
        Some(OrderEvent::OrderPayoutUnfrozen(unfrozen)) => {
            assert_eq!(unfrozen.refund_amount, Money::rub(5_000));
            assert_eq!(unfrozen.payout_due_at, Some(minute(CLOSES)));
            assert_eq!(unfrozen.appeal_before, minute(CLOSES + 10) + TimeDelta::days(7));
        }
        other => panic!("{other:?}"),
    }
    happens(&mut history, release(CLOSES + 11));
    match history.last() {
        Some(OrderEvent::OrderPayoutReleased(payout)) => assert_eq!(payout.producer_net, Money::rub(13_500)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_more_than_is_left_is_granted_and_nothing_is_no_refund() {
    let mut history = history(OrderStatus::Delivered);
    happens(&mut history, by_customer(150, claim(DisputeReason::Late)));
    assert_eq!(names(&history, (system(), minute(160), settling(1, 0))), Ok(vec!["order_payout_unfrozen"]));
    happens(&mut history, (system(), minute(160), settling(1, 999_999)));
    assert_eq!(replay(&history).left_to_refund(false), Some(Money::rub(0)));
    let strange = (system(), minute(160), settling(2, 1));
    assert_eq!(names(&history, strange), Err("dispute_not_claimed"));
    let negative = (system(), minute(160), settling(1, -1));
    assert_eq!(names(&history, negative), Ok(vec![]), "it is settled");
}

#[test]
fn while_a_dispute_is_open_nobody_gives_refunds_and_no_timer_completes() {
    let mut history = history(OrderStatus::Delivered);
    happens(&mut history, by_customer(150, claim(DisputeReason::Late)));
    let refund = |source: RefundSource, actor| {
        let command = OrderCommand::AuthorizeRefund(AuthorizeRefund {
            refund_id: RefundId::default(),
            source,
            source_id: Uuid::nil(),
            amount: RefundAmount::Exactly(Money::rub(100)),
            fault: Fault::None,
        });
        (actor, minute(160), command)
    };
    assert_eq!(names(&history, refund(RefundSource::Admin, admin())), Err("payment_under_dispute"));
    let due = minute(100 + DAY);
    let complete = |actor| (actor, due, OrderCommand::Complete { policy: policy() });
    assert_eq!(names(&history, complete(system())), Err("dispute_open"));
    assert_eq!(names(&history, complete(customer())), Ok(vec!["order_completed"]));
    happens(&mut history, (system(), due, settling(1, 0)));
    assert_eq!(names(&history, complete(system())), Err("too_early"), "the time to complain begins anew");
    assert_eq!(replay(&history).auto_complete_at(), Some(due + TimeDelta::hours(24)));
}

#[test]
fn a_refund_of_the_banks_own_is_owed_and_paid_at_once_and_capped() {
    let mut history = history(OrderStatus::Delivered);
    let external = |cause: u128, kopecks| {
        let command = OrderCommand::AuthorizeRefund(AuthorizeRefund {
            refund_id: RefundId(Uuid::from_u128(cause)),
            source: RefundSource::External,
            source_id: Uuid::from_u128(cause),
            amount: RefundAmount::Exactly(Money::rub(kopecks)),
            fault: Fault::Platform,
        });
        (system(), minute(160), command)
    };
    let both = vec!["order_refund_authorized", "order_refund_settled"];
    assert_eq!(names(&history, external(1, 5_000)), Ok(both.clone()));
    happens(&mut history, external(1, 5_000));
    assert_eq!(names(&history, external(1, 5_000)), Ok(vec![]));
    assert_eq!(names(&history, external(2, 99_999)), Ok(both));
    happens(&mut history, external(2, 99_999));
    assert_eq!(replay(&history).left_to_refund(false), Some(Money::rub(0)));
    assert_eq!(names(&history, external(3, 1)), Ok(vec![]), "nothing is left to owe");
    assert_eq!(replay(&history).pending_refunds().count(), 0);
}

#[test]
fn a_decided_dispute_is_appealed_once_and_for_no_more() {
    let mut history = history(OrderStatus::Completed);
    happens(&mut history, by_customer(300, claim_of(8_000)));
    happens(&mut history, (system(), minute(400), settling(1, 2_000)));
    let first = DisputeId::of_order(ORDER, 1);
    let appeal = |kopecks| DisputeClaim { appeal_of: Some(first), ..claim_of(kopecks) };
    assert_eq!(names(&history, by_customer(500, claim_of(1))), Err("dispute_limit_reached"), "it has to be an appeal");
    let wrong = DisputeClaim { appeal_of: Some(DisputeId::of_order(ORDER, 2)), ..claim_of(1) };
    check(&history, by_customer(500, wrong), Err(OrderError::InvalidValue { pointer: "/appeal_of" }));
    assert_eq!(names(&history, by_customer(500, appeal(8_001))), Err("claim_exceeds_refundable"));
    let in_time = 400 + 7 * DAY - 1;
    assert_eq!(names(&history, by_customer(in_time + 1, appeal(8_000))), Err("dispute_window_closed"));
    happens(&mut history, by_customer(in_time, appeal(8_000)));
    assert_eq!(replay(&history).open_dispute(), Some(DisputeId::of_order(ORDER, 2)));
    happens(&mut history, (system(), minute(in_time + 5), settling(2, 0)));
    let third = (admin(), minute(in_time + 6), claiming(claim(DisputeReason::Late)));
    assert_eq!(names(&history, third), Err("dispute_limit_reached"));
    let nothing_before = self::history(OrderStatus::Completed);
    check(&nothing_before, by_customer(300, appeal(1)), Err(OrderError::InvalidValue { pointer: "/appeal_of" }));
}

#[test]
fn a_chargeback_is_the_systems_to_claim_and_what_it_grants_is_back_already() {
    let mut history = history(OrderStatus::Completed);
    let bank = DisputeClaim { reason_code: DisputeReason::Bank, ..claim_of(20_000) };
    for actor in [customer(), admin()] {
        let refused = Err(OrderError::InvalidValue { pointer: "/reason_code" });
        check(&history, (actor, minute(300), claiming(bank.clone())), refused);
    }
    let vague = DisputeClaim { claimed_amount: None, ..bank.clone() };
    let refused = Err(OrderError::InvalidValue { pointer: "/claimed_amount" });
    check(&history, (system(), minute(300), claiming(vague)), refused);
    happens(&mut history, (system(), minute(CLOSES), OrderCommand::ReleasePayout));
    happens(&mut history, (system(), minute(CLOSES + 9), claiming(bank)));
    let settled = names(&history, (system(), minute(CLOSES + 10), settling(1, 20_000)));
    let expected = vec!["order_refund_authorized", "order_refund_settled", "order_payout_unfrozen"];
    assert_eq!(settled, Ok(expected));
    happens(&mut history, (system(), minute(CLOSES + 10), settling(1, 20_000)));
    assert_eq!(replay(&history).pending_refunds().count(), 0, "nothing goes through the payment");
}

#[test]
fn called_off_the_claim_still_ends_but_nothing_is_granted_twice() {
    let mut history = history(OrderStatus::Accepted);
    happens(&mut history, by_customer(150, claim(DisputeReason::Late)));
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    happens(&mut history, (cook(), minute(151), cancel));
    assert_eq!(replay(&history).payout(), Payout::Voided);
    happens(&mut history, (system(), minute(152), settling(1, 0)));
    let order = replay(&history);
    assert_eq!((order.payout(), order.open_dispute()), (Payout::Voided, None));
}

#[test]
fn held_money_that_was_taken_after_all_goes_back_on_word_of_it() {
    let held = history_with(OrderStatus::Accepted, Funds::Authorized, DeliveryType::Building);
    let mut history = [held, vec![cancelled(OrderStatus::Accepted)]].concat();
    let give_back = |amount| {
        let command = OrderCommand::AuthorizeRefund(AuthorizeRefund {
            refund_id: RefundId::default(),
            source: RefundSource::Cancellation,
            source_id: Uuid::nil(),
            amount,
            fault: Fault::None,
        });
        (system(), minute(50), command)
    };
    assert_eq!(names(&history, give_back(RefundAmount::Rest)), Ok(vec![]), "it is let go, as far as anybody knows");
    happens(&mut history, give_back(RefundAmount::RestOfTaken));
    let order = replay(&history);
    assert_eq!((order.left_to_refund(true), order.left_to_refund(false)), (Some(Money::rub(0)), Some(Money::rub(0))));
}

#[test]
fn a_cook_who_has_not_answered_is_reminded_in_time() {
    let remind = |status, at| names(&history(status), (system(), minute(at), OrderCommand::RemindProducer));
    assert_eq!(remind(OrderStatus::Paid, 2), Ok(vec!["order_producer_reminded"]));
    assert_eq!(remind(OrderStatus::Paid, 20), Err("invalid_transition"), "it is too late");
    for status in OrderStatus::ALL.into_iter().filter(|status| *status != OrderStatus::Paid) {
        assert_eq!(remind(status, 2), Err("invalid_transition"), "{status:?}");
    }
}

#[test]
fn called_off_it_gives_back_what_the_bank_has_not_taken_back_before() {
    for (decided, granted) in [(None, 0), (Some(0), 0), (Some(3_000), 3_000), (Some(8_000), 8_000)] {
        let mut history = history(OrderStatus::Paid);
        let bank = DisputeClaim { reason_code: DisputeReason::Bank, ..claim_of(8_000) };
        happens(&mut history, (system(), minute(5), claiming(bank)));
        if let Some(kopecks) = decided {
            happens(&mut history, (system(), minute(6), settling(1, kopecks)));
        }
        history.push(cancelled(OrderStatus::Paid));
        let rest = OrderCommand::AuthorizeRefund(AuthorizeRefund {
            refund_id: RefundId(Uuid::from_u128(77)),
            source: RefundSource::Cancellation,
            source_id: Uuid::from_u128(77),
            amount: RefundAmount::Rest,
            fault: Fault::None,
        });
        let asked = || (system(), minute(10), rest.clone());
        happens(&mut history, asked());
        check(&history, asked(), Ok(vec![]));
        let order = replay(&history);
        let pending: Vec<Money> = order.pending_refunds().map(|(_, _, amount)| amount).collect();
        assert_eq!(pending, [Money::rub(12_000)], "through the payment, {granted} granted before");
        let all = order.refunds().iter().try_fold(Money::rub(0), |sum, refund| sum.add(refund.card.amount));
        assert_eq!(all, Ok(Money::rub(20_000)), "all of it is back or on its way");
    }
}
