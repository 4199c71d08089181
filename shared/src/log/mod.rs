//! The event log as both sides see it: recorded events, old versions, reading by position and by stream.

mod audit;
mod reader;
mod recorded;
mod rows;
mod upcasters;

pub use audit::audit;
pub use reader::{LogError, LogReader, StreamRange};
pub use recorded::{Metadata, RecordedEvent, StoredEvent, slice_of};
pub use rows::StoredPage;
pub use upcasters::{upcast, upcasters};

/// A place in the log: 1, 2, 3, … in commit order without a hole; 0 is before the first event.
pub type Position = u64;

/// The Postgres channel on which every append says the new head position.
pub const LOG_CHANNEL: &str = "homefood_log";

/// Raise it when the state of an aggregate changes its shape or meaning; older snapshots are then passed over.
pub const STATE_VERSION: i32 = 2;
