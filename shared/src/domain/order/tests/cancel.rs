//! Calling an order off: the matrix of sides, statuses and reasons.

use super::*;

fn calling_off(actor: Actor, reason_code: Option<CancelReason>, at: i64) -> (Actor, DateTime<Utc>, OrderCommand) {
    (actor, minute(at), OrderCommand::Cancel { reason_code, reason_text: None })
}

#[test]
fn people_may_cancel_within_their_windows_only() {
    use OrderStatus::*;
    const CLOSED: &str = "cancellation_window_closed";
    const OVER: &str = "order_already_completed";
    const DONE: &str = "order_already_cancelled";
    const YES: &str = "";
    let matrix = [
        (WaitingForPayment, [YES, "invalid_transition", YES]),
        (Paid, [YES, YES, YES]),
        (Accepted, [YES, YES, YES]),
        (Preparing, [CLOSED, YES, YES]),
        (Ready, [CLOSED, YES, YES]),
        (OutForDelivery, [CLOSED, CLOSED, YES]),
        (Delivered, [CLOSED, CLOSED, CLOSED]),
        (Completed, [OVER, OVER, OVER]),
        (Cancelled, [DONE, DONE, DONE]),
    ];
    for (status, answers) in matrix {
        for (actor, answer) in [customer(), cook(), admin()].into_iter().zip(answers) {
            let actual = names(&history(status), calling_off(actor.clone(), None, 1));
            let expected = if answer == YES { Ok(vec!["order_cancelled"]) } else { Err(answer) };
            assert_eq!(actual, expected, "{} from {status:?}", actor.kind());
        }
    }
}

/// The rule for each status in the order of `OrderStatus::ALL`; empty where the cancellation happens.
fn system_answers(funds: Funds, reason: CancelReason, at: i64) -> Vec<&'static str> {
    let answer = |status| {
        let given = history_with(status, funds, DeliveryType::Building);
        names(&given, calling_off(system(), Some(reason), at)).map_or_else(|rule| rule, |_| "")
    };
    OrderStatus::ALL.into_iter().map(answer).collect()
}

#[test]
fn sagas_and_timers_cancel_where_their_reason_fits() {
    const CLOSED: &str = "cancellation_window_closed";
    const OVER: &str = "order_already_completed";
    const DONE: &str = "order_already_cancelled";
    const NO: &str = "invalid_transition";
    let only_waiting = ["", CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, OVER, DONE];
    for reason in [CancelReason::PaymentTimeout, CancelReason::PaymentFailed] {
        assert_eq!(system_answers(Funds::Captured, reason, 100), only_waiting, "{reason:?}");
        // Held money may be lost until the meal is handed over.
        let held = ["", "", "", "", "", "", CLOSED, OVER, DONE];
        assert_eq!(system_answers(Funds::Authorized, reason, 100), held, "{reason:?}");
    }
    let only_paid = [NO, "", CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, OVER, DONE];
    assert_eq!(system_answers(Funds::Captured, CancelReason::ProducerTimeout, 100), only_paid);
    let paid_to_door = [NO, "", "", "", "", "", CLOSED, OVER, DONE];
    assert_eq!(system_answers(Funds::Captured, CancelReason::Dispute, 1), paid_to_door);
}

#[test]
fn a_timer_that_rings_early_cancels_nothing() {
    let waiting = history(OrderStatus::WaitingForPayment);
    let timeout = |at| calling_off(system(), Some(CancelReason::PaymentTimeout), at);
    assert_eq!(names(&waiting, timeout(29)), Err("too_early"));
    assert_eq!(names(&waiting, timeout(30)), Ok(vec!["order_cancelled"]));
    let silent_cook = |at| calling_off(system(), Some(CancelReason::ProducerTimeout), at);
    assert_eq!(names(&history(OrderStatus::Paid), silent_cook(19)), Err("too_early"));
    assert_eq!(names(&history(OrderStatus::Paid), silent_cook(20)), Ok(vec!["order_cancelled"]));
}

#[test]
fn each_side_gives_its_own_reasons() {
    let refused = Err(OrderError::InvalidValue { pointer: "/reason_code" });
    let given = history(OrderStatus::Paid);
    check(&given, calling_off(customer(), Some(CancelReason::ProducerTimeout), 1), refused.clone());
    check(&given, calling_off(cook(), Some(CancelReason::CustomerRequest), 1), refused.clone());
    check(&given, calling_off(admin(), Some(CancelReason::PaymentFailed), 1), refused.clone());
    check(&given, calling_off(system(), Some(CancelReason::CustomerRequest), 1), refused.clone());
    check(&given, calling_off(system(), None, 1), refused);
    let said = [(customer(), None), (cook(), Some(CancelReason::DishUnavailable)), (cook(), None), (admin(), None)];
    let recorded = [
        CancelReason::CustomerRequest,
        CancelReason::DishUnavailable,
        CancelReason::ProducerCancelled,
        CancelReason::Admin,
    ];
    for ((actor, said), reason_code) in said.into_iter().zip(recorded) {
        let expected = OrderCancelled {
            reason_code,
            reason_text: None,
            cancelled_by: actor.kind().into(),
            from_status: OrderStatus::Paid,
            refund_required: true,
        };
        check(&given, calling_off(actor, said, 1), Ok(vec![expected.into()]));
    }
}

#[test]
fn a_cook_who_refuses_says_why() {
    let command = OrderCommand::Reject { reason_code: RejectReason::OutOfItems, comment: Some("no beetroot".into()) };
    let expected = OrderCancelled {
        reason_code: CancelReason::ProducerRejected,
        reason_text: Some("OUT_OF_ITEMS: no beetroot".into()),
        cancelled_by: "producer".into(),
        from_status: OrderStatus::Paid,
        refund_required: true,
    };
    check(&history(OrderStatus::Paid), (cook(), minute(1), command), Ok(vec![expected.into()]));
}

#[test]
fn money_goes_back_only_if_it_was_taken() {
    let required = |status, funds, actor: Actor, reason| {
        let given = history_with(status, funds, DeliveryType::Building);
        let (actor, now, command) = calling_off(actor, reason, 1);
        match &replay(&given).decide(&Intent { actor, now, command }).unwrap()[..] {
            [OrderEvent::OrderCancelled(cancelled)] => cancelled.refund_required,
            other => panic!("{other:?}"),
        }
    };
    use OrderStatus::*;
    assert!(!required(WaitingForPayment, Funds::Captured, customer(), None));
    assert!(required(Paid, Funds::Captured, customer(), None));
    assert!(!required(Paid, Funds::Authorized, customer(), None));
    assert!(required(Accepted, Funds::Authorized, customer(), None));
    assert!(!required(Accepted, Funds::Authorized, system(), Some(CancelReason::PaymentFailed)));
}

#[test]
fn a_cancelled_order_pays_nobody_out() {
    assert_eq!(replay(&history(OrderStatus::Cancelled)).payout(), Payout::Voided);
    let unpaid = [created(), cancelled(OrderStatus::WaitingForPayment)];
    assert_eq!(replay(&unpaid).payout(), Payout::None);
}
