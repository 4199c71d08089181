//! Random histories through the engine, in batches of any size: every report says what a fold of the log says.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use shared::{
    domain::{
        Currency, DishId, Money, ProducerId, UserId,
        order::{DishRating, OrderCompleted, OrderItem, OrderRated, OrderStatus, PriceSource},
    },
    log::RecordedEvent,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    super::{
        Basis, OrderFact, OrderFacts, Question, Reports, Rollups,
        total::{divide, mean},
    },
    at, reference, refund,
};
use crate::{
    engine::{Fold, ReadModel},
    projections::samples::{self, Log},
    testing::{Running, checkpoint, database, eventually, parts},
};

const KITCHENS: u128 = 4;
const ZONES: [Tz; 4] = [Tz::Europe__Moscow, Tz::Asia__Kathmandu, Tz::America__New_York, Tz::Australia__Lord_Howe];

fn kitchen(n: u128) -> ProducerId {
    ProducerId(Uuid::from_u128(0xF00 + n))
}

struct Order {
    id: Uuid,
    at: DateTime<Utc>,
    status: OrderStatus,
    dishes: Vec<DishId>,
}

/// A log of orders that live and end at random, around a change of the clocks.
struct History {
    log: Log,
    open: Vec<Order>,
    random: StdRng,
}

impl History {
    fn of(seed: u64, orders: usize) -> Log {
        let mut history = Self { log: Log::new(), open: Vec::new(), random: StdRng::seed_from_u64(seed) };
        for _ in 0..orders {
            history.place();
            for _ in 0..history.random.random_range(0..8) {
                history.step();
            }
        }
        for _ in 0..orders {
            history.step();
        }
        history.log
    }

    fn place(&mut self) {
        let random = &mut self.random;
        let start = at("2026-09-20T00:00:00Z");
        // Many on the edge of a stretch.
        let at = match random.random_range(0..3) {
            0 => start + TimeDelta::minutes(15 * random.random_range(0..5_000)),
            1 => start + TimeDelta::microseconds(900_000_000 * random.random_range(0..5_000) - 1),
            _ => start + TimeDelta::seconds(random.random_range(0..5_000_000)),
        };
        let producer = random.random_range(0..KITCHENS);
        let mut created = samples::created(UserId(Uuid::from_u128(2)), kitchen(producer));
        created.items = (1..=random.random_range(1..4)).map(|line_no| line(random, producer, line_no)).collect();
        let price = created.items.iter().map(|item| item.line_total.minor()).sum::<i64>();
        created.total_price = Money::rub(price + 9_900);
        let (id, dishes) = (Uuid::now_v7(), created.items.iter().map(|item| item.dish_id).collect());
        self.log.push_at(id, created, at);
        self.open.push(Order { id, at, status: OrderStatus::WaitingForPayment, dishes });
    }

    /// Something happens to some order.
    fn step(&mut self) {
        let Self { log, open, random } = self;
        let order = random.random_range(0..open.len());
        let order = &mut open[order];
        order.at += TimeDelta::microseconds(random.random_range(1..40_000_000_000));
        let (id, at) = (order.id, order.at);
        let cancels = random.random_range(0..8) == 0;
        match order.status {
            OrderStatus::WaitingForPayment | OrderStatus::Paid if cancels => {
                log.push_at(id, samples::cancelled(order.status), at);
                order.status = OrderStatus::Cancelled;
            }
            OrderStatus::WaitingForPayment => {
                log.push_at(id, samples::paid(id), at);
                order.status = OrderStatus::Paid;
            }
            OrderStatus::Paid => {
                log.push_at(id, samples::accepted(), at);
                order.status = OrderStatus::Accepted;
            }
            OrderStatus::Accepted => {
                log.push_at(id, samples::delivered(), at);
                order.status = OrderStatus::Delivered;
            }
            OrderStatus::Delivered => {
                log.push_at(id, OrderCompleted { payout_due_at: at }, at);
                order.status = OrderStatus::Completed;
            }
            OrderStatus::Completed if random.random_range(0..2) == 0 => {
                let marked =
                    order.dishes.iter().filter(|_| random.random_range(0..2) == 0).copied().collect::<Vec<_>>();
                let per_item =
                    marked.into_iter().map(|dish_id| DishRating { dish_id, rating: 1 + (id.as_u128() % 5) as u8 });
                let rating = random.random_range(1..=5);
                // Only once per order.
                order.status = OrderStatus::Ready;
                log.push_at(id, OrderRated { rating, per_item: per_item.collect(), comment: None }, at);
            }
            OrderStatus::Completed | OrderStatus::Ready | OrderStatus::Cancelled => {
                log.push_at(id, refund(random.random_range(1..500), random.random_range(0..2)), at);
            }
            OrderStatus::Preparing | OrderStatus::OutForDelivery => {}
        }
    }
}

fn line(random: &mut StdRng, producer: u128, line_no: u32) -> OrderItem {
    let (dish, quantity) = (random.random_range(0..4), random.random_range(1..5));
    let unit_price = Money::rub(10_000 + dish as i64);
    OrderItem {
        line_no,
        dish_id: DishId(Uuid::from_u128(0xD00 + producer * 16 + dish)),
        dish_name: format!("dish {dish}"),
        unit_price,
        quantity,
        line_total: unit_price.times(quantity).unwrap(),
        price_version: 1,
        price_source: PriceSource::Catalog,
    }
}

async fn add_kitchens(db: &PgPool) {
    for n in 0..KITCHENS - 1 {
        sqlx::query(
            "INSERT INTO producers (id, user_id, name, city, delivery_time_minutes) VALUES ($1, $1, $2, 'M', 37)",
        )
        .bind(kitchen(n).0)
        .bind(format!("kitchen {n}"))
        .execute(db)
        .await
        .unwrap();
    }
}

async fn fold(db: &PgPool, log: &Log, batch_max: usize) {
    let mut parts = parts(db);
    (parts.settings.batch_max, parts.settings.rows_max) = (batch_max, 30);
    parts.feed.note_head(log.events.len() as u64);
    let running = Running::start::<OrderFacts>(parts);
    let head = log.events.len() as i64;
    eventually("the facts caught up", || async { checkpoint(db, "order_facts").await == head }).await;
    running.stop().await;
}

fn rub(minor: i64) -> super::super::Total {
    super::super::Total { minor, currency: Currency::RUB }
}

async fn check_range(reports: &Reports, told: &[reference::Told], question: Question) {
    let placed = reference::placed(told, question.from, question.to, question.producer_id);
    let sums = reference::sums(&placed);
    let report = reports.totals(question).await.unwrap();
    assert_eq!(
        (report.total_orders, report.completed_orders, report.cancelled_orders),
        (sums.total, sums.completed, sums.cancelled),
        "{question:?}"
    );
    assert_eq!((report.total_revenue, report.net_revenue), (rub(sums.revenue), rub(sums.revenue - sums.refunded)));
    assert_eq!(report.average_order_value.minor, divide(sums.revenue.into(), sums.completed.into()) as i64);
    assert_eq!(report.completion_rate, mean(sums.completed * 100, sums.total));
    check_producers(reports, &placed, question).await;
    check_dishes(reports, &placed, question).await;
}

fn points(marks: &[u8]) -> (f64, i64) {
    (mean(marks.iter().copied().map(i64::from).sum(), marks.len() as i64), marks.len() as i64)
}

async fn check_producers(reports: &Reports, placed: &[reference::Told], question: Question) {
    let rows = reports.top_producers(question, 3).await.unwrap();
    let expected = reference::producers(placed);
    assert_eq!(rows.len(), expected.len().min(3), "{question:?}");
    for (row, (id, sums)) in rows.iter().zip(expected) {
        assert_eq!((row.producer_id, row.total_orders, row.completed_orders), (id, sums.total, sums.completed));
        assert_eq!(row.total_revenue, rub(sums.revenue));
        assert_eq!((row.average_rating, row.ratings_count), points(&sums.marks));
        let is_known = id != kitchen(KITCHENS - 1);
        assert_eq!(row.producer_name.is_some(), is_known);
        let declared = if is_known { 37.0 } else { 0.0 };
        let way = mean(sums.ways.iter().sum(), 60_000_000 * sums.ways.len() as i64);
        assert_eq!(row.average_delivery_time_minutes, if sums.ways.is_empty() { declared } else { way });
    }
}

async fn check_dishes(reports: &Reports, placed: &[reference::Told], question: Question) {
    let rows = reports.popular_dishes(question, 5).await.unwrap();
    let expected = reference::dishes(placed);
    assert_eq!(rows.len(), expected.len().min(5), "{question:?}");
    for (row, (id, sums)) in rows.iter().zip(expected) {
        assert_eq!(
            (row.dish_id.0, row.total_orders, row.total_portions),
            (id, sums.orders, sums.portions),
            "{question:?}"
        );
        assert_eq!(row.total_revenue, rub(sums.revenue));
        assert_eq!((row.average_rating, row.ratings_count), points(&sums.marks), "{question:?}");
    }
}

async fn check_days(reports: &Reports, told: &[reference::Told], zone: Tz, basis: Basis) {
    let (first, count) = ("2026-09-01".parse::<NaiveDate>().unwrap(), 120_u64);
    let start =
        |date: NaiveDate| date.and_time(chrono::NaiveTime::MIN).and_local_timezone(zone).earliest().unwrap().to_utc();
    let days: Vec<_> = first.iter_days().take(count as usize).map(|date| (date, start(date))).collect();
    let end = start(first + chrono::Days::new(count));
    let asked = (None, Currency::RUB, basis);
    let rows = reports.daily_revenue(asked, &days, end).await.unwrap();
    let expected = reference::days(told, zone, basis);
    assert_eq!(rows.len() as u64, count);
    for row in rows {
        let expected = expected.get(&row.date).copied().unwrap_or_default();
        assert_eq!((row.revenue.minor, row.orders_count), expected, "{} in {zone} by {basis:?}", row.date);
    }
}

async fn check_all(db: &PgPool, log: &Log, seed: u64) {
    let reports = &Reports::beside(db);
    let told = reference::orders(&log.events);
    let mut random = StdRng::seed_from_u64(seed);
    let start = at("2026-09-15T00:00:00Z");
    for n in 0..40 {
        let mut instant = || match random.random_range(0..2) {
            0 => start + TimeDelta::minutes(15 * random.random_range(0..10_000)),
            _ => start + TimeDelta::seconds(random.random_range(0..9_000_000)),
        };
        let (one, other) = (instant(), instant());
        let producer_id = (n % 3 == 0).then(|| kitchen(n / 3 % KITCHENS));
        let (from, to) = if n == 0 { super::super::ALWAYS } else { (one.min(other), one.max(other)) };
        check_range(reports, &told, Question { producer_id, currency: Currency::RUB, from, to }).await;
    }
    for zone in ZONES {
        check_days(reports, &told, zone, Basis::Created).await;
        check_days(reports, &told, zone, Basis::Completed).await;
    }
}

/// The roll-ups that the log's facts add up to.
fn rollups_of(events: &[Arc<RecordedEvent>]) -> (Rollups, Vec<OrderFact>) {
    let mut fold = Fold::<OrderFacts>::new(Default::default());
    events.iter().for_each(|event| fold.take(event).unwrap());
    let facts: Vec<OrderFact> = fold.into_rows().into_values().flatten().collect();
    let mut rollups = Rollups::default();
    facts.iter().for_each(|fact| rollups.add(fact));
    (rollups, facts)
}

async fn check_tables(db: &PgPool, log: &Log) {
    let (rollups, facts) = rollups_of(&log.events);
    let stored = OrderFacts::load(db, &facts.iter().map(|fact| fact.order_id).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(stored.len(), facts.len());
    assert!(facts.iter().all(|fact| stored[&fact.order_id] == *fact));
    let sum: Vec<i64> = sqlx::query_scalar(
        "SELECT count(*) FROM order_rollups UNION ALL SELECT sum(orders + revenue_minor + delivery_micros)::bigint
         FROM order_rollups UNION ALL SELECT count(*) FROM dish_rollups",
    )
    .fetch_all(db)
    .await
    .unwrap();
    let added = rollups.orders.values().map(|sum| sum.orders + sum.revenue_minor + sum.delivery_micros).sum::<i64>();
    assert_eq!(sum, [rollups.orders.len() as i64, added, rollups.dishes.len() as i64]);
}

#[tokio::test]
async fn every_report_says_what_a_fold_of_the_log_says() {
    for (seed, batch_max) in [(1, 1), (2, 7), (3, 500), (4, 2_000)] {
        let (db, mut log) = (database().await, History::of(seed, if batch_max == 1 { 60 } else { 400 }));
        add_kitchens(&db).await;
        log.write(&db).await;
        fold(&db, &log, batch_max).await;
        check_tables(&db, &log).await;
        check_all(&db, &log, seed).await;
    }
}

#[tokio::test]
async fn the_migrations_sum_up_the_facts_as_the_fold_does() {
    let (db, mut log) = (database().await, History::of(6, 200));
    add_kitchens(&db).await;
    log.write(&db).await;
    fold(&db, &log, 500).await;
    sqlx::query("UPDATE order_rollups SET orders = orders + 1").execute(&db).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let orders = include_str!("../../../../../migrations/0091_finer_rollups.sql");
    let dishes = include_str!("../../../../../migrations/0151_finer_dish_rollups.sql");
    for migration in [orders, dishes] {
        sqlx::raw_sql(migration).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    check_tables(&db, &log).await;
    check_all(&db, &log, 6).await;
}

#[tokio::test]
async fn storing_the_same_facts_again_counts_nothing_twice() {
    let (db, log) = (database().await, History::of(5, 50));
    let (_, facts) = rollups_of(&log.events);
    let changes: Vec<_> = facts.iter().map(|fact| (fact.order_id, Some(fact.clone()))).collect();
    for _ in 0..3 {
        let mut tx = db.begin().await.unwrap();
        OrderFacts::store(&mut tx, &changes).await.unwrap();
        tx.commit().await.unwrap();
    }
    check_tables(&db, &log).await;
}
