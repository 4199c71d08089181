//! Following the log: one feed per process, many readers.

mod feed;

pub use feed::LogFeed;
