//! The read side: folds, read models, queries, the live feed.

pub mod engine;
pub mod projections;
#[cfg(test)]
pub(crate) mod testing;
