//! Spending a gift.

use super::*;

fn share(given: &[GiftEvent], total: i64, wanted: Option<i64>) -> Result<i64, &'static str> {
    let wanted = wanted.map(Money::rub);
    let asked = reserve_with(order(7), Money::rub(total), 50, |it| it.purpose = ReservePurpose::Order { wanted });
    let events = ask(given, asked).map_err(|error| error.rule())?;
    let reserved = events.iter().find_map(|event| match event {
        GiftEvent::GiftReserved(reserved) => Some(reserved.amount.minor()),
        _ => None,
    });
    Ok(reserved.unwrap_or(0))
}

#[test]
fn it_pays_as_much_as_it_can_or_as_was_asked() {
    let log = activated();
    assert_eq!(share(&log, 60_000, None), Ok(60_000));
    assert_eq!(share(&log, 150_000, None), Ok(100_000));
    assert_eq!(share(&log, 150_000, Some(70_000)), Ok(70_000));
    assert_eq!(share(&half_spent(), 70_000, Some(70_000)), Err("gift_insufficient_balance"));
    assert_eq!(share(&log, 60_000, Some(0)), Err("invalid_value"));
    assert_eq!(share(&log, 60_000, Some(60_001)), Err("invalid_value"), "more than the order costs");
    assert_eq!(share(&history(GiftStatus::Redeemed), 100, None), Err("gift_insufficient_balance"));
}

#[test]
fn what_is_left_for_the_card_is_nothing_or_payable() {
    // 995 of 1000: ten roubles are left for the card.
    let log = after(&activated(), refund(admin(), 1, Some(rub(5)), 30));
    assert_eq!(share(&log, 100_000, None), Ok(99_000));
    assert_eq!(share(&log, 100_000, Some(99_400)), Ok(99_000), "also when it is asked for");
    assert_eq!(share(&log, 100_500, None), Ok(99_500), "exactly ten roubles are payable");
    // An order below what a card can pay is paid by gift alone or not at all.
    assert_eq!(share(&log, 500, None), Ok(500));
    assert_eq!(share(&log, 500, Some(300)), Ok(0));
}

#[test]
fn a_share_is_held_longer_than_its_order_waits() {
    let log = after(&activated(), reserve(order(1), rub(600), 50));
    let GiftEvent::GiftReserved(reserved) = log.last().unwrap() else { panic!("{log:?}") };
    assert_eq!(reserved.until, minute(50 + 30 + 70));
    assert_eq!(reserved.available_after, rub(400));
    assert_eq!(pots(&log), [400, 600, 0, 0, 0]);
    assert_eq!(names(&log, reserve(order(1), rub(600), 51)), Ok(vec![]), "one share for one order");
    assert_eq!(replay(&log).overdue_uses(minute(149)).count(), 0);
    assert_eq!(replay(&log).overdue_uses(minute(150)).count(), 1);
}

#[test]
fn two_orders_share_what_there_is_and_never_more() {
    let log = after(&activated(), reserve(order(1), rub(700), 50));
    let log = after(&log, reserve(order(2), rub(700), 50));
    assert_eq!(pots(&log), [0, 1_000, 0, 0, 0]);
    assert_eq!(names(&log, reserve(order(3), rub(700), 50)), Err("gift_insufficient_balance"));
}

#[test]
fn another_currency_buys_nothing() {
    let total = Money::parse("10", "USD").unwrap();
    assert_eq!(names(&activated(), reserve(order(1), total, 50)), Err("currency_mismatch"));
}

#[test]
fn a_share_is_redeemed_or_released_once() {
    let reserved = after(&activated(), reserve(order(1), rub(600), 50));
    let redeemed = after(&reserved, redeem(order(1), 51));
    assert_eq!(pots(&redeemed), [400, 0, 0, 600, 0]);
    assert_eq!(names(&redeemed, redeem(order(1), 52)), Ok(vec![]));
    assert_eq!(names(&redeemed, reserve(order(1), rub(600), 52)), Ok(vec![]), "it was paid with it");
    assert_eq!(names(&redeemed, release(order(1), ReleaseCause::OrderCancelled, 52)), Err("gift_reservation_over"));
    let released = after(&reserved, release(order(1), ReleaseCause::OrderCancelled, 51));
    assert_eq!(pots(&released), [1_000, 0, 0, 0, 0]);
    assert_eq!(names(&released, release(order(1), ReleaseCause::Ttl, 52)), Ok(vec![]));
    assert_eq!(names(&released, redeem(order(1), 52)), Err("gift_reservation_over"));
    assert_eq!(names(&released, reserve(order(1), rub(600), 52)), Err("gift_reservation_over"));
    assert_eq!(names(&activated(), redeem(order(1), 52)), Err("gift_reservation_not_found"));
    assert_eq!(names(&activated(), release(order(1), ReleaseCause::Ttl, 52)), Err("gift_reservation_not_found"));
}

#[test]
fn the_clock_releases_no_share_before_its_time() {
    let reserved = after(&activated(), reserve(order(1), rub(600), 50));
    assert_eq!(names(&reserved, release(order(1), ReleaseCause::Ttl, 149)), Err("too_early"));
    assert_eq!(names(&reserved, release(order(1), ReleaseCause::Ttl, 150)), Ok(vec!["gift_reservation_released"]));
}

#[test]
fn refunds_of_an_order_come_back_each_once_and_never_more_than_was_spent() {
    let log = after(&half_spent(), credit(order(1), 1, rub(200), 60));
    assert_eq!(pots(&log), [600, 0, 0, 400, 0]);
    assert_eq!(names(&log, credit(order(1), 1, rub(200), 61)), Ok(vec![]), "the same refund");
    assert_eq!(names(&log, credit(order(1), 2, rub(401), 61)), Err("gift_credit_exceeds_redeemed"));
    assert_eq!(names(&log, credit(order(1), 2, rub(0), 61)), Err("invalid_value"));
    assert_eq!(names(&log, credit(order(2), 2, rub(1), 61)), Err("gift_reservation_not_found"));
    let all = after(&log, credit(order(1), 2, rub(400), 61));
    assert_eq!(pots(&all), [1_000, 0, 0, 0, 0]);
    assert_eq!(replay(&all).status(), Some(GiftStatus::PartiallyRedeemed), "it was used all the same");
}

#[test]
fn a_spent_gift_that_gets_money_back_can_be_spent_again() {
    let log = after(&history(GiftStatus::Redeemed), credit(order(1), 1, rub(50), 60));
    assert_eq!(replay(&log).status(), Some(GiftStatus::PartiallyRedeemed));
    assert_eq!(names(&log, reserve(order(5), rub(50), 61)), Ok(vec!["gift_reserved"]));
}

#[test]
fn a_gift_remembers_a_bounded_number_of_orders() {
    let mut log = activated();
    for no in 0..200 {
        log = after(&log, reserve(order(no), rub(100), 50));
        log = after(&log, release(order(no), ReleaseCause::OrderCancelled, 50));
    }
    assert_eq!(names(&log, reserve(order(200), rub(100), 50)), Err("gift_use_limit_reached"));
    assert!(serde_json::to_vec(&replay(&log)).unwrap().len() < 100_000);
}

#[test]
fn a_blocked_gift_honours_what_was_reserved_before() {
    let reserved = after(&activated(), reserve(order(1), rub(600), 50));
    let blocked = after(&reserved, (admin(), minute(51), GiftCommand::Block { reason: "fraud".into() }));
    assert_eq!(names(&blocked, reserve(order(2), rub(100), 52)), Err("gift_not_found"));
    assert_eq!(names(&blocked, redeem(order(1), 52)), Ok(vec!["gift_redeemed"]));
    let unblocked = after(&blocked, (admin(), minute(53), GiftCommand::Unblock { reason: "checked".into() }));
    assert_eq!(names(&unblocked, reserve(order(2), rub(100), 54)), Ok(vec!["gift_reserved"]));
}
