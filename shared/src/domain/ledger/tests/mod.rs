//! Every row of the table, and what holds whatever is posted.

mod properties;
mod rows;

use super::*;
use crate::domain::{Currency, chronicle::*};

/// The books after the log.
fn books(log: &Chronicle) -> Ledger {
    let mut ledger = Ledger::default();
    for event in &log.events {
        ledger.take(event).unwrap();
    }
    ledger
}

/// What the newest event posts: debit, credit, kopecks.
fn last(log: Chronicle) -> Vec<(String, String, i64)> {
    let mut ledger = Ledger::default();
    let mut set = PostingSet::default();
    for event in &log.events {
        set = ledger.take(event).unwrap();
    }
    let line = |entry: &Entry| (entry.debit().to_string(), entry.credit().to_string(), entry.amount().minor());
    set.entries().iter().map(line).collect()
}

#[track_caller]
fn check(log: Chronicle, expected: &[(Account, Account, i64)]) {
    let expected: Vec<_> =
        expected.iter().map(|(debit, credit, minor)| (debit.to_string(), credit.to_string(), *minor)).collect();
    assert_eq!(last(log), expected);
}

/// What stands on the account's usual side, in kopecks.
fn on(ledger: &Ledger, account: Account) -> i64 {
    ledger.balances().minor(account, Currency::RUB)
}
