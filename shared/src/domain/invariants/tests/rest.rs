//! 13, 14, 16, 27 to 32: what is left at the end, and what others know.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::*;
use crate::domain::{
    Portion,
    ids::{RefundId, UserId},
    order::{Fault, OrderCreated, OrderPayoutReleased, OrderRefundAuthorized, OrderStatus, RefundPart},
    payment::{PaymentChargebackRecorded, PaymentRefundSource},
};

const PRICE: i64 = 10_000;

fn later(minutes: i64) -> Rest {
    Rest { now: Some(minute(minutes)), excused: HashSet::new() }
}

#[test]
fn inv_13_a_cancelled_order_that_keeps_the_money() {
    let called_off = || paid_by_card(PRICE).order(cancelled(OrderStatus::Paid, true));
    let good = given_back(PRICE);
    check_rest(13, &Rest::default(), &good, &called_off());
    check_rest(13, &Rest::default(), &good, &called_off().order(owed(1, PRICE - 1, 0)));
    check_rest(13, &Rest::default(), &good, &called_off().order(owed(1, PRICE, 0)));
    check_rest(13, &Rest::default(), &good, &good.clone().until(10));
}

#[test]
fn inv_13_what_an_open_letter_is_about_is_known() {
    let bad = paid_by_card(PRICE).order(cancelled(OrderStatus::Paid, true));
    let mut auditor = audit(&bad);
    auditor.judge_rest(&Rest { now: None, excused: HashSet::from([ORDER.0]) });
    assert!(auditor.report().is_clean());
}

#[test]
fn inv_14_money_that_bought_nothing_and_stays() {
    let log = late_money(PRICE);
    check_rest(14, &Rest::default(), &log, &log.clone().until(6));
    // On its way is good enough.
    let on_its_way = log.clone().until(7);
    check_rest(14, &Rest::default(), &on_its_way, &log.until(6));
}

#[test]
fn inv_16_money_of_an_order_that_is_nowhere() {
    let good = completed(paid_by_card(PRICE)).later(2_880).order(released(PRICE, 0, 1_000));
    let stolen = OrderPayoutReleased { producer_net: rub(8_000), ..released(PRICE, 0, 1_000) };
    check_rest(16, &Rest::default(), &good, &completed(paid_by_card(PRICE)).later(2_880).order(stolen));
    // The gift's part was never redeemed.
    let both = paid_by_both(5_000, PRICE, 3_000);
    let without = gift_in_hand(5_000)
        .gift(reserved(3_000))
        .order(created_with_gift(PRICE, 3_000))
        .order(requested(1, 7_000))
        .pay(1, initiated(1, 7_000))
        .pay(1, succeeded(7_000))
        .order(paid(1, 7_000, 3_000));
    check_rest(16, &Rest::default(), &both, &without);
}

#[test]
fn inv_16_holds_through_a_refund_a_payout_and_a_debt() {
    let log = completed(paid_by_card(PRICE))
        .order(owed(1, 2_000, 0))
        .pay(1, asked_back(refund(1), 2_000, PaymentRefundSource::OrderRefund))
        .pay(1, arrived(refund(1), 2_000))
        .order(settled(1, RefundPart::Card))
        .later(2_880)
        .order(released(PRICE, 2_000, 800))
        .order(OrderRefundAuthorized { fault: Fault::Producer, ..owed(2, 500, 0) });
    let mut auditor = audit(&log);
    auditor.judge_rest(&Rest::default());
    assert!(auditor.report().is_clean(), "{:#?}", auditor.report().examples().collect::<Vec<_>>());
}

#[test]
fn inv_27_more_portions_sold_than_there_are() {
    let pot = |left, taken| Pot { left: Some(left), taken, claimed: taken };
    let pots = |pot| Outside { pots: Some(BTreeMap::from([(DISH, pot)])), ..Outside::default() };
    let sold = || {
        let taken = vec![Portion { dish_id: DISH, quantity: 2 }];
        Chronicle::default().order(OrderCreated { portions_taken: taken, ..created(PRICE) })
    };
    check_outside(27, &sold(), &pots(pot(0, 2)), &pots(pot(-1, 2)));
    check_outside(27, &sold(), &pots(pot(3, 2)), &pots(pot(3, 1)));
    check_outside(27, &sold(), &pots(Pot { left: None, ..pot(0, 2) }), &pots(Pot { claimed: 1, ..pot(0, 2) }));
    let gone = Outside { pots: Some(BTreeMap::new()), ..Outside::default() };
    check_outside(27, &Chronicle::default().order(created(PRICE)), &gone, &pots(pot(3, 1)));
    // Called off before it was cooked, they can be sold again; later they cannot.
    let off = |from| sold().order(cancelled(from, false));
    check_outside(27, &off(OrderStatus::WaitingForPayment), &pots(pot(2, 0)), &pots(pot(0, 2)));
    let unlimited = &paid_by_card(PRICE);
    check_outside(27, unlimited, &pots(Pot::default()), &pots(pot(4, 1)));
}

#[test]
fn inv_28_deadlines_that_nobody_kept() {
    let waiting = Chronicle::default().order(created(PRICE));
    let over = waiting.clone().order(cancelled(OrderStatus::WaitingForPayment, false));
    check_rest(28, &later(46), &over, &waiting);
    let mut in_grace = audit(&waiting);
    in_grace.judge_rest(&later(45));
    assert!(in_grace.report().is_clean());
    check_rest(28, &later(47), &given_back(PRICE), &paid_by_card(PRICE));
    let disputed = completed(paid_by_card(PRICE)).order(frozen(1, 4_000)).dispute(1, opened(1, 4_000));
    let answered = disputed.clone().dispute(1, resolved(0)).order(unfrozen(1, 0));
    check_rest(28, &later(1_542), &answered, &disputed);
    check_rest(28, &later(500_061), &Chronicle::default(), &gift_in_hand(1_000));
}

#[test]
fn inv_29_news_that_were_acted_upon_twice() {
    let row = |processed| InboxRow { fingerprint: "f".into(), processed };
    let inbox = |inbox| Outside { inbox, ..Outside::default() };
    check_outside(29, &paid_by_card(PRICE), &inbox(vec![row(1)]), &inbox(vec![row(2)]));
    check_outside(29, &paid_by_card(PRICE), &inbox(vec![row(0)]), &inbox(vec![row(1), row(1)]));
}

#[test]
fn inv_30_a_key_with_two_answers() {
    let receipt = |id| Receipt { command_id: Uuid::from_u128(id), fingerprint: vec![0] };
    let receipts = |receipts| Outside { receipts, ..Outside::default() };
    let good = receipts(vec![receipt(1), receipt(2)]);
    check_outside(30, &paid_by_card(PRICE), &good, &receipts(vec![receipt(1), receipt(1)]));
}

#[test]
fn inv_31_a_bank_with_other_books() {
    let bank = |captured_minor, refunded_minor| {
        let books = BankBooks { captured_minor, refunded_minor };
        Outside { bank: Some(HashMap::from([(pay(1), books)])), ..Outside::default() }
    };
    check_outside(31, &given_back(PRICE), &bank(PRICE, PRICE), &bank(PRICE, 0));
    check_outside(31, &paid_by_card(PRICE), &bank(PRICE, 0), &bank(PRICE, 1));
    let stranger = HashMap::from([(pay(1), BankBooks { captured_minor: 1, refunded_minor: 0 })]);
    let stranger = Outside { bank: Some(stranger), ..Outside::default() };
    let nothing = Outside { bank: Some(HashMap::new()), ..Outside::default() };
    check_outside(31, &Chronicle::default(), &nothing, &stranger);
}

#[test]
fn inv_31_chargebacks_went_back_too() {
    let log = paid_by_card(PRICE).pay(1, PaymentChargebackRecorded { amount: rub(PRICE), registry_ref: "r".into() });
    let books = BankBooks { captured_minor: PRICE, refunded_minor: PRICE };
    let mut auditor = audit(&log);
    auditor.judge_outside(&Outside { bank: Some(HashMap::from([(pay(1), books)])), ..Outside::default() });
    assert!(auditor.report().is_clean());
}

#[test]
fn inv_32_a_row_that_is_no_fold_and_a_feed_with_a_hole() {
    let row = |stored: &str| RowCheck {
        projection: "orders".into(),
        key: "1".into(),
        folded: Some("PAID".into()),
        stored: Some(stored.into()),
    };
    let rows = |row| Outside { rows: vec![row], ..Outside::default() };
    check_outside(32, &paid_by_card(PRICE), &rows(row("PAID")), &rows(row("READY")));
    let feed = |entries| {
        let user_id = UserId(Uuid::from_u128(1));
        Outside { feeds: vec![FeedBounds { user_id, entries, first_id: 1, last_id: 3 }], ..Outside::default() }
    };
    check_outside(32, &paid_by_card(PRICE), &feed(3), &feed(2));
}

#[test]
fn the_refund_of_money_that_bought_nothing_has_one_name() {
    assert_eq!(RefundId::of_unapplied(pay(1)), RefundId::of_unapplied(pay(1)));
}
