//! How facts are read and written, and how what changes in them reaches the roll-ups.

use std::collections::HashMap;

use shared::domain::{AggregateType, Currency, DishId, Money, OrderId, ProducerId, UserId};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    fold::OrderFacts,
    measures::{DishBucket, DishMeasures, OrderBucket, OrderMeasures, Rollups},
    row::{LineFact, OrderFact, Outcome},
};
use crate::engine::{Changes, Pace, ReadModel, Sources};

impl ReadModel for OrderFacts {
    type Written = ();
    const TABLES: &'static [&'static str] = &["order_facts", "order_line_facts", "order_rollups", "dish_rollups"];
    const SOURCES: Option<Sources> = Some(Sources {
        streams: &[AggregateType::Order],
        flow: false,
        rows: &["order_facts", "order_line_facts"],
        sums: &["order_rollups", "dish_rollups"],
    });
    const PACE: Pace = Pace::Sums;

    async fn load(db: &PgPool, keys: &[OrderId]) -> Result<HashMap<OrderId, OrderFact>, sqlx::Error> {
        read(&mut *db.acquire().await?, keys).await
    }

    /// The difference is taken from what the table has, not from what somebody remembers, so it is right for everybody
    /// who stores.
    async fn store(tx: &mut PgConnection, changes: &Changes<Self>) -> Result<(), sqlx::Error> {
        let keys: Vec<OrderId> = changes.iter().map(|(key, _)| *key).collect();
        let before = read(tx, &keys).await?;
        let after: Vec<&OrderFact> = changes.iter().filter_map(|(_, fact)| fact.as_ref()).collect();
        let mut rollups = Rollups::default();
        before.values().for_each(|fact| rollups.remove(fact));
        after.iter().for_each(|fact| rollups.add(fact));
        write_facts(tx, &after).await?;
        let is_new = |fact: &&&OrderFact| before.get(&fact.order_id).is_none_or(|old| old.lines != fact.lines);
        write_lines(tx, &after.iter().filter(is_new).copied().collect::<Vec<_>>()).await?;
        add(tx, rollups).await
    }

    async fn take_out(tx: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
        let mut rollups = Rollups::default();
        read(tx, &[OrderId(id)]).await?.values().for_each(|fact| rollups.remove(fact));
        let (orders, dishes): (Vec<_>, Vec<_>) =
            (rollups.orders.keys().copied().collect(), rollups.dishes.keys().copied().collect());
        add(tx, rollups).await?;
        sweep_orders(tx, &orders).await?;
        sweep_dishes(tx, &dishes).await
    }

    async fn sum_up(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let (mut rollups, mut after) = (Rollups::default(), Uuid::nil());
        loop {
            let statement = "SELECT order_id FROM public.order_facts WHERE order_id > $1 ORDER BY order_id LIMIT $2";
            let page = sqlx::query_scalar::<_, Uuid>(statement).bind(after).bind(SUMMED_AT_A_TIME);
            let ids: Vec<OrderId> = page.fetch_all(&mut *tx).await?.into_iter().map(OrderId).collect();
            let Some(last) = ids.last() else { break };
            after = last.0;
            read_in(tx, "public.", &ids).await?.values().for_each(|fact| rollups.add(fact));
            if rollups.count() > SUMS_MAX {
                add(tx, std::mem::take(&mut rollups)).await?;
            }
        }
        add(tx, rollups).await
    }
}

/// Facts in memory while all of them are summed up.
const SUMMED_AT_A_TIME: i64 = 5_000;

/// Sums in memory before they are added to those of the tables; each takes about a quarter of a kilobyte.
const SUMS_MAX: usize = 50_000;

async fn read(db: &mut PgConnection, keys: &[OrderId]) -> Result<HashMap<OrderId, OrderFact>, sqlx::Error> {
    read_in(db, "", keys).await
}

/// `schema` ends with a dot, or leaves it to the search path.
async fn read_in(
    db: &mut PgConnection,
    schema: &str,
    keys: &[OrderId],
) -> Result<HashMap<OrderId, OrderFact>, sqlx::Error> {
    let ids: Vec<Uuid> = keys.iter().map(|id| id.0).collect();
    let rows = sqlx::query(&format!(
        "
        SELECT order_id, customer_id, producer_id, currency, outcome, total_minor, refunded_minor, rating, created_at,
               paid_at, delivered_at, completed_at, cancelled_at, version
        FROM {schema}order_facts
        WHERE order_id = ANY($1)
        ",
    ))
    .bind(&ids)
    .fetch_all(&mut *db)
    .await?;
    let mut facts = HashMap::with_capacity(rows.len());
    for row in &rows {
        let fact = read_fact(row)?;
        facts.insert(fact.order_id, fact);
    }
    if facts.is_empty() {
        return Ok(facts);
    }
    let lines = sqlx::query(&format!(
        "
        SELECT order_id, line_no, dish_id, dish_name, quantity, unit_price_minor, line_total_minor, rating
        FROM {schema}order_line_facts
        WHERE order_id = ANY($1)
        ORDER BY order_id, line_no
        ",
    ))
    .bind(&ids)
    .fetch_all(db)
    .await?;
    for row in &lines {
        if let Some(fact) = facts.get_mut(&OrderId(row.try_get("order_id")?)) {
            let line = read_line(row, fact.total_price.currency())?;
            fact.lines.push(line);
        }
    }
    Ok(facts)
}

fn unreadable(what: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::Decode(what.to_string().into())
}

fn read_fact(row: &PgRow) -> Result<OrderFact, sqlx::Error> {
    let (currency, outcome): (&str, &str) = (row.try_get("currency")?, row.try_get("outcome")?);
    let currency = Currency::from_code(currency).ok_or_else(|| unreadable(format!("no currency: {currency}")))?;
    let money = |minor| Money::from_minor(minor, currency).map_err(unreadable);
    Ok(OrderFact {
        order_id: OrderId(row.try_get("order_id")?),
        customer_id: UserId(row.try_get("customer_id")?),
        producer_id: ProducerId(row.try_get("producer_id")?),
        outcome: Outcome::from_name(outcome).ok_or_else(|| unreadable(format!("no outcome: {outcome}")))?,
        total_price: money(row.try_get("total_minor")?)?,
        refunded: money(row.try_get("refunded_minor")?)?,
        rating: read_rating(row)?,
        lines: Vec::new(),
        created_at: row.try_get("created_at")?,
        paid_at: row.try_get("paid_at")?,
        delivered_at: row.try_get("delivered_at")?,
        completed_at: row.try_get("completed_at")?,
        cancelled_at: row.try_get("cancelled_at")?,
        version: row.try_get::<i64, _>("version")? as u64,
    })
}

fn read_line(row: &PgRow, currency: Currency) -> Result<LineFact, sqlx::Error> {
    let money = |minor| Money::from_minor(minor, currency).map_err(unreadable);
    Ok(LineFact {
        line_no: row.try_get::<i32, _>("line_no")? as u32,
        dish_id: DishId(row.try_get("dish_id")?),
        dish_name: row.try_get("dish_name")?,
        quantity: row.try_get::<i32, _>("quantity")? as u32,
        unit_price: money(row.try_get("unit_price_minor")?)?,
        line_total: money(row.try_get("line_total_minor")?)?,
        rating: read_rating(row)?,
    })
}

fn read_rating(row: &PgRow) -> Result<Option<u8>, sqlx::Error> {
    let rating: Option<i16> = row.try_get("rating")?;
    rating.map(|rating| u8::try_from(rating).map_err(unreadable)).transpose()
}

async fn write_facts(tx: &mut PgConnection, facts: &[&OrderFact]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO order_facts (order_id, customer_id, producer_id, currency, outcome, total_minor, refunded_minor,
                                 rating, created_at, paid_at, delivered_at, completed_at, cancelled_at, version)
        SELECT *
        FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                    $8::smallint[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
                    $13::timestamptz[], $14::bigint[])
        ON CONFLICT (order_id) DO UPDATE
        SET outcome = EXCLUDED.outcome, refunded_minor = EXCLUDED.refunded_minor, rating = EXCLUDED.rating,
            paid_at = EXCLUDED.paid_at, delivered_at = EXCLUDED.delivered_at, completed_at = EXCLUDED.completed_at,
            cancelled_at = EXCLUDED.cancelled_at, version = EXCLUDED.version, total_minor = EXCLUDED.total_minor,
            created_at = EXCLUDED.created_at, customer_id = EXCLUDED.customer_id, producer_id = EXCLUDED.producer_id,
            currency = EXCLUDED.currency
        ",
    )
    .bind(facts.iter().map(|fact| fact.order_id.0).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.customer_id.0).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.producer_id.0).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.total_price.currency().code()).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.outcome.as_str()).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.total_price.minor()).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.refunded.minor()).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.rating.map(i16::from)).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.created_at).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.paid_at).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.delivered_at).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.completed_at).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.cancelled_at).collect::<Vec<_>>())
    .bind(facts.iter().map(|fact| fact.version as i64).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Lines are written with their order, and once more when the customer gives marks.
async fn write_lines(tx: &mut PgConnection, facts: &[&OrderFact]) -> Result<(), sqlx::Error> {
    let lines = || facts.iter().flat_map(|fact| fact.lines.iter().map(|line| (fact.order_id.0, line)));
    if lines().next().is_none() {
        return Ok(());
    }
    sqlx::query(
        "
        INSERT INTO order_line_facts (order_id, line_no, dish_id, dish_name, quantity, unit_price_minor,
                                      line_total_minor, rating)
        SELECT *
        FROM UNNEST($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::int[], $6::bigint[], $7::bigint[],
                    $8::smallint[])
        ON CONFLICT (order_id, line_no) DO UPDATE
        SET rating = EXCLUDED.rating, dish_id = EXCLUDED.dish_id, dish_name = EXCLUDED.dish_name,
            quantity = EXCLUDED.quantity, unit_price_minor = EXCLUDED.unit_price_minor,
            line_total_minor = EXCLUDED.line_total_minor
        ",
    )
    .bind(lines().map(|(order_id, _)| order_id).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.line_no as i32).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.dish_id.0).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.dish_name.as_str()).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.quantity as i32).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.unit_price.minor()).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.line_total.minor()).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.rating.map(i16::from)).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn add(tx: &mut PgConnection, rollups: Rollups) -> Result<(), sqlx::Error> {
    add_orders(tx, rollups.orders.into_iter().collect()).await?;
    add_dishes(tx, rollups.dishes.into_iter().collect()).await
}

async fn add_orders(tx: &mut PgConnection, sums: Vec<(OrderBucket, OrderMeasures)>) -> Result<(), sqlx::Error> {
    if sums.is_empty() {
        return Ok(());
    }
    let column = |read: fn(&OrderMeasures) -> i64| sums.iter().map(|(_, sum)| read(sum)).collect::<Vec<_>>();
    sqlx::query(
        "
        INSERT INTO order_rollups AS r (basis, width, bucket, producer_id, currency, orders, completed, cancelled,
                                        revenue_minor, refunded_minor, ratings, rating_points, deliveries,
                                        delivery_micros)
        SELECT *
        FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[],
                    $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
                    $14::bigint[])
        ON CONFLICT (producer_id, basis, width, currency, bucket) DO UPDATE
        SET orders = r.orders + EXCLUDED.orders, completed = r.completed + EXCLUDED.completed,
            cancelled = r.cancelled + EXCLUDED.cancelled, revenue_minor = r.revenue_minor + EXCLUDED.revenue_minor,
            refunded_minor = r.refunded_minor + EXCLUDED.refunded_minor, ratings = r.ratings + EXCLUDED.ratings,
            rating_points = r.rating_points + EXCLUDED.rating_points, deliveries = r.deliveries + EXCLUDED.deliveries,
            delivery_micros = r.delivery_micros + EXCLUDED.delivery_micros
        ",
    )
    .bind(sums.iter().map(|(key, _)| key.basis.as_str()).collect::<Vec<_>>())
    .bind(sums.iter().map(|(key, _)| key.width.as_str()).collect::<Vec<_>>())
    .bind(sums.iter().map(|(key, _)| key.bucket).collect::<Vec<_>>())
    .bind(sums.iter().map(|(key, _)| key.producer_id.0).collect::<Vec<_>>())
    .bind(sums.iter().map(|(key, _)| key.currency).collect::<Vec<_>>())
    .bind(column(|sum| sum.orders))
    .bind(column(|sum| sum.completed))
    .bind(column(|sum| sum.cancelled))
    .bind(column(|sum| sum.revenue_minor))
    .bind(column(|sum| sum.refunded_minor))
    .bind(column(|sum| sum.ratings))
    .bind(column(|sum| sum.rating_points))
    .bind(column(|sum| sum.deliveries))
    .bind(column(|sum| sum.delivery_micros))
    .execute(tx)
    .await?;
    Ok(())
}

async fn add_dishes(tx: &mut PgConnection, sums: Vec<(DishBucket, DishMeasures)>) -> Result<(), sqlx::Error> {
    if sums.is_empty() {
        return Ok(());
    }
    let column = |read: fn(&DishMeasures) -> i64| sums.iter().map(|(_, sum)| read(sum)).collect::<Vec<_>>();
    sqlx::query(
        "
        INSERT INTO dish_rollups AS r (width, bucket, dish_id, producer_id, currency, orders, portions, revenue_minor,
                                       ratings, rating_points)
        SELECT *
        FROM UNNEST($1::text[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[],
                    $8::bigint[], $9::bigint[], $10::bigint[])
        ON CONFLICT (dish_id, producer_id, width, currency, bucket) DO UPDATE
        SET orders = r.orders + EXCLUDED.orders, portions = r.portions + EXCLUDED.portions,
            revenue_minor = r.revenue_minor + EXCLUDED.revenue_minor, ratings = r.ratings + EXCLUDED.ratings,
            rating_points = r.rating_points + EXCLUDED.rating_points
        ",
    )
    .bind(sums.iter().map(|(key, _)| key.width.as_str()).collect::<Vec<_>>())
    .bind(sums.iter().map(|(key, _)| key.bucket).collect::<Vec<_>>())
    .bind(sums.iter().map(|(key, _)| key.dish_id.0).collect::<Vec<_>>())
    .bind(sums.iter().map(|(key, _)| key.producer_id.0).collect::<Vec<_>>())
    .bind(sums.iter().map(|(key, _)| key.currency).collect::<Vec<_>>())
    .bind(column(|sum| sum.orders))
    .bind(column(|sum| sum.portions))
    .bind(column(|sum| sum.revenue_minor))
    .bind(column(|sum| sum.ratings))
    .bind(column(|sum| sum.rating_points))
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes the sums of these keys that have come to nothing: no fact is in them.
async fn sweep_orders(tx: &mut PgConnection, keys: &[OrderBucket]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        DELETE FROM order_rollups AS r
        USING UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::uuid[], $5::text[])
            AS k (basis, width, bucket, producer_id, currency)
        WHERE (r.basis, r.width, r.bucket, r.producer_id, r.currency) = (k.basis, k.width, k.bucket, k.producer_id, k.currency)
          AND (r.orders, r.completed, r.cancelled, r.revenue_minor, r.refunded_minor) = (0, 0, 0, 0, 0)
          AND (r.ratings, r.rating_points, r.deliveries, r.delivery_micros) = (0, 0, 0, 0)
        ",
    )
    .bind(keys.iter().map(|key| key.basis.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.width.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.bucket).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.producer_id.0).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.currency).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// The same of dishes.
async fn sweep_dishes(tx: &mut PgConnection, keys: &[DishBucket]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        DELETE FROM dish_rollups AS r
        USING UNNEST($1::text[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::text[])
            AS k (width, bucket, dish_id, producer_id, currency)
        WHERE (r.width, r.bucket, r.dish_id, r.producer_id, r.currency) = (k.width, k.bucket, k.dish_id, k.producer_id, k.currency)
          AND (r.orders, r.portions, r.revenue_minor, r.ratings, r.rating_points) = (0, 0, 0, 0, 0)
        ",
    )
    .bind(keys.iter().map(|key| key.width.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.bucket).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.dish_id.0).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.producer_id.0).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.currency).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
