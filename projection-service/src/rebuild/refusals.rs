//! What the fold of a generation refused or was told to pass over, and how that becomes letters and comes from them.

use std::collections::{HashMap, HashSet};

use shared::{domain::AggregateType, log::Position};
use sqlx::{PgConnection, PgPool, Row};

use super::generations::Generation;
use crate::engine::{Refusal, Standstill};

/// Where each aggregate of the generation stands still, and what is passed over.
pub(super) async fn standstill(db: &PgPool, generation: &Generation) -> Result<Standstill, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT aggregate_type, aggregate_id, position, error FROM projection_refusals
         WHERE projection = $1 AND generation = $2",
    )
    .bind(generation.projection)
    .bind(generation.generation)
    .fetch_all(db)
    .await?;
    let mut stopped = HashMap::new();
    for row in rows {
        let aggregate_type = AggregateType::from_name(row.try_get("aggregate_type")?)
            .ok_or_else(|| sqlx::Error::Decode("an unknown aggregate".into()))?;
        let position = row.try_get::<i64, _>("position")? as Position;
        let refusal = Refusal { aggregate_type, position, error: row.try_get("error")? };
        stopped.insert(row.try_get("aggregate_id")?, refusal);
    }
    let discarded = discarded(db, generation.projection).await?;
    Ok(Standstill { discarded, stopped, before: HashMap::new() })
}

/// The events that a person has had this projection pass over.
pub(crate) async fn discarded(db: &PgPool, projection: &str) -> Result<HashSet<Position>, sqlx::Error> {
    let positions: Vec<i64> =
        sqlx::query_scalar("SELECT position FROM dead_letters WHERE queue_name = $1 AND status = 'DISCARDED'")
            .bind(projection)
            .fetch_all(db)
            .await?;
    Ok(positions.into_iter().map(|position| position as Position).collect())
}

/// Writes down what the generation refused that was not known before.
pub(super) async fn write_refusals(
    tx: &mut PgConnection,
    generation: &Generation,
    standstill: &Standstill,
    known: usize,
) -> Result<(), sqlx::Error> {
    if standstill.stopped.len() == known {
        return Ok(());
    }
    for (aggregate_id, refusal) in &standstill.stopped {
        sqlx::query(
            "INSERT INTO projection_refusals (projection, generation, aggregate_type, aggregate_id, position, error)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(generation.projection)
        .bind(generation.generation)
        .bind(refusal.aggregate_type.as_str())
        .bind(aggregate_id)
        .bind(refusal.position as i64)
        .bind(&refusal.error)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// The generation that is replaced stands still where its open letters are.
pub(super) async fn remember_letters(
    tx: &mut PgConnection,
    projection: &str,
    generation: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO projection_refusals (projection, generation, aggregate_type, aggregate_id, position, error)
        SELECT DISTINCT ON (aggregate_id) $1, $2, aggregate_type, aggregate_id, position, error_message
        FROM dead_letters
        WHERE queue_name = $1 AND status IN ('PENDING', 'PARKED', 'BLOCKED')
        ORDER BY aggregate_id, position
        ON CONFLICT (projection, generation, aggregate_id)
        DO UPDATE SET position = EXCLUDED.position, error = EXCLUDED.error
        ",
    )
    .bind(projection)
    .bind(generation)
    .execute(tx)
    .await?;
    Ok(())
}

/// What stood still goes on as letters from now on.
pub(super) async fn clear_refusals(tx: &mut PgConnection, generation: &Generation) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM projection_refusals WHERE projection = $1 AND generation = $2")
        .bind(generation.projection)
        .bind(generation.generation)
        .execute(tx)
        .await?;
    Ok(())
}
