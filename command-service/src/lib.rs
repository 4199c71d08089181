//! The write side: it checks intents against aggregates and appends what happened.

pub mod command_handler;
pub mod event_log;
pub mod relay;
pub mod timers;
