//! The generations of a projection: which there are, how far each is filled, and the pool that leads to one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::{
    log::{Position, RecordedEvent},
    runtime::postgres::pool_beside,
};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    engine::{Model, Replay},
    operations::{self, JobError},
};

/// What a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GenerationState {
    /// It is being filled.
    Building,
    /// Queries read it.
    Live,
    /// It was replaced and can come back.
    Kept,
}

impl GenerationState {
    fn from_name(name: &str) -> Self {
        match name {
            "live" => Self::Live,
            "kept" => Self::Kept,
            _ => Self::Building,
        }
    }
}

/// A generation, for operators.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GenerationView {
    /// 1, 2, 3, …
    pub generation: i32,
    /// What it is.
    pub state: GenerationState,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A generation that is filled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Generation {
    pub(super) projection: &'static str,
    pub(super) generation: i32,
    pub(super) state: GenerationState,
    /// Streams are taken up to here.
    pub(super) target: Position,
    /// The last event of streams that was taken.
    pub(super) after: Option<(String, u64)>,
    /// 0 while streams are taken; then the last event that was taken in order of the log.
    pub(super) position: Position,
    pub(super) events: u64,
}

/// All generations of a projection, the newest first.
pub async fn list(db: &PgPool, projection: &str) -> Result<Vec<GenerationView>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT generation, state, since FROM projection_generations WHERE projection = $1 ORDER BY generation DESC",
    );
    let view = |row: &PgRow| {
        Ok(GenerationView {
            generation: row.try_get("generation")?,
            state: GenerationState::from_name(row.try_get("state")?),
            since: row.try_get("since")?,
        })
    };
    rows.bind(projection).fetch_all(db).await?.iter().map(view).collect()
}

/// Throws the kept generations of a projection away; how many.
pub async fn forget(db: &PgPool, model: &dyn Model, actor: &str, reason: &str) -> Result<u64, sqlx::Error> {
    let mut tx = db.begin().await?;
    let kept: Vec<i32> = sqlx::query_scalar(
        "DELETE FROM projection_generations WHERE projection = $1 AND state = 'kept' RETURNING generation",
    )
    .bind(model.name())
    .fetch_all(&mut *tx)
    .await?;
    for generation in &kept {
        drop_tables(&mut tx, model, *generation).await?;
    }
    operations::act(&mut tx, actor, "forget", (model.name(), None), reason).await?;
    tx.commit().await?;
    Ok(kept.len() as u64)
}

/// A pool whose statements find the generation's tables where they would find the live ones.
pub(super) fn pool(db: &PgPool, generation: &Generation) -> PgPool {
    let path = format!("generation_{}_{},public", generation.projection, generation.generation);
    // Filling an index takes as long as it takes.
    pool_beside(db, 3, &[("search_path", &path), ("statement_timeout", "0")])
}

const GENERATION: &str =
    "SELECT generation, state, target, after_stream, after_sequence, position, events FROM projection_generations";

/// The generation that this operation fills, or has filled.
pub(super) async fn of_operation(
    db: &PgPool,
    model: &dyn Model,
    operation_id: Uuid,
) -> Result<Option<Generation>, sqlx::Error> {
    let statement = format!("{GENERATION} WHERE projection = $1 AND operation_id = $2");
    let row = sqlx::query(&statement).bind(model.name()).bind(operation_id).fetch_optional(db).await?;
    row.as_ref().map(|row| read(model, row)).transpose()
}

/// Makes the tables of a new generation; streams are taken up to `target`.
pub(super) async fn begin(
    tx: &mut PgConnection,
    model: &dyn Model,
    operation_id: Uuid,
    target: Position,
) -> Result<(), sqlx::Error> {
    ensure_live(tx, model).await?;
    let generation: i32 = sqlx::query_scalar(
        "
        INSERT INTO projection_generations (projection, generation, state, target, operation_id)
        SELECT $1, max(generation) + 1, 'building', $2, $3 FROM projection_generations WHERE projection = $1
        RETURNING generation
        ",
    )
    .bind(model.name())
    .bind(target as i64)
    .bind(operation_id)
    .fetch_one(&mut *tx)
    .await?;
    // Rows of whole streams cannot collide, so their keys are made with the other indexes, all at once.
    let bare = matches!(model.replay(), Replay::ByStream(_));
    let tables: Vec<&str> = model.tables().to_vec();
    sqlx::query("SELECT public.create_generation($1, $2, $3, $4)")
        .bind(model.name())
        .bind(generation)
        .bind(tables)
        .bind(bare)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes up the generation that was replaced last; false if none is kept.
pub(super) async fn take_up(tx: &mut PgConnection, model: &dyn Model, operation_id: Uuid) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query(
        "
        UPDATE projection_generations SET state = 'building', operation_id = $2
        WHERE projection = $1 AND state = 'kept' AND since = (
            SELECT max(since) FROM projection_generations WHERE projection = $1 AND state = 'kept'
        )
        ",
    );
    Ok(taken.bind(model.name()).bind(operation_id).execute(tx).await?.rows_affected() == 1)
}

/// Puts a generation that was taken up back.
pub(super) async fn put_back(db: &PgPool, model: &dyn Model, operation_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_generations SET state = 'kept', operation_id = NULL
         WHERE projection = $1 AND operation_id = $2 AND state = 'building'",
    )
    .bind(model.name())
    .bind(operation_id)
    .execute(db)
    .await?;
    Ok(())
}

/// Throws away what this operation has filled and not swapped.
pub(super) async fn discard(db: &PgPool, model: &dyn Model, operation_id: Uuid) -> Result<(), sqlx::Error> {
    let mut tx = db.begin().await?;
    let generations: Vec<i32> = sqlx::query_scalar(
        "DELETE FROM projection_generations
         WHERE projection = $1 AND operation_id = $2 AND state = 'building' RETURNING generation",
    )
    .bind(model.name())
    .bind(operation_id)
    .fetch_all(&mut *tx)
    .await?;
    for generation in generations {
        drop_tables(&mut tx, model, generation).await?;
    }
    tx.commit().await
}

/// Says how far the generation is filled now; an error if it was not where it is believed to be.
pub(super) async fn advance(tx: &mut PgConnection, from: &Generation, to: &Generation) -> Result<(), JobError> {
    let moved = sqlx::query(
        "
        UPDATE projection_generations SET after_stream = $3, after_sequence = $4, position = $5, events = $6
        WHERE projection = $1 AND generation = $2 AND state = 'building' AND position = $7
          AND after_stream IS NOT DISTINCT FROM $8 AND after_sequence IS NOT DISTINCT FROM $9
        ",
    )
    .bind(to.projection)
    .bind(to.generation)
    .bind(to.after.as_ref().map(|(id, _)| id.as_str()))
    .bind(to.after.as_ref().map(|(_, sequence)| *sequence as i64))
    .bind(to.position as i64)
    .bind(to.events as i64)
    .bind(from.position as i64)
    .bind(from.after.as_ref().map(|(id, _)| id.as_str()))
    .bind(from.after.as_ref().map(|(_, sequence)| *sequence as i64))
    .execute(tx)
    .await?;
    match moved.rows_affected() {
        1 => Ok(()),
        _ => Err(JobError::Again("somebody else fills the generation".to_owned())),
    }
}

/// The generation is the live one from this transaction on, and the one before it is kept as it is at `position`.
pub(super) async fn make_live(
    tx: &mut PgConnection,
    generation: &Generation,
    position: Position,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_generations SET state = 'kept', position = $2, since = now()
         WHERE projection = $1 AND state = 'live'",
    )
    .bind(generation.projection)
    .bind(position as i64)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "UPDATE projection_generations SET state = 'live', position = $3, since = now()
         WHERE projection = $1 AND generation = $2",
    )
    .bind(generation.projection)
    .bind(generation.generation)
    .bind(position as i64)
    .execute(tx)
    .await?;
    Ok(())
}

/// The number of the live generation.
pub(super) async fn live(tx: &mut PgConnection, projection: &str) -> Result<i32, sqlx::Error> {
    let live = sqlx::query_scalar(
        "SELECT generation FROM projection_generations WHERE projection = $1 AND state = 'live' FOR UPDATE",
    );
    live.bind(projection).fetch_one(tx).await
}

/// Makes the keys and indexes that a full generation lacks.
pub(super) async fn index(tx: &mut PgConnection, model: &dyn Model, generation: i32) -> Result<(), sqlx::Error> {
    call(tx, "index_generation", model, generation).await
}

/// The position after the last of these events.
pub(super) fn behind(events: &[std::sync::Arc<RecordedEvent>], position: Position) -> Position {
    events.last().map_or(position, |event| event.position)
}

async fn ensure_live(tx: &mut PgConnection, model: &dyn Model) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO projection_generations (projection, generation, state)
        SELECT name, generation, 'live' FROM projection_checkpoints WHERE name = $1
        ON CONFLICT DO NOTHING
        ",
    )
    .bind(model.name())
    .execute(tx)
    .await?;
    Ok(())
}

async fn drop_tables(tx: &mut PgConnection, model: &dyn Model, generation: i32) -> Result<(), sqlx::Error> {
    call(tx, "drop_generation", model, generation).await
}

async fn call(tx: &mut PgConnection, function: &str, model: &dyn Model, generation: i32) -> Result<(), sqlx::Error> {
    let tables: Vec<String> = model.tables().iter().map(|table| (*table).to_owned()).collect();
    sqlx::query(&format!("SELECT public.{function}($1, $2, $3)"))
        .bind(model.name())
        .bind(generation)
        .bind(tables)
        .execute(tx)
        .await?;
    Ok(())
}

fn read(model: &dyn Model, row: &PgRow) -> Result<Generation, sqlx::Error> {
    let (stream, sequence): (Option<String>, Option<i64>) =
        (row.try_get("after_stream")?, row.try_get("after_sequence")?);
    Ok(Generation {
        projection: model.name(),
        generation: row.try_get("generation")?,
        state: GenerationState::from_name(row.try_get("state")?),
        target: row.try_get::<i64, _>("target")? as Position,
        after: stream.zip(sequence.map(|sequence| sequence as u64)),
        position: row.try_get::<i64, _>("position")? as Position,
        events: row.try_get::<i64, _>("events")? as u64,
    })
}
