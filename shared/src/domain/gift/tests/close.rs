//! The ends of a gift, and what its holder is told before.

use super::*;

fn remind(at: DateTime<Utc>) -> Asked {
    (system(), at, GiftCommand::Remind { policy: policy() })
}

fn block() -> Asked {
    (admin(), minute(55), GiftCommand::Block { reason: "fraud".into() })
}

#[test]
fn an_unpaid_gift_is_called_off_when_its_time_is_over() {
    let timeout = |at| cancel(system(), Some(GiftCancelReason::PaymentTimeout), at);
    assert_eq!(names(&bought(), timeout(29)), Err("too_early"));
    assert_eq!(names(&bought(), timeout(30)), Ok(vec!["gift_cancelled"]));
    let failed = cancel(system(), Some(GiftCancelReason::PaymentFailed), 5);
    assert_eq!(names(&bought(), failed), Ok(vec!["gift_cancelled"]));
}

#[test]
fn each_side_has_its_own_reasons() {
    let reasons = |actor, reason| names(&bought(), cancel(actor, reason, 50));
    assert_eq!(reasons(system(), None), Err("invalid_value"));
    assert_eq!(reasons(customer(BUYER), Some(GiftCancelReason::Admin)), Err("invalid_value"));
    assert_eq!(reasons(admin(), Some(GiftCancelReason::BuyerRequest)), Err("invalid_value"));
    let events = ask(&bought(), cancel(admin(), None, 5)).unwrap();
    let [GiftEvent::GiftCancelled(cancelled)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((cancelled.reason_code, cancelled.cancelled_by.as_str()), (GiftCancelReason::Admin, "admin"));
    assert_eq!(cancelled.from_status, GiftStatus::PendingPayment);
    let long = GiftCommand::Cancel { reason_code: None, reason_text: Some("я".repeat(501)) };
    assert_eq!(names(&bought(), (admin(), minute(5), long)), Err("too_long"));
}

#[test]
fn a_paid_gift_that_is_called_off_goes_back_as_far_as_it_is_there() {
    let log = after(&issued(), refund(customer(BUYER), 1, Some(rub(300)), 15));
    let log = after(&log, cancel(customer(BUYER), None, 20));
    assert_eq!(pots(&log), [0, 0, 1_000, 0, 0]);
    let Some(GiftEvent::GiftRefundRequested(back)) = log.last() else { panic!("{log:?}") };
    assert_eq!((back.amount, back.cause), (rub(700), GiftRefundCause::Cancellation));
    assert_eq!(back.payment_id, attempt(1));
    let empty = after(&issued(), refund(customer(BUYER), 1, None, 15));
    assert_eq!(names(&empty, cancel(customer(BUYER), None, 20)), Ok(vec!["gift_cancelled"]));
}

#[test]
fn a_blocked_gift_pays_nobody() {
    let blocked = after(&issued(), block());
    assert_eq!(names(&blocked, cancel(customer(BUYER), None, 60)), Err("gift_blocked"));
    assert_eq!(names(&blocked, refund(customer(BUYER), 1, None, 60)), Err("gift_blocked"));
    assert_eq!(names(&blocked, block()), Ok(vec![]), "once");
    let expired = after(&blocked, expire(END));
    assert_eq!(names(&expired, refund(system(), 1, None, END)), Err("gift_blocked"));
    assert_eq!(names(&expired, refund(admin(), 1, None, END)), Ok(vec!["gift_refund_requested"]), "who has looked");
}

#[test]
fn it_expires_at_its_moment_and_once() {
    assert_eq!(names(&activated(), expire(END - 1)), Err("too_early"));
    let expired = after(&activated(), expire(END));
    assert!(matches!(expired.last(), Some(GiftEvent::GiftExpired(it)) if it.unspent == rub(1_000)));
    assert_eq!(names(&expired, expire(END + 1)), Ok(vec![]));
    let back = after(&expired, refund(system(), 1, None, END));
    assert_eq!(pots(&back), [0, 0, 1_000, 0, 0]);
    assert_eq!(names(&back, refund(system(), 1, None, END)), Ok(vec![]), "the same refund");
}

#[test]
fn a_share_that_was_reserved_in_time_survives_the_end() {
    let reserved = after(&activated(), reserve(order(1), rub(600), END));
    assert_eq!(names(&activated(), reserve(order(1), rub(600), END + 1)), Err("gift_expired"));
    let expired = after(&reserved, expire(END));
    assert!(matches!(expired.last(), Some(GiftEvent::GiftExpired(it)) if it.unspent == rub(400)));
    assert_eq!(names(&expired, redeem(order(1), END + 5)), Ok(vec!["gift_redeemed"]));
    assert_eq!(names(&expired, reserve(order(2), rub(1), END)), Err("gift_expired"), "the order of the events decides");
}

#[test]
fn what_comes_free_after_the_end_goes_back_to_the_buyer() {
    let reserved = after(&activated(), reserve(order(1), rub(600), END));
    let expired = after(&reserved, expire(END));
    let released = after(&expired, release(order(1), ReleaseCause::OrderCancelled, END + 9));
    assert_eq!(pots(&released), [400, 0, 600, 0, 0], "the other 400 have a refund of their own");
}

#[test]
fn a_refund_after_the_end_goes_on_to_the_buyer() {
    let expired = after(&half_spent(), expire(END));
    let back = after(&expired, refund(system(), 9, None, END));
    let credited = after(&back, credit(order(1), 1, rub(200), END + 5));
    assert_eq!(pots(&credited), [0, 0, 600, 400, 0]);
    // A spent gift has nothing that could expire, until a refund comes.
    let spent = history(GiftStatus::Redeemed);
    assert_eq!(
        names(&spent, credit(order(1), 1, rub(50), END)),
        Ok(vec!["gift_credited", "gift_expired", "gift_refund_requested"])
    );
    assert_eq!(names(&spent, credit(order(1), 1, rub(50), END - 1)), Ok(vec!["gift_credited"]));
    // The clock was slow: what was available goes back together with the credit.
    let late = after(&half_spent(), credit(order(1), 1, rub(200), END));
    assert_eq!(pots(&late), [0, 0, 600, 400, 0]);
    assert_eq!(names(&late, expire(END)), Ok(vec![]));
}

#[test]
fn a_blocked_gift_keeps_what_comes_free() {
    let reserved = after(&activated(), reserve(order(1), rub(600), END));
    let expired = after(&after(&reserved, expire(END)), (system(), minute(END), block().2));
    let released = release(order(1), ReleaseCause::OrderCancelled, END + 9);
    assert_eq!(names(&expired, released), Ok(vec!["gift_reservation_released"]));
}

#[test]
fn its_holder_is_reminded_twice() {
    let end = minute(END);
    let (first, second) = (end - TimeDelta::days(30), end - TimeDelta::days(7));
    assert_eq!(names(&activated(), remind(first - TimeDelta::minutes(1))), Err("too_early"));
    let once = after(&activated(), remind(first));
    let Some(GiftEvent::GiftReminded(reminded)) = once.last() else { panic!("{once:?}") };
    assert_eq!((reminded.next_at, reminded.available), (Some(second), rub(1_000)));
    assert_eq!(names(&once, remind(first)), Err("too_early"), "not twice at once");
    let twice = after(&once, remind(second));
    assert!(matches!(twice.last(), Some(GiftEvent::GiftReminded(it)) if it.next_at.is_none()));
    assert_eq!(names(&twice, remind(end)), Ok(vec![]), "that is enough");
}

#[test]
fn nobody_is_reminded_of_nothing_or_of_what_is_blocked() {
    let at = minute(END) - TimeDelta::days(8);
    assert_eq!(names(&history(GiftStatus::Redeemed), remind(at)), Ok(vec![]));
    assert_eq!(names(&after(&activated(), block()), remind(at)), Ok(vec![]));
}

#[test]
fn the_recipient_is_told_once() {
    let told = |channel| (system(), minute(30), GiftCommand::RecordDelivery { channel });
    let once = after(&issued(), told(DeliveryChannel::Feed));
    assert_eq!(names(&once, told(DeliveryChannel::Email)), Ok(vec![]));
    assert!(replay(&once).issue().unwrap().is_delivered);
}
