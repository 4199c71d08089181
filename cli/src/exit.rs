//! What the command ends with when it does not end well.

use std::fmt;

/// The request makes no sense.
pub const USAGE: u8 = 2;
/// There is no such thing.
pub const NOT_FOUND: u8 = 3;
/// It is forbidden as things stand.
pub const CONFLICT: u8 = 4;
/// A server does not answer.
pub const UNAVAILABLE: u8 = 5;
/// It was done, and some of it is not as it should be.
pub const PARTLY_FAILED: u8 = 6;

/// An end that a script can tell from others.
#[derive(Debug)]
pub struct Exit {
    /// 1 error, 2 usage, 3 not found, 4 conflict, 5 unavailable, 6 partly failed.
    pub code: u8,
    message: String,
}

impl Exit {
    /// Ends with this code.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The database could not be reached.
    pub fn no_database(error: &sqlx::Error) -> Self {
        Self::new(UNAVAILABLE, format!("the database cannot be reached: {error}"))
    }
}

/// The code that an error ends with.
pub fn code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Exit>().map_or(1, |exit| exit.code)
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Exit {}
