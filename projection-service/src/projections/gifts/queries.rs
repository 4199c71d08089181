//! What is asked of gifts.

use shared::domain::{GiftId, UserId};
use sqlx::{PgPool, Postgres, QueryBuilder};

use super::row::GiftRow;
use crate::projections::{PageStart, newest_first, read_doc};

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

/// One gift.
pub async fn find(db: &PgPool, id: GiftId) -> Result<Option<GiftRow>, sqlx::Error> {
    let row = sqlx::query("SELECT doc FROM gifts WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(read_doc).transpose()
}

/// Newest first. Only the conditions that are asked for are written, so that each has its index.
pub async fn list(db: &PgPool, side: GiftSide, page: (Option<PageStart>, i64)) -> Result<Vec<GiftRow>, sqlx::Error> {
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
    newest_first(db, query, "created_at", page).await
}
