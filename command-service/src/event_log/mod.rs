//! Where a decision becomes durable: the append queue, aggregates in memory, snapshots, receipts.

mod aggregates;
mod append_queue;
mod append_statement;
mod horizon;
mod receipts;
mod request;
mod snapshots;

pub use aggregates::{Aggregates, Entry, Loaded};
pub use append_queue::{AppendQueue, AppendQueueOptions, AppendWriter, outcome};
pub use horizon::Horizon;
pub use receipts::{find_receipt, sweep_receipts};
pub use request::{
    AppendError, AppendOutcome, AppendRequest, Appended, Expected, NewEvent, NewTimer, Receipt, ReceiptDraft,
    StreamAppend,
};
pub use snapshots::{SnapshotWriter, Snapshots};

#[cfg(test)]
mod tests;
