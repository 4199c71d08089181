//! Receipts: what was answered to a command, kept so that the same command gets the same answer.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::request::Receipt;

/// The receipt of a command, if it left one.
pub async fn find_receipt(db: &PgPool, command_id: Uuid) -> Result<Option<Receipt>, sqlx::Error> {
    let row =
        sqlx::query("SELECT fingerprint, status, data, sequence, position FROM command_receipts WHERE command_id = $1")
            .bind(command_id)
            .fetch_optional(db)
            .await?;
    row.map(|row| {
        Ok(Receipt {
            fingerprint: row.try_get("fingerprint")?,
            status: row.try_get::<Option<i16>, _>("status")?.map(|status| status as u16),
            data: row.try_get::<Option<&str>, _>("data")?.map(Arc::from),
            sequence: row.try_get::<i64, _>("sequence")? as u64,
            position: row.try_get::<i64, _>("position")? as u64,
        })
    })
    .transpose()
}

/// Deletes up to `limit` receipts stored before `before`; says how many.
pub async fn sweep_receipts(db: &PgPool, before: DateTime<Utc>, limit: u32) -> Result<u64, sqlx::Error> {
    let swept = sqlx::query(
        "
        DELETE FROM command_receipts
        WHERE command_id = ANY (ARRAY(
            SELECT command_id FROM command_receipts WHERE stored_at < $1 ORDER BY stored_at LIMIT $2
        ))
        ",
    )
    .bind(before)
    .bind(i64::from(limit))
    .execute(db)
    .await?;
    Ok(swept.rows_affected())
}
