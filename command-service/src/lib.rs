//! The write side: it checks intents against aggregates and appends what happened.

pub mod app;
pub mod cases;
pub mod catalogue;
pub mod command_handler;
pub mod event_log;
pub mod gift_vault;
pub mod guesses;
pub mod http;
pub mod inbox;
pub mod leader;
mod listener;
mod observers;
pub mod payment_desk;
mod payment_providers;
pub mod process_managers;
pub mod providers;
pub mod registry;
pub mod relay;
pub mod settings;
#[cfg(test)]
pub(crate) mod testing;
pub mod timers;
