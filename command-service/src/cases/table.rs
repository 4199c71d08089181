//! The rows of the cases and of what was done about them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::domain::PaymentId;
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::CaseKind;

/// Whether somebody still has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaseStatus {
    /// Somebody has to.
    Open,
    /// Nobody has to any more.
    Closed,
}

/// What of a payment a person has to look at.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Case {
    /// The case.
    pub id: Uuid,
    /// The payment that it is about.
    pub payment_id: PaymentId,
    /// What is wrong.
    pub kind: CaseKind,
    /// What is known of it, for people.
    #[schema(example = "refund 0190a7c2-…, epoch 1: look whether the bank did it")]
    pub detail: String,
    /// Whether somebody still has to look.
    pub status: CaseStatus,
    /// Rises with every act.
    pub version: u64,
    /// When it was opened, for the last time.
    pub opened_at: DateTime<Utc>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub closed_at: Option<DateTime<Utc>>,
}

/// What can be done about a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaseActKind {
    /// The system opened it, the first time or again.
    Opened,
    /// The system found that the matter is settled.
    ClearedUp,
    /// An administrator closed it.
    Closed,
}

/// Something that was done about a case.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CaseAct {
    /// The version that it led to.
    pub version: u64,
    /// What was done.
    pub act: CaseActKind,
    /// Who did it.
    #[schema(example = "admin:0190a7c2-7a2b-7000-8000-000000000001")]
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Which cases.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CaseFilter {
    /// That stand so.
    pub status: Option<CaseStatus>,
    /// With this wrong.
    pub kind: Option<CaseKind>,
    /// About this payment.
    pub payment_id: Option<PaymentId>,
}

/// The last case of the page before.
#[derive(Debug, Clone, Copy)]
pub struct CasePageStart {
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

/// Something to be done about a case.
pub(super) struct Act<'a> {
    pub actor: &'a str,
    pub reason: &'a str,
    pub command_id: Option<Uuid>,
    pub at: DateTime<Utc>,
}

pub(super) async fn open(db: &PgPool, payment_id: PaymentId, kind: CaseKind, act: &Act<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        WITH opened AS (
            INSERT INTO payment_cases AS known (payment_id, kind, detail, opened_at)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (payment_id, kind) DO UPDATE
            SET detail = excluded.detail, opened_at = excluded.opened_at, closed_at = NULL,
                version = known.version + 1
            WHERE known.closed_at IS NOT NULL
            RETURNING id, version
        )
        INSERT INTO payment_case_acts (case_id, version, act, actor, reason, at)
        SELECT id, version, 'OPENED', $5, $3, $4 FROM opened
        ",
    )
    .bind(payment_id.0)
    .bind(kind.as_str())
    .bind(act.reason)
    .bind(act.at)
    .bind(act.actor)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn clear_up(
    db: &PgPool,
    payment_id: PaymentId,
    kind: CaseKind,
    act: &Act<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        WITH cleared AS (
            UPDATE payment_cases SET closed_at = $3, version = version + 1
            WHERE payment_id = $1 AND kind = $2 AND closed_at IS NULL
            RETURNING id, version
        )
        INSERT INTO payment_case_acts (case_id, version, act, actor, reason, at)
        SELECT id, version, 'CLEARED_UP', $4, $5, $3 FROM cleared
        ",
    )
    .bind(payment_id.0)
    .bind(kind.as_str())
    .bind(act.at)
    .bind(act.actor)
    .bind(act.reason)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn close(tx: &mut PgConnection, case_id: Uuid, act: &Act<'_>) -> Result<Case, sqlx::Error> {
    let row = sqlx::query(
        "
        UPDATE payment_cases SET closed_at = $2, version = version + 1 WHERE id = $1
        RETURNING id, payment_id, kind, detail, version, opened_at, closed_at
        ",
    )
    .bind(case_id)
    .bind(act.at)
    .fetch_one(&mut *tx)
    .await?;
    let case = case(&row)?;
    sqlx::query(
        "
        INSERT INTO payment_case_acts (case_id, version, act, actor, reason, command_id, at)
        VALUES ($1, $2, 'CLOSED', $3, $4, $5, $6)
        ",
    )
    .bind(case_id)
    .bind(case.version as i32)
    .bind(act.actor)
    .bind(act.reason)
    .bind(act.command_id)
    .bind(act.at)
    .execute(tx)
    .await?;
    Ok(case)
}

/// The case, which nobody else changes until the end of the transaction.
pub(super) async fn lock(tx: &mut PgConnection, case_id: Uuid) -> Result<Option<Case>, sqlx::Error> {
    let row = sqlx::query(
        "
        SELECT id, payment_id, kind, detail, version, opened_at, closed_at
        FROM payment_cases WHERE id = $1 FOR UPDATE
        ",
    );
    row.bind(case_id).fetch_optional(tx).await?.map(|row| case(&row)).transpose()
}

/// What the act of that name was: its case and its reason.
pub(super) async fn act_named(tx: &mut PgConnection, command_id: Uuid) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    let found = sqlx::query_as("SELECT case_id, reason FROM payment_case_acts WHERE command_id = $1");
    found.bind(command_id).fetch_optional(tx).await
}

pub(super) async fn find(db: &PgPool, case_id: Uuid) -> Result<Option<Case>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT id, payment_id, kind, detail, version, opened_at, closed_at FROM payment_cases WHERE id = $1",
    );
    row.bind(case_id).fetch_optional(db).await?.map(|row| case(&row)).transpose()
}

pub(super) async fn list(
    db: &PgPool,
    filter: &CaseFilter,
    after: Option<CasePageStart>,
    limit: i64,
) -> Result<Vec<Case>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT id, payment_id, kind, detail, version, opened_at, closed_at
        FROM payment_cases
        WHERE ($1::boolean IS NULL OR (closed_at IS NULL) = $1)
            AND ($2::text IS NULL OR kind = $2)
            AND ($3::uuid IS NULL OR payment_id = $3)
            AND ($4::timestamptz IS NULL OR (opened_at, id) < ($4, $5))
        ORDER BY opened_at DESC, id DESC
        LIMIT $6
        ",
    )
    .bind(filter.status.map(|status| status == CaseStatus::Open))
    .bind(filter.kind.map(CaseKind::as_str))
    .bind(filter.payment_id.map(|id| id.0))
    .bind(after.map(|after| after.opened_at))
    .bind(after.map(|after| after.id))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(case).collect()
}

pub(super) async fn acts(db: &PgPool, case_id: Uuid) -> Result<Vec<CaseAct>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT version, act, actor, reason, at FROM payment_case_acts WHERE case_id = $1 ORDER BY version",
    );
    rows.bind(case_id).fetch_all(db).await?.iter().map(act).collect()
}

pub(super) async fn open_counts(db: &PgPool) -> Result<HashMap<String, i64>, sqlx::Error> {
    let counts: Vec<(String, i64)> =
        sqlx::query_as("SELECT kind, count(*) FROM payment_cases WHERE closed_at IS NULL GROUP BY kind")
            .fetch_all(db)
            .await?;
    Ok(counts.into_iter().collect())
}

fn case(row: &PgRow) -> Result<Case, sqlx::Error> {
    let closed_at: Option<DateTime<Utc>> = row.try_get("closed_at")?;
    Ok(Case {
        id: row.try_get("id")?,
        payment_id: PaymentId(row.try_get("payment_id")?),
        kind: word(row.try_get("kind")?)?,
        detail: row.try_get("detail")?,
        status: if closed_at.is_some() { CaseStatus::Closed } else { CaseStatus::Open },
        version: u64::from(row.try_get::<i32, _>("version")?.unsigned_abs()),
        opened_at: row.try_get("opened_at")?,
        closed_at,
    })
}

fn act(row: &PgRow) -> Result<CaseAct, sqlx::Error> {
    Ok(CaseAct {
        version: u64::from(row.try_get::<i32, _>("version")?.unsigned_abs()),
        act: word(row.try_get("act")?)?,
        actor: row.try_get("actor")?,
        reason: row.try_get("reason")?,
        at: row.try_get("at")?,
    })
}

/// A word of ours as it is stored.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text))
        .map_err(|error| sqlx::Error::Decode(error.into()))
}
