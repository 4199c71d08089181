//! What users are told: per user one feed with ids 1, 2, 3, … that sockets resume from.
//!
//! Only `order_created` names the parties of an order, so the feed keeps a small row per order, and
//! one per gift. The fold says whom to
//! tell (a customer by user id, a cook by kitchen); the ids are given out when the batch is stored, in the same
//! transaction, by the only writer there is.
//!
//! Decided: a feed belongs to a person, since a person has one socket with one sequence of ids. A kitchen is therefore
//! resolved to the user who owns it (table `producers`) when the batch is stored. The fold stays pure; a rebuild
//! after a kitchen changed hands would address the new owner, but rebuilds never write feeds anew (promise 8). A
//! kitchen nobody owns is told nothing.

mod fold;
mod gifts;
mod queries;
mod row;
mod store;
#[cfg(test)]
mod tests;
mod told;

pub use fold::Feed;
pub use queries::{FeedTail, entries_after, forget_older, heads, tail};
pub use row::{EntryKind, FeedEntry, FeedGift, FeedKey, FeedOrder, FeedRow, NewEntry, Recipient};
pub use shared::web::socket::{Notification, NotificationKind, OrderStatusUpdate};
pub use store::UserEntries;
