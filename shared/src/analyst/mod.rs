//! The schema `analytics`: one typed view per type of event, made from the events' own schemas, so that a new type has its
//! view as soon as the database is migrated. Analysts read them with psql, DuckDB or Metabase; what people wrote is not
//! in them.

mod columns;
#[cfg(test)]
mod tests;
mod views;

use sha2::{Digest, Sha256};
use sqlx::PgPool;

pub use columns::Column;
pub use views::{EventView, event_views};

/// Programs that migrate at the same time take turns.
const LOCK: i64 = 0x686f_6d65_616e_6c79;

/// Makes the views anew unless they are already those of this program.
pub async fn install(db: &PgPool) -> Result<(), sqlx::Error> {
    let script: String = event_views().iter().map(EventView::sql).collect();
    let hash = Sha256::digest(script.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let comment = format!("For analysts: read-only views without personal data. Made from schemas {hash}.");
    let mut tx = db.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    let installed: Option<String> =
        sqlx::query_scalar("SELECT obj_description('analytics'::regnamespace, 'pg_namespace')")
            .fetch_one(&mut *tx)
            .await?;
    if installed.as_deref() != Some(comment.as_str()) {
        sqlx::raw_sql(&script).execute(&mut *tx).await?;
        let statement = format!("COMMENT ON SCHEMA analytics IS '{comment}'");
        sqlx::raw_sql(&statement).execute(&mut *tx).await?;
    }
    tx.commit().await
}
