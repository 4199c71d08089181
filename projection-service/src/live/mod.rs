//! The live feed: entries of a user's feed reach the user's sockets, on whichever instance those hang.
//!
//! Whoever folds the feed calls new entries out on core NATS, one subject per user; an instance listens for the users
//! that have sockets here. A call may get lost and nothing is: a socket knows the last id it was sent, and what is
//! missing up to the head is read from the table.

mod announce;
mod channel;
mod hub;
mod messages;
mod origins;
mod session;
mod socket;
mod sse;
#[cfg(test)]
mod tests;
pub mod tickets;

pub use announce::Announcer;
pub use hub::Live;
pub use origins::AllowedOrigins;
pub use socket::{__path_open_socket, open_socket};
pub use sse::{__path_stream_feed, stream_feed};
