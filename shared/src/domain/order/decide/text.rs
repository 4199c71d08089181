//! The limits that every text and every promise shares.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::order::OrderError;

const TEXT_CHARS_MAX: usize = 500;

/// A text that people wrote.
pub(super) fn check_text(text: Option<&str>, pointer: &'static str) -> Result<(), OrderError> {
    match text {
        Some(text) if text.chars().count() > TEXT_CHARS_MAX => {
            Err(OrderError::TooLong { pointer, max: TEXT_CHARS_MAX })
        }
        Some(_) | None => Ok(()),
    }
}

/// A number within its range.
pub(super) fn check_range(value: u32, pointer: &'static str, min: u32, max: u32) -> Result<(), OrderError> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(OrderError::OutOfRange { pointer, min, max }) }
}

/// When a meal that is promised in so many minutes is ready.
pub(super) fn ready_by(eta_minutes: u32, now: DateTime<Utc>) -> Result<DateTime<Utc>, OrderError> {
    check_range(eta_minutes, "/eta_minutes", 1, 600)?;
    Ok(now + TimeDelta::minutes(i64::from(eta_minutes)))
}
