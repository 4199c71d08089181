//! Durable deadlines: armed with the event that starts them, fired when due.

mod armed;

pub use armed::{TimerKind, armed_by};
