//! What is believed of a provider, and what is not.

use super::*;

#[test]
fn a_decline_says_why_and_whether_the_card_may_be_tried_again() {
    let mut declined = report(ProviderStatus::Declined);
    (declined.error_code, declined.customer_retryable) = (Some("1041".into()), false);
    let failed = PaymentFailed {
        reason: FailureReason::Declined,
        provider_error_code: Some("1041".into()),
        customer_retryable: false,
    };
    check(&history(PaymentStatus::Processing), telling(declined), Ok(vec![failed.into()]));
}

#[test]
fn each_side_exit_has_its_reason() {
    let exits = [
        (ProviderStatus::Cancelled, FailureReason::Cancelled),
        (ProviderStatus::Expired, FailureReason::Expired),
        (ProviderStatus::AuthFailed, FailureReason::AuthFailed),
        (ProviderStatus::Declined, FailureReason::Declined),
        (ProviderStatus::Voided, FailureReason::Voided),
    ];
    for (status, reason) in exits {
        check(&history(PaymentStatus::AwaitingCustomer), hearing(status), Ok(vec![failed(reason)]));
    }
}

#[test]
fn money_after_we_gave_up_is_late() {
    check(&history(PaymentStatus::Failed), hearing(ProviderStatus::Confirmed), Ok(vec![succeeded(true)]));
    check(&history(PaymentStatus::Failed), hearing(ProviderStatus::Authorized), Ok(vec![authorized(true)]));
    check(&history(PaymentStatus::Processing), hearing(ProviderStatus::Confirmed), Ok(vec![succeeded(false)]));
}

#[test]
fn a_lifted_hold_is_not_held_again_by_old_news_but_taken_money_counts() {
    let voided = [history(PaymentStatus::Authorized), vec![failed(FailureReason::Voided)]].concat();
    assert_eq!(names(&voided, hearing(ProviderStatus::Authorized)), Ok(vec![]));
    assert_eq!(names(&voided, hearing(ProviderStatus::Processing)), Ok(vec![]));
    check(&voided, hearing(ProviderStatus::Confirmed), Ok(vec![succeeded(true)]));
}

#[test]
fn three_equal_webhooks_and_reordered_ones_say_one_thing() {
    let mut history = history(PaymentStatus::AwaitingCustomer);
    happens(&mut history, hearing(ProviderStatus::Confirmed));
    for again in [ProviderStatus::Confirmed, ProviderStatus::Confirmed, ProviderStatus::Authorized] {
        assert_eq!(names(&history, hearing(again)), Ok(vec![]));
    }
}

type Forgery = (&'static str, &'static str, fn(&mut ProviderReport));

#[test]
fn a_contradiction_is_written_down_once_and_holds_everything() {
    let forgeries: [Forgery; 6] = [
        ("amount", "200.01 RUB", |it| it.amount = Some(Money::rub(20_001))),
        ("amount", "200.00 USD", |it| it.amount = Some(Money::parse("200", "USD").unwrap())),
        ("amount", "none", |it| it.amount = None),
        ("order_ref", "21090", |it| it.order_ref = "21090".into()),
        ("order_ref", "00000000000000000000000000000009-01", |it| {
            it.order_ref = PaymentId(Uuid::from_u128(9)).provider_order_ref(1);
        }),
        ("provider_payment_id", "666", |it| it.provider_payment_id = "666".into()),
    ];
    for (field, actual, forge) in forgeries {
        let mut history = history(PaymentStatus::AwaitingCustomer);
        let mut forged = report(ProviderStatus::Confirmed);
        forge(&mut forged);
        let event = violation(field, actual);
        check(&history, telling(forged.clone()), Ok(vec![event.clone()]));
        history.push(event);
        assert_eq!(names(&history, telling(forged)), Ok(vec![]), "{field}");
        assert_eq!(names(&history, hearing(ProviderStatus::Confirmed)), Ok(vec![]), "{field}");
        assert!(replay(&history).is_on_hold());
    }
}

pub(super) fn violation(field: &str, actual: &str) -> PaymentEvent {
    let expected = match field {
        "amount" => "200.00 RUB".to_owned(),
        "order_ref" => PAYMENT.provider_order_ref(1),
        _ => BANK_ID.to_owned(),
    };
    PaymentIntegrityViolated { field: field.to_owned(), expected, actual: actual.to_owned() }.into()
}

#[test]
fn the_amount_matters_only_where_money_is() {
    let mut shown = report(ProviderStatus::Processing);
    shown.amount = None;
    assert_eq!(names(&history(PaymentStatus::AwaitingCustomer), telling(shown)), Ok(vec!["payment_processing"]));
}

#[test]
fn a_part_that_went_back_before_we_heard_of_the_money_tells_that_it_came() {
    let awaiting = history(PaymentStatus::AwaitingCustomer);
    assert_eq!(names(&awaiting, hearing(ProviderStatus::PartiallyRefunded)), Ok(vec!["payment_succeeded"]));
    let mut taken = awaiting;
    happens(&mut taken, hearing(ProviderStatus::PartiallyRefunded));
    assert_eq!(
        names(&taken, hearing(ProviderStatus::PartiallyRefunded)),
        Ok(vec![]),
        "nobody knows how much went back"
    );
}

#[test]
fn on_hold_nothing_moves_but_debts_are_written_down() {
    let hold = |status| [history(status), vec![violation("amount", "1.00 RUB")]].concat();
    let held = hold(PaymentStatus::Authorized);
    let capture = PaymentCommand::Capture { amount: price(), operation_id: Uuid::nil() };
    assert_eq!(names(&held, capture), Err("payment_on_hold"));
    assert_eq!(names(&held, PaymentCommand::Abort { cause: "x".into() }), Err("payment_on_hold"));
    let mut taken = hold(PaymentStatus::Succeeded);
    happens(&mut taken, refunds::requesting(1, 500));
    assert_eq!(replay(&taken).next_refund(minute(5)), None);
    let submit = refunds::result(1, 1, RefundOutcome::Submitted);
    assert_eq!(names(&taken, submit), Err("payment_on_hold"));
}

#[test]
fn the_end_of_an_orphaned_page_says_nothing_about_the_page_in_use() {
    let (provider_payment_id, payment_url) = ("second".to_owned(), "https://bank.test/2".to_owned());
    let second = PaymentSessionOpened { provider_payment_id, payment_url, init_try: 2 };
    let given = [initiated(), second.into()];
    for word in [ProviderStatus::Cancelled, ProviderStatus::New, ProviderStatus::Expired] {
        assert_eq!(names(&given, hearing(word)), Ok(vec![]));
    }
    assert_eq!(names(&given, hearing(ProviderStatus::Confirmed)), Ok(vec!["payment_integrity_violated"]));
    let mut ours = report(ProviderStatus::Confirmed);
    (ours.provider_payment_id, ours.order_ref) = ("second".into(), PAYMENT.provider_order_ref(2));
    assert_eq!(names(&given, telling(ours)), Ok(vec!["payment_succeeded"]));
}

#[test]
fn the_end_of_an_orphaned_page_says_nothing_when_the_news_of_money_was_faster_than_the_page() {
    let mut ours = report(ProviderStatus::Confirmed);
    (ours.provider_payment_id, ours.order_ref) = ("second".into(), PAYMENT.provider_order_ref(2));
    let mut given = vec![initiated()];
    happens(&mut given, telling(ours));
    for word in [ProviderStatus::Cancelled, ProviderStatus::New, ProviderStatus::Expired] {
        assert_eq!(names(&given, hearing(word)), Ok(vec![]));
    }
    // Money on it is another matter.
    assert_eq!(names(&given, hearing(ProviderStatus::Confirmed)), Ok(vec!["payment_integrity_violated"]));
}

#[test]
fn a_no_from_before_the_hold_does_not_end_it() {
    let held = history(PaymentStatus::Authorized);
    for word in
        [ProviderStatus::Declined, ProviderStatus::AuthFailed, ProviderStatus::Expired, ProviderStatus::Cancelled]
    {
        assert_eq!(names(&held, hearing(word)), Ok(vec![]));
    }
    assert_eq!(names(&held, hearing(ProviderStatus::Voided)), Ok(vec!["payment_failed"]));
}

#[test]
fn a_report_settles_the_refund_in_flight_if_it_fits() {
    let flying = |kopecks| {
        let submitted = PaymentRefundSubmitted { refund_id: refund_id(1), epoch: 1 };
        [history(PaymentStatus::Succeeded), vec![refund_requested(1, kopecks), submitted.into()]].concat()
    };
    let part = ProviderStatus::PartiallyRefunded;
    let all = ProviderStatus::Refunded;
    assert_eq!(names(&flying(5_000), hearing(part)), Ok(vec!["payment_refund_succeeded"]));
    assert_eq!(names(&flying(20_000), hearing(all)), Ok(vec!["payment_refund_succeeded"]));
    assert_eq!(names(&flying(5_000), hearing(all)), Ok(vec![]));
    assert_eq!(names(&flying(20_000), hearing(part)), Ok(vec![]));
    // The twin of an earlier partial refund must not settle the next one.
    let mut second = [flying(5_000), vec![refund_succeeded(1, 5_000)]].concat();
    second.push(refund_requested(2, 5_000));
    second.push(PaymentRefundSubmitted { refund_id: refund_id(2), epoch: 1 }.into());
    assert_eq!(names(&second, hearing(part)), Ok(vec![]));
}
