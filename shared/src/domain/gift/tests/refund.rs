//! Money that goes back to the buyer.

use super::*;

fn settle(no: u128) -> Asked {
    (system(), minute(60), GiftCommand::SettleRefund { refund_id: refund_id(no) })
}

fn revert(no: u128) -> Asked {
    (system(), minute(60), GiftCommand::RevertRefund { refund_id: refund_id(no), reason: "3033".into() })
}

#[test]
fn the_buyer_takes_back_what_nobody_took() {
    let log = after(&issued(), refund(customer(BUYER), 1, Some(rub(300)), 20));
    assert_eq!(pots(&log), [700, 0, 300, 0, 0]);
    assert_eq!(names(&log, refund(customer(BUYER), 1, Some(rub(300)), 21)), Ok(vec![]), "the same refund");
    assert_eq!(names(&log, refund(customer(BUYER), 2, Some(rub(701)), 21)), Err("gift_insufficient_balance"));
    assert_eq!(names(&log, refund(customer(BUYER), 2, Some(rub(0)), 21)), Err("invalid_value"));
    let all = after(&log, refund(customer(BUYER), 2, None, 21));
    assert_eq!(names(&all, refund(customer(BUYER), 3, None, 22)), Err("gift_nothing_to_refund"));
}

#[test]
fn a_refund_arrives_or_comes_back() {
    let log = after(&issued(), refund(customer(BUYER), 1, None, 20));
    let settled = after(&log, settle(1));
    assert_eq!(pots(&settled), [0, 0, 0, 0, 1_000]);
    assert_eq!(names(&settled, settle(1)), Ok(vec![]));
    assert_eq!(names(&settled, revert(1)), Err("invalid_transition"));
    let reverted = after(&log, revert(1));
    assert_eq!(pots(&reverted), [1_000, 0, 0, 0, 0]);
    assert_eq!(names(&reverted, revert(1)), Ok(vec![]));
    assert_eq!(names(&reverted, settle(1)), Err("invalid_transition"));
    assert_eq!(names(&issued(), settle(1)), Err("gift_refund_not_found"));
    assert_eq!(names(&issued(), revert(1)), Err("gift_refund_not_found"));
}

#[test]
fn money_that_could_not_go_back_is_sent_again_by_hand() {
    let cancelled = history(GiftStatus::Cancelled);
    let Some(GiftEvent::GiftRefundRequested(back)) = cancelled.last() else { panic!("{cancelled:?}") };
    let failed = GiftCommand::RevertRefund { refund_id: back.refund_id, reason: "card is closed".into() };
    let parked = after(&cancelled, (system(), minute(60), failed));
    assert_eq!(pots(&parked), [1_000, 0, 0, 0, 0]);
    assert_eq!(names(&parked, refund(customer(BUYER), 5, None, 61)), Err("gift_already_cancelled"));
    assert_eq!(names(&parked, refund(admin(), 5, None, 61)), Ok(vec!["gift_refund_requested"]));
}

#[test]
fn half_a_dish_does_not_go_back() {
    assert_eq!(names(&dish_issued(), refund(customer(BUYER), 1, Some(rub(500)), 20)), Err("gift_restricted"));
    assert_eq!(names(&dish_issued(), refund(customer(BUYER), 1, None, 20)), Ok(vec!["gift_refund_requested"]));
}

#[test]
fn each_side_asks_in_its_own_name() {
    let mut asked = refund(customer(BUYER), 1, None, 20);
    asked.0 = admin();
    assert_eq!(names(&issued(), asked.clone()), Err("permission_denied"));
    asked.0 = system();
    assert_eq!(names(&issued(), asked), Err("permission_denied"));
}

#[test]
fn people_ask_for_a_bounded_number_of_refunds() {
    let mut log = issued();
    for no in 0..50 {
        log = after(&log, refund(customer(BUYER), no, Some(rub(1)), 20));
    }
    assert_eq!(names(&log, refund(customer(BUYER), 50, Some(rub(1)), 20)), Err("refund_limit_reached"));
    assert_eq!(names(&log, cancel(customer(BUYER), None, 21)).map(|events| events.len()), Ok(2), "all at once");
}
