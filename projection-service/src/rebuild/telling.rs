//! What open letters held back is told when a generation that has taken their events goes live: in the transaction of
//! the swap, and of no event that users were told of before.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use shared::log::{Position, RecordedEvent};
use sqlx::PgConnection;
use uuid::Uuid;

use super::RebuildParts;
use crate::{
    engine::{Model, Sources, Standstill},
    operations::JobError,
};

/// Rows that are folded at a time.
const ROWS_MAX: usize = 500;

/// Tells of the `untold` events, in order of the log. The rows they touch are folded from their first event up to
/// `through`, since what is told of an event depends on the row before it.
pub(super) async fn tell(
    parts: &RebuildParts,
    tx: &mut PgConnection,
    model: &dyn Model,
    (untold, mut standstill, through): (&[Position], Standstill, Position),
) -> Result<(), JobError> {
    let Some(sources) = model.sources().filter(|_| !untold.is_empty()) else { return Ok(()) };
    let rows = rows_of(parts, model, untold).await?;
    let untold: HashSet<Position> = untold.iter().copied().collect();
    for ids in rows.chunks(ROWS_MAX) {
        let events = events_of(parts, model, sources, (ids, through)).await?;
        model.tell(tx, &events, &mut standstill, &untold).await?;
    }
    // They would be lost for good.
    if let Some(refusal) = standstill.stopped.values().next() {
        let (position, error) = (refusal.position, &refusal.error);
        return Err(JobError::Again(format!(
            "position {position}, which the fold took before, it refuses now: {error}"
        )));
    }
    Ok(())
}

/// The rows that these events touch, in order of their first one.
async fn rows_of(parts: &RebuildParts, model: &dyn Model, positions: &[Position]) -> Result<Vec<Uuid>, JobError> {
    let mut firsts = HashMap::<Uuid, Position>::new();
    for positions in positions.chunks(parts.page_events as usize) {
        for event in parts.log.at(positions).await? {
            for id in model.ids(&event) {
                firsts.entry(id).or_insert(event.position);
            }
        }
    }
    let mut rows: Vec<Uuid> = firsts.keys().copied().collect();
    rows.sort_unstable_by_key(|id| firsts[id]);
    Ok(rows)
}

/// All events of some rows, in order of the log.
async fn events_of(
    parts: &RebuildParts,
    model: &dyn Model,
    sources: Sources,
    (ids, through): (&[Uuid], Position),
) -> Result<Vec<Arc<RecordedEvent>>, JobError> {
    let mut events = parts.log.whole_streams(sources.streams, ids, through).await?;
    if sources.flow {
        events.extend(parts.log.flows(ids, through).await?);
    }
    let events: BTreeMap<Position, RecordedEvent> = events
        .into_iter()
        .filter(|event| model.ids(event).iter().all(|id| ids.contains(id)))
        .map(|event| (event.position, event))
        .collect();
    Ok(events.into_values().map(Arc::new).collect())
}
