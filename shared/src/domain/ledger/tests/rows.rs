//! The table, row by row.

use super::*;
use crate::domain::{
    gift::{GiftRefundCause, GiftRefundRequested, GiftRefundReverted, GiftRefundSettled},
    ids::{RefundId, UserId},
    order::{Fault, Funds, OrderPaid, OrderRefundAuthorized, OrderStatus, RefundPart, RefundSource},
    payment::{
        PaymentChargebackRecorded, PaymentExternalRefundRecorded, PaymentRefundResolved, PaymentRefundSource,
        RefundFinding,
    },
};

const ESCROW: Account = Account::Escrow(ORDER);
const LIABILITY: Account = Account::GiftLiability(GIFT);

fn unapplied_of(attempt_no: u32) -> Account {
    Account::Unapplied(pay(attempt_no))
}

fn due(number: u128) -> Account {
    Account::RefundDue(refund(number))
}

fn awaiting(kopecks: i64) -> Chronicle {
    Chronicle::default().order(created(kopecks)).order(requested(1, kopecks)).pay(1, initiated(1, kopecks))
}

fn held(kopecks: i64) -> Chronicle {
    let paid = OrderPaid { funds: Funds::Authorized, ..paid(1, kopecks, 0) };
    awaiting(kopecks).pay(1, authorized(kopecks)).order(paid).pay(1, super::super::super::chronicle::applied())
}

fn released_log() -> Chronicle {
    completed(paid_by_card(10_000)).later(2_880).order(released(10_000, 0, 1_000))
}

#[test]
fn money_that_comes_is_unapplied_until_it_buys_something() {
    check(awaiting(500).pay(1, succeeded(500)), &[(Account::PspClearing, unapplied_of(1), 500)]);
    check(awaiting(500).pay(1, succeeded(500)).order(paid(1, 500, 0)), &[(unapplied_of(1), ESCROW, 500)]);
}

#[test]
fn events_that_move_nothing_post_nothing() {
    check(awaiting(500), &[]);
    check(paid_by_card(500), &[]);
    check(paid_by_card(500).order(cancelled(OrderStatus::Paid, true)), &[]);
}

#[test]
fn held_money_is_a_memo_until_it_is_taken() {
    check(held(700), &[]);
    assert_eq!(books(&held(700)).balances().open().count(), 0);
    let taken = [(Account::PspClearing, unapplied_of(1), 700), (unapplied_of(1), ESCROW, 700)];
    check(held(700).pay(1, succeeded(700)), &taken);
}

#[test]
fn money_that_was_taken_before_its_hold_paid_is_posted_with_the_order() {
    let paid = OrderPaid { funds: Funds::Authorized, ..paid(1, 700, 0) };
    let log = awaiting(700).pay(1, authorized(700)).pay(1, succeeded(700)).order(paid);
    check(log, &[(unapplied_of(1), ESCROW, 700)]);
}

#[test]
fn a_gift_is_a_liability_that_reservations_and_orders_eat_up() {
    let issued = gift_in_hand(1_000).until(5);
    check(issued, &[(Account::Unapplied(gift_pay()), LIABILITY, 1_000)]);
    check(gift_in_hand(1_000).gift(reserved(300)), &[(LIABILITY, Account::GiftReserved, 300)]);
    check(gift_in_hand(1_000).gift(reserved(300)).gift(let_go(300)), &[(Account::GiftReserved, LIABILITY, 300)]);
    check(gift_in_hand(1_000).gift(reserved(300)).gift(redeemed(300)), &[(Account::GiftReserved, ESCROW, 300)]);
}

#[test]
fn what_an_order_owes_back_leaves_its_escrow_and_then_the_providers() {
    let log = paid_by_both(1_000, 1_000, 300).order(owed(1, 700, 100));
    check(log.clone(), &[(ESCROW, due(1), 800)]);
    let asked = log.pay(1, asked_back(refund(1), 700, PaymentRefundSource::OrderRefund));
    check(asked.clone(), &[]);
    let arrived_log = asked.pay(1, arrived(refund(1), 700));
    check(arrived_log.clone(), &[(due(1), Account::PspClearing, 700)]);
    let settled_log = arrived_log.order(settled(1, RefundPart::Card));
    check(settled_log.clone(), &[]);
    check(settled_log.gift(credited(1, 100)), &[(due(1), LIABILITY, 100)]);
}

#[test]
fn a_refund_after_the_payout_is_a_debt_of_the_cook_or_a_loss_of_the_platform() {
    let late = |fault| OrderRefundAuthorized { fault, ..owed(2, 400, 0) };
    let debt = [(Account::ProducerPayable(KITCHEN), due(2), 400)];
    check(released_log().order(late(Fault::Producer)), &debt);
    check(released_log().order(late(Fault::Platform)), &[(Account::PlatformLoss, due(2), 400)]);
    check(released_log().order(late(Fault::None)), &[(Account::PlatformLoss, due(2), 400)]);
}

#[test]
fn the_payout_is_shared_between_cook_and_platform() {
    let shares = [(ESCROW, Account::ProducerPayable(KITCHEN), 9_000), (ESCROW, Account::PlatformRevenue, 1_000)];
    check(released_log(), &shares);
    assert_eq!(on(&books(&released_log()), ESCROW), 0);
}

#[test]
fn money_that_bought_nothing_is_due_and_goes() {
    let log = late_money(500);
    let refund_id = RefundId::of_unapplied(pay(1));
    let before = log.clone().until(7);
    check(before, &[(unapplied_of(1), Account::RefundDue(refund_id), 500)]);
    check(log.clone(), &[(Account::RefundDue(refund_id), Account::PspClearing, 500)]);
    assert_eq!(books(&log).balances().open().count(), 0, "nothing is left anywhere");
}

#[test]
fn a_gift_goes_back_through_its_payment_or_stays_a_liability() {
    let (amount, payment_id, cause) = (rub(400), gift_pay(), GiftRefundCause::Admin);
    let asked = GiftRefundRequested { refund_id: refund(1), amount, cause, payment_id };
    let log = gift_in_hand(1_000).gift(asked);
    check(log.clone(), &[(LIABILITY, due(1), 400)]);
    let reverted = GiftRefundReverted { refund_id: refund(1), amount, reason: "no".into() };
    check(log.clone().gift(reverted), &[(due(1), LIABILITY, 400)]);
    let back =
        log.gift_pay(asked_back(refund(1), 400, PaymentRefundSource::GiftRefund)).gift_pay(arrived(refund(1), 400));
    check(back.clone(), &[(due(1), Account::PspClearing, 400)]);
    check(back.gift(GiftRefundSettled { refund_id: refund(1), amount }), &[]);
}

#[test]
fn a_chargeback_is_a_loss_until_a_dispute_finds_who_bears_it() {
    let log = released_log().pay(1, PaymentChargebackRecorded { amount: rub(10_000), registry_ref: "r".into() });
    check(log.clone(), &[(Account::ChargebackLoss, Account::PspClearing, 10_000)]);
    let granted = OrderRefundAuthorized { payment_id: None, ..granted(1, 10_000) };
    let settled_log = log.order(granted).order(settled(1, RefundPart::Card));
    check(settled_log.clone(), &[(due(1), Account::ChargebackLoss, 10_000)]);
    let books = books(&settled_log);
    assert_eq!(on(&books, Account::ProducerPayable(KITCHEN)), -1_000, "the cook had 9000 and owes 10000");
    assert_eq!((on(&books, Account::ChargebackLoss), on(&books, Account::PspClearing)), (0, 0));
}

#[test]
fn what_the_bank_gave_back_without_us_ends_as_the_orders_own_refund() {
    let act = external(300, None);
    let owed = OrderRefundAuthorized { source: RefundSource::External, payment_id: None, ..owed(1, 300, 0) };
    let books = books(&paid_by_card(1_000).pay(1, act).order(owed).order(settled(1, RefundPart::Card)));
    assert_eq!((on(&books, ESCROW), on(&books, due(1)), on(&books, Account::ChargebackLoss)), (700, 0, 0));
    assert_eq!(on(&books, Account::PspClearing), 700);
}

#[test]
fn what_is_owed_of_held_money_is_a_memo_until_it_is_taken() {
    let log = held(700).order(owed(1, 200, 0));
    check(log.clone(), &[]);
    let lifted = log.clone().order(settled(1, RefundPart::Card));
    check(lifted.clone(), &[]);
    assert_eq!(books(&lifted).balances().open().count(), 0);
    let taken = [(Account::PspClearing, unapplied_of(1), 700), (unapplied_of(1), ESCROW, 700), (ESCROW, due(1), 200)];
    check(log.pay(1, succeeded(700)), &taken);
}

#[test]
fn a_cook_is_paid_by_the_platform_if_the_held_money_never_came() {
    let log = completed(held(10_000)).later(2_880).order(released(10_000, 0, 1_000));
    let books_then = books(&log);
    assert_eq!((on(&books_then, ESCROW), on(&books_then, Account::PlatformLoss)), (0, 10_000));
    let books_later = books(&log.pay(1, succeeded(10_000)));
    assert_eq!((on(&books_later, ESCROW), on(&books_later, Account::PlatformLoss)), (0, 0));
}

#[test]
fn less_than_nothing_is_refused() {
    let log = paid_by_card(500).order(owed(1, -5, 0));
    let mut ledger = Ledger::default();
    let last = log.events.iter().map(|event| ledger.take(event)).last().unwrap();
    assert_eq!(last, Err(LedgerError::Negative { event_type: "order_refund_authorized" }));
}

#[test]
fn a_payout_of_an_order_that_was_not_placed_is_refused() {
    let log = Chronicle::default().order(released(500, 0, 50));
    let refused = Err(LedgerError::NotPlaced { event_type: "order_payout_released" });
    assert_eq!(Ledger::default().take(&log.events[0]), refused);
}

#[test]
fn every_kind_has_a_name_of_its_own_that_is_read_back() {
    for kind in AccountKind::ALL {
        assert_eq!(AccountKind::from_name(kind.as_str()), Some(kind));
    }
    assert_eq!(AccountKind::from_name("cash"), None);
}

fn found_back(refund_id: RefundId, kopecks: Option<i64>) -> PaymentRefundResolved {
    PaymentRefundResolved {
        refund_id,
        epoch: 1,
        finding: RefundFinding::Done,
        reason: "the chargeback is this refund".into(),
        proposed_by: UserId(uuid::Uuid::from_u128(71)),
        approved_by: UserId(uuid::Uuid::from_u128(72)),
        back_already: kopecks.map(rub),
    }
}

#[test]
fn what_the_bank_took_back_pays_what_was_owed_and_is_no_loss_any_more() {
    let act = PaymentChargebackRecorded { amount: rub(500), registry_ref: "CB-1".into() };
    let owing = paid_by_card(500)
        .order(cancelled(OrderStatus::Paid, true))
        .order(owed(1, 500, 0))
        .pay(1, asked_back(refund(1), 500, PaymentRefundSource::OrderRefund))
        .pay(1, act.clone());
    let found = owing.clone().pay(1, found_back(refund(1), Some(500)));
    check(found.clone(), &[(due(1), Account::ChargebackLoss, 500)]);
    check(found.clone().order(settled(1, RefundPart::Card)), &[]);
    assert_eq!(books(&found).balances().open().count(), 0);
    check(owing.clone().pay(1, found_back(refund(1), None)), &[]);
    // The order heard of it first.
    let told = owing.order(settled(1, RefundPart::Card));
    check(told.clone(), &[(due(1), Account::ChargebackLoss, 500)]);
    check(told.pay(1, found_back(refund(1), Some(500))), &[]);
}

#[test]
fn money_that_bought_nothing_and_was_taken_back_is_no_loss() {
    let act = PaymentChargebackRecorded { amount: rub(500), registry_ref: "CB-1".into() };
    let refund_id = RefundId::of_unapplied(pay(1));
    let request = asked_back(refund_id, 500, PaymentRefundSource::Unapplied);
    let owing = awaiting(500).pay(1, succeeded(500)).pay(1, unapplied()).pay(1, request).pay(1, act);
    let log = owing.pay(1, found_back(refund_id, Some(500)));
    check(log.clone(), &[(Account::RefundDue(refund_id), Account::ChargebackLoss, 500)]);
    assert_eq!(books(&log).balances().open().count(), 0);
}

fn external(kopecks: i64, stands_for: Option<RefundId>) -> PaymentExternalRefundRecorded {
    PaymentExternalRefundRecorded { amount: rub(kopecks), registry_ref: "r".into(), stands_for }
}

#[test]
fn what_the_bank_gave_back_for_a_refused_refund_pays_what_was_owed() {
    let owing = paid_by_card(500)
        .order(owed(1, 300, 0))
        .pay(1, asked_back(refund(1), 300, PaymentRefundSource::OrderRefund))
        .pay(1, external(300, Some(refund(1))));
    let both = [(Account::ChargebackLoss, Account::PspClearing, 300), (due(1), Account::ChargebackLoss, 300)];
    check(owing.clone(), &both);
    check(owing.clone().order(settled(1, RefundPart::Card)), &[]);
    let books = books(&owing);
    assert_eq!((on(&books, due(1)), on(&books, Account::ChargebackLoss), on(&books, ESCROW)), (0, 0, 200));
}

#[test]
fn what_the_bank_gave_back_of_a_gift_for_a_refused_refund_pays_what_the_gift_owes() {
    let amount = rub(400);
    let (payment_id, cause) = (gift_pay(), GiftRefundCause::Admin);
    let asked = GiftRefundRequested { refund_id: refund(1), amount, cause, payment_id };
    let log = gift_in_hand(1_000)
        .gift(asked)
        .gift_pay(asked_back(refund(1), 400, PaymentRefundSource::GiftRefund))
        .gift_pay(external(400, Some(refund(1))));
    let both = [(Account::ChargebackLoss, Account::PspClearing, 400), (due(1), Account::ChargebackLoss, 400)];
    check(log.clone(), &both);
    check(log.gift(GiftRefundSettled { refund_id: refund(1), amount }), &[]);
}
