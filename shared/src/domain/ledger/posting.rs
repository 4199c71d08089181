//! Entries with both sides in one, so that they cannot be unbalanced.

use smallvec::SmallVec;

use super::{Account, LedgerError, Side};
use crate::domain::Money;

/// So much moves from one account to another: a debit and a credit of the same amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    debit: Account,
    credit: Account,
    amount: Money,
}

/// One side of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// Its side.
    pub side: Side,
    /// How much; more than nothing.
    pub amount: Money,
}

/// What one event posts; nothing for an event that moves no money.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostingSet {
    entries: SmallVec<[Entry; 2]>,
}

impl Entry {
    /// The account on the left.
    pub fn debit(&self) -> Account {
        self.debit
    }

    /// The account on the right.
    pub fn credit(&self) -> Account {
        self.credit
    }

    /// How much; more than nothing.
    pub fn amount(&self) -> Money {
        self.amount
    }

    /// Its two sides.
    pub fn postings(&self) -> [Posting; 2] {
        [
            Posting { account: self.debit, side: Side::Debit, amount: self.amount },
            Posting { account: self.credit, side: Side::Credit, amount: self.amount },
        ]
    }
}

impl PostingSet {
    /// Adds an entry. Nothing is not worth one, less than nothing is a mistake.
    pub(super) fn post(
        &mut self,
        event_type: &'static str,
        (debit, credit): (Account, Account),
        amount: Money,
    ) -> Result<(), LedgerError> {
        if amount.minor() < 0 {
            return Err(LedgerError::Negative { event_type });
        }
        if amount.is_positive() {
            self.entries.push(Entry { debit, credit, amount });
        }
        Ok(())
    }

    /// Whether no money moves.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Both sides of every entry, in order.
    pub fn postings(&self) -> impl Iterator<Item = Posting> + '_ {
        self.entries.iter().flat_map(Entry::postings)
    }
}
