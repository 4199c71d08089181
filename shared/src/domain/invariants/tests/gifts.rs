//! 17 to 20: broken by one event of a gift.

use super::*;
use crate::domain::gift::*;

fn spent(share: i64) -> Chronicle {
    gift_in_hand(1_000).gift(reserved(share)).gift(redeemed(share))
}

#[test]
fn inv_17_more_is_reserved_than_there_is() {
    check(17, &gift_in_hand(1_000).gift(reserved(1_000)), &gift_in_hand(1_000).gift(reserved(1_001)));
}

#[test]
fn inv_17_more_is_credited_than_was_redeemed() {
    check(17, &spent(400).gift(credited(1, 400)), &spent(400).gift(credited(1, 401)));
}

#[test]
fn inv_17_a_gift_is_worth_what_it_cost() {
    check(17, &gift_in_hand(1_000), &gift_in_hand(1_000).until(4).gift(gift_issued(999)));
}

#[test]
fn inv_17_a_refund_that_was_never_asked_for() {
    let settled = GiftRefundSettled { refund_id: refund(1), amount: rub(10) };
    check(17, &gift_in_hand(1_000), &gift_in_hand(1_000).gift(settled));
}

#[test]
fn inv_18_a_reservation_that_ends_twice_or_with_another_amount() {
    check(18, &spent(400), &spent(400).gift(redeemed(400)));
    check(18, &spent(400), &spent(400).gift(let_go(400)));
    check(18, &spent(400), &gift_in_hand(1_000).gift(reserved(400)).gift(redeemed(399)));
    check(18, &spent(400), &gift_in_hand(1_000).gift(redeemed(400)));
    check(18, &spent(400), &gift_in_hand(1_000).gift(reserved(400)).gift(reserved(400)));
}

#[test]
fn inv_19_a_gift_that_is_used_before_it_is_paid() {
    check(19, &gift_in_hand(1_000), &gift_in_hand(1_000).until(3).gift(gift_issued(1_000)));
    check(19, &gift_in_hand(1_000), &gift_in_hand(1_000).until(2).gift(gift_activated()));
    check(19, &gift_in_hand(1_000), &gift_in_hand(1_000).gift(gift_activated()));
    check(19, &gift_in_hand(1_000), &gift_in_hand(1_000).gift(gift_issued(1_000)));
}

#[test]
fn inv_19_a_gift_that_expires_twice() {
    let expired = || GiftExpired { unspent: rub(1_000) };
    let good = gift_in_hand(1_000).later(500_001).gift(expired());
    check(19, &good, &good.clone().gift(expired()));
}

#[test]
fn inv_20_something_is_reserved_after_expiry() {
    let expired = GiftExpired { unspent: rub(600) };
    let before = gift_in_hand(1_000).gift(reserved(400)).gift(expired.clone()).gift(redeemed(400));
    check(20, &before, &gift_in_hand(1_000).gift(expired).gift(reserved(400)));
}
