//! Events from which nobody could draw the consequences, and the later ones of their flows, which wait behind them in
//! order. Rows of the table `dead_letters`: a letter is tried again by itself, less and less often, and then PARKED for a
//! person; who sets one to PENDING has it tried again, who sets it to DISCARDED has it passed over.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use shared::log::{Position, RecordedEvent};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::executor::Poison;

/// The name of the queue and of its handler.
pub const QUEUE: &str = "process_managers";
/// How often a letter is tried again by itself.
const RETRIES_MAX: i32 = 3;
/// The rest before the first of these tries; it doubles.
const RETRY_DELAY: TimeDelta = TimeDelta::seconds(60);
/// The statuses in which a letter holds its flow up.
const OPEN: [&str; 3] = ["PENDING", "PARKED", "BLOCKED"];

/// The oldest open letter of a flow: what the whole flow waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub flow: Uuid,
    pub position: Position,
    /// Whether it is time to try it.
    pub due: bool,
}

/// The flows that are held up, by their oldest open letters; of all flows, or of one.
pub(super) async fn heads(db: &PgPool, flow: Option<Uuid>, now: DateTime<Utc>) -> Result<Vec<Head>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT DISTINCT ON (e.correlation_id)
               e.correlation_id, l.position, l.status = 'BLOCKED' OR coalesce(l.next_retry_at <= $4, false) AS due
        FROM dead_letters l
        JOIN events e ON e.position = l.position
        WHERE l.queue_name = $1 AND l.status = ANY ($2) AND ($3::uuid IS NULL OR e.correlation_id = $3)
        ORDER BY e.correlation_id, l.position
        ",
    )
    .bind(QUEUE)
    .bind(OPEN)
    .bind(flow)
    .bind(now)
    .fetch_all(db)
    .await?;
    let head = |row: &sqlx::postgres::PgRow| {
        let position = row.try_get::<i64, _>("position")? as Position;
        Ok(Head { flow: row.try_get("correlation_id")?, position, due: row.try_get("due")? })
    };
    rows.iter().map(head).collect()
}

/// The events behind `after` that were passed over for good.
pub(super) async fn discarded(db: &PgPool, after: Position) -> Result<HashSet<Position>, sqlx::Error> {
    let passed = "SELECT position FROM dead_letters WHERE queue_name = $1 AND status = 'DISCARDED' AND position > $2";
    let positions: Vec<i64> = sqlx::query_scalar(passed).bind(QUEUE).bind(after as i64).fetch_all(db).await?;
    Ok(positions.into_iter().map(|position| position as Position).collect())
}

/// When a letter that was tried again so often is tried next; none once it waits for a person.
fn next_retry(retry_count: i32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (retry_count < RETRIES_MAX)
        .then(|| now + RETRY_DELAY * 2_i32.saturating_pow(retry_count.clamp(0, 20).unsigned_abs()))
}

/// Writes an event down: as PENDING with what is wrong, or as BLOCKED behind another. Written twice, it stays what it
/// was.
pub(super) async fn put(
    db: &PgPool,
    event: &Arc<RecordedEvent>,
    poison: Option<&Poison>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let (status, next_retry_at) = match poison {
        Some(_) => ("PENDING", next_retry(0, now)),
        None => ("BLOCKED", None),
    };
    sqlx::query(
        "
        INSERT INTO dead_letters (id, queue_name, handler, message_type, payload, position, aggregate_type,
            aggregate_id, sequence, status, error_message, error_traceback, max_retries, next_retry_at,
            first_failed_at, last_failed_at)
        VALUES ($1, $2, $2, $3, $4::json, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
        ON CONFLICT (queue_name, position) DO NOTHING
        ",
    )
    .bind(Uuid::new_v5(&event.event_id, QUEUE.as_bytes()))
    .bind(QUEUE)
    .bind(event.event_type.as_ref())
    .bind(event.payload.as_ref())
    .bind(event.position as i64)
    .bind(event.aggregate_type.as_str())
    .bind(event.aggregate_id)
    .bind(event.sequence as i64)
    .bind(status)
    .bind(poison.map_or_else(|| "waits behind an older letter".to_owned(), ToString::to_string))
    .bind(poison.map_or("", |poison| poison.manager))
    .bind(RETRIES_MAX)
    .bind(next_retry_at)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// Its consequences were drawn after all.
pub(super) async fn mark_redriven(db: &PgPool, position: Position) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        UPDATE dead_letters
        SET status = 'REDRIVEN', next_retry_at = NULL, redrives = redrives + 1
        WHERE queue_name = $1 AND position = $2 AND status = ANY ($3)
        ",
    )
    .bind(QUEUE)
    .bind(position as i64)
    .bind(OPEN)
    .execute(db)
    .await?;
    Ok(())
}

/// It failed again: it is tried later, or waits for a person from now on; says which.
pub(super) async fn mark_failed(
    db: &PgPool,
    position: Position,
    poison: &Poison,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let before = "SELECT retry_count FROM dead_letters WHERE queue_name = $1 AND position = $2";
    let before: Option<i32> = sqlx::query_scalar(before).bind(QUEUE).bind(position as i64).fetch_optional(db).await?;
    let retry_count = before.unwrap_or(0).saturating_add(1);
    let next_retry_at = next_retry(retry_count, now);
    sqlx::query(
        "
        UPDATE dead_letters
        SET status = CASE WHEN $7::timestamptz IS NULL THEN 'PARKED' ELSE 'PENDING' END, next_retry_at = $7,
            retry_count = $8, error_message = $3, error_traceback = $4, last_failed_at = $5, published_at = NULL
        WHERE queue_name = $1 AND position = $2 AND status = ANY ($6)
        ",
    )
    .bind(QUEUE)
    .bind(position as i64)
    .bind(poison.to_string())
    .bind(poison.manager)
    .bind(now)
    .bind(OPEN)
    .bind(next_retry_at)
    .bind(retry_count)
    .execute(db)
    .await?;
    Ok(next_retry_at.is_none())
}

/// The letters in one open status.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenLetters {
    /// The status.
    pub status: &'static str,
    /// How many.
    pub letters: i64,
    /// The age of the oldest; nothing if there is none.
    pub oldest_secs: f64,
}

/// The letters in each open status.
pub(super) async fn count(db: &PgPool) -> Result<Vec<OpenLetters>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT status, count(*) AS letters, extract(epoch FROM now() - min(first_failed_at))::float8 AS oldest_secs
        FROM dead_letters WHERE queue_name = $1 AND status = ANY ($2) GROUP BY status
        ",
    )
    .bind(QUEUE)
    .bind(OPEN)
    .fetch_all(db)
    .await?;
    let of = |status: &'static str| {
        let row = rows.iter().find(|row| row.try_get::<&str, _>("status").is_ok_and(|name| name == status));
        let Some(row) = row else { return Ok(OpenLetters { status, letters: 0, oldest_secs: 0.0 }) };
        Ok(OpenLetters { status, letters: row.try_get("letters")?, oldest_secs: row.try_get("oldest_secs")? })
    };
    OPEN.into_iter().map(of).collect()
}
