//! The write side: it checks intents against aggregates and appends what happened.

pub mod catalogue;
pub mod command_handler;
pub mod event_log;
pub mod leader;
pub mod process_managers;
pub mod timers;
