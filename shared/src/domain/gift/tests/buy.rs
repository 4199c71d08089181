//! Choosing and paying a gift.

use super::*;

fn pay(at: i64) -> Asked {
    let request = RequestGiftPayment {
        gift_id: GIFT,
        provider: ProviderChoice::own(Provider::DevFake),
        return_url: "https://x".into(),
        policy: policy(),
    };
    (customer(BUYER), minute(at), GiftCommand::RequestPayment(request))
}

fn lose(attempt_no: u32, reason: FailureReason) -> Asked {
    (system(), minute(5), GiftCommand::RecordPaymentFailure { payment_id: attempt(attempt_no), reason })
}

#[test]
fn choosing_a_gift_opens_its_first_attempt() {
    let events = ask(&[], purchase(|it| it.recipient_user_id = Some(HOLDER))).unwrap();
    let [GiftEvent::GiftCreated(created), GiftEvent::GiftPaymentRequested(requested)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((created.kind, created.value, created.payment_deadline), (GiftKind::Amount, rub(1_000), minute(30)));
    assert_eq!(created.recipient_user_id, Some(HOLDER));
    assert_eq!((requested.payment_id, requested.attempt_no), (attempt(1), 1));
    assert_eq!((requested.amount, requested.expires_at), (rub(1_000), minute(30)));
    assert_eq!(pots(&events), [0, 0, 0, 0, 0], "nothing is worth anything before it is paid");
}

#[test]
fn the_value_has_its_limits() {
    let asked = |kopecks| names(&[], purchase(|it| it.wish = GiftWish::Amount(Money::rub(kopecks))));
    for kopecks in [10_000, 5_000_000] {
        assert!(asked(kopecks).is_ok(), "{kopecks}");
    }
    for kopecks in [-10_000, 0, 9_999, 5_000_001] {
        assert_eq!(asked(kopecks), Err("gift_value_out_of_range"), "{kopecks}");
    }
    let yen = Money::parse("1000", "JPY").unwrap();
    assert_eq!(names(&[], purchase(|it| it.wish = GiftWish::Amount(yen))), Err("invalid_value"));
}

#[test]
fn a_dish_locks_price_and_fee() {
    let created = &dish_issued()[0];
    let GiftEvent::GiftCreated(created) = created else { panic!("{created:?}") };
    assert_eq!((created.kind, created.value), (GiftKind::Dish, rub(1_000)));
    assert_eq!(created.dish, Some(dish()));
}

#[test]
fn a_dish_has_to_be_there_and_within_the_limits() {
    let asked = |available, change: fn(&mut GiftDish)| {
        let mut dish = dish();
        change(&mut dish);
        names(&[], purchase(|it| it.wish = GiftWish::Dish { dish, available }))
    };
    assert_eq!(asked(false, |_| {}), Err("dish_unavailable"));
    assert_eq!(asked(true, |it| it.quantity = 0), Err("out_of_range"));
    assert_eq!(asked(true, |it| it.quantity = 100), Err("out_of_range"));
    assert_eq!(asked(true, |it| it.unit_price = rub(25_000)), Err("gift_value_out_of_range"));
    assert_eq!(asked(true, |it| it.unit_price = Money::rub(9_999_999_999)), Err("gift_value_out_of_range"));
    assert_eq!(asked(true, |it| it.delivery_fee = Money::parse("1", "USD").unwrap()), Err("currency_mismatch"));
}

#[test]
fn it_is_delivered_within_ninety_days() {
    let asked = |days, minutes| {
        let at = minute(minutes) + TimeDelta::days(days);
        names(&[], purchase(|it| it.deliver_at = Some(at)))
    };
    assert!(asked(90, 0).is_ok());
    assert_eq!(asked(90, 1), Err("invalid_value"));
    assert_eq!(asked(0, 0), Err("invalid_value"));
}

#[test]
fn a_lost_attempt_makes_room_for_another_until_five_are_lost() {
    let mut log = bought();
    for attempt_no in 1..=5 {
        assert_eq!(names(&log, pay(6)), Ok(vec![]), "attempt {attempt_no} is open");
        log = after(&log, lose(attempt_no, FailureReason::Declined));
        assert_eq!(names(&log, lose(attempt_no, FailureReason::Expired)), Ok(vec![]), "lost once");
        if attempt_no < 5 {
            log = after(&log, pay(6));
            assert_eq!(replay(&log).active_payment(), Some(attempt(attempt_no + 1)));
        }
    }
    assert_eq!(names(&log, pay(7)), Err("payment_attempts_exhausted"));
    assert_eq!(replay(&log).payment_attempts_lost(), 5);
}

#[test]
fn outages_do_not_count_but_are_bounded() {
    let mut log = bought();
    for attempt_no in 1..20 {
        log = after(&log, lose(attempt_no, FailureReason::ProviderUnavailable));
        log = after(&log, pay(6));
    }
    log = after(&log, lose(20, FailureReason::ProviderUnavailable));
    assert_eq!(names(&log, pay(7)), Err("payment_attempts_exhausted"));
    assert_eq!(replay(&log).payment_attempts_lost(), 0);
}

#[test]
fn no_attempt_is_opened_when_the_time_is_nearly_over() {
    let log = after(&bought(), lose(1, FailureReason::Declined));
    assert!(names(&log, pay(28)).is_ok());
    assert_eq!(names(&log, pay(29)), Err("payment_deadline_passed"));
}

#[test]
fn paying_makes_it_worth_its_value_for_a_year() {
    let log = issued();
    let GiftEvent::GiftIssued(issued) = log.last().unwrap() else { panic!("{log:?}") };
    assert_eq!((issued.value, issued.expires_at, issued.deliver_at), (rub(1_000), minute(END), minute(10)));
    assert_eq!(issued.remind_at, minute(END) - TimeDelta::days(30));
    assert_eq!(pots(&log), [1_000, 0, 0, 0, 0]);
}

#[test]
fn it_is_delivered_on_the_day_that_was_wanted() {
    let wanted = minute(0) + TimeDelta::days(3);
    let log = after(&[], purchase(|it| it.deliver_at = Some(wanted)));
    let log = after(&log, issue(attempt(1), rub(1_000)));
    assert!(matches!(log.last(), Some(GiftEvent::GiftIssued(issued)) if issued.deliver_at == wanted));
}

#[test]
fn only_its_own_and_all_of_its_money_pays_it() {
    assert_eq!(names(&bought(), issue(attempt(2), rub(1_000))), Err("foreign_payment"));
    assert_eq!(names(&bought(), issue(attempt(1), rub(999))), Err("paid_amount_mismatch"));
    let late = after(&bought(), lose(1, FailureReason::Expired));
    assert_eq!(names(&late, issue(attempt(1), rub(1_000))), Ok(vec!["gift_issued"]), "late money while it waits");
}

#[test]
fn a_second_payment_and_money_for_a_cancelled_gift_are_not_wanted() {
    let twice = after(&after(&bought(), lose(1, FailureReason::Expired)), pay(6));
    let paid = after(&twice, issue(attempt(2), rub(1_000)));
    assert_eq!(names(&paid, issue(attempt(1), rub(1_000))), Err("not_payable"));
    let gone = after(&bought(), cancel(customer(BUYER), None, 20));
    assert_eq!(names(&gone, issue(attempt(1), rub(1_000))), Err("not_payable"));
}
