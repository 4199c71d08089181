//! The read side: folds, read models, queries, the live feed.

pub mod app;
mod chores;
pub mod engine;
pub mod http;
pub mod live;
pub mod projections;
pub mod settings;
#[cfg(test)]
pub(crate) mod testing;
