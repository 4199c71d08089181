//! What is owed back, and what is left for the cook.

use super::*;

fn owing(source: RefundSource, cause: u128, amount: RefundAmount) -> (Actor, DateTime<Utc>, OrderCommand) {
    let source_id = Uuid::from_u128(cause);
    let request = AuthorizeRefund {
        refund_id: RefundId::of_source(ORDER, &format!("{source:?}"), source_id),
        source,
        source_id,
        amount,
        fault: Fault::Producer,
    };
    (system(), minute(300), OrderCommand::AuthorizeRefund(request))
}

fn exactly(kopecks: i64) -> RefundAmount {
    RefundAmount::Exactly(Money::rub(kopecks))
}

/// What the command adds to the history, which is extended by it.
#[track_caller]
fn happens(history: &mut Vec<OrderEvent>, (actor, now, command): (Actor, DateTime<Utc>, OrderCommand)) {
    let events = replay(history).decide(&Intent { actor, now, command }).unwrap();
    assert!(!events.is_empty());
    history.extend(events);
}

fn split(history: &[OrderEvent]) -> (i64, i64) {
    match history.last() {
        Some(OrderEvent::OrderRefundAuthorized(refund)) => (refund.card_amount.minor(), refund.gift_amount.minor()),
        other => panic!("{other:?}"),
    }
}

/// 300.00 by card and 100.00 by gift.
fn paid_by_both() -> Vec<OrderEvent> {
    let (total, card) = (Money::rub(40_000), Money::rub(30_000));
    let order = created_for(total, card, DeliveryType::Building);
    vec![order, requested(1), paid_by(card, Money::rub(10_000), Funds::Captured)]
}

#[test]
fn the_card_comes_first_and_the_gift_takes_the_rest() {
    let mut history = paid_by_both();
    happens(&mut history, owing(RefundSource::Admin, 1, exactly(20_000)));
    assert_eq!(split(&history), (20_000, 0));
    happens(&mut history, owing(RefundSource::Dispute, 2, exactly(15_000)));
    assert_eq!(split(&history), (10_000, 5_000));
    happens(&mut history, owing(RefundSource::Cancellation, 3, RefundAmount::Rest));
    assert_eq!(split(&history), (0, 5_000));
    assert_eq!(names(&history, owing(RefundSource::Cancellation, 4, RefundAmount::Rest)), Ok(vec![]));
    assert_eq!(names(&history, owing(RefundSource::Admin, 5, exactly(1))), Err("refund_exceeds_paid"));
}

#[test]
fn one_cause_owes_one_refund() {
    let mut history = history(OrderStatus::Paid);
    happens(&mut history, owing(RefundSource::Admin, 1, exactly(100)));
    assert_eq!(names(&history, owing(RefundSource::Admin, 1, exactly(200))), Ok(vec![]));
    assert_eq!(names(&history, owing(RefundSource::Dispute, 1, exactly(200))), Ok(vec!["order_refund_authorized"]));
}

#[test]
fn never_more_than_was_paid_goes_back() {
    let paid = history(OrderStatus::Paid);
    assert_eq!(names(&paid, owing(RefundSource::Admin, 1, exactly(20_001))), Err("refund_exceeds_paid"));
    assert_eq!(names(&paid, owing(RefundSource::Admin, 1, exactly(20_000))), Ok(vec!["order_refund_authorized"]));
    let unpaid = history(OrderStatus::WaitingForPayment);
    assert_eq!(names(&unpaid, owing(RefundSource::Admin, 1, exactly(1))), Err("refund_exceeds_paid"));
    for nothing in [0, -5] {
        let refused = OrderError::InvalidValue { pointer: "/amount" };
        check(&paid, owing(RefundSource::Admin, 1, exactly(nothing)), Err(refused));
    }
    let dollar = RefundAmount::Exactly(Money::parse("1", "USD").unwrap());
    assert_eq!(names(&paid, owing(RefundSource::Admin, 1, dollar)), Err("currency_mismatch"));
}

#[test]
fn held_money_is_let_go_not_given_back_once_the_order_is_called_off() {
    let given = history_with(OrderStatus::Cancelled, Funds::Authorized, DeliveryType::Building);
    let rest = names(&given, owing(RefundSource::Cancellation, 1, RefundAmount::Rest));
    assert_eq!(rest, Ok(vec![]));
}

#[test]
fn people_give_fifty_refunds_and_a_cancellation_still_clears_the_rest() {
    let mut history = history(OrderStatus::Accepted);
    for cause in 1..=50 {
        happens(&mut history, owing(RefundSource::Admin, cause, exactly(1)));
    }
    assert_eq!(names(&history, owing(RefundSource::Admin, 51, exactly(1))), Err("refund_limit_reached"));
    happens(&mut history, owing(RefundSource::Cancellation, 52, RefundAmount::Rest));
    assert_eq!(split(&history), (19_950, 0));
}

#[test]
fn a_part_settles_once_even_after_a_refusal() {
    let mut history = paid_by_both();
    happens(&mut history, owing(RefundSource::Cancellation, 1, RefundAmount::Rest));
    let refund_id = replay(&history).refunds()[0].refund_id;
    let settle = |part| (system(), minute(301), OrderCommand::SettleRefund { refund_id, part });
    let fail = |part| {
        let reason = "3029".to_owned();
        (system(), minute(301), OrderCommand::RecordRefundFailure { refund_id, part, reason })
    };
    assert_eq!(replay(&history).pending_refunds().count(), 2);
    happens(&mut history, fail(RefundPart::Card));
    assert_eq!(names(&history, fail(RefundPart::Card)), Ok(vec![]));
    assert_eq!(replay(&history).pending_refunds().count(), 2, "a refused part is still owed");
    happens(&mut history, settle(RefundPart::Card));
    assert_eq!(names(&history, settle(RefundPart::Card)), Ok(vec![]));
    assert_eq!(names(&history, fail(RefundPart::Card)), Ok(vec![]));
    assert_eq!(
        replay(&history).pending_refunds().collect::<Vec<_>>(),
        [(refund_id, RefundPart::Gift, Money::rub(10_000))]
    );
    happens(&mut history, settle(RefundPart::Gift));
    assert_eq!(replay(&history).pending_refunds().count(), 0);
}

#[test]
fn what_was_never_authorised_cannot_settle_or_fail() {
    let mut history = history(OrderStatus::Paid);
    happens(&mut history, owing(RefundSource::Admin, 1, exactly(100)));
    let refund_id = replay(&history).refunds()[0].refund_id;
    let commands = [
        OrderCommand::SettleRefund { refund_id: RefundId::default(), part: RefundPart::Card },
        OrderCommand::SettleRefund { refund_id, part: RefundPart::Gift },
        OrderCommand::RecordRefundFailure { refund_id, part: RefundPart::Gift, reason: String::new() },
    ];
    for command in commands {
        assert_eq!(names(&history, (system(), minute(1), command)), Err("refund_not_found"));
    }
}

fn releasing(at: DateTime<Utc>) -> (Actor, DateTime<Utc>, OrderCommand) {
    (system(), at, OrderCommand::ReleasePayout)
}

#[test]
fn the_cook_gets_what_is_left_less_the_commission() {
    let mut history = history(OrderStatus::Completed);
    let due = minute(200 + 48 * 60);
    let whole = OrderPayoutReleased {
        gross: Money::rub(20_000),
        refunded: Money::rub(0),
        commission: Money::rub(2_000),
        producer_net: Money::rub(18_000),
    };
    check(&history, releasing(due), Ok(vec![whole.into()]));
    // 200.00 − 0.05 = 199.95; a tenth of it is 19.995, half to even 20.00; the cook gets 179.95.
    happens(&mut history, owing(RefundSource::Admin, 1, exactly(5)));
    let less = OrderPayoutReleased {
        gross: Money::rub(20_000),
        refunded: Money::rub(5),
        commission: Money::rub(2_000),
        producer_net: Money::rub(17_995),
    };
    check(&history, releasing(due), Ok(vec![less.into()]));
    happens(&mut history, releasing(due));
    assert_eq!(replay(&history).payout(), Payout::Released);
    assert_eq!(names(&history, releasing(due)), Ok(vec![]));
    assert_eq!(names(&history, owing(RefundSource::Admin, 2, exactly(5))), Ok(vec!["order_refund_authorized"]));
}

#[test]
fn the_payout_waits_two_days_and_for_completion() {
    let due = minute(200 + 48 * 60);
    let completed = history(OrderStatus::Completed);
    assert_eq!(names(&completed, releasing(due - TimeDelta::microseconds(1))), Err("too_early"));
    for status in OrderStatus::ALL.into_iter().filter(|status| *status != OrderStatus::Completed) {
        assert_eq!(names(&history(status), releasing(due)), Err("invalid_transition"), "{status:?}");
    }
}
