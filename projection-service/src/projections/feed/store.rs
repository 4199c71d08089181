//! How the feed's rows are loaded and stored, and how entries get their ids.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use shared::domain::AggregateType;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use super::{
    fold::Feed,
    row::{EntryKind, FeedEntry, FeedKey, FeedRow, NewEntry, Recipient},
    told,
};
use crate::engine::{Changes, Drift, ReadModel, Replay, Sources, to_json};

/// New entries of one user, in order.
#[derive(Debug, Clone)]
pub struct UserEntries {
    /// Whose.
    pub user_id: Uuid,
    /// Consecutive entries.
    pub entries: Vec<FeedEntry>,
}

impl ReadModel for Feed {
    type Written = Vec<UserEntries>;
    /// What users were told is never told again: a rebuild leaves heads and entries alone.
    const TABLES: &'static [&'static str] = &["feed_orders"];
    const TELLS: bool = true;
    /// Orders and gifts lie in one table, each the fold of its own kind of stream.
    const REPLAY: Replay = Replay::ByPosition;
    const SOURCES: Option<Sources> = Some(Sources {
        streams: &[AggregateType::Order, AggregateType::Gift],
        // What a dispute tells, its order's row addresses.
        flow: true,
        rows: Self::TABLES,
        sums: &[],
    });

    async fn load(db: &PgPool, keys: &[FeedKey]) -> Result<HashMap<FeedKey, FeedRow>, sqlx::Error> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.id()).collect();
        let rows = sqlx::query("SELECT doc FROM feed_orders WHERE order_id = ANY($1)").bind(ids).fetch_all(db).await?;
        rows.iter().map(|row| row.try_get::<Json<FeedRow>, _>("doc").map(|Json(row)| (row.key(), row))).collect()
    }

    async fn store(tx: &mut PgConnection, changes: &Changes<Self>) -> Result<Vec<UserEntries>, sqlx::Error> {
        let rows: Vec<&FeedRow> = changes.iter().filter_map(|(_, row)| row.as_ref()).collect();
        store_rows(tx, &rows).await?;
        let by_user = address(tx, &rows).await?;
        if by_user.is_empty() {
            return Ok(Vec::new());
        }
        let firsts = reserve_ids(tx, &by_user).await?;
        let mut written = Vec::with_capacity(by_user.len());
        for (user_id, entries) in &by_user {
            let first = firsts.get(user_id).copied().ok_or(sqlx::Error::RowNotFound)?;
            let entries =
                entries.iter().zip(first..).map(|(entry, id)| numbered(entry, id)).collect::<Result<_, _>>()?;
            written.push(UserEntries { user_id: *user_id, entries });
        }
        insert_entries(tx, &by_user, &written).await?;
        wait_for_disk(tx).await?;
        Ok(written)
    }

    async fn compare_told(
        tx: &mut PgConnection,
        changes: &Changes<Self>,
        kept_since: DateTime<Utc>,
    ) -> Result<Vec<Drift>, sqlx::Error> {
        let rows: Vec<&FeedRow> = changes.iter().filter_map(|(_, row)| row.as_ref()).collect();
        let by_user = address(tx, &rows).await?;
        told::compare(tx, &by_user, kept_since).await
    }
}

/// An entry whose id users know must not be taken back by a crash of the server: its id would be another's.
async fn wait_for_disk(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SET LOCAL synchronous_commit TO DEFAULT").execute(tx).await?;
    Ok(())
}

/// A gift lies in the table as an order does, under its own id.
async fn store_rows(tx: &mut PgConnection, rows: &[&FeedRow]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO feed_orders (order_id, doc)
        SELECT order_id, doc::json FROM UNNEST($1::uuid[], $2::text[]) AS r (order_id, doc)
        ON CONFLICT (order_id) DO UPDATE SET doc = EXCLUDED.doc
        ",
    )
    .bind(rows.iter().map(|row| row.key().id()).collect::<Vec<_>>())
    .bind(rows.iter().map(to_json).collect::<Result<Vec<_>, _>>()?)
    .execute(tx)
    .await?;
    Ok(())
}

/// Sorts the entries by the user they are for, each user's in order of the log.
async fn address<'a>(
    tx: &mut PgConnection,
    rows: &[&'a FeedRow],
) -> Result<BTreeMap<Uuid, Vec<&'a NewEntry>>, sqlx::Error> {
    let entries = rows.iter().flat_map(|row| row.entries());
    let mut kitchens: Vec<Uuid> = entries
        .clone()
        .filter_map(|entry| match entry.recipient {
            Recipient::Producer(id) => Some(id.0),
            Recipient::User(_) => None,
        })
        .collect();
    kitchens.sort_unstable();
    kitchens.dedup();
    let owners = owners(tx, &kitchens).await?;
    let mut by_user = BTreeMap::<Uuid, Vec<&NewEntry>>::new();
    for entry in entries {
        let user_id = match entry.recipient {
            Recipient::User(id) => Some(id.0),
            Recipient::Producer(id) => owners.get(&id.0).copied(),
        };
        if let Some(user_id) = user_id {
            by_user.entry(user_id).or_default().push(entry);
        }
    }
    for entries in by_user.values_mut() {
        // Stable: several entries of one event keep their order.
        entries.sort_by_key(|entry| entry.position);
    }
    Ok(by_user)
}

async fn owners(tx: &mut PgConnection, kitchens: &[Uuid]) -> Result<HashMap<Uuid, Uuid>, sqlx::Error> {
    if kitchens.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query("SELECT id, user_id FROM producers WHERE id = ANY($1)").bind(kitchens).fetch_all(tx).await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("user_id")?))).collect()
}

/// Moves each user's head by the number of their entries; the first of the new ids.
async fn reserve_ids(
    tx: &mut PgConnection,
    by_user: &BTreeMap<Uuid, Vec<&NewEntry>>,
) -> Result<HashMap<Uuid, i64>, sqlx::Error> {
    let rows = sqlx::query(
        "
        INSERT INTO feed_heads (user_id, head)
        SELECT * FROM UNNEST($1::uuid[], $2::bigint[])
        ON CONFLICT (user_id) DO UPDATE SET head = feed_heads.head + EXCLUDED.head
        RETURNING user_id, head
        ",
    )
    .bind(by_user.keys().copied().collect::<Vec<_>>())
    .bind(by_user.values().map(|entries| entries.len() as i64).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let first = |row: &sqlx::postgres::PgRow| {
        let (user_id, head): (Uuid, i64) = (row.try_get("user_id")?, row.try_get("head")?);
        let entries = by_user.get(&user_id).map_or(0, Vec::len) as i64;
        Ok((user_id, head - entries + 1))
    };
    rows.iter().map(first).collect()
}

fn numbered(entry: &NewEntry, id: i64) -> Result<FeedEntry, sqlx::Error> {
    let data = match &entry.kind {
        EntryKind::OrderStatusUpdate(update) => to_json(update),
        EntryKind::Notification(notification) => to_json(notification),
    }?;
    let data = RawValue::from_string(data).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(FeedEntry { id, kind: entry.kind.name().to_owned(), data, recorded_at: Some(entry.recorded_at) })
}

async fn insert_entries(
    tx: &mut PgConnection,
    by_user: &BTreeMap<Uuid, Vec<&NewEntry>>,
    written: &[UserEntries],
) -> Result<(), sqlx::Error> {
    let new: Vec<&NewEntry> = by_user.values().flatten().copied().collect();
    let entries: Vec<(Uuid, &FeedEntry)> =
        written.iter().flat_map(|user| user.entries.iter().map(|entry| (user.user_id, entry))).collect();
    sqlx::query(
        "
        INSERT INTO feed_entries (user_id, id, kind, data, position, created_at)
        SELECT user_id, id, kind, data::json, position, created_at
        FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[])
            AS r (user_id, id, kind, data, position, created_at)
        ",
    )
    .bind(entries.iter().map(|(user_id, _)| *user_id).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, entry)| entry.id).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, entry)| entry.kind.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, entry)| entry.data.get()).collect::<Vec<_>>())
    .bind(new.iter().map(|entry| entry.position as i64).collect::<Vec<_>>())
    .bind(new.iter().map(|entry| entry.occurred_at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
