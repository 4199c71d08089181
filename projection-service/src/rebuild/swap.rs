//! The swap: the last events, the tables, the letters and the checkpoint in one transaction.

use std::{collections::HashMap, sync::Arc};

use shared::log::{Position, RecordedEvent};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    RebuildParts,
    generations::{self, Generation},
    refusals, telling,
};
use crate::{
    engine::{FoldError, Model, Refusal, Standstill, checkpoints, dead_letters},
    operations::JobError,
};

/// Events of one aggregate that are read at a time.
const PAGE: u32 = 1_000;

/// In the transaction that has locked the checkpoint at `position` and brought the generation there: makes it the live
/// one.
pub(super) async fn swap(
    parts: &RebuildParts,
    tx: &mut PgConnection,
    model: &dyn Model,
    generation: &Generation,
    (standstill, position): (&Standstill, Position),
) -> Result<(), JobError> {
    let old = generations::live(tx, model.name()).await?;
    refusals::remember_letters(tx, model.name(), old).await?;
    settle_letters(parts, tx, model, (standstill, position)).await?;
    refusals::clear_refusals(tx, generation).await?;
    let tables: Vec<String> = model.tables().iter().map(|table| (*table).to_owned()).collect();
    sqlx::query("SELECT public.swap_generation($1, $2, $3, $4)")
        .bind(model.name())
        .bind(old)
        .bind(generation.generation)
        .bind(tables)
        .execute(&mut *tx)
        .await?;
    checkpoints::dispossess(tx, model.name(), Some(generation.generation)).await?;
    generations::make_live(tx, generation, position).await?;
    Ok(())
}

/// Tries whether the live tables could be swapped now, and lets go of them again: while something holds them for long,
/// nobody else is to be kept from them, nor the owner from its checkpoint.
pub(super) async fn probe(db: &PgPool, model: &dyn Model) -> Result<(), JobError> {
    let tables: Vec<String> = model.tables().iter().map(|table| format!("public.{table}")).collect();
    let mut tx = db.begin().await?;
    sqlx::query("SET LOCAL lock_timeout = '50ms'").execute(&mut *tx).await?;
    sqlx::query(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "))).execute(&mut *tx).await?;
    Ok(tx.rollback().await?)
}

/// Whether the swap only waited too long for queries that run.
pub(super) fn is_lock_timeout(error: &JobError) -> bool {
    matches!(error, JobError::Again(error) if error.contains("lock timeout"))
}

/// The letters of the new generation: what it has folded is redriven and, if it was not before, told of; what it refused
/// is open.
async fn settle_letters(
    parts: &RebuildParts,
    tx: &mut PgConnection,
    model: &dyn Model,
    (standstill, through): (&Standstill, Position),
) -> Result<(), JobError> {
    let stopped = positions(&standstill.stopped);
    let untold = dead_letters::settle(tx, model.name(), &stopped).await?;
    if model.tells() {
        let passed_over =
            Standstill { discarded: standstill.discarded.clone(), before: stopped, ..Standstill::default() };
        telling::tell(parts, tx, model, (&untold, passed_over, through)).await?;
    }
    let now = parts.clock.now();
    for (aggregate_id, refusal) in &standstill.stopped {
        let mut failure = Some((FoldError::Refused(refusal.error.clone()), now));
        let mut after = 0;
        loop {
            let events = parts.log.stream(refusal.aggregate_type, *aggregate_id, after, PAGE).await?;
            let Some(last) = events.last() else { break };
            after = last.sequence;
            let mut letters = Vec::new();
            for event in events {
                if waits(model, standstill, &event, refusal, through) {
                    // Where no letter was open, the generation before took the event and told of it.
                    let (event, failure) = (Arc::new(event), failure.take());
                    letters.push(dead_letters::NewLetter { event, failure, told: true });
                }
            }
            dead_letters::insert(tx, model.name(), &letters, &parts.letters, now).await?;
        }
    }
    Ok(())
}

fn waits(
    model: &dyn Model,
    standstill: &Standstill,
    event: &RecordedEvent,
    refusal: &Refusal,
    through: Position,
) -> bool {
    (refusal.position..=through).contains(&event.position)
        && model.touches(event)
        && !standstill.discarded.contains(&event.position)
}

fn positions(stopped: &HashMap<Uuid, Refusal>) -> HashMap<Uuid, Position> {
    stopped.iter().map(|(id, refusal)| (*id, refusal.position)).collect()
}
