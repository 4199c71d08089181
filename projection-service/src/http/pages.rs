//! Pages by key: how many rows, and where the next page begins.

use chrono::DateTime;
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
