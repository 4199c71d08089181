//! The read models, one folder each: row, fold, queries, tests.
//!
//! A new one: its folder; its name here, its line in `models`; its runner in `app.rs`. To be rebuilt, audited and
//! healed it needs nothing more if its only table bears its name; otherwise it says so in `ReadModel::TABLES`. If each
//! of its rows is the fold of one stream, and that stream's id its primary key, `ReadModel::REPLAY` says
//! `ByStream` and `copy` how whole rows go into empty tables: it is then rebuilt much faster. `ReadModel::SOURCES` says
//! which streams the rows of one id are made of; they can then be audited and healed id by id. Its tables have a
//! primary key and no foreign keys, their migration grants `homefood_projection` SELECT, INSERT, UPDATE, DELETE and
//! TRUNCATE, and its statements name them without a schema.

pub mod catalogue;
pub mod disputes;
pub mod feed;
pub mod gifts;
pub mod ledger;
mod newest_first;
pub mod order_facts;
pub mod orders;
pub mod payments;

#[cfg(test)]
pub(crate) mod samples;

pub use newest_first::{PageStart, newest_first, read_doc};

use crate::engine::{Failpoints, Models, Named};

/// Every read model, callable by its name.
pub fn models(failpoints: &Failpoints) -> Models {
    Models::new(vec![
        Named::<orders::Orders>::model(failpoints),
        Named::<payments::Payments>::model(failpoints),
        Named::<disputes::Disputes>::model(failpoints),
        Named::<gifts::Gifts>::model(failpoints),
        Named::<feed::Feed>::model(failpoints),
        Named::<order_facts::OrderFacts>::model(failpoints),
        Named::<ledger::Ledger>::model(failpoints),
    ])
}

/// Every projection's name.
pub const NAMES: &[&str] = &[ORDERS, PAYMENTS, DISPUTES, GIFTS, FEED, ORDER_FACTS, LEDGER];
/// The name of the orders.
pub const ORDERS: &str = "orders";
/// The name of the payments.
pub const PAYMENTS: &str = "payments";
/// The name of the gifts.
pub const GIFTS: &str = "gifts";
/// The name of the disputes.
pub const DISPUTES: &str = "disputes";
/// The name of the feed.
pub const FEED: &str = "feed";
/// The name of the facts and roll-ups.
pub const ORDER_FACTS: &str = "order_facts";
/// The name of the books.
pub const LEDGER: &str = "ledger";
