//! What is asked of roll-ups. Reports read whole stretches of time, and facts only where a range ends within one.

use chrono::{DateTime, NaiveDate, Utc};
use shared::{
    domain::{Currency, DishId, ProducerId},
    runtime::postgres::pool_beside,
};
use sqlx::{PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};

use super::{
    buckets::{Span, Width, cover},
    measures::{Basis, DishMeasures, EVERYBODY, OrderMeasures},
    report::{DayRevenue, OrderReport, PopularDish, TopProducer},
    total::Total,
};

/// Which orders a report is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question {
    /// Of this kitchen; none asks for everybody's.
    pub producer_id: Option<ProducerId>,
    /// In this currency; sums do not mix them.
    pub currency: Currency,
    /// Placed at or after this.
    pub from: DateTime<Utc>,
    /// Placed before this.
    pub to: DateTime<Utc>,
}

/// The columns of a source of orders.
const ORDER_SOURCE: &str = ") AS source (producer_id, orders, completed, cancelled, revenue_minor, refunded_minor,
    ratings, rating_points, deliveries, delivery_micros)";

/// What sums up a source's rows.
const ORDER_SUMS: &str = "
    coalesce(sum(orders), 0)::bigint AS orders, coalesce(sum(completed), 0)::bigint AS completed,
    coalesce(sum(cancelled), 0)::bigint AS cancelled, coalesce(sum(revenue_minor), 0)::bigint AS revenue_minor,
    coalesce(sum(refunded_minor), 0)::bigint AS refunded_minor, coalesce(sum(ratings), 0)::bigint AS ratings,
    coalesce(sum(rating_points), 0)::bigint AS rating_points, coalesce(sum(deliveries), 0)::bigint AS deliveries,
    coalesce(sum(delivery_micros), 0)::bigint AS delivery_micros";

/// What sums up a source's rows.
const DISH_SUMS: &str = "
    sum(orders)::bigint AS orders, sum(portions)::bigint AS portions, sum(revenue_minor)::bigint AS revenue_minor,
    sum(ratings)::bigint AS ratings, sum(rating_points)::bigint AS rating_points";

/// Whole stretches.
const ORDER_ROLLUPS: &str = "
    SELECT producer_id, orders, completed, cancelled, revenue_minor, refunded_minor, ratings, rating_points,
           deliveries, delivery_micros
    FROM order_rollups
    WHERE basis = 'CREATED'";

/// The same of single facts.
const ORDERS_AS_ROLLUPS: &str = "
    SELECT producer_id, 1, (outcome = 'COMPLETED')::int, (outcome = 'CANCELLED')::int,
           CASE WHEN outcome = 'COMPLETED' THEN total_minor ELSE 0 END,
           CASE WHEN outcome = 'COMPLETED' THEN refunded_minor ELSE 0 END,
           (rating IS NOT NULL)::int, coalesce(rating, 0),
           (paid_at IS NOT NULL AND delivered_at IS NOT NULL)::int,
           coalesce(extract(epoch FROM delivered_at - paid_at) * 1000000, 0)::bigint
    FROM order_facts
    WHERE true";

/// Whole stretches.
const DISH_ROLLUPS: &str = "
    SELECT dish_id, producer_id, orders, portions, revenue_minor, ratings, rating_points
    FROM dish_rollups
    WHERE true";

/// The same of single facts. `OFFSET 0` has the lines looked up order by order: joined as wholes, one plan for all values
/// would read every line there is. An order has one mark for a dish, whichever of its lines have it.
const LINES_AS_ROLLUPS: &str = "
    SELECT l.dish_id, f.producer_id, 1, sum(l.quantity),
           sum(CASE WHEN f.outcome = 'COMPLETED' THEN l.line_total_minor ELSE 0 END)::bigint,
           max((l.rating IS NOT NULL)::int), coalesce(max(l.rating), 0)
    FROM order_facts f
    CROSS JOIN LATERAL (SELECT * FROM order_line_facts WHERE order_id = f.order_id OFFSET 0) AS l
    WHERE true";

/// Connections that ask for reports and do nothing else, so that a rush of reports keeps no other reader waiting.
#[derive(Debug, Clone)]
pub struct Reports {
    db: PgPool,
}

/// Reports worked on at a time.
const REPORTS_MAX: u32 = 4;

impl Reports {
    /// Connections of their own to the database that `db` is connected to, opened when they are needed.
    ///
    /// A report's statement has a dozen parts, and over a long history its values make Postgres plan each one anew,
    /// which takes longer than the answer. Every part is one range of one index whatever the values are, so one plan
    /// for all is right, and too little work to start other processes for.
    pub fn beside(db: &PgPool) -> Self {
        let settings = [("plan_cache_mode", "force_generic_plan"), ("max_parallel_workers_per_gather", "0")];
        Self { db: pool_beside(db, REPORTS_MAX, &settings) }
    }

    /// The orders of a range, added up.
    pub async fn totals(&self, question: Question) -> Result<OrderReport, sqlx::Error> {
        let spans = cover(question.from, question.to);
        if spans.is_empty() {
            return Ok(OrderReport::new(OrderMeasures::default(), question.currency));
        }
        let mut query = QueryBuilder::<Postgres>::new(format!("SELECT {ORDER_SUMS} FROM ("));
        // Everybody's orders are added up beforehand, but for single facts.
        push_orders(&mut query, &spans, question, |query| {
            query.push(" AND producer_id = ").push_bind(question.producer_id.unwrap_or(EVERYBODY).0);
        });
        query.push(ORDER_SOURCE);
        let row = query.build().fetch_one(&self.db).await?;
        Ok(OrderReport::new(read_orders(&row)?, question.currency))
    }

    /// The kitchens with orders in a range: the most revenue first.
    pub async fn top_producers(&self, question: Question, limit: i64) -> Result<Vec<TopProducer>, sqlx::Error> {
        let spans = cover(question.from, question.to);
        if spans.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Postgres>::new(format!(
            "SELECT s.*, p.name, p.delivery_time_minutes FROM (SELECT producer_id, {ORDER_SUMS} FROM ("
        ));
        push_orders(&mut query, &spans, question, |query| {
            match question.producer_id {
                Some(kitchen) => query.push(" AND producer_id = ").push_bind(kitchen.0),
                // Said in the text, since the index that helps leaves everybody's sums out.
                None => query.push(format!(" AND producer_id <> '{EVERYBODY}'")),
            };
        });
        query.push(ORDER_SOURCE);
        query.push(" GROUP BY producer_id HAVING sum(orders) > 0 ORDER BY sum(revenue_minor) DESC, producer_id LIMIT ");
        query.push_bind(limit);
        query.push(") AS s LEFT JOIN producers p ON p.id = s.producer_id ORDER BY s.revenue_minor DESC, s.producer_id");
        let rows = query.build().fetch_all(&self.db).await?;
        let report = |row: &PgRow| {
            let kitchen = (ProducerId(row.try_get("producer_id")?), row.try_get("name")?);
            let declared = row.try_get("delivery_time_minutes")?;
            Ok(TopProducer::new(kitchen, read_orders(row)?, declared, question.currency))
        };
        rows.iter().map(report).collect()
    }

    /// The dishes that were ordered in a range: in the most orders first.
    pub async fn popular_dishes(&self, question: Question, limit: i64) -> Result<Vec<PopularDish>, sqlx::Error> {
        let spans = cover(question.from, question.to);
        if spans.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Postgres>::new(format!(
            "SELECT s.*, d.name, coalesce(v.views, 0) AS views FROM (SELECT dish_id, producer_id, {DISH_SUMS} FROM ("
        ));
        push_dishes(&mut query, &spans, question);
        query.push(
            ") AS source (dish_id, producer_id, orders, portions, revenue_minor, ratings, rating_points)
             GROUP BY dish_id, producer_id HAVING sum(orders) > 0
             ORDER BY sum(orders) DESC, dish_id, producer_id LIMIT ",
        );
        query.push_bind(limit);
        query.push(
            ") AS s
             LEFT JOIN dishes d ON d.id = s.dish_id
             LEFT JOIN dish_views v ON v.dish_id = s.dish_id
             ORDER BY s.orders DESC, s.dish_id, s.producer_id",
        );
        let rows = query.build().fetch_all(&self.db).await?;
        let report = |row: &PgRow| {
            let dish = (DishId(row.try_get("dish_id")?), ProducerId(row.try_get("producer_id")?));
            let views = row.try_get("views")?;
            Ok(PopularDish::new(dish, row.try_get("name")?, read_dish(row)?, views, question.currency))
        };
        rows.iter().map(report).collect()
    }

    /// What each day brought. `days` are the days and their beginnings, in order; `end` is where the last one ends.
    pub async fn daily_revenue(
        &self,
        (producer_id, currency, basis): (Option<ProducerId>, Currency, Basis),
        days: &[(NaiveDate, DateTime<Utc>)],
        end: DateTime<Utc>,
    ) -> Result<Vec<DayRevenue>, sqlx::Error> {
        let starts: Vec<DateTime<Utc>> = days.iter().map(|(_, start)| *start).collect();
        let made_of = |width: &Width| starts.iter().chain([&end]).all(|start| width.floor(*start) == *start);
        let width = [Width::Day, Width::ThreeHours, Width::Hour].into_iter().find(made_of).unwrap_or(Width::Quarter);
        let rows = sqlx::query(
            "
            SELECT width_bucket(bucket, $5) AS day, sum(revenue_minor)::bigint AS revenue_minor,
                   sum(completed)::bigint AS completed
            FROM order_rollups
            WHERE producer_id = $1 AND basis = $2 AND width = $6 AND currency = $3
              AND bucket >= $5[1] AND bucket < $4
            GROUP BY day
            ",
        )
        .bind(producer_id.unwrap_or(EVERYBODY).0)
        .bind(basis.as_str())
        .bind(currency.code())
        .bind(end)
        .bind(&starts)
        .bind(width.as_str())
        .fetch_all(&self.db)
        .await?;
        let nothing = |(date, _): &(NaiveDate, _)| DayRevenue {
            date: *date,
            revenue: Total { minor: 0, currency },
            orders_count: 0,
        };
        let mut revenue: Vec<DayRevenue> = days.iter().map(nothing).collect();
        for row in &rows {
            let day = row.try_get::<i32, _>("day")? as usize;
            if let Some(day) = day.checked_sub(1).and_then(|at| revenue.get_mut(at)) {
                day.revenue.minor = row.try_get("revenue_minor")?;
                day.orders_count = row.try_get("completed")?;
            }
        }
        Ok(revenue)
    }
}

/// The rows that add up to the orders of these spans; `whose` picks the kitchens of roll-ups.
fn push_orders(
    query: &mut QueryBuilder<'_, Postgres>,
    spans: &[Span],
    question: Question,
    whose: impl Fn(&mut QueryBuilder<'_, Postgres>),
) {
    for (at, span) in spans.iter().enumerate() {
        query.push(if at > 0 { " UNION ALL " } else { "" });
        match span.width {
            Some(width) => {
                query.push(ORDER_ROLLUPS).push(" AND width = ").push_bind(width.as_str());
                whose(query);
                push_range(query, "bucket", span);
            }
            None => {
                query.push(ORDERS_AS_ROLLUPS);
                push_kitchen(query, question.producer_id);
                push_range(query, "created_at", span);
            }
        }
        query.push(" AND currency = ").push_bind(question.currency.code());
    }
}

fn push_dishes(query: &mut QueryBuilder<'_, Postgres>, spans: &[Span], question: Question) {
    for (at, span) in spans.iter().enumerate() {
        query.push(if at > 0 { " UNION ALL " } else { "" });
        query.push(if span.width.is_some() { DISH_ROLLUPS } else { LINES_AS_ROLLUPS });
        query.push(" AND currency = ").push_bind(question.currency.code());
        push_kitchen(query, question.producer_id);
        match span.width {
            Some(width) => {
                query.push(" AND width = ").push_bind(width.as_str());
                push_range(query, "bucket", span);
            }
            None => {
                push_range(query, "created_at", span);
                query.push(" GROUP BY f.order_id, l.dish_id, f.producer_id");
            }
        }
    }
}

fn push_kitchen(query: &mut QueryBuilder<'_, Postgres>, producer_id: Option<ProducerId>) {
    if let Some(ProducerId(id)) = producer_id {
        query.push(" AND producer_id = ").push_bind(id);
    }
}

fn push_range(query: &mut QueryBuilder<'_, Postgres>, column: &str, span: &Span) {
    query.push(format!(" AND {column} >= ")).push_bind(span.from);
    query.push(format!(" AND {column} < ")).push_bind(span.to);
}

fn read_orders(row: &PgRow) -> Result<OrderMeasures, sqlx::Error> {
    Ok(OrderMeasures {
        orders: row.try_get("orders")?,
        completed: row.try_get("completed")?,
        cancelled: row.try_get("cancelled")?,
        revenue_minor: row.try_get("revenue_minor")?,
        refunded_minor: row.try_get("refunded_minor")?,
        ratings: row.try_get("ratings")?,
        rating_points: row.try_get("rating_points")?,
        deliveries: row.try_get("deliveries")?,
        delivery_micros: row.try_get("delivery_micros")?,
    })
}

fn read_dish(row: &PgRow) -> Result<DishMeasures, sqlx::Error> {
    Ok(DishMeasures {
        orders: row.try_get("orders")?,
        portions: row.try_get("portions")?,
        revenue_minor: row.try_get("revenue_minor")?,
        ratings: row.try_get("ratings")?,
        rating_points: row.try_get("rating_points")?,
    })
}
