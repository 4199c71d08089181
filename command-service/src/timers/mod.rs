//! Durable deadlines: armed with the event that starts them, fired when due.

mod armed;
mod scheduler;

pub use armed::{TimerKind, armed_by};
pub use scheduler::{LatenessObserver, Scheduler};
