//! Two generations of a table beside each other: counts, checksums, and which rows differ.

use serde::Serialize;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// Keys that are named of those that differ.
const KEYS_MAX: usize = 20;

/// How the rows of a table differ from those it is compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// Rows of the live one.
    pub live_rows: i64,
    /// Rows of the new one.
    pub new_rows: i64,
    /// Rows that are in both and not equal.
    pub changed: i64,
    /// Rows that only the live one has.
    pub only_live: i64,
    /// Rows that only the new one has.
    pub only_new: i64,
    /// Some of their keys.
    pub keys: Vec<String>,
}

impl Difference {
    /// Rows that differ in any way.
    pub fn rows(&self) -> i64 {
        self.changed + self.only_live + self.only_new
    }
}

/// Two tables of the same columns.
pub(super) struct Pair<'a> {
    pub(super) table: &'a str,
    /// The live one, with its schema.
    pub(super) live: String,
    /// The one it is compared with, with its schema.
    pub(super) new: String,
}

/// Compares whole tables, as the transaction sees them. Rows whose key is in `except` are known to differ.
pub(super) async fn compare(
    tx: &mut PgConnection,
    pair: &Pair<'_>,
    except: &[String],
) -> Result<Difference, sqlx::Error> {
    let hash = row_hash(tx, &pair.live).await?;
    let (live_rows, live_sum) = checksum(tx, &pair.live, &hash).await?;
    let (new_rows, new_sum) = checksum(tx, &pair.new, &hash).await?;
    let same = Difference { table: pair.table.to_owned(), live_rows, new_rows, ..Difference::default() };
    if (live_rows, live_sum) == (new_rows, new_sum) {
        return Ok(same);
    }
    let key = primary_key(tx, &pair.live).await?;
    let (live, new) = (&pair.live, &pair.new);
    let statement = format!(
        "
        WITH differing AS (
            SELECT coalesce(l.key, n.key) AS key, l.key IS NULL AS only_new, n.key IS NULL AS only_live
            FROM (SELECT {key} AS key, {hash} AS hash FROM {live} r) l
            FULL JOIN (SELECT {key} AS key, {hash} AS hash FROM {new} r) n ON n.key = l.key
            WHERE l.hash IS DISTINCT FROM n.hash AND coalesce(l.key, n.key) <> ALL ($1)
        )
        SELECT count(*) FILTER (WHERE only_new) AS only_new, count(*) FILTER (WHERE only_live) AS only_live,
               count(*) FILTER (WHERE NOT only_new AND NOT only_live) AS changed,
               coalesce((array_agg(key ORDER BY key))[1:{KEYS_MAX}], '{{}}') AS keys
        FROM differing
        "
    );
    let row = sqlx::query(&statement).bind(except).fetch_one(tx).await?;
    Ok(Difference {
        changed: row.try_get("changed")?,
        only_live: row.try_get("only_live")?,
        only_new: row.try_get("only_new")?,
        keys: row.try_get("keys")?,
        ..same
    })
}

/// A table's primary key as one text.
pub(super) async fn primary_key(tx: &mut PgConnection, table: &str) -> Result<String, sqlx::Error> {
    match key_columns(tx, table).await?.as_slice() {
        [] => Err(sqlx::Error::Protocol(format!("{table} has no primary key"))),
        [column] => Ok(format!("r.{column}::text")),
        columns => Ok(format!("ROW(r.{})::text", columns.join(", r."))),
    }
}

/// The columns of a table's primary key, in order.
pub(super) async fn key_columns(tx: &mut PgConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    let columns = sqlx::query_scalar(
        "
        SELECT quote_ident(a.attname) FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = $1::regclass AND i.indisprimary
        ORDER BY array_position(i.indkey::int2[], a.attnum)
        ",
    );
    columns.bind(table).fetch_all(tx).await
}

/// A number for all that a row says. The text of a whole row would do, too, at three times the cost: its documents would
/// be quoted once more.
pub(super) async fn row_hash(tx: &mut PgConnection, table: &str) -> Result<String, sqlx::Error> {
    let columns: Vec<String> = sqlx::query_scalar(
        "
        SELECT CASE WHEN a.atttypid = 'json'::regtype THEN format('hashtextextended(r.%I::text, 0)', a.attname)
                    ELSE format('r.%I', a.attname) END
        FROM pg_attribute a
        WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        ",
    )
    .bind(table)
    .fetch_all(tx)
    .await?;
    Ok(format!("hash_record_extended(ROW({}), 0)", columns.join(", ")))
}

async fn checksum(tx: &mut PgConnection, table: &str, hash: &str) -> Result<(i64, i64), sqlx::Error> {
    let statement = format!("SELECT count(*) AS rows, coalesce(bit_xor({hash}), 0) AS sum FROM {table} r");
    let row = sqlx::query(&statement).fetch_one(tx).await?;
    Ok((row.try_get("rows")?, row.try_get("sum")?))
}
