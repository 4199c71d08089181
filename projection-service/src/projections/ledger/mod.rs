//! The books as a read model: what every event posted, and what stands on each account. How an event is posted says
//! `shared::domain::ledger`.
//!
//! The fold makes a row for each order or gift: what its next posting needs to know, and everything it posted. When a
//! batch is stored, the postings that the table has are read in the same transaction, and the difference is added to the
//! accounts. So the accounts are the sums of the postings at every commit, whoever stores: the live owner, a letter's
//! retry, a rebuild.

mod fold;
mod hears;
mod queries;
mod row;
mod store;
#[cfg(test)]
mod tests;

pub use fold::Ledger;
pub use queries::{AccountFilter, AccountKey, AccountRow, accounts, totals};
pub use row::{LedgerPosting, LedgerRow, Remembered};
