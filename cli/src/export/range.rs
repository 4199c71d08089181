//! Which part of the log.

use std::str::FromStr;

use anyhow::Result;
use chrono::{DateTime, Utc};
use shared::log::{LogReader, Position};

use super::{Exit, USAGE, explain};

/// A place in the log as somebody says it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// This position.
    At(Position),
    /// What was recorded at or after this instant, or before it.
    When(DateTime<Utc>),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.parse() {
            return Ok(Self::At(position));
        }
        let instant = text.parse::<DateTime<Utc>>();
        instant.map(Self::When).map_err(|_| "neither a position nor an instant as 2026-11-22T12:00:00Z".to_owned())
    }
}

/// The first and the last position; the first is behind the last if there is nothing. What is appended meanwhile is not
/// in it.
pub(super) async fn find(log: &LogReader, from: Option<Bound>, to: Option<Bound>) -> Result<(Position, Position)> {
    let head = log.head().await.map_err(explain)?;
    let first = match from {
        None => 1,
        Some(Bound::At(position)) => position.max(1),
        Some(Bound::When(instant)) => first_since(log, instant, head).await?,
    };
    let last = match to {
        None => head,
        Some(Bound::At(position)) => position.min(head),
        Some(Bound::When(instant)) => first_since(log, instant, head).await? - 1,
    };
    if let (Some(Bound::At(from)), Some(Bound::At(to))) = (from, to)
        && from > to
    {
        return Err(Exit::new(USAGE, format!("--to {to} is before --from {from}")).into());
    }
    Ok((first, last))
}

/// The first position recorded at or after an instant. Positions have no hole and were recorded in their order, so
/// halving finds it.
async fn first_since(log: &LogReader, instant: DateTime<Utc>, head: Position) -> Result<Position> {
    let (mut low, mut high) = (1, head + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let event = log.page(middle - 1, 1).await.map_err(explain)?.into_iter().next();
        match event {
            Some(event) if event.recorded_at < instant => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
