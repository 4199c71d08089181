//! What the database knows beside the log: feeds, dead letters, the imitation bank's books.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;
use serde_json::Value;
use shared::domain::{
    DishId, PaymentId, UserId,
    invariants::{BankBooks, FeedBounds, Outside, Pot},
};
use sqlx::PgPool;
use uuid::Uuid;

/// Everything that can be asked. The bank's books agree with ours only when nothing is on its way.
pub async fn facts(db: &PgPool, at_rest: bool) -> Result<Outside> {
    let bank = if at_rest { bank(db).await? } else { None };
    let pots = if at_rest { Some(pots(db).await?) } else { None };
    Ok(Outside { feeds: feeds(db).await?, bank, pots, ..Outside::default() })
}

/// What can be sold of every dish, and what orders took of it.
async fn pots(db: &PgPool) -> Result<BTreeMap<DishId, Pot>> {
    let rows: Vec<(Uuid, Option<i32>, i32, i64)> = sqlx::query_as(
        "
        SELECT d.id, d.portions_left, d.portions_taken, coalesce(c.claimed, 0)
        FROM dishes d
        LEFT JOIN (
            SELECT dish_id, sum(quantity) AS claimed FROM portion_claims WHERE state = 'TAKEN' GROUP BY dish_id
        ) c ON c.dish_id = d.id
        ",
    )
    .fetch_all(db)
    .await?;
    let pot = |(id, left, taken, claimed): (Uuid, Option<i32>, i32, i64)| {
        (DishId(id), Pot { left: left.map(i64::from), taken: taken.into(), claimed })
    };
    Ok(rows.into_iter().map(pot).collect())
}

/// The streams, and the flows, that open dead letters are about.
pub async fn excused(db: &PgPool) -> Result<HashSet<Uuid>> {
    let streams: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "
        SELECT dead_letters.aggregate_id, events.correlation_id
        FROM dead_letters
        JOIN events ON events.position = dead_letters.position
        WHERE dead_letters.status IN ('PENDING', 'PARKED', 'BLOCKED')
        ",
    )
    .fetch_all(db)
    .await?;
    Ok(streams.into_iter().flat_map(|(stream, flow)| [stream, flow]).collect())
}

async fn feeds(db: &PgPool) -> Result<Vec<FeedBounds>> {
    let rows: Vec<(Uuid, i64, i64, i64)> =
        sqlx::query_as("SELECT user_id, count(*), min(id), max(id) FROM feed_entries GROUP BY user_id")
            .fetch_all(db)
            .await?;
    let bounds = |(user_id, entries, first_id, last_id): (Uuid, i64, i64, i64)| FeedBounds {
        user_id: UserId(user_id),
        entries: entries.unsigned_abs(),
        first_id: first_id.unsigned_abs(),
        last_id: last_id.unsigned_abs(),
    };
    Ok(rows.into_iter().map(bounds).collect())
}

/// The imitation bank's own books; `None` where another bank is used.
async fn bank(db: &PgPool) -> Result<Option<HashMap<PaymentId, BankBooks>>> {
    let accounts: Vec<(Uuid, Value)> =
        sqlx::query_as("SELECT payment_id, account FROM dev_fake_payments").fetch_all(db).await?;
    if accounts.is_empty() {
        return Ok(None);
    }
    Ok(Some(accounts.into_iter().map(|(id, account)| (PaymentId(id), books_of(&account))).collect()))
}

/// Money that was only held did not come.
fn books_of(account: &Value) -> BankBooks {
    let pages = account["pages"].as_array().into_iter().flatten();
    let taken = pages.filter(|page| {
        let word = page["word"].as_str().unwrap_or_default();
        matches!(word, "Confirmed" | "PartialRefunded" | "Refunded")
    });
    taken.fold(BankBooks::default(), |books, page| {
        let acts = page["acts"].as_array().into_iter().flatten();
        let back: i64 = acts.filter_map(|act| act["minor"].as_i64()).sum();
        BankBooks {
            captured_minor: books.captured_minor + page["taken_minor"].as_i64().unwrap_or(0),
            refunded_minor: books.refunded_minor + back,
        }
    })
}
