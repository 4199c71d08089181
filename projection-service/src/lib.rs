//! The read side: folds, read models, queries, the live feed.

pub mod app;
mod chores;
pub mod dead_letters;
pub mod engine;
pub mod history;
pub mod http;
mod jobs;
pub mod live;
pub mod operations;
pub mod projections;
pub mod rebuild;
pub mod settings;
#[cfg(test)]
pub(crate) mod testing;
