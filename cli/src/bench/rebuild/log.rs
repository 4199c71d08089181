//! A long log, made in the database of what the write side wrote for one order.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::super::{
    load::{Tally, Window},
    scripts::accepted_order,
    serve::Role,
    stage::Stage,
    wire::Wire,
};

/// Orders whose events lie mixed in the log, as those of orders of one evening do.
const TOGETHER: i64 = 500;
/// Orders that one statement makes.
const STATEMENT: i64 = 20_000;
/// How long the log must be still before nothing more is expected.
const STILL: Duration = Duration::from_millis(500);

/// Has one order created, paid and accepted, and repeats it until the log has so many events. Each order has ids,
/// a customer, a kitchen and a time of its own.
pub async fn fill(stage: &mut Stage, events: u64) -> Result<i64> {
    let began = Instant::now();
    let template = one_order(stage).await?;
    let orders = (events as i64 - template + template - 1) / template;
    let mut db = stage.db.acquire().await?;
    sqlx::query("SET statement_timeout = 0").execute(&mut *db).await?;
    for first in (0..orders).step_by(STATEMENT as usize) {
        sqlx::query(REPEAT)
            .bind(template)
            .bind(first)
            .bind((first + STATEMENT).min(orders) - 1)
            .bind(TOGETHER)
            .bind(orders)
            .execute(&mut *db)
            .await?;
    }
    sqlx::query("UPDATE log_head SET position = (SELECT count(*) FROM events)").execute(&mut *db).await?;
    sqlx::query("VACUUM ANALYZE events").execute(&mut *db).await?;
    sqlx::query("CHECKPOINT").execute(&mut *db).await?;
    drop(db);
    let head = stage.check_gapless().await?;
    eprintln!("{head} events of {} orders, made in {:.0} s", orders + 1, began.elapsed().as_secs_f64());
    Ok(head)
}

/// What the write side appends for one order.
async fn one_order(stage: &mut Stage) -> Result<i64> {
    let address = stage.start(Role::WriteSide).await?;
    let tally = Tally::new(Window::after(Duration::ZERO, Duration::ZERO));
    let mut wire = Wire::connect(address).await?;
    accepted_order(&mut wire, &stage.world, 0, &tally).await.with_context(|| stage.last_words())?;
    let mut head = 0;
    loop {
        tokio::time::sleep(STILL).await;
        let now = stage.head().await?;
        if now == head {
            break;
        }
        head = now;
    }
    stage.stop(Role::WriteSide).await?;
    ensure!(head > 4, "the write side wrote {head} events only");
    Ok(head)
}

/// $1 events of the one order, then orders $2 to $3 of $5, of which $4 lie mixed.
const REPEAT: &str = "
    WITH ids AS (
        SELECT (SELECT aggregate_id FROM events WHERE position <= $1 AND aggregate_type = 'order' LIMIT 1) AS order_id,
               (SELECT aggregate_id FROM events WHERE position <= $1 AND aggregate_type = 'payment' LIMIT 1) AS payment_id,
               (SELECT payload->>'customer_id' FROM events WHERE position <= $1 AND event_type = 'order_created') AS customer,
               (SELECT payload->>'producer_id' FROM events WHERE position <= $1 AND event_type = 'order_created') AS kitchen,
               (SELECT array_agg(id::text ORDER BY id) FROM producers) AS kitchens
    ), orders AS (
        SELECT n, ids.*, n / $4 * $4 AS block, least($4, $5 - n / $4 * $4) AS width,
               -- As UUIDv7 go: rising with time, their ends by chance.
               ('01990000' || '-' || lpad(to_hex(n / 65536), 4, '0') || '-7' || lpad(to_hex(n / 16 % 4096), 3, '0') || '-8'
                   || right(md5(n::text), 3) || '-' || right(md5('o' || n), 12)) AS new_order,
               md5('p' || n)::uuid::text AS new_payment,
               md5('c' || n % 5000)::uuid::text AS new_customer
        FROM generate_series($2, $3) n, ids
    )
    INSERT INTO events
    SELECT e.aggregate_type, CASE e.aggregate_type WHEN 'order' THEN new_order ELSE new_payment END, e.sequence,
           e.event_type, e.event_version,
           replace(replace(replace(replace(e.payload::text, order_id, new_order), payment_id, new_payment),
                           customer, new_customer), kitchen, kitchens[n % cardinality(kitchens) + 1])::json,
           e.metadata, $1 + block * $1 + (e.position - 1) * width + n - block + 1, gen_random_uuid(), new_order::uuid,
           e.causation_id, e.actor, e.occurred_at + n * interval '100 ms', e.recorded_at + n * interval '100 ms',
           n % 1024
    FROM orders, events e
    WHERE e.position <= $1
    ORDER BY 8
";
