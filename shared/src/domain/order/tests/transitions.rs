//! The transition table: what is in it happens, everything else is `invalid_transition`.

use super::*;

type Row = (&'static str, Actor, OrderCommand, &'static [(OrderStatus, &'static str)]);

/// Command → the statuses that allow it, with the event that follows.
fn table() -> Vec<Row> {
    use OrderStatus::*;
    let note = None;
    vec![
        ("accept", cook(), OrderCommand::Accept { eta_minutes: 30 }, &[(Paid, "order_accepted")]),
        (
            "reject",
            cook(),
            OrderCommand::Reject { reason_code: RejectReason::TooBusy, comment: None },
            &[(Paid, "order_cancelled")],
        ),
        (
            "start",
            cook(),
            OrderCommand::StartPreparation { note: note.clone() },
            &[(Accepted, "order_preparation_started")],
        ),
        ("ready", cook(), OrderCommand::MarkReady { note: note.clone() }, &[(Preparing, "order_ready")]),
        ("dispatch", cook(), OrderCommand::Dispatch { note }, &[(Ready, "order_dispatched")]),
        (
            "deliver",
            cook(),
            OrderCommand::MarkDelivered { proof_ref: None, policy: policy() },
            &[(OutForDelivery, "order_delivered")],
        ),
        ("complete", customer(), OrderCommand::Complete { policy: policy() }, &[(Delivered, "order_completed")]),
        ("complete", admin(), OrderCommand::Complete { policy: policy() }, &[(Delivered, "order_completed")]),
        (
            "eta",
            cook(),
            OrderCommand::AdjustEta { eta_minutes: 45 },
            &[(Accepted, "order_eta_changed"), (Preparing, "order_eta_changed"), (Ready, "order_eta_changed")],
        ),
    ]
}

#[test]
fn every_row_of_the_table_holds_and_nothing_beside_it() {
    for (name, actor, command, allowed) in table() {
        for status in OrderStatus::ALL {
            let actual = names(&history(status), (actor.clone(), minute(10), command.clone()));
            let expected = match allowed.iter().find(|(from, _)| *from == status) {
                Some((_, event)) => Ok(vec![*event]),
                None => Err("invalid_transition"),
            };
            assert_eq!(actual, expected, "{name} from {status:?}");
        }
    }
}

#[test]
fn each_event_leads_to_its_status() {
    for status in OrderStatus::ALL {
        assert_eq!(replay(&history(status)).status(), Some(status));
    }
}

#[test]
fn a_meal_that_is_fetched_is_handed_over_when_ready_and_never_dispatched() {
    let ready = history_with(OrderStatus::Ready, Funds::Captured, DeliveryType::Pickup);
    let deliver = OrderCommand::MarkDelivered { proof_ref: None, policy: policy() };
    assert_eq!(names(&ready, (cook(), minute(50), deliver.clone())), Ok(vec!["order_delivered"]));
    let dispatch = OrderCommand::Dispatch { note: None };
    assert_eq!(names(&ready, (cook(), minute(50), dispatch)), Err("invalid_transition"));
    assert_eq!(names(&history(OrderStatus::Ready), (cook(), minute(50), deliver)), Err("invalid_transition"));
}

#[test]
fn accepting_promises_an_instant() {
    let accepted = OrderAccepted { eta_minutes: 45, ready_by: minute(55) };
    check(
        &history(OrderStatus::Paid),
        (cook(), minute(10), OrderCommand::Accept { eta_minutes: 45 }),
        Ok(vec![accepted.into()]),
    );
}

#[test]
fn a_promise_is_between_one_minute_and_ten_hours() {
    for (eta_minutes, fits) in [(0, false), (1, true), (600, true), (601, false)] {
        let accept = OrderCommand::Accept { eta_minutes };
        let adjust = OrderCommand::AdjustEta { eta_minutes };
        assert_eq!(names(&history(OrderStatus::Paid), (cook(), minute(1), accept)).is_ok(), fits);
        assert_eq!(names(&history(OrderStatus::Ready), (cook(), minute(1), adjust)).is_ok(), fits);
    }
    let refusal = OrderError::OutOfRange { pointer: "/eta_minutes", min: 1, max: 600 };
    assert_eq!(refusal.pointer(), Some("/eta_minutes".into()));
    check(&history(OrderStatus::Paid), (cook(), minute(1), OrderCommand::Accept { eta_minutes: 0 }), Err(refusal));
}

#[test]
fn accepting_ends_at_the_deadline() {
    let accept = |at| names(&history(OrderStatus::Paid), (cook(), at, OrderCommand::Accept { eta_minutes: 5 }));
    let a_moment = TimeDelta::microseconds(1);
    assert_eq!(accept(minute(20) - a_moment), Ok(vec!["order_accepted"]));
    assert_eq!(accept(minute(20)), Err("acceptance_deadline_passed"));
}

#[test]
fn handing_over_sets_the_time_of_completion_and_completion_that_of_the_payout() {
    check(
        &history(OrderStatus::OutForDelivery),
        (cook(), minute(60), OrderCommand::MarkDelivered { proof_ref: Some("photo".into()), policy: policy() }),
        Ok(vec![OrderDelivered { proof_ref: Some("photo".into()), auto_complete_at: minute(60 + 24 * 60) }.into()]),
    );
    check(
        &history(OrderStatus::Delivered),
        (customer(), minute(110), OrderCommand::Complete { policy: policy() }),
        Ok(vec![OrderCompleted { payout_due_at: minute(110 + 48 * 60) }.into()]),
    );
}

#[test]
fn the_timer_completes_no_order_early_and_none_twice() {
    let complete = |status, at| names(&history(status), (system(), at, OrderCommand::Complete { policy: policy() }));
    let due = minute(100 + 24 * 60);
    assert_eq!(complete(OrderStatus::Delivered, due - TimeDelta::seconds(1)), Err("too_early"));
    assert_eq!(complete(OrderStatus::Delivered, due), Ok(vec!["order_completed"]));
    assert_eq!(complete(OrderStatus::Completed, due), Ok(vec![]));
    assert_eq!(complete(OrderStatus::Cancelled, due), Err("invalid_transition"));
}

#[test]
fn long_notes_are_refused_with_their_field() {
    let long = Some("x".repeat(501));
    let commands = [
        (OrderStatus::Accepted, OrderCommand::StartPreparation { note: long.clone() }, "/note"),
        (OrderStatus::Preparing, OrderCommand::MarkReady { note: long.clone() }, "/note"),
        (OrderStatus::Ready, OrderCommand::Dispatch { note: long.clone() }, "/note"),
        (
            OrderStatus::OutForDelivery,
            OrderCommand::MarkDelivered { proof_ref: long.clone(), policy: policy() },
            "/proof_ref",
        ),
        (
            OrderStatus::Paid,
            OrderCommand::Reject { reason_code: RejectReason::Other, comment: long.clone() },
            "/comment",
        ),
        (OrderStatus::Paid, OrderCommand::Cancel { reason_code: None, reason_text: long }, "/reason"),
    ];
    for (status, command, pointer) in commands {
        check(&history(status), (cook(), minute(1), command), Err(OrderError::TooLong { pointer, max: 500 }));
    }
}
