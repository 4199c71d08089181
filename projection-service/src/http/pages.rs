//! Pages by key: how many rows, and where the next page begins.

use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use shared::web::{Cursor, Problem};
use uuid::Uuid;

use super::ReadState;
use crate::projections::PageStart;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;

/// The number of rows asked for.
pub(crate) fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit as usize),
        _ => Err(Problem::validation("/limit", "out_of_range", "limit must be 1 to 100")),
    }
}

/// Refuses a version or position that is greater than any that there can be: it would be read as another one.
pub(crate) fn count(pointer: &str, asked: Option<u64>) -> Result<(), Problem> {
    match asked {
        Some(asked) if i64::try_from(asked).is_err() => {
            Err(Problem::validation(pointer, "out_of_range", format!("it must be at most {}", i64::MAX)))
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a position that the log has not reached: what stands there later must not have been told otherwise before.
pub(crate) fn reached(asked: Option<u64>, head: u64) -> Result<u64, Problem> {
    match asked {
        Some(asked) if asked > head => {
            let detail = format!("position {asked} was not reached yet; the newest is {head}");
            Err(Problem::validation("/at_position", "out_of_range", detail))
        }
        asked => Ok(asked.unwrap_or(head)),
    }
}

/// Refuses an instant of a year without four digits: the log has none, and the database cannot hold them all.
pub(crate) fn instant(pointer: &str, asked: Option<DateTime<Utc>>) -> Result<(), Problem> {
    match asked {
        Some(asked) if !(1..=9_999).contains(&asked.year()) => {
            Err(Problem::validation(pointer, "out_of_range", "it must be in the years 1 to 9999"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a range that ends before it begins.
pub(crate) fn range(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Result<(), Problem> {
    match (from, to) {
        (Some(from), Some(to)) if from > to => {
            Err(Problem::validation("/to", "out_of_range", "to must not be before from"))
        }
        _ => Ok(()),
    }
}

/// Cuts off the one row too many that was read to see whether there is a next page; says where that begins.
pub(crate) fn cut<T>(
    state: &ReadState,
    rows: &mut Vec<T>,
    limit: usize,
    filter: &impl Serialize,
    key: impl Fn(&T) -> (i64, Uuid),
) -> Option<String> {
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    let (sort_micros, id) = key(rows.last()?);
    Some(state.opaque.seal_cursor(Cursor { sort_micros, id }, filter))
}

/// Where the page before ended.
pub(crate) fn start(
    state: &ReadState,
    cursor: Option<&str>,
    filter: &impl Serialize,
) -> Result<Option<Cursor>, Problem> {
    cursor.map(|cursor| state.opaque.open_cursor(cursor, filter)).transpose()
}

/// Where the page before ended, in a list by time.
pub(crate) fn start_in_time(
    state: &ReadState,
    cursor: Option<&str>,
    filter: &impl Serialize,
) -> Result<Option<PageStart>, Problem> {
    let page_start =
        |Cursor { sort_micros, id }: Cursor| Some(PageStart { at: DateTime::from_timestamp_micros(sort_micros)?, id });
    Ok(start(state, cursor, filter)?.and_then(page_start))
}
