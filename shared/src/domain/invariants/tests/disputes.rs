//! 21 to 23: broken by one event of a dispute or of its order.

use super::*;
use crate::domain::dispute::*;

const PRICE: i64 = 10_000;

fn claimed() -> Chronicle {
    completed(paid_by_card(PRICE)).order(frozen(1, 4_000)).dispute(1, opened(1, 4_000))
}

fn decided(kopecks: i64) -> Chronicle {
    claimed().dispute(1, resolved(kopecks))
}

fn over(kopecks: i64) -> Chronicle {
    let log = if kopecks > 0 { decided(kopecks).order(granted(1, kopecks)) } else { decided(0) };
    log.order(unfrozen(1, kopecks))
}

#[test]
fn inv_21_a_dispute_that_is_resolved_twice_or_goes_on() {
    check(21, &decided(100), &decided(100).dispute(1, resolved(100)));
    let breached = DisputeSlaBreached { order_id: ORDER, decision_due: minute(1) };
    check(21, &decided(100), &decided(100).dispute(1, breached));
}

#[test]
fn inv_21_a_dispute_without_a_claim() {
    check(21, &claimed(), &completed(paid_by_card(PRICE)).dispute(1, opened(1, 4_000)));
}

#[test]
fn inv_21_two_disputes_at_once_or_three_in_all() {
    check(21, &over(100).order(frozen(2, 100)), &claimed().order(frozen(2, 100)));
    let second = |log: Chronicle| log.order(frozen(2, 50)).dispute(2, opened(2, 50)).dispute(2, resolved(0));
    let twice = second(over(100)).order(unfrozen(2, 0));
    check(21, &twice, &twice.clone().order(frozen(3, 50)));
    check(21, &twice, &over(100).order(frozen(1, 50)));
}

#[test]
fn inv_22_a_rejection_that_pays_and_a_refund_that_does_not() {
    let wrong = DisputeResolved { outcome: DisputeOutcome::Rejected, ..resolved(100) };
    check(22, &decided(0), &claimed().dispute(1, wrong));
    let wrong = DisputeResolved { outcome: DisputeOutcome::RefundFull, ..resolved(0) };
    check(22, &decided(100), &claimed().dispute(1, wrong));
}

#[test]
fn inv_22_another_amount_than_was_decided() {
    check(22, &over(3_000), &decided(3_000).order(granted(1, 2_999)));
    check(22, &over(3_000), &decided(3_000).order(unfrozen(1, 0)));
    check(22, &over(3_000), &claimed().order(granted(1, 3_000)));
    check(22, &over(3_000), &completed(paid_by_card(PRICE)).order(granted(1, 3_000)));
}

#[test]
fn inv_22_no_more_is_granted_than_is_left() {
    let mostly_back = claimed().order(owed(7, 9_000, 0)).dispute(1, resolved(3_000));
    let good = mostly_back.clone().order(granted(1, 1_000)).order(unfrozen(1, 1_000));
    check(22, &good, &mostly_back.order(granted(1, 3_000)));
}

#[test]
fn inv_23_a_share_released_under_a_dispute() {
    let good = over(100).later(2_880).order(released(PRICE, 100, 990));
    check(23, &good, &claimed().later(2_880).order(released(PRICE, 0, 1_000)));
    check(23, &good, &good.clone().order(released(PRICE, 100, 990)));
}

#[test]
fn inv_23_a_share_released_too_early() {
    let good = completed(paid_by_card(PRICE)).later(2_880).order(released(PRICE, 0, 1_000));
    check(23, &good, &completed(paid_by_card(PRICE)).later(2_879).order(released(PRICE, 0, 1_000)));
    check(23, &good, &paid_by_card(PRICE).later(9_999).order(released(PRICE, 0, 1_000)));
}

#[test]
fn inv_23_frozen_for_ever() {
    let rest = Rest::default();
    check_rest(23, &rest, &over(0), &decided(0));
    check_rest(23, &rest, &over(0), &completed(paid_by_card(PRICE)).order(frozen(1, 4_000)));
    check_rest(23, &rest, &claimed(), &claimed().order(unfrozen(1, 0)));
}
