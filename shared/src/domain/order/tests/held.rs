//! Orders that are paid with held money: what can be disputed and owed before anything was taken.

use super::{
    dispute::{claim, claiming, settling},
    *,
};
use crate::domain::dispute::{DisputeClaim, DisputeReason};

fn held(status: OrderStatus) -> Vec<OrderEvent> {
    history_with(status, Funds::Authorized, DeliveryType::Building)
}

/// 150.00 held on the card, and 50.00 of a gift.
fn held_beside_a_gift() -> Vec<OrderEvent> {
    let order = created_for(Money::rub(20_000), Money::rub(15_000), DeliveryType::Building);
    vec![order, requested(1), paid_by(Money::rub(15_000), Money::rub(5_000), Funds::Authorized)]
}

#[track_caller]
fn happens(history: &mut Vec<OrderEvent>, (actor, now, command): (Actor, DateTime<Utc>, OrderCommand)) {
    let events = replay(history).decide(&Intent { actor, now, command }).unwrap();
    assert!(!events.is_empty());
    history.extend(events);
}

fn disputed(mut history: Vec<OrderEvent>) -> Vec<OrderEvent> {
    happens(&mut history, (customer(), minute(5), claiming(claim(DisputeReason::Late))));
    history
}

fn settle(kopecks: i64) -> (Actor, DateTime<Utc>, OrderCommand) {
    (system(), minute(10), settling(1, kopecks))
}

fn back(source: RefundSource, amount: RefundAmount) -> (Actor, DateTime<Utc>, OrderCommand) {
    let (refund_id, source_id) = (RefundId::default(), Uuid::nil());
    let request = AuthorizeRefund { refund_id, source, source_id, amount, fault: Fault::None };
    (system(), minute(20), OrderCommand::AuthorizeRefund(request))
}

/// What is owed: to the card and to the gift.
fn owed(history: &[OrderEvent]) -> (i64, i64) {
    replay(history)
        .refunds()
        .iter()
        .fold((0, 0), |(card, gift), refund| (card + refund.card.amount.minor(), gift + refund.gift.amount.minor()))
}

#[test]
fn every_order_that_held_money_paid_can_be_disputed_over_all_of_it() {
    use OrderStatus::*;
    for status in [Paid, Accepted, Preparing, Ready, OutForDelivery, Delivered, Completed] {
        let given = held(status);
        let most = DisputeClaim { claimed_amount: Some(Money::rub(20_000)), ..claim(DisputeReason::Late) };
        for wanted in [claim(DisputeReason::Late), most.clone()] {
            let asked = (customer(), minute(150), claiming(wanted));
            assert_eq!(names(&given, asked), Ok(vec!["order_payout_frozen"]), "{status:?}");
        }
        let more = DisputeClaim { claimed_amount: Some(Money::rub(20_001)), ..most };
        let asked = (customer(), minute(150), claiming(more));
        assert_eq!(names(&given, asked), Err("claim_exceeds_refundable"), "{status:?}");
    }
    let asked = (customer(), minute(150), claiming(claim(DisputeReason::Late)));
    assert_eq!(names(&held(Cancelled), asked), Err("order_not_disputable"));
}

#[test]
fn nothing_is_owed_of_held_money_if_the_dispute_grants_nothing() {
    let mut history = disputed(held(OrderStatus::Paid));
    assert_eq!(names(&history, settle(0)), Ok(vec!["order_payout_unfrozen"]));
    happens(&mut history, settle(0));
    let order = replay(&history);
    assert_eq!((order.payout(), order.open_dispute(), order.refunds().len()), (Payout::Held, None, 0));
}

#[test]
fn what_a_dispute_grants_of_held_money_is_owed_once_and_lessens_what_is_left() {
    let mut history = disputed(held_beside_a_gift());
    happens(&mut history, settle(3_000));
    assert_eq!(owed(&history), (3_000, 0));
    assert_eq!(names(&history, settle(3_000)), Ok(vec![]));
    assert_eq!(replay(&history).left_to_refund(false), Some(Money::rub(17_000)));
    // The cook goes on, and gets what is left.
    let accept = (cook(), minute(11), OrderCommand::Accept { eta_minutes: 30 });
    happens(&mut history, accept);
    assert_eq!(replay(&history).payout(), Payout::Held);
}

#[test]
fn a_dispute_over_everything_leaves_the_cancellation_nothing_to_owe() {
    for given in [held(OrderStatus::Paid), held(OrderStatus::Accepted), held_beside_a_gift()] {
        let mut history = disputed(given);
        happens(&mut history, settle(20_000));
        let owed_before = owed(&history);
        assert_eq!(owed_before.0 + owed_before.1, 20_000);
        let cancel = OrderCommand::Cancel { reason_code: Some(CancelReason::Dispute), reason_text: None };
        happens(&mut history, (system(), minute(11), cancel));
        for amount in [RefundAmount::Rest, RefundAmount::RestOfTaken] {
            assert_eq!(names(&history, back(RefundSource::Cancellation, amount)), Ok(vec![]));
        }
        let order = replay(&history);
        assert_eq!((owed(&history), order.payout(), order.open_dispute()), (owed_before, Payout::Voided, None));
    }
}

#[test]
fn called_off_meanwhile_held_money_is_let_go_and_only_the_gift_is_owed() {
    let mut history = disputed(held_beside_a_gift());
    let reject = OrderCommand::Reject { reason_code: RejectReason::TooBusy, comment: None };
    happens(&mut history, (cook(), minute(6), reject));
    happens(&mut history, settle(0));
    happens(&mut history, back(RefundSource::Cancellation, RefundAmount::Rest));
    assert_eq!(owed(&history), (0, 5_000));
    assert_eq!(replay(&history).open_dispute(), None);
}

#[test]
fn called_off_after_a_part_was_granted_the_rest_of_what_was_taken_is_owed() {
    let mut history = disputed(held(OrderStatus::Paid));
    happens(&mut history, settle(3_000));
    happens(&mut history, (customer(), minute(11), OrderCommand::Cancel { reason_code: None, reason_text: None }));
    assert_eq!(names(&history, back(RefundSource::Cancellation, RefundAmount::Rest)), Ok(vec![]), "it is let go");
    happens(&mut history, back(RefundSource::Cancellation, RefundAmount::RestOfTaken));
    assert_eq!(owed(&history), (20_000, 0));
}

#[test]
fn an_administrator_may_owe_of_held_money_and_no_more_than_it() {
    let mut history = held(OrderStatus::Paid);
    let exactly = |kopecks| back(RefundSource::Admin, RefundAmount::Exactly(Money::rub(kopecks)));
    assert_eq!(names(&history, exactly(20_001)), Err("refund_exceeds_paid"));
    happens(&mut history, exactly(20_000));
    assert_eq!(replay(&history).left_to_refund(false), Some(Money::rub(0)));
    let asked = (customer(), minute(150), claiming(claim(DisputeReason::Late)));
    assert_eq!(names(&history, asked), Err("claim_exceeds_refundable"));
}
