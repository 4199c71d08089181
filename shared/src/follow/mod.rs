//! Following the log: one feed per process, many readers.

pub mod cloud_event;
mod companions;
mod feed;
mod jetstream;

pub use companions::Companion;
pub use feed::LogFeed;
pub use jetstream::MirrorFollower;
