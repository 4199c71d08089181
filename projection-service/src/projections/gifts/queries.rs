//! What is asked of gifts.

use chrono::{DateTime, Utc};
use shared::domain::{GiftId, UserId};
use sqlx::{PgPool, Postgres, QueryBuilder, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::row::GiftRow;

/// Whose gifts a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiftSide {
    /// What somebody bought.
    Bought(UserId),
    /// What somebody was given.
    Received(UserId),
    /// Everybody's.
    All,
}

/// The last gift of the page before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GiftPageStart {
    /// When it was chosen.
    pub created_at: DateTime<Utc>,
    /// Its id, which orders those that were chosen at one instant.
    pub id: Uuid,
}

/// One gift.
pub async fn find(db: &PgPool, id: GiftId) -> Result<Option<GiftRow>, sqlx::Error> {
    let row = sqlx::query("SELECT doc FROM gifts WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(read_doc).transpose()
}

/// Newest first. Only the conditions that are asked for are written, so that each has its index.
pub async fn list(
    db: &PgPool,
    side: GiftSide,
    after: Option<GiftPageStart>,
    limit: i64,
) -> Result<Vec<GiftRow>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT doc FROM gifts WHERE true");
    match side {
        GiftSide::Bought(UserId(id)) => query.push(" AND buyer_id = ").push_bind(id),
        GiftSide::Received(UserId(id)) => query.push(" AND recipient_id = ").push_bind(id),
        GiftSide::All => &mut query,
    };
    // What is meant for somebody is a surprise until it is delivered.
    if let GiftSide::Received(_) = side {
        query.push(" AND (doc->>'delivered_at' IS NOT NULL OR doc->>'activated_by' IS NOT NULL)");
    }
    if let Some(GiftPageStart { created_at, id }) = after {
        query.push(" AND created_at <= ").push_bind(created_at);
        query.push(" AND (created_at < ").push_bind(created_at).push(" OR id > ").push_bind(id).push(")");
    }
    query.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(limit);
    query.build().fetch_all(db).await?.iter().map(read_doc).collect()
}

fn read_doc(row: &PgRow) -> Result<GiftRow, sqlx::Error> {
    row.try_get::<Json<GiftRow>, _>("doc").map(|Json(gift)| gift)
}
