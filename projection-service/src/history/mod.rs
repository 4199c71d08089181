//! What happened, and how things stood: any aggregate at any version or time, what set which field, rows of read models
//! as of a position, and what followed from what. All from the log; nothing here reads a table of its own.

mod changes;
mod events;
mod pages;
mod replay;
mod rows;
#[cfg(test)]
mod tests;
mod trace;

pub use changes::{FieldChange, FieldOrigin, difference};
pub use events::EventView;
pub(crate) use events::strip;
pub use replay::{HistoryError, StateAt, StreamId, Until, fields, state};
pub use rows::{RowAt, rows_at};
pub use trace::{TRACE_MAX, TraceEntry, trace};
