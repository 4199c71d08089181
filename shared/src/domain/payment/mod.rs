//! A payment: one attempt to move money through a provider.

mod event;

pub use event::*;
