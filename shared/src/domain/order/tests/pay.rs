//! Attempts to pay, and being paid.

use super::*;

fn paying(at: DateTime<Utc>) -> (Actor, DateTime<Utc>, OrderCommand) {
    let request = RequestPayment {
        order_id: ORDER,
        provider: ProviderChoice { named: Some(Provider::DevFake), ..ProviderChoice::own(Provider::DevFake) },
        return_url: "https://homefood.test/paid".into(),
        capture_mode: Some(CaptureMode::OnAccept),
        policy: policy(),
    };
    (customer(), at, OrderCommand::RequestPayment(request))
}

fn marking(payment_id: Option<PaymentId>, card: i64, gift: i64) -> (Actor, DateTime<Utc>, OrderCommand) {
    let paid = MarkPaid {
        payment_id,
        card_amount: Money::rub(card),
        gift_amount: Money::rub(gift),
        funds: Funds::Captured,
        policy: policy(),
    };
    (system(), minute(5), OrderCommand::MarkPaid(paid))
}

fn losing(attempt_no: u32) -> (Actor, DateTime<Utc>, OrderCommand) {
    let reason = FailureReason::Declined;
    (system(), minute(5), OrderCommand::RecordPaymentFailure { payment_id: attempt(attempt_no), reason })
}

/// So many attempts, all lost for that reason.
fn lost(attempts: u32, reason: FailureReason) -> Vec<OrderEvent> {
    let each = (1..=attempts).flat_map(|attempt_no| [requested(attempt_no), failed(attempt_no, reason)]);
    std::iter::once(created()).chain(each).collect()
}

#[test]
fn an_attempt_names_a_derived_payment() {
    let expected = OrderPaymentRequested {
        payment_id: attempt(1),
        attempt_no: 1,
        amount_due: Money::rub(20_000),
        provider: Some(Provider::DevFake),
        return_url: "https://homefood.test/paid".into(),
        capture_mode: CaptureMode::OnAccept,
        expires_at: minute(30),
    };
    check(&[created()], paying(minute(1)), Ok(vec![expected.into()]));
}

#[test]
fn an_open_attempt_serves_the_second_click_even_at_the_last_minute() {
    let given = [created(), requested(1)];
    check(&given, paying(minute(29)), Ok(vec![]));
    assert_eq!(replay(&given).active_payment(), Some(attempt(1)));
}

#[test]
fn only_a_waiting_order_can_be_paid() {
    for status in OrderStatus::ALL.into_iter().filter(|status| *status != OrderStatus::WaitingForPayment) {
        assert_eq!(names(&history(status), paying(minute(1))), Err("order_not_payable"), "{status:?}");
    }
}

#[test]
fn two_minutes_before_the_deadline_no_attempt_is_opened_any_more() {
    assert_eq!(names(&[created()], paying(minute(28))), Ok(vec!["order_payment_requested"]));
    let late = minute(28) + TimeDelta::microseconds(1);
    assert_eq!(names(&[created()], paying(late)), Err("payment_deadline_passed"));
}

#[test]
fn five_lost_attempts_are_enough_but_outages_are_nobodys_loss() {
    assert_eq!(names(&lost(4, FailureReason::Declined), paying(minute(1))), Ok(vec!["order_payment_requested"]));
    assert_eq!(names(&lost(5, FailureReason::Declined), paying(minute(1))), Err("payment_attempts_exhausted"));
    let outages = lost(5, FailureReason::ProviderUnavailable);
    assert_eq!(names(&outages, paying(minute(1))), Ok(vec!["order_payment_requested"]));
    let endless = lost(20, FailureReason::ProviderUnavailable);
    assert_eq!(names(&endless, paying(minute(1))), Err("payment_attempts_exhausted"));
}

#[test]
fn what_a_gift_paid_in_full_leaves_nothing_to_pay() {
    let given = [created_for(Money::rub(500), Money::rub(0), DeliveryType::Building)];
    check(&given, paying(minute(1)), Err(OrderError::NothingToPay));
}

#[test]
fn a_failure_is_recorded_once_and_of_the_open_attempt_only() {
    let reason = FailureReason::Declined;
    check(
        &[created(), requested(1)],
        losing(1),
        Ok(vec![OrderPaymentAttemptFailed { payment_id: attempt(1), attempt_no: 1, reason }.into()]),
    );
    check(&lost(1, reason), losing(1), Ok(vec![]));
    check(&[created(), requested(1)], losing(2), Ok(vec![]));
    check(&history(OrderStatus::Paid), losing(1), Ok(vec![]));
    let mut cancelled_while_open = vec![created(), requested(1)];
    cancelled_while_open.push(cancelled(OrderStatus::WaitingForPayment));
    assert_eq!(names(&cancelled_while_open, losing(1)), Ok(vec!["order_payment_attempt_failed"]));
}

#[test]
fn money_pays_the_order_and_the_cook_has_a_quarter_of_an_hour() {
    let expected = OrderPaid {
        payment_id: Some(attempt(1)),
        card_amount: Money::rub(20_000),
        gift_amount: Money::rub(0),
        funds: Funds::Captured,
        accept_deadline: minute(20),
    };
    let given = [created(), requested(1)];
    check(&given, marking(Some(attempt(1)), 20_000, 0), Ok(vec![expected.clone().into()]));
    let order = replay(&[created(), requested(1), expected.into()]);
    assert_eq!((order.paid_by(), order.payout()), (Some(attempt(1)), Payout::Held));
    assert_eq!(order.attempts()[0].outcome, AttemptOutcome::Paid);
    assert_eq!((order.active_payment(), order.accept_deadline()), (None, Some(minute(20))));
}

#[test]
fn a_pre_order_may_be_accepted_until_two_hours_before_it_is_wanted() {
    let OrderEvent::OrderCreated(mut order) = created() else { unreachable!() };
    order.requested_for = Some(minute(600));
    let decided = replay(&[order.into(), requested(1)]);
    let (actor, now, command) = marking(Some(attempt(1)), 20_000, 0);
    let events = decided.decide(&Intent { actor, now, command }).unwrap();
    assert!(matches!(&events[..], [OrderEvent::OrderPaid(paid)] if paid.accept_deadline == minute(480)));
}

#[test]
fn the_same_payment_again_changes_nothing_whatever_happened_since() {
    for status in OrderStatus::ALL.into_iter().filter(|status| *status != OrderStatus::WaitingForPayment) {
        assert_eq!(names(&history(status), marking(Some(attempt(1)), 20_000, 0)), Ok(vec![]), "{status:?}");
    }
}

#[test]
fn a_second_payment_is_not_wanted() {
    let attempts = vec![created(), requested(1), failed(1, FailureReason::Expired), requested(2)];
    let second = OrderPaid {
        payment_id: Some(attempt(2)),
        card_amount: Money::rub(20_000),
        gift_amount: Money::rub(0),
        funds: Funds::Captured,
        accept_deadline: minute(20),
    };
    let paid_by_second = [attempts.clone(), vec![second.into()]].concat();
    assert_eq!(names(&paid_by_second, marking(Some(attempt(1)), 20_000, 0)), Err("not_payable"));
    let called_off = [attempts, vec![cancelled(OrderStatus::WaitingForPayment)]].concat();
    assert_eq!(names(&called_off, marking(Some(attempt(2)), 20_000, 0)), Err("not_payable"));
}

#[test]
fn a_failed_attempt_may_still_pay_late() {
    let given = lost(1, FailureReason::Expired);
    assert_eq!(names(&given, marking(Some(attempt(1)), 20_000, 0)), Ok(vec!["order_paid"]));
}

#[test]
fn only_the_price_from_an_own_attempt_counts() {
    let given = [created(), requested(1)];
    let mismatch = Err("paid_amount_mismatch");
    assert_eq!(names(&given, marking(Some(attempt(1)), 19_999, 0)), mismatch);
    assert_eq!(names(&given, marking(Some(attempt(1)), 20_001, 0)), mismatch);
    assert_eq!(names(&given, marking(Some(attempt(1)), 10_000, 10_000)), mismatch);
    assert_eq!(names(&given, marking(Some(attempt(1)), 20_000, 1)), mismatch);
    assert_eq!(names(&given, marking(None, 20_000, 0)), mismatch);
    assert_eq!(names(&given, marking(Some(attempt(2)), 20_000, 0)), Err("foreign_payment"));
}

#[test]
fn a_gift_pays_its_part_and_all_of_it_without_a_card() {
    let half = created_for(Money::rub(20_000), Money::rub(12_000), DeliveryType::Building);
    assert_eq!(names(&[half, requested(1)], marking(Some(attempt(1)), 12_000, 8_000)), Ok(vec!["order_paid"]));
    let all = [created_for(Money::rub(20_000), Money::rub(0), DeliveryType::Building)];
    assert_eq!(names(&all, marking(None, 0, 20_000)), Ok(vec!["order_paid"]));
    let again = [all[0].clone(), paid_by(Money::rub(0), Money::rub(20_000), Funds::Captured)];
    assert_eq!(names(&again, marking(None, 0, 20_000)), Ok(vec![]));
}

#[test]
fn a_provider_that_may_not_or_cannot_move_the_money_costs_no_attempt() {
    let with = |provider: ProviderChoice| {
        let (actor, at, command) = paying(minute(1));
        let OrderCommand::RequestPayment(request) = command else { unreachable!() };
        (actor, at, OrderCommand::RequestPayment(RequestPayment { provider, ..request }))
    };
    let tbank = ProviderChoice::own(Provider::Tbank);
    let given = [created()];
    let disabled = with(ProviderChoice { enabled: false, ..tbank });
    assert_eq!(names(&given, disabled), Err("provider_disabled"));
    assert_eq!(names(&given, with(tbank)), Ok(vec!["order_payment_requested"]));
}
