//! Each invariant with a log that keeps it and one that breaks it on purpose.

mod broken;
mod disputes;
mod gifts;
mod rest;
mod whole;

use super::*;
use crate::domain::chronicle::*;

/// Reads the log.
fn audit(log: &Chronicle) -> Auditor {
    let mut auditor = Auditor::with_payable_min(1_000);
    for event in &log.events {
        auditor.take(event);
    }
    auditor
}

/// The good log breaks nothing; the newest event of the bad one breaks this invariant.
#[track_caller]
fn check(number: u8, good: &Chronicle, bad: &Chronicle) {
    let kept = audit(good).into_report();
    assert!(kept.is_clean(), "the good log: {:#?}", kept.examples().collect::<Vec<_>>());
    let report = audit(bad).into_report();
    let law = &report.invariants[usize::from(number) - 1];
    let position = bad.events.last().unwrap().position;
    assert!(
        law.examples.iter().any(|violation| violation.position == Some(position)),
        "invariant {number} holds at {position}; broken: {:#?}",
        report.examples().collect::<Vec<_>>()
    );
}

/// At rest the good log breaks nothing; the bad one breaks this invariant.
#[track_caller]
fn check_rest(number: u8, rest: &Rest, good: &Chronicle, bad: &Chronicle) {
    let mut kept = audit(good);
    kept.judge_rest(rest);
    assert!(kept.report().is_clean(), "the good log: {:#?}", kept.report().examples().collect::<Vec<_>>());
    let mut broken = audit(bad);
    broken.judge_rest(rest);
    let found = broken.report().broken();
    assert!(found.contains(&number), "broken: {:#?}", broken.report().examples().collect::<Vec<_>>());
}

/// Beside the log the good facts break nothing; the bad ones break this invariant alone.
#[track_caller]
fn check_outside(number: u8, log: &Chronicle, good: &Outside, bad: &Outside) {
    let mut kept = audit(log);
    kept.judge_outside(good);
    assert!(kept.report().is_clean(), "the good facts: {:#?}", kept.report().examples().collect::<Vec<_>>());
    let mut broken = audit(log);
    broken.judge_outside(bad);
    assert_eq!(broken.report().broken(), vec![number]);
}
