//! Verification of a generation: beside the live tables, and, row by row, beside the log.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use shared::log::Position;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    RebuildParts,
    audit::{Audit, Place},
    compare::{Difference, Pair, compare},
    generations,
    job::{Open, Rebuild},
};
use crate::{
    engine::{Drift, checkpoints, dead_letters},
    operations::{JobError, Run},
};

/// Where in the log the rows are that are folded once more, and how many events at each place.
const SAMPLES: &[f64] = &[0.05, 0.35, 0.65, 0.95];
const SAMPLE_EVENTS: u32 = 1_000;
/// Aggregates that are named of those that would be lost.
const NAMED_MAX: usize = 20;

/// What a verification has found.
pub(super) struct Verified {
    pub(super) differences: Vec<Difference>,
    /// Rows of the new generation that are not what their events add up to, of those that were folded once more.
    pub(super) drifts: Vec<Drift>,
    pub(super) lost: Vec<Lost>,
}

/// An aggregate that the new generation refuses from an event on that the live rows have: the swap would lose it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Lost {
    aggregate_id: Uuid,
    position: Position,
    error: String,
}

impl Verified {
    /// Whether nobody would notice the swap.
    pub(super) fn is_equal(&self) -> bool {
        self.differences.iter().all(|difference| difference.rows() == 0)
            && self.drifts.is_empty()
            && self.lost.is_empty()
    }

    /// Some of what would be lost.
    pub(super) fn named(&self) -> &[Lost] {
        &self.lost[..self.lost.len().min(NAMED_MAX)]
    }
}

impl Rebuild {
    /// Compares both generations at one position, in one snapshot. None if the generation has fallen behind.
    pub(super) async fn verify(&self, run: &Run, open: &mut Open) -> Result<Option<Verified>, JobError> {
        let mut tx = open.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        let position = checkpoints::position(&mut tx, self.model.name()).await?;
        let Some(events) = self.tail(open, position).await? else { return Ok(None) };
        self.fill(open, &mut tx, &events).await?;
        // The live rows of these stand still, so they are behind.
        let waiting = dead_letters::open_positions(&mut tx, self.model.name()).await?;
        let known: Vec<String> = waiting.keys().map(ToString::to_string).collect();
        let lost = lost(open, &waiting);
        let mut differences = Vec::new();
        let schema = format!("generation_{}_{}", self.model.name(), open.generation.generation);
        for table in self.model.tables() {
            let pair = Pair { table, live: format!("public.{table}"), new: format!("{schema}.{table}") };
            differences.push(compare(&mut tx, &pair, &known).await?);
        }
        let mut next = open.generation.clone();
        next.position = position;
        next.events += events.len() as u64;
        generations::advance(&mut tx, &open.generation, &next).await?;
        let held = run.hold().await?;
        tx.commit().await?;
        drop(held);
        open.generation = next;
        let drifts = self.sample(open, schema).await?;
        Ok(Some(Verified { differences, drifts, lost }))
    }

    /// What the swap would lose, as the transaction sees the live rows.
    pub(super) async fn lost(&self, open: &Open, tx: &mut PgConnection) -> Result<Vec<Lost>, JobError> {
        Ok(lost(open, &dead_letters::open_positions(tx, self.model.name()).await?))
    }

    /// Folds some rows of the new generation once more from the log, since the live ones may be wrong in the same way.
    async fn sample(&self, open: &Open, schema: String) -> Result<Vec<Drift>, JobError> {
        if self.model.sources().is_none() {
            return Ok(Vec::new());
        }
        let stopped = open.standstill.stopped.iter().map(|(id, refusal)| (*id, refusal.position)).collect();
        let place = Place { position: open.generation.position, stopped };
        let parts = RebuildParts { page_events: SAMPLE_EVENTS.min(self.parts.page_events), ..self.parts.clone() };
        let audit = Audit::over(&parts, Arc::clone(&self.model), (schema, Some(place))).await?;
        let mut drifts = Vec::new();
        for place in SAMPLES {
            drifts.extend(audit.sample(*place).await?);
        }
        Ok(drifts)
    }
}

/// What is refused before the place where the live rows stand still, if they do.
fn lost(open: &Open, waiting: &HashMap<Uuid, Position>) -> Vec<Lost> {
    let stopped = open.standstill.stopped.iter();
    let mut lost: Vec<Lost> = stopped
        .filter(|(id, refusal)| waiting.get(*id).is_none_or(|waits| refusal.position < *waits))
        .map(|(id, refusal)| Lost { aggregate_id: *id, position: refusal.position, error: refusal.error.clone() })
        .collect();
    lost.sort_by_key(|lost| lost.position);
    lost
}
