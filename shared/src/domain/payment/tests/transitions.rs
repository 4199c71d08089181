//! The transition table, and the start.

use super::*;

#[test]
fn each_history_leads_to_its_status() {
    for status in STATUSES {
        assert_eq!(replay(&history(status)).status(), Some(status));
    }
}

/// What a report makes of each status, in the order of `STATUSES`; empty where it is no news.
#[test]
fn every_report_from_every_status_does_what_the_table_says() {
    use ProviderStatus::*;
    const P: &str = "payment_processing";
    const A: &str = "payment_authorized";
    const S: &str = "payment_succeeded";
    const F: &str = "payment_failed";
    const EXT: &str = "payment_external_refund_recorded";
    const NO: &str = "";
    let came_and_went = "payment_unapplied payment_succeeded payment_refund_requested payment_refund_succeeded";
    let gone = came_and_went;
    let table = [
        (New, [NO; 8]),
        (FormShown, [NO; 8]),
        (Processing, [P, P, NO, NO, NO, NO, NO, NO]),
        (Authorized, [A, A, A, NO, NO, NO, NO, A]),
        (Confirming, [NO; 8]),
        (Confirmed, [S, S, S, S, NO, NO, NO, S]),
        (Refunding, [NO; 8]),
        (PartiallyRefunded, [S, S, S, S, NO, NO, NO, S]),
        (Refunded, [gone, gone, gone, gone, EXT, EXT, NO, gone]),
        (Cancelled, [NO, F, F, NO, NO, NO, NO, NO]),
        (Expired, [NO, F, F, NO, NO, NO, NO, NO]),
        (AuthFailed, [NO, F, F, NO, NO, NO, NO, NO]),
        (Declined, [NO, F, F, NO, NO, NO, NO, NO]),
        (Voided, [NO, F, F, F, NO, NO, NO, NO]),
    ];
    assert_eq!(table.map(|(reported, _)| reported), ProviderStatus::ALL);
    for (reported, outcomes) in table {
        for (status, outcome) in STATUSES.into_iter().zip(outcomes) {
            let actual = names(&history(status), hearing(reported));
            let expected: Vec<_> = outcome.split_whitespace().collect();
            assert_eq!(actual, Ok(expected), "{reported:?} from {status:?}");
        }
    }
}

/// What a command makes of each status: an event, nothing (empty), or a rule (after a `!`).
#[test]
fn every_command_from_every_status_does_what_the_table_says() {
    const NOT: &str = "!invalid_transition";
    let capture = PaymentCommand::Capture { amount: price(), operation_id: Uuid::nil() };
    let session = PaymentCommand::RecordSession {
        provider_payment_id: BANK_ID.into(),
        payment_url: "https://bank.test/pay".into(),
        init_try: 1,
    };
    let fail_init = PaymentCommand::FailInit { reason: FailureReason::ProviderRejected, code: None };
    let refund = PaymentCommand::RequestRefund {
        refund_id: refund_id(9),
        amount: Money::rub(1),
        source: PaymentRefundSource::OrderRefund,
    };
    let (a, r) = ("payment_abort_requested", "payment_refund_requested");
    let (ap, un) = ("payment_applied", "payment_unapplied");
    let table = [
        (session, ["payment_session_opened", "", "", "", "", "", "", ""]),
        (fail_init, ["payment_failed", "", "", "", "", "", "", ""]),
        (capture, [NOT, NOT, NOT, "payment_capture_requested", "", "", "", NOT]),
        (PaymentCommand::Abort { cause: "x".into() }, [a, a, a, a, NOT, NOT, NOT, ""]),
        (PaymentCommand::RecordAbortOutcome(AbortOutcome::Cancelled), [NOT, NOT, NOT, NOT, "", "", "", ""]),
        (PaymentCommand::MarkApplied, [NOT, NOT, NOT, ap, ap, ap, ap, NOT]),
        (PaymentCommand::MarkUnapplied { cause: UnappliedCause::Late }, [NOT, NOT, NOT, un, un, un, un, NOT]),
        (refund, [NOT, NOT, NOT, NOT, r, r, "!refund_exceeds_captured", NOT]),
        (PaymentCommand::Initiate(Box::new(request())), [""; 8]),
    ];
    for (command, outcomes) in table {
        for (status, outcome) in STATUSES.into_iter().zip(outcomes) {
            let actual = names(&history(status), command.clone());
            let expected = match outcome.strip_prefix('!') {
                Some(rule) => Err(rule),
                None => Ok(outcome.split_whitespace().collect()),
            };
            assert_eq!(actual, expected, "{command:?} from {status:?}");
        }
    }
}

#[test]
fn an_attempt_is_written_down_before_anything_is_sent() {
    check(&[], PaymentCommand::Initiate(Box::new(request())), Ok(vec![initiated()]));
    let payment = replay(&[initiated()]);
    assert_eq!(payment.terms().unwrap().payment_id, PAYMENT);
    assert_eq!((payment.amount(), payment.session()), (Some(price()), None));
}

#[test]
fn an_attempt_needs_a_provider_that_takes_the_money() {
    let asking = |change: fn(&mut InitiatePayment)| {
        let mut request = request();
        change(&mut request);
        names(&[], PaymentCommand::Initiate(Box::new(request)))
    };
    assert_eq!(asking(|it| it.provider_enabled = false), Err("provider_disabled"));
    assert_eq!(asking(|it| it.amount = Money::parse("99", "USD").unwrap()), Err("currency_unsupported"));
    assert_eq!(asking(|it| it.amount = Money::rub(999)), Err("amount_below_minimum"));
    assert_eq!(asking(|it| (it.amount, it.policy.amount_min_minor) = (Money::rub(0), 0)), Err("amount_below_minimum"));
    let abroad = |it: &mut InitiatePayment| {
        (it.amount, it.provider) = (Money::parse("99", "USD").unwrap(), Provider::DevFake);
    };
    assert_eq!(asking(abroad), Ok(vec!["payment_initiated"]));
}

#[test]
fn news_that_is_faster_than_the_answer_to_init_still_counts() {
    let mut history = vec![initiated()];
    happens(&mut history, hearing(ProviderStatus::Confirmed));
    assert_eq!(replay(&history).provider_payment_id(), Some(BANK_ID));
    let session = PaymentCommand::RecordSession {
        provider_payment_id: BANK_ID.into(),
        payment_url: "https://bank.test/pay".into(),
        init_try: 1,
    };
    assert_eq!(names(&history, session), Ok(vec![]));
}

#[test]
fn a_session_is_readable() {
    let payment = replay(&history(PaymentStatus::AwaitingCustomer));
    let session = payment.session().unwrap();
    assert_eq!(
        (session.provider_payment_id.as_str(), session.payment_url.as_str()),
        (BANK_ID, "https://bank.test/pay")
    );
}

#[test]
fn the_reference_at_the_provider_leads_back_to_the_payment() {
    assert_eq!(PaymentId::parse_provider_order_ref(&PAYMENT.provider_order_ref(7)), Some((PAYMENT, 7)));
    for wrong in ["", "21090", "0-1", "00000000000000000000000000000001", "00000000-0000-0000-0000-000000000001-01"] {
        assert_eq!(PaymentId::parse_provider_order_ref(wrong), None, "{wrong}");
    }
}
