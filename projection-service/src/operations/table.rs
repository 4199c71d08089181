//! The table of operations, and the list of who asked for what.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::{
    PgConnection, PgPool, Row,
    postgres::{PgRow, types::PgInterval},
};
use uuid::Uuid;

use super::{Operation, OperationKind, OperationProgress, OperationState, Progress, Run, Wanted};

/// An operation to be made.
#[derive(Debug, Clone)]
pub struct NewOperation {
    /// What it does.
    pub kind: OperationKind,
    /// What it is about.
    pub subject: String,
    /// What its job has to know.
    pub input: Value,
    /// Who asks for it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Why an operation was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// One of this kind about the same thing has not ended.
    #[error("another operation of this kind has not ended")]
    Open,
    /// The database did not take it.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The columns of an operation, for every statement here.
macro_rules! statement {
    (returning $($part:literal),+) => {
        concat!(
            $($part,)+
            " RETURNING id, kind, subject, state, wanted, input, stage, done, total, rate_per_s, started_by, reason,
              errors, errors_total, result, created_at, updated_at, finished_at, epoch"
        )
    };
    (select $($part:literal),+) => {
        concat!(
            "SELECT id, kind, subject, state, wanted, input, stage, done, total, rate_per_s, started_by, reason,
              errors, errors_total, result, created_at, updated_at, finished_at, epoch FROM operations ",
            $($part,)+
        )
    };
}

/// Makes an operation, and writes down who asked.
pub async fn create(db: &PgPool, new: &NewOperation) -> Result<Operation, CreateError> {
    let mut tx = db.begin().await?;
    let made = create_in(&mut tx, new).await?;
    tx.commit().await?;
    Ok(made)
}

/// The same within a transaction, for operations with tables of their own.
pub async fn create_in(tx: &mut PgConnection, new: &NewOperation) -> Result<Operation, CreateError> {
    let made = sqlx::query(statement!(returning
        "INSERT INTO operations (id, kind, subject, input, started_by, reason) VALUES ($1, $2, $3, $4, $5, $6)"))
    .bind(Uuid::now_v7())
    .bind(new.kind.as_str())
    .bind(&new.subject)
    .bind(&new.input)
    .bind(&new.actor)
    .bind(&new.reason)
    .fetch_one(&mut *tx)
    .await;
    let row = made.map_err(|error| match error.as_database_error().and_then(|error| error.constraint()) {
        Some("operations_open_key") => CreateError::Open,
        _ => CreateError::Database(error),
    })?;
    let made = read(&row)?;
    act(tx, &new.actor, new.kind.as_str(), (&new.subject, Some(made.id)), &new.reason).await?;
    Ok(made)
}

/// Writes down who did what to what, and why.
pub async fn act(
    tx: &mut PgConnection,
    actor: &str,
    act: &str,
    (subject, operation_id): (&str, Option<Uuid>),
    reason: &str,
) -> Result<(), sqlx::Error> {
    tracing::info!(event = "operator_act", actor, act, subject, reason, "{actor}: {act} {subject}");
    sqlx::query("INSERT INTO operator_acts (actor, act, subject, reason, operation_id) VALUES ($1, $2, $3, $4, $5)")
        .bind(actor)
        .bind(act)
        .bind(subject)
        .bind(reason)
        .bind(operation_id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Says how much there is to do, before it begins.
pub async fn set_total(tx: &mut PgConnection, id: Uuid, total: u64) -> Result<Operation, sqlx::Error> {
    let set = sqlx::query(statement!(returning "UPDATE operations SET total = $2 WHERE id = $1"));
    read(&set.bind(id).bind(total as i64).fetch_one(tx).await?)
}

/// One operation.
pub async fn find(db: &PgPool, id: Uuid) -> Result<Option<Operation>, sqlx::Error> {
    let row = sqlx::query(statement!(select "WHERE id = $1")).bind(id).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// The newest operations.
pub async fn list(db: &PgPool, limit: i64) -> Result<Vec<Operation>, sqlx::Error> {
    let query = sqlx::query(statement!(select "ORDER BY created_at DESC, id LIMIT $1"));
    query.bind(limit).fetch_all(db).await?.iter().map(read).collect()
}

/// The operations about one thing that have not ended, the newest first.
pub async fn open_about(db: &PgPool, subject: &str) -> Result<Vec<Operation>, sqlx::Error> {
    let query = sqlx::query(statement!(select
        "WHERE subject = $1 AND state IN ('planned', 'running', 'paused') ORDER BY created_at DESC"));
    query.bind(subject).fetch_all(db).await?.iter().map(read).collect()
}

/// Says what a person wants of an operation that has not ended; none if it has.
pub async fn ask(
    db: &PgPool,
    id: Uuid,
    wanted: Wanted,
    actor: &str,
    reason: &str,
) -> Result<Option<Operation>, sqlx::Error> {
    let mut tx = db.begin().await?;
    let row = sqlx::query(statement!(returning
        "UPDATE operations SET wanted = $2, updated_at = clock_timestamp()
         WHERE id = $1 AND state IN ('planned', 'running', 'paused')"))
    .bind(id)
    .bind(wanted.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let operation = read(&row)?;
    let verb = match wanted {
        Wanted::Run => "resume",
        Wanted::Pause => "pause",
        Wanted::Cancel => "cancel",
    };
    act(&mut tx, actor, verb, (&operation.subject, Some(id)), reason).await?;
    tx.commit().await?;
    Ok(Some(operation))
}

/// Changes what an operation's job is told from its next claim on.
pub async fn set_input(db: &PgPool, id: Uuid, input: &Value) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE operations SET input = input || $2 WHERE id = $1").bind(id).bind(input).execute(db).await?;
    Ok(())
}

/// Takes over the oldest operation that nobody works on. Leases are measured by the database's clock alone.
pub(super) async fn claim(
    db: &PgPool,
    owner: Uuid,
    lease: Duration,
) -> Result<Option<(Run, OperationKind)>, sqlx::Error> {
    let row = sqlx::query(statement!(returning
        "UPDATE operations
         SET owner = $1, epoch = epoch + 1, lease_until = clock_timestamp() + $2, updated_at = clock_timestamp(),
             state = CASE wanted WHEN 'run' THEN 'running' ELSE state END
         WHERE id = (
             SELECT id FROM operations
             WHERE state IN ('planned', 'running', 'paused') AND lease_until < clock_timestamp()
               AND NOT (state = 'paused' AND wanted = 'pause')
             ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
         )"))
    .bind(owner)
    .bind(interval(lease))
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Operation { id, kind, subject, input, .. } = read(&row)?;
    Ok(Some((Run { db: db.clone(), id, epoch: row.try_get("epoch")?, subject, input }, kind)))
}

/// Holds the lease for longer and tells what is wanted; none if the operation is another's now.
pub(super) async fn renew(db: &PgPool, run: &Run, lease: Duration) -> Result<Option<Wanted>, sqlx::Error> {
    let wanted: Option<String> = sqlx::query_scalar(
        "UPDATE operations SET lease_until = clock_timestamp() + $3 WHERE id = $1 AND epoch = $2 RETURNING wanted",
    )
    .bind(run.id)
    .bind(run.epoch)
    .bind(interval(lease))
    .fetch_optional(db)
    .await?;
    Ok(wanted.map(|name| Wanted::from_name(&name)))
}

/// Says how far the work is.
pub(super) async fn advance(
    db: &PgPool,
    run: &Run,
    progress: &Progress,
    rate_per_s: Option<f64>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE operations SET stage = $3, done = $4, total = $5, rate_per_s = $6, updated_at = clock_timestamp()
         WHERE id = $1 AND epoch = $2",
    )
    .bind(run.id)
    .bind(run.epoch)
    .bind(&progress.stage)
    .bind(progress.done as i64)
    .bind(progress.total.map(|total| total as i64))
    .bind(rate_per_s)
    .execute(db)
    .await?;
    Ok(())
}

/// The work has stopped: in a final state, or paused until somebody wants something else.
pub(super) async fn settle(
    db: &PgPool,
    run: &Run,
    state: OperationState,
    result: Option<&Value>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        UPDATE operations
        SET state = $3, result = coalesce($4, result), lease_until = '-infinity', updated_at = clock_timestamp(),
            wanted = CASE $3 WHEN 'paused' THEN 'pause' ELSE wanted END,
            finished_at = CASE WHEN $3 IN ('succeeded', 'failed', 'cancelled') THEN clock_timestamp() END
        WHERE id = $1 AND epoch = $2
        ",
    )
    .bind(run.id)
    .bind(run.epoch)
    .bind(state.as_str())
    .bind(result)
    .execute(db)
    .await?;
    Ok(())
}

/// Gives the lease up, so that another process may go on at once.
pub(super) async fn release(db: &PgPool, run: &Run) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE operations SET lease_until = '-infinity' WHERE id = $1 AND epoch = $2")
        .bind(run.id)
        .bind(run.epoch)
        .execute(db)
        .await?;
    Ok(())
}

/// Whether the operation is still held as it was; nobody can take it over before the transaction ends.
pub(super) async fn is_held(tx: &mut PgConnection, id: Uuid, epoch: i64) -> Result<bool, sqlx::Error> {
    let held = sqlx::query("SELECT 1 FROM operations WHERE id = $1 AND epoch = $2 FOR SHARE");
    Ok(held.bind(id).bind(epoch).fetch_optional(tx).await?.is_some())
}

/// Adds to the errors; the first twenty are kept, all are counted.
pub(super) async fn note_error(db: &PgPool, id: Uuid, error: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        UPDATE operations
        SET errors_total = errors_total + 1,
            errors = CASE WHEN jsonb_array_length(errors) < 20 THEN errors || to_jsonb($2::text) ELSE errors END
        WHERE id = $1
        ",
    )
    .bind(id)
    .bind(error.chars().take(500).collect::<String>())
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes operations that ended longer ago than `kept`, with what belongs to them; who asked for them stays written
/// down. They are dated by the database's clock, and swept by it.
pub async fn sweep(db: &PgPool, kept: TimeDelta, limit: i64) -> Result<u64, sqlx::Error> {
    let swept = sqlx::query(
        "
        DELETE FROM operations
        WHERE id IN (SELECT id FROM operations WHERE finished_at < clock_timestamp() - $1 LIMIT $2)
        ",
    );
    Ok(swept.bind(kept).bind(limit).execute(db).await?.rows_affected())
}

fn read(row: &PgRow) -> Result<Operation, sqlx::Error> {
    let unknown = |name: &str| sqlx::Error::Decode(format!("an operation is {name:?}").into());
    let (kind, state): (&str, &str) = (row.try_get("kind")?, row.try_get("state")?);
    let (done, total): (i64, Option<i64>) = (row.try_get("done")?, row.try_get("total")?);
    let rate_per_s: Option<f64> = row.try_get("rate_per_s")?;
    let state = OperationState::ALL.into_iter().find(|known| known.as_str() == state).ok_or_else(|| unknown(state))?;
    let left = total.map(|total| (total - done).max(0) as f64);
    let eta_s =
        rate_per_s.zip(left).filter(|(rate, _)| *rate > 0.0 && !state.is_final()).map(|(rate, left)| left / rate);
    Ok(Operation {
        id: row.try_get("id")?,
        kind: OperationKind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or_else(|| unknown(kind))?,
        subject: row.try_get("subject")?,
        state,
        progress: OperationProgress {
            stage: row.try_get("stage")?,
            done: done as u64,
            total: total.map(|total| total as u64),
            rate_per_s,
            eta_s,
        },
        started_by: row.try_get("started_by")?,
        reason: row.try_get("reason")?,
        errors: serde_json::from_value(row.try_get("errors")?).unwrap_or_default(),
        errors_total: row.try_get::<i64, _>("errors_total")? as u64,
        result: row.try_get("result")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        finished_at: row.try_get("finished_at")?,
        input: row.try_get("input")?,
    })
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: duration.as_micros().try_into().unwrap_or(i64::MAX) }
}
