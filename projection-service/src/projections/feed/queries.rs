//! What sockets ask of feeds.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::{PgPool, Row, types::Json};
use uuid::Uuid;

use super::row::FeedEntry;

/// The ends of what can be resumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedTail {
    /// The newest id; 0 if the user was never told anything.
    pub head: i64,
    /// The oldest id that is still kept and young enough; `head + 1` if there is none.
    pub first: i64,
}

/// A user's newest id, and the oldest one since `since`.
pub async fn tail(db: &PgPool, user_id: Uuid, since: DateTime<Utc>) -> Result<FeedTail, sqlx::Error> {
    let row = sqlx::query(
        "
        SELECT h.head,
               (SELECT e.id FROM feed_entries e
                WHERE e.user_id = h.user_id AND e.created_at >= $2
                ORDER BY e.id LIMIT 1) AS first
        FROM feed_heads h
        WHERE h.user_id = $1
        ",
    )
    .bind(user_id)
    .bind(since)
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(FeedTail { head: 0, first: 1 }) };
    let head: i64 = row.try_get("head")?;
    Ok(FeedTail { head, first: row.try_get::<Option<i64>, _>("first")?.unwrap_or(head + 1) })
}

/// The newest ids of these users.
pub async fn heads(db: &PgPool, users: &[Uuid]) -> Result<HashMap<Uuid, i64>, sqlx::Error> {
    let rows =
        sqlx::query("SELECT user_id, head FROM feed_heads WHERE user_id = ANY($1)").bind(users).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.try_get("user_id")?, row.try_get("head")?))).collect()
}

/// A user's entries after `after`, in order.
pub async fn entries_after(db: &PgPool, user_id: Uuid, after: i64, limit: i64) -> Result<Vec<FeedEntry>, sqlx::Error> {
    let rows =
        sqlx::query("SELECT id, kind, data FROM feed_entries WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(user_id)
            .bind(after)
            .bind(limit)
            .fetch_all(db)
            .await?;
    let entry = |row: &sqlx::postgres::PgRow| {
        let Json(data): Json<Box<RawValue>> = row.try_get("data")?;
        Ok(FeedEntry { id: row.try_get("id")?, kind: row.try_get("kind")?, data, recorded_at: None })
    };
    rows.iter().map(entry).collect()
}

/// Deletes a bounded number of entries that are too old to resume from; how many.
pub async fn forget_older(db: &PgPool, than: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "
        DELETE FROM feed_entries
        WHERE (user_id, id) IN (SELECT user_id, id FROM feed_entries WHERE created_at < $1 LIMIT $2)
        ",
    );
    Ok(deleted.bind(than).bind(limit).execute(db).await?.rows_affected())
}
