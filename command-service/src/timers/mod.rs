//! Durable deadlines: armed with the event that starts them, fired when due.

mod armed;
mod firing;
mod outside;
mod scheduler;

pub use armed::{TimerKind, armed_by};
pub use firing::LatenessObserver;
pub use scheduler::Scheduler;
