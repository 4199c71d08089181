//! What is counted of orders: a fact per order and line, and roll-ups that reports add up.
//!
//! The fold makes facts, each from its order's stream alone. When a batch is stored, the facts that the table has are
//! read in the same transaction, and what the new ones add to them, or take away, is added to the roll-ups. So the
//! roll-ups are the sum of the facts at every commit, whoever stores: the live owner, a letter's retry, a rebuild.

mod buckets;
mod fold;
mod measures;
mod queries;
mod report;
mod row;
mod store;
#[cfg(test)]
mod tests;
mod total;

pub use buckets::{ALWAYS, Span, Width, cover};
pub use fold::OrderFacts;
pub use measures::{Basis, DishBucket, DishMeasures, EVERYBODY, OrderBucket, OrderMeasures, Rollups};
pub use queries::{Question, Reports};
pub use report::{DayRevenue, OrderReport, PopularDish, TopProducer};
pub use row::{LineFact, OrderFact, Outcome};
pub use total::Total;
