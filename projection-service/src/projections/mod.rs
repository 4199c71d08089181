//! The read models, one folder each: row, fold, queries, tests.

pub mod catalogue;
pub mod feed;
pub mod gifts;
pub mod orders;
pub mod payments;

#[cfg(test)]
pub(crate) mod samples;

/// Every projection's name.
pub const NAMES: &[&str] = &[ORDERS, PAYMENTS, GIFTS, FEED];
/// The name of the orders.
pub const ORDERS: &str = "orders";
/// The name of the payments.
pub const PAYMENTS: &str = "payments";
/// The name of the gifts.
pub const GIFTS: &str = "gifts";
/// The name of the feed.
pub const FEED: &str = "feed";
