//! The table of checkpoints: how far a projection is, and who may move it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::log::Position;
use sqlx::{PgConnection, PgPool, Row, postgres::types::PgInterval};
use uuid::Uuid;

/// The right to fold one projection, until the lease ends or another takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Rises with every change of owner; fences those that do not know of the change.
    pub epoch: i64,
    /// How far the projection is.
    pub position: Position,
}

/// Makes sure that the projection has a checkpoint.
pub async fn ensure(db: &PgPool, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO projection_checkpoints (name) VALUES ($1) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .execute(db)
        .await?;
    Ok(())
}

/// Takes the projection over if nobody else holds its lease. Leases are measured by the database's clock alone.
pub async fn claim(db: &PgPool, name: &str, owner: Uuid, lease: Duration) -> Result<Option<Claim>, sqlx::Error> {
    let row = sqlx::query(
        "
        UPDATE projection_checkpoints
        SET owner = $2, epoch = epoch + 1, lease_until = clock_timestamp() + $3
        WHERE name = $1 AND (lease_until < clock_timestamp() OR owner = $2)
        RETURNING epoch, position
        ",
    )
    .bind(name)
    .bind(owner)
    .bind(interval(lease))
    .fetch_optional(db)
    .await?;
    row.map(|row| Ok(Claim { epoch: row.try_get("epoch")?, position: row.try_get::<i64, _>("position")? as Position }))
        .transpose()
}

/// Holds the lease for longer and says where the checkpoint stands; none if the lease was lost.
pub async fn renew(db: &PgPool, name: &str, epoch: i64, lease: Duration) -> Result<Option<Position>, sqlx::Error> {
    let position: Option<i64> = sqlx::query_scalar(
        "UPDATE projection_checkpoints SET lease_until = clock_timestamp() + $3 WHERE name = $1 AND epoch = $2
         RETURNING position",
    )
    .bind(name)
    .bind(epoch)
    .bind(interval(lease))
    .fetch_optional(db)
    .await?;
    Ok(position.map(|position| position as Position))
}

/// Gives the lease up, so that another may take over at once.
pub async fn release(db: &PgPool, name: &str, epoch: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE projection_checkpoints SET lease_until = '-infinity' WHERE name = $1 AND epoch = $2")
        .bind(name)
        .bind(epoch)
        .execute(db)
        .await?;
    Ok(())
}

/// Moves the checkpoint in the batch's transaction; false if it does not stand at `claim.position` any more or is
/// another's, and then the transaction must not be committed.
pub async fn advance(
    tx: &mut PgConnection,
    name: &str,
    claim: Claim,
    to: Position,
    lease: Duration,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(
        "
        UPDATE projection_checkpoints
        SET position = $4, updated_at = now(), lease_until = clock_timestamp() + $5
        WHERE name = $1 AND epoch = $2 AND position = $3
        ",
    )
    .bind(name)
    .bind(claim.epoch)
    .bind(claim.position as i64)
    .bind(to as i64)
    .bind(interval(lease))
    .execute(tx)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Holds the projection's owner up until the transaction ends; where the projection is. None if it has no checkpoint.
pub async fn lock(tx: &mut PgConnection, name: &str) -> Result<Option<Claim>, sqlx::Error> {
    let row = sqlx::query("SELECT epoch, position FROM projection_checkpoints WHERE name = $1 FOR UPDATE");
    let row = row.bind(name).fetch_optional(tx).await?;
    row.map(|row| Ok(Claim { epoch: row.try_get("epoch")?, position: row.try_get::<i64, _>("position")? as Position }))
        .transpose()
}

/// Where the projection is, in the transaction's eyes.
pub async fn position(tx: &mut PgConnection, name: &str) -> Result<Position, sqlx::Error> {
    let position: Option<i64> = sqlx::query_scalar("SELECT position FROM projection_checkpoints WHERE name = $1")
        .bind(name)
        .fetch_optional(tx)
        .await?;
    Ok(position.unwrap_or(0) as Position)
}

/// The rows were changed by somebody else than the owner, who has to forget what it remembers of them. `generation`
/// says which tables are the live ones now, if that has changed.
pub async fn dispossess(tx: &mut PgConnection, name: &str, generation: Option<i32>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_checkpoints
         SET epoch = epoch + 1, lease_until = '-infinity', generation = coalesce($2, generation), updated_at = now()
         WHERE name = $1",
    )
    .bind(name)
    .bind(generation)
    .execute(tx)
    .await?;
    Ok(())
}

/// Rows were changed otherwise than by events of theirs, and have kept their versions.
pub async fn note_repair(tx: &mut PgConnection, name: &str, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE projection_checkpoints SET repaired_at = greatest(repaired_at, $2) WHERE name = $1")
        .bind(name)
        .bind(at)
        .execute(tx)
        .await?;
    Ok(())
}

/// When rows were last changed otherwise than by events of theirs.
pub async fn repaired_at(db: &PgPool, name: &str) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let repaired = sqlx::query_scalar("SELECT repaired_at FROM projection_checkpoints WHERE name = $1");
    Ok(repaired.bind(name).fetch_optional(db).await?.flatten())
}

/// How far every projection is.
pub async fn positions(db: &PgPool) -> Result<Vec<(String, Position)>, sqlx::Error> {
    let rows = sqlx::query("SELECT name, position FROM projection_checkpoints").fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get::<i64, _>("position")? as Position))).collect()
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: duration.as_micros().try_into().unwrap_or(i64::MAX) }
}
