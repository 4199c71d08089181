//! 1 to 12, 15, 24 to 27, 29 and 30: broken by one event.

use uuid::Uuid;

use super::*;
use crate::domain::{
    DecodeError, Money,
    ids::{OrderId, RefundId, UserId},
    order::*,
    payment::*,
};

const PRICE: i64 = 10_000;

fn awaiting() -> Chronicle {
    Chronicle::default().order(created(PRICE)).order(requested(1, PRICE)).pay(1, initiated(1, PRICE))
}

#[test]
fn inv_01_a_hole_in_the_log() {
    check(1, &paid_by_card(PRICE), &paid_by_card(PRICE).but(|event| event.position += 1));
}

#[test]
fn inv_01_a_sequence_twice() {
    check(1, &paid_by_card(PRICE), &paid_by_card(PRICE).but(|event| event.sequence -= 1));
}

#[test]
fn inv_01_an_event_id_twice() {
    let first = paid_by_card(PRICE).events[0].event_id;
    check(1, &paid_by_card(PRICE), &paid_by_card(PRICE).but(|event| event.event_id = first));
}

#[test]
fn inv_01_an_event_that_cannot_be_read() {
    let bad = paid_by_card(PRICE).but(|event| event.event = Err(DecodeError::UnknownType("order_eaten".into())));
    check(1, &paid_by_card(PRICE), &bad);
}

#[test]
fn inv_01_a_transition_that_the_table_lacks() {
    let good = paid_by_card(PRICE).order(OrderAccepted { eta_minutes: 5, ready_by: minute(5) });
    check(1, &good, &paid_by_card(PRICE).order(OrderReady { note: None }));
    let bad = completed(paid_by_card(PRICE)).order(cancelled(OrderStatus::Completed, true));
    check(1, &completed(paid_by_card(PRICE)), &bad);
    check(1, &awaiting(), &awaiting().pay(1, PaymentRefundSubmitted { refund_id: refund(1), epoch: 1 }));
}

#[test]
fn inv_02_a_cause_that_nobody_knows() {
    let follows = paid_by_card(PRICE).but(|event| event.causation_id = Uuid::from_u128(0x8000_0000 + 5));
    check(2, &follows, &paid_by_card(PRICE).but(|event| event.causation_id = Uuid::from_u128(77)));
    // An event of the future is no cause.
    let own = paid_by_card(PRICE).but(|event| event.causation_id = event.event_id);
    check(2, &follows, &own);
}

#[test]
fn inv_03_a_stream_that_begins_in_the_middle_or_twice() {
    check(3, &awaiting(), &Chronicle::default().order(requested(1, PRICE)));
    check(3, &awaiting(), &awaiting().order(created(PRICE)));
    check(3, &awaiting(), &awaiting().but(|event| event.aggregate_type = crate::domain::AggregateType::Order));
}

#[test]
fn inv_04_an_order_paid_twice() {
    check(4, &paid_by_card(PRICE), &paid_by_card(PRICE).order(paid(1, PRICE, 0)));
}

#[test]
fn inv_05_an_order_paid_with_less_or_with_nobodys_money() {
    let come = awaiting().pay(1, succeeded(PRICE));
    let good = come.clone().order(paid(1, PRICE, 0));
    check(5, &good, &come.clone().order(paid(1, PRICE - 1, 0)));
    check(5, &good, &come.clone().order(paid(2, PRICE, 0)));
    check(5, &good, &awaiting().order(paid(1, PRICE, 0)));
    check(5, &good, &awaiting().pay(1, unapplied()).pay(1, succeeded(PRICE)).order(paid(1, PRICE, 0)));
    check(5, &good, &come.order(OrderPaid { payment_id: None, ..paid(1, PRICE, 0) }));
}

#[test]
fn inv_06_money_used_twice() {
    check(6, &paid_by_card(PRICE), &paid_by_card(PRICE).pay(1, unapplied()));
    check(6, &paid_by_card(PRICE), &paid_by_card(PRICE).pay(1, applied()));
    let second = paid_by_card(PRICE).pay(2, initiated(2, PRICE)).pay(2, succeeded(PRICE));
    check(6, &second.clone().pay(2, unapplied()), &second.pay(2, applied()));
}

#[test]
fn inv_07_two_open_attempts_or_one_after_the_end() {
    let failed = OrderPaymentAttemptFailed { payment_id: pay(1), attempt_no: 1, reason: FailureReason::Declined };
    let good = awaiting().order(failed).order(requested(2, PRICE));
    check(7, &good, &awaiting().order(requested(2, PRICE)));
    check(7, &good, &paid_by_card(PRICE).order(requested(2, PRICE)));
    let over = awaiting().order(cancelled(OrderStatus::WaitingForPayment, false));
    check(7, &good, &over.order(requested(2, PRICE)));
}

#[test]
fn inv_08_money_captured_twice() {
    check(8, &paid_by_card(PRICE), &paid_by_card(PRICE).pay(1, succeeded(PRICE)));
}

#[test]
fn inv_09_more_goes_back_than_was_captured() {
    let asked = |log: Chronicle, number, kopecks| {
        log.order(owed(number, kopecks, 0))
            .pay(1, asked_back(refund(number), kopecks, PaymentRefundSource::OrderRefund))
    };
    let good = asked(asked(paid_by_card(PRICE), 1, 6_000), 2, 4_000);
    check(9, &good, &asked(asked(paid_by_card(PRICE), 1, 6_000), 2, 4_001));
    // A refund that failed makes room, and does not come back when the room is taken.
    let failed = PaymentRefundFailed { refund_id: refund(1), epoch: 1, code: None, retry_at: None };
    let taken = asked(paid_by_card(PRICE), 1, 6_000).pay(1, failed);
    let taken = taken.pay(1, asked_back(refund(2), 6_000, PaymentRefundSource::OrderRefund));
    check(9, &good, &taken.pay(1, PaymentRefundSubmitted { refund_id: refund(1), epoch: 2 }));
}

#[test]
fn inv_10_a_refund_that_happens_twice() {
    check(10, &given_back(PRICE), &given_back(PRICE).pay(1, arrived(refund(1), PRICE)));
    let part = paid_by_card(PRICE).order(owed(1, 100, 0));
    let same_cause = OrderRefundAuthorized { refund_id: refund(2), ..owed(1, 100, 0) };
    check(10, &part, &part.clone().order(same_cause));
    let asked = part.pay(1, asked_back(refund(1), 100, PaymentRefundSource::OrderRefund));
    check(10, &asked, &asked.clone().pay(1, asked_back(refund(1), 100, PaymentRefundSource::OrderRefund)));
    check(10, &asked.clone().pay(1, arrived(refund(1), 100)), &asked.pay(1, arrived(refund(1), 99)));
}

#[test]
fn inv_11_more_is_owed_back_than_was_paid() {
    let both = || paid_by_both(5_000, PRICE, 3_000);
    check(11, &both().order(owed(1, 7_000, 3_000)), &both().order(owed(1, 7_000, 3_001)));
    // A gift does not turn into cash.
    check(11, &both().order(owed(1, 7_000, 1_000)), &both().order(owed(1, 7_001, 999)));
    check(11, &both(), &both().order(owed(1, 7_000, 0)).order(owed(2, 1, 0)));
}

#[test]
fn inv_12_a_refund_without_a_reason() {
    let source = PaymentRefundSource::OrderRefund;
    let part = paid_by_card(PRICE).order(owed(1, 100, 0));
    let good = part.clone().pay(1, asked_back(refund(1), 100, source));
    check(12, &good, &part.clone().pay(1, asked_back(refund(2), 100, source)));
    check(12, &good, &part.clone().pay(1, asked_back(refund(1), 101, source)));
    check(12, &good, &part.clone().pay(1, asked_back(refund(1), 100, PaymentRefundSource::GiftRefund)));
    let of_unapplied = asked_back(RefundId::of_unapplied(pay(1)), PRICE, PaymentRefundSource::Unapplied);
    check(12, &late_money(PRICE), &paid_by_card(PRICE).pay(1, of_unapplied));
}

#[test]
fn inv_15_an_event_that_cannot_be_booked() {
    let bad = Chronicle::default().order(created(PRICE)).order_of(OrderId(Uuid::from_u128(7)), released(100, 0, 10));
    check(15, &completed(paid_by_card(PRICE)), &bad);
}

#[test]
fn inv_15_less_than_nothing_is_owed() {
    let bad = paid_by_card(PRICE).order(owed(1, -1, 0));
    check(15, &paid_by_card(PRICE), &bad);
}

fn in_time() -> Chronicle {
    completed(paid_by_card(PRICE)).later(2_880)
}

#[test]
fn inv_24_a_payout_that_does_not_add_up() {
    let good = in_time().order(released(PRICE, 0, 1_000));
    check(24, &good, &in_time().order(released(PRICE, 0, 999)));
    check(24, &good, &in_time().order(released(PRICE, 100, 990)));
    check(24, &good, &in_time().order(OrderPayoutReleased { producer_net: rub(1), ..released(PRICE, 0, 1_000) }));
    // Half a kopeck goes to the even neighbour.
    let half = |kopecks| completed(paid_by_card(kopecks)).later(2_880);
    check(24, &half(1_025).order(released(1_025, 0, 102)), &half(1_025).order(released(1_025, 0, 103)));
    check(24, &half(1_035).order(released(1_035, 0, 104)), &half(1_035).order(released(1_035, 0, 103)));
}

#[test]
fn inv_25_a_total_that_does_not_add_up() {
    let order = |created: OrderCreated| Chronicle::default().order(created);
    let good = order(created(PRICE));
    check(
        25,
        &good,
        &order(OrderCreated { total_price: rub(PRICE + 1), amount_due: rub(PRICE + 1), ..created(PRICE) }),
    );
    check(25, &good, &order(OrderCreated { amount_due: rub(PRICE - 1), ..created(PRICE) }));
    check(25, &good, &order(OrderCreated { delivery_fee: rub(1), ..created(PRICE) }));
    check(25, &good, &order(created_with_gift(PRICE, PRICE + 1)));
    check(25, &order(created_with_gift(PRICE, PRICE)), &order(created_with_gift(PRICE, PRICE - 1)));
    let mut line = created(PRICE);
    line.items[0].line_total = rub(1);
    check(25, &good, &order(line));
}

#[test]
fn inv_26_two_currencies_in_one_flow() {
    let yen = Money::parse("100", "JPY").unwrap();
    let bad = awaiting().pay(1, PaymentSucceeded { amount: yen, ..succeeded(1) });
    check(26, &awaiting(), &bad);
}

#[test]
fn inv_26_more_decimals_than_the_currency_has() {
    let bad = awaiting().but(|event| event.payload = event.payload.replace("100.00", "100.001").into());
    check(26, &awaiting(), &bad);
}

#[test]
fn inv_27_portions_that_come_free_twice() {
    let over = awaiting().order(cancelled(OrderStatus::WaitingForPayment, false));
    check(27, &over, &over.clone().order(cancelled(OrderStatus::WaitingForPayment, false)));
}

#[test]
fn inv_29_another_amount_than_was_asked_for() {
    check(29, &awaiting().pay(1, succeeded(PRICE)), &awaiting().pay(1, succeeded(PRICE - 1)));
    let nobody = PaymentSucceeded { provider_payment_id: String::new(), ..succeeded(PRICE) };
    check(29, &awaiting().pay(1, succeeded(PRICE)), &awaiting().pay(1, nobody));
}

#[test]
fn inv_29_two_people_may_accept_another_amount() {
    let (one, other) = (CUSTOMER, crate::domain::ids::UserId(Uuid::from_u128(8)));
    let decision = IntegrityDecision::AcceptAsProvider;
    let agreed = awaiting().pay(1, PaymentIntegrityResolved { decision, proposed_by: one, approved_by: other });
    assert!(audit(&agreed.pay(1, succeeded(PRICE - 1))).report().is_clean());
}

#[test]
fn inv_30_a_command_done_twice() {
    let first = paid_by_card(PRICE).events[1].metadata.command_id;
    let again = |event: &mut crate::log::RecordedEvent| {
        (event.metadata.command_id, event.causation_id) = (first, first);
    };
    check(30, &paid_by_card(PRICE), &paid_by_card(PRICE).but(again));
    // Two events of one append have one command.
    let log = paid_by_card(PRICE).order(owed(1, 5, 0));
    let command = log.events.last().unwrap().metadata.command_id;
    let good = log.order(settled(1, RefundPart::Card)).but(|event| {
        (event.metadata.command_id, event.causation_id) = (command, command);
    });
    assert!(audit(&good).report().is_clean());
}

#[test]
fn inv_09_more_is_said_to_be_back_without_us_than_the_bank_took() {
    let found_back = |kopecks| PaymentRefundResolved {
        refund_id: refund(1),
        epoch: 1,
        finding: RefundFinding::Done,
        reason: "the chargeback is this refund".into(),
        proposed_by: UserId(Uuid::from_u128(71)),
        approved_by: UserId(Uuid::from_u128(72)),
        back_already: Some(Money::rub(kopecks)),
    };
    let act = PaymentChargebackRecorded { amount: Money::rub(PRICE), registry_ref: "CB-1".into() };
    let owing = paid_by_card(PRICE)
        .order(cancelled(OrderStatus::Paid, true))
        .order(owed(1, PRICE, 0))
        .pay(1, asked_back(refund(1), PRICE, PaymentRefundSource::OrderRefund))
        .pay(1, PaymentRefundFailed { refund_id: refund(1), epoch: 1, code: None, retry_at: None });
    let charged_back = owing.clone().pay(1, act);
    check(9, &charged_back.clone().pay(1, found_back(PRICE)), &owing.pay(1, found_back(PRICE)));
    let log = charged_back.pay(1, found_back(PRICE)).order(settled(1, RefundPart::Card));
    let mut auditor = audit(&log);
    auditor.judge_rest(&Rest::default());
    assert!(auditor.report().is_clean(), "nothing is owed and nothing is left to explain");
}

#[test]
fn inv_09_what_the_bank_gave_back_stands_for_another_amount() {
    let external = |kopecks| PaymentExternalRefundRecorded {
        amount: Money::rub(kopecks),
        registry_ref: "EX-1".into(),
        stands_for: Some(refund(1)),
    };
    let refused = paid_by_card(PRICE)
        .order(owed(1, 300, 0))
        .pay(1, asked_back(refund(1), 300, PaymentRefundSource::OrderRefund))
        .pay(1, PaymentRefundFailed { refund_id: refund(1), epoch: 1, code: None, retry_at: None });
    let once = refused.clone().pay(1, external(300));
    check(9, &once, &refused.pay(1, external(299)));
    check(9, &once, &once.clone().pay(1, external(300)));
}
