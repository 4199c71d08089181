//! What users were told, compared with what the events had to tell them. Nothing is ever told again, so this only looks.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, Row, types::Json};
use uuid::Uuid;

use super::row::NewEntry;
use crate::engine::Drift;

const TABLE: &str = "feed_entries";

/// What was told of some events, except in which words: those may have been others once.
type Told = BTreeMap<(Uuid, i64), Vec<Value>>;

/// The entries, as `user/position`, that are not what they should be. Entries from before `kept_since` may have been
/// swept, and are not missed.
pub(super) async fn compare(
    tx: &mut PgConnection,
    by_user: &BTreeMap<Uuid, Vec<&NewEntry>>,
    kept_since: DateTime<Utc>,
) -> Result<Vec<Drift>, sqlx::Error> {
    let entries = || by_user.values().flatten();
    let positions: BTreeSet<i64> = entries().map(|entry| entry.position as i64).collect();
    let (Some(first), Some(last)) = (positions.first(), positions.last()) else { return Ok(Vec::new()) };
    let rows = sqlx::query(
        "
        SELECT user_id, position, kind, data
        FROM public.feed_entries
        WHERE position BETWEEN $1 AND $2 AND position = ANY($3)
        ORDER BY user_id, id
        ",
    )
    .bind(first)
    .bind(last)
    .bind(positions.iter().copied().collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    let mut told = Told::new();
    for row in &rows {
        let (kind, Json(data)): (&str, Json<Value>) = (row.try_get("kind")?, row.try_get("data")?);
        told.entry((row.try_get("user_id")?, row.try_get("position")?)).or_default().push(without_words(kind, data));
    }
    let mut due = Told::new();
    for (user_id, entry) in by_user.iter().flat_map(|(user_id, entries)| entries.iter().map(move |it| (*user_id, it))) {
        let key = (user_id, entry.position as i64);
        due.entry(key).or_default().push(without_words(entry.kind.name(), entry.kind.data()));
    }
    // The oldest are swept, one after the other.
    for (user_id, entries) in by_user {
        for entry in entries.iter().filter(|entry| entry.occurred_at < kept_since) {
            let key = (*user_id, entry.position as i64);
            due.remove(&key);
            told.remove(&key);
        }
    }
    Ok(differing(&due, &told))
}

fn differing(due: &Told, told: &Told) -> Vec<Drift> {
    let keys: BTreeSet<_> = due.keys().chain(told.keys()).collect();
    let differing = keys.into_iter().filter_map(|key| {
        let what = match (due.get(key), told.get(key)) {
            (Some(due), Some(told)) if due == told => return None,
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "missing",
            (None, _) => "surplus",
        };
        Some(Drift::new(TABLE, format!("{}/{}", key.0, key.1), what))
    });
    differing.collect()
}

fn without_words(kind: &str, mut data: Value) -> Value {
    if let Value::Object(fields) = &mut data {
        fields.remove("title");
        fields.remove("body");
    }
    serde_json::json!([kind, data])
}
