//! Rows of read models as of a position: folded anew from what they are made of.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use shared::log::{LogError, LogReader, Position, RecordedEvent};
use uuid::Uuid;

use super::{
    events::strip,
    pages::Pages,
    replay::{HistoryError, StreamId},
};
use crate::engine::{Model, Refusal, Sources};

/// Which row, and as of when.
#[derive(Debug, Clone, Copy)]
pub struct RowAt<'a> {
    /// Its id.
    pub id: Uuid,
    /// With the events up to here.
    pub position: Position,
    /// Without these, which somebody had the projection pass over.
    pub discarded: &'a HashSet<Position>,
}

/// The rows that a projection has, or had, of one id.
pub async fn rows_at(
    log: &LogReader,
    (model, sources): (&dyn Model, Sources),
    row: RowAt<'_>,
) -> Result<Vec<Value>, HistoryError> {
    let events = read(log, sources, row).await?;
    let refused = |refusal: Refusal| HistoryError::Unreadable { position: refusal.position, reason: refusal.error };
    let mut rows = model.rows(row.id, &events, row.discarded).map_err(refused)?;
    rows.iter_mut().for_each(strip);
    Ok(rows)
}

/// What the rows of an id are made of, in order of the log.
async fn read(log: &LogReader, sources: Sources, row: RowAt<'_>) -> Result<Vec<RecordedEvent>, LogError> {
    let mut events = BTreeMap::new();
    let mut keep = |event: RecordedEvent| {
        if event.position <= row.position {
            events.insert(event.position, event);
        }
    };
    for aggregate_type in sources.streams {
        let stream = StreamId { aggregate_type: *aggregate_type, aggregate_id: row.id };
        let mut pages = Pages::between(log, stream, 0, u64::MAX);
        while let Some(page) = pages.next().await? {
            let is_enough = page.last().is_some_and(|last| last.position >= row.position);
            page.into_iter().for_each(&mut keep);
            if is_enough {
                break;
            }
        }
    }
    if sources.flow {
        log.flows(&[row.id], row.position).await?.into_iter().for_each(&mut keep);
    }
    Ok(events.into_values().collect())
}
