//! Lists of documents, the newest first, page by page.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::{PgPool, Postgres, QueryBuilder, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

/// The last document of the page before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PageStart {
    /// When it came about.
    pub at: DateTime<Utc>,
    /// Its id, which orders those that came about at one instant.
    pub id: Uuid,
}

/// The documents of a statement that ends with its conditions, dated by `column`, after the page before.
pub async fn newest_first<R: DeserializeOwned>(
    db: &PgPool,
    mut query: QueryBuilder<'_, Postgres>,
    column: &'static str,
    (after, limit): (Option<PageStart>, i64),
) -> Result<Vec<R>, sqlx::Error> {
    if let Some(PageStart { at, id }) = after {
        query.push(format_args!(" AND {column} <= ")).push_bind(at);
        query.push(format_args!(" AND ({column} < ")).push_bind(at).push(" OR id > ").push_bind(id).push(")");
    }
    query.push(format_args!(" ORDER BY {column} DESC, id LIMIT ")).push_bind(limit);
    query.build().fetch_all(db).await?.iter().map(read_doc).collect()
}

/// The document of a row.
pub fn read_doc<R: DeserializeOwned>(row: &PgRow) -> Result<R, sqlx::Error> {
    row.try_get::<Json<R>, _>("doc").map(|Json(doc)| doc)
}
