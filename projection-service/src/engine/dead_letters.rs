//! The table of dead letters: events that a handler could not take, and what waits behind them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use shared::log::{Position, RecordedEvent};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::{letter_policy::LetterPolicy, projection::FoldError};

/// Where a letter stands while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterStatus {
    /// It is tried again by itself.
    Pending,
    /// It waits for a person.
    Parked,
    /// It waits behind an older letter of its aggregate.
    Blocked,
}

impl LetterStatus {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Parked => "PARKED",
            Self::Blocked => "BLOCKED",
        }
    }
}

/// A letter to be written.
#[derive(Debug, Clone)]
pub struct NewLetter {
    /// The event.
    pub event: Arc<RecordedEvent>,
    /// The error and when it first came; none if the event only waits behind another.
    pub failure: Option<(FoldError, DateTime<Utc>)>,
    /// Whether a generation before took it, so that users were told of it.
    pub told: bool,
}

/// The oldest open letter of an aggregate: what its whole queue waits for.
#[derive(Debug, Clone)]
pub struct Head {
    /// The aggregate that is set aside.
    pub aggregate_id: Uuid,
    /// The letter's event.
    pub position: Position,
    /// Whether it is time to try its queue.
    pub due: bool,
}

/// The oldest open letter of every aggregate that the handler has set aside.
pub async fn heads(db: &PgPool, queue: &str, now: DateTime<Utc>) -> Result<Vec<Head>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT DISTINCT ON (aggregate_id)
               aggregate_id, position, status = 'BLOCKED' OR (status = 'PENDING' AND next_retry_at <= $2) AS due
        FROM dead_letters
        WHERE queue_name = $1 AND status IN ('PENDING', 'PARKED', 'BLOCKED')
        ORDER BY aggregate_id, position
        ",
    )
    .bind(queue)
    .bind(now)
    .fetch_all(db)
    .await?;
    let head = |row: &sqlx::postgres::PgRow| {
        let position = row.try_get::<i64, _>("position")? as Position;
        Ok(Head { aggregate_id: row.try_get("aggregate_id")?, position, due: row.try_get("due")? })
    };
    rows.iter().map(head).collect()
}

/// The aggregates that the handler has set aside.
pub async fn blocked(db: &PgPool, queue: &str) -> Result<HashSet<Uuid>, sqlx::Error> {
    let ids = sqlx::query_scalar(
        "SELECT DISTINCT aggregate_id FROM dead_letters
         WHERE queue_name = $1 AND status IN ('PENDING', 'PARKED', 'BLOCKED')",
    );
    Ok(ids.bind(queue).fetch_all(db).await?.into_iter().collect())
}

/// What a projection's tables have, right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where the checkpoint is.
    pub position: Position,
    /// Whether something up to the position that was asked for is set aside.
    pub is_set_aside: bool,
}

/// Where `queue` stands, and whether something up to `position` is set aside in it: of the aggregate `about`, or of the
/// one whose event has that very position.
pub async fn standing(
    db: &PgPool,
    queue: &str,
    position: Position,
    about: Option<Uuid>,
) -> Result<Standing, sqlx::Error> {
    let row = sqlx::query(
        "
        SELECT coalesce((SELECT c.position FROM projection_checkpoints c WHERE c.name = $1), 0) AS position, EXISTS (
            SELECT FROM dead_letters
            WHERE queue_name = $1 AND status IN ('PENDING', 'PARKED', 'BLOCKED') AND position <= $2
              AND aggregate_id IN ($3, (SELECT e.aggregate_id::uuid FROM events e WHERE e.position = $2))
        ) AS is_set_aside
        ",
    )
    .bind(queue)
    .bind(position as i64)
    .bind(about)
    .fetch_one(db)
    .await?;
    let stored: i64 = row.try_get("position")?;
    Ok(Standing { position: stored as Position, is_set_aside: row.try_get("is_set_aside")? })
}

/// An open letter of an aggregate's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenLetter {
    /// The event's position.
    pub position: Position,
    /// The event's place in its stream.
    pub sequence: u64,
    /// How often it was retried.
    pub retry_count: i32,
    /// Whether users were told of it before.
    pub told: bool,
}

/// The oldest letters of an aggregate's queue, in order.
pub async fn open_of(db: &PgPool, queue: &str, aggregate_id: Uuid, limit: i64) -> Result<Vec<OpenLetter>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT position, sequence, retry_count, told
        FROM dead_letters
        WHERE queue_name = $1 AND aggregate_id = $2 AND status IN ('PENDING', 'PARKED', 'BLOCKED')
        ORDER BY position
        LIMIT $3
        ",
    )
    .bind(queue)
    .bind(aggregate_id)
    .bind(limit)
    .fetch_all(db)
    .await?;
    let letter = |row: &sqlx::postgres::PgRow| {
        Ok(OpenLetter {
            position: row.try_get::<i64, _>("position")? as Position,
            sequence: row.try_get::<i64, _>("sequence")? as u64,
            retry_count: row.try_get("retry_count")?,
            told: row.try_get("told")?,
        })
    };
    rows.iter().map(letter).collect()
}

/// Writes letters in the batch's transaction.
pub async fn insert(
    tx: &mut PgConnection,
    queue: &str,
    letters: &[NewLetter],
    policy: &LetterPolicy,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    for letter in letters {
        let event = &letter.event;
        let next_retry_at = letter.failure.as_ref().and_then(|_| policy.next_retry(0, now));
        let (status, message, traceback, first) = match &letter.failure {
            Some((error, first)) => {
                let status = if next_retry_at.is_some() { LetterStatus::Pending } else { LetterStatus::Parked };
                (status, error.to_string(), format!("{error:?}"), *first)
            }
            None => (LetterStatus::Blocked, "waits behind an older letter".to_owned(), String::new(), now),
        };
        sqlx::query(
            "
            INSERT INTO dead_letters (id, queue_name, handler, message_type, payload, position, aggregate_type,
                aggregate_id, sequence, status, error_message, error_traceback, max_retries, next_retry_at,
                first_failed_at, last_failed_at, told)
            VALUES ($1, $2, $2, $3, $4::json, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            -- Another generation fails at the event too. What waits to be told of goes on waiting.
            ON CONFLICT (id) DO UPDATE
            SET status = EXCLUDED.status, error_message = EXCLUDED.error_message,
                error_traceback = EXCLUDED.error_traceback,
                retry_count = dead_letters.retry_count + (EXCLUDED.status <> 'BLOCKED')::int, next_retry_at = EXCLUDED.next_retry_at,
                last_failed_at = EXCLUDED.last_failed_at, published_at = NULL,
                told = CASE WHEN dead_letters.status IN ('PENDING', 'PARKED', 'BLOCKED') THEN dead_letters.told
                            ELSE EXCLUDED.told END
            ",
        )
        .bind(letter_id(queue, event.event_id))
        .bind(queue)
        .bind(event.event_type.as_ref())
        .bind(event.payload.as_ref())
        .bind(event.position as i64)
        .bind(event.aggregate_type.as_str())
        .bind(event.aggregate_id)
        .bind(event.sequence as i64)
        .bind(status.as_str())
        .bind(message)
        .bind(traceback)
        .bind(policy.retries())
        .bind(next_retry_at)
        .bind(first)
        .bind(now)
        .bind(letter.told)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// The letters up to `through` were taken; the aggregate's rows say so from this transaction on. How many were open:
/// fewer than were taken if a person discarded one meanwhile.
pub async fn mark_redriven(
    tx: &mut PgConnection,
    queue: &str,
    aggregate_id: Uuid,
    through: Position,
) -> Result<u64, sqlx::Error> {
    let redriven = sqlx::query(
        "
        UPDATE dead_letters
        SET status = 'REDRIVEN', next_retry_at = NULL, redrives = redrives + 1
        WHERE queue_name = $1 AND aggregate_id = $2 AND position <= $3 AND status IN ('PENDING', 'PARKED', 'BLOCKED')
        ",
    )
    .bind(queue)
    .bind(aggregate_id)
    .bind(through as i64)
    .execute(tx)
    .await?;
    Ok(redriven.rows_affected())
}

/// The letter failed again: it is tried later, or parked when `next_retry_at` is none. Its copy is published anew.
pub async fn mark_failed(
    tx: &mut PgConnection,
    queue: &str,
    letter: OpenLetter,
    error: &FoldError,
    next_retry_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let status = if next_retry_at.is_some() { LetterStatus::Pending } else { LetterStatus::Parked };
    sqlx::query(
        "
        UPDATE dead_letters
        SET status = $3, error_message = $4, error_traceback = $5, retry_count = $6, next_retry_at = $7,
            last_failed_at = $8, published_at = NULL
        WHERE queue_name = $1 AND position = $2 AND status IN ('PENDING', 'PARKED', 'BLOCKED')
        ",
    )
    .bind(queue)
    .bind(letter.position as i64)
    .bind(status.as_str())
    .bind(error.to_string())
    .bind(format!("{error:?}"))
    .bind(letter.retry_count)
    .bind(next_retry_at)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// The oldest open letter of each aggregate.
pub async fn open_positions(tx: &mut PgConnection, queue: &str) -> Result<HashMap<Uuid, Position>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT aggregate_id, min(position) AS position FROM dead_letters
         WHERE queue_name = $1 AND status IN ('PENDING', 'PARKED', 'BLOCKED') GROUP BY aggregate_id",
    );
    let position = |row: &sqlx::postgres::PgRow| row.try_get::<i64, _>("position").map(|position| position as Position);
    rows.bind(queue).fetch_all(tx).await?.iter().map(|row| Ok((row.try_get("aggregate_id")?, position(row)?))).collect()
}

/// Another generation of the rows takes over: it has taken all open letters, but for those of the aggregates that it
/// `stopped` from the position named on. The events, of those it has taken, that users were not told of.
pub async fn settle(
    tx: &mut PgConnection,
    queue: &str,
    stopped: &HashMap<Uuid, Position>,
) -> Result<Vec<Position>, sqlx::Error> {
    let untold: Vec<i64> = sqlx::query_scalar(
        "
        WITH settled AS (
            UPDATE dead_letters l
            SET status = 'REDRIVEN', next_retry_at = NULL, redrives = redrives + 1
            WHERE queue_name = $1 AND status IN ('PENDING', 'PARKED', 'BLOCKED') AND NOT EXISTS (
                SELECT FROM UNNEST($2::uuid[], $3::bigint[]) AS s (aggregate_id, position)
                WHERE s.aggregate_id = l.aggregate_id AND s.position <= l.position
            )
            RETURNING l.position, l.told
        )
        SELECT position FROM settled WHERE NOT told ORDER BY position
        ",
    )
    .bind(queue)
    .bind(stopped.keys().copied().collect::<Vec<_>>())
    .bind(stopped.values().map(|position| *position as i64).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok(untold.into_iter().map(|position| position as Position).collect())
}

/// How many letters of a queue stand in one status.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LetterCount {
    /// The status.
    pub status: &'static str,
    /// How many.
    pub letters: i64,
    /// How long ago the oldest of them failed first; none if there is none.
    pub oldest_secs: Option<f64>,
}

/// The open letters of a queue, by status. `now` is of the clock that dates letters.
pub async fn count_letters(db: &PgPool, queue: &str, now: DateTime<Utc>) -> Result<Vec<LetterCount>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT status, count(*) AS letters, extract(epoch FROM $2 - min(first_failed_at))::float8 AS oldest_secs
        FROM dead_letters
        WHERE queue_name = $1 AND status IN ('PENDING', 'PARKED', 'BLOCKED')
        GROUP BY status
        ",
    )
    .bind(queue)
    .bind(now)
    .fetch_all(db)
    .await?;
    let of = |status: LetterStatus| {
        let row = rows.iter().find(|row| row.try_get::<&str, _>("status").is_ok_and(|name| name == status.as_str()));
        let Some(row) = row else { return Ok(LetterCount { status: status.as_str(), letters: 0, oldest_secs: None }) };
        let (letters, oldest_secs) = (row.try_get("letters")?, Some(row.try_get("oldest_secs")?));
        Ok(LetterCount { status: status.as_str(), letters, oldest_secs })
    };
    [LetterStatus::Pending, LetterStatus::Parked, LetterStatus::Blocked].into_iter().map(of).collect()
}

/// How many letters wait for a person, by queue; also those of other services.
pub async fn parked(db: &PgPool) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let parked = sqlx::query_as(
        "SELECT queue_name, count(*) FROM dead_letters WHERE status = 'PARKED' GROUP BY queue_name ORDER BY queue_name",
    );
    parked.fetch_all(db).await
}

/// Deletes a bounded number of letters that were done with before `than`.
pub async fn sweep_letters(db: &PgPool, than: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let swept = sqlx::query(
        "
        DELETE FROM dead_letters
        WHERE id IN (
            -- Discarded ones stay: whoever folds anew has to pass over the same events.
            SELECT id FROM dead_letters WHERE status = 'REDRIVEN' AND last_failed_at < $1 LIMIT $2
        )
        ",
    );
    Ok(swept.bind(than).bind(limit).execute(db).await?.rows_affected())
}

/// One letter per queue and event, however often it is written.
fn letter_id(queue: &str, event_id: Uuid) -> Uuid {
    Uuid::new_v5(&event_id, queue.as_bytes())
}
