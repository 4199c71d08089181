//! The table of notifications: written before they are answered, worked on afterwards.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgPool, Row};

use crate::providers::tbank::{Notification, NotificationKind};

/// How long a notification that somebody works on is left alone by others.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Notifications forgotten in one statement.
const SWEEP_BATCH: i64 = 1_000;

/// The table. Cheap to clone.
#[derive(Clone)]
pub struct InboxTable {
    db: PgPool,
}

/// A notification to be worked on.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Names it.
    pub fingerprint: Vec<u8>,
    /// What we called the payment.
    pub order_ref: String,
    /// The provider's own id of it.
    pub provider_payment_id: String,
    /// The provider's word.
    pub word: String,
    /// The amount that it names.
    pub amount_minor: Option<i64>,
    /// The provider's code, if something failed.
    pub error_code: Option<String>,
    /// Which try this is, from 1.
    pub attempt: i32,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

impl InboxTable {
    /// The table of that database.
    pub fn new(db: PgPool) -> Self {
        Self { db }
    }

    /// Writes a notification down; whether it is news. What is not about a payment is kept and done with.
    pub async fn put(&self, told: &Notification, provider: &str, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
        let is_work = told.kind == NotificationKind::Payment;
        let written = sqlx::query(
            "
            INSERT INTO provider_inbox (fingerprint, provider, kind, order_ref, provider_payment_id, word,
                amount_minor, error_code, facts, state, result, next_try_at, received_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::json, $10, $11, $12, $13)
            ON CONFLICT (fingerprint) DO NOTHING
            ",
        )
        .bind(told.fingerprint.as_slice())
        .bind(provider)
        .bind(told.kind.as_str())
        .bind(&told.order_ref)
        .bind(&told.provider_payment_id)
        .bind(&told.word)
        .bind(told.amount.map(shared::domain::Money::minor))
        .bind(&told.error_code)
        .bind(&told.facts)
        .bind(if is_work { "WAITING" } else { "DONE" })
        .bind((!is_work).then_some("kept"))
        .bind(is_work.then_some(now))
        .bind(now)
        .execute(&self.db)
        .await?;
        Ok(written.rows_affected() == 1)
    }

    /// Takes the oldest notifications that are due; others leave them alone for a while.
    pub async fn take(&self, now: DateTime<Utc>, at_most: i64) -> Result<Vec<Waiting>, sqlx::Error> {
        let rows = sqlx::query(
            "
            UPDATE provider_inbox
            SET attempts = attempts + 1, next_try_at = $2
            WHERE fingerprint IN (
                SELECT fingerprint
                FROM provider_inbox
                WHERE state = 'WAITING' AND next_try_at <= $1
                ORDER BY next_try_at
                LIMIT $3
                FOR UPDATE SKIP LOCKED
            )
            RETURNING fingerprint, order_ref, provider_payment_id, word, amount_minor, error_code, attempts, received_at
            ",
        )
        .bind(now)
        .bind(now + LEASE)
        .bind(at_most)
        .fetch_all(&self.db)
        .await?;
        let mut taken = rows.iter().map(waiting).collect::<Result<Vec<_>, _>>()?;
        taken.sort_by_key(|waiting| waiting.received_at);
        Ok(taken)
    }

    /// Done with, or parked for a person.
    pub async fn close(&self, fingerprint: &[u8], is_parked: bool, result: &str) -> Result<(), sqlx::Error> {
        sqlx::query(
            "
            UPDATE provider_inbox
            SET state = $2, result = $3, next_try_at = NULL
            WHERE fingerprint = $1
            ",
        )
        .bind(fingerprint)
        .bind(if is_parked { "PARKED" } else { "DONE" })
        .bind(result)
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// To be tried again.
    pub async fn put_off(&self, fingerprint: &[u8], until: DateTime<Utc>, why: &str) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE provider_inbox SET next_try_at = $2, result = $3 WHERE fingerprint = $1")
            .bind(fingerprint)
            .bind(until)
            .bind(why)
            .execute(&self.db)
            .await?;
        Ok(())
    }

    /// Notifications that wait for a person.
    pub async fn parked(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT count(*) FROM provider_inbox WHERE state = 'PARKED'").fetch_one(&self.db).await
    }

    /// Forgets what came before that time and is done with; says how much.
    pub async fn forget(&self, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
        let gone = sqlx::query(
            "
            DELETE FROM provider_inbox
            WHERE fingerprint IN (
                SELECT fingerprint FROM provider_inbox WHERE received_at < $1 AND state = 'DONE'
                ORDER BY received_at LIMIT $2
            )
            ",
        )
        .bind(before)
        .bind(SWEEP_BATCH)
        .execute(&self.db)
        .await?;
        Ok(gone.rows_affected())
    }
}

fn waiting(row: &sqlx::postgres::PgRow) -> Result<Waiting, sqlx::Error> {
    Ok(Waiting {
        fingerprint: row.try_get("fingerprint")?,
        order_ref: row.try_get("order_ref")?,
        provider_payment_id: row.try_get("provider_payment_id")?,
        word: row.try_get("word")?,
        amount_minor: row.try_get("amount_minor")?,
        error_code: row.try_get("error_code")?,
        attempt: row.try_get("attempts")?,
        received_at: row.try_get("received_at")?,
    })
}
