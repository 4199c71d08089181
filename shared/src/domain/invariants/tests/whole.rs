//! The list itself, what is remembered, and what is told.

use super::*;
use crate::domain::invariants::laws::{AT_REST, FROM_OUTSIDE, ON_EVENT};

#[test]
fn every_invariant_has_its_number_and_a_judge() {
    for (at, law) in LAWS.iter().enumerate() {
        assert_eq!(usize::from(law.number), at + 1, "{}", law.name);
        let judged = ON_EVENT.iter().any(|(number, _)| *number == law.number)
            || AT_REST.iter().any(|(number, _)| *number == law.number)
            || FROM_OUTSIDE.iter().any(|(number, _)| *number == law.number)
            // The books are asked after each event.
            || law.number == 15;
        assert!(judged, "nobody judges {}", law.number);
    }
}

#[test]
fn the_first_offending_position_is_named_and_examples_are_bounded() {
    let mut log = paid_by_card(10_000);
    for _ in 0..50 {
        log = log.pay(1, applied());
    }
    let report = audit(&log).into_report();
    assert_eq!(report.first_offending_position, Some(7));
    assert_eq!((report.invariants[5].violations, report.invariants[5].examples.len()), (50, 20));
    assert_eq!(report.events, 56);
}

#[test]
fn a_report_says_in_json_what_is_wrong() {
    let report = audit(&paid_by_card(10_000).order(paid(1, 10_000, 0))).into_report();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["first_offending_position"], 7);
    assert_eq!(json["invariants"][3]["number"], 4);
    assert_eq!(json["invariants"][3]["violations"], 1);
}

#[test]
fn late_events_of_a_flow_that_was_over_are_judged_all_the_same() {
    let over = given_back(10_000);
    assert!(audit(&over).report().is_clean());
    // Its names were forgotten, so a cause may not be known any more; that money is captured once still is.
    let late = over.pay(1, succeeded(10_000)).but(|event| event.causation_id = uuid::Uuid::from_u128(0x8000_0001));
    assert_eq!(audit(&late).report().broken(), vec![8]);
}
