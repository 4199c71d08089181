//! The read models beside a fold of the log: each event taken once, in order, and none left out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use projection_service::{
    engine::{Projection, ReadModel},
    projections::{
        disputes::{DisputeRow, Disputes},
        feed::{Feed, Recipient},
        gifts::{GiftRow, Gifts},
        ledger::{self, Ledger},
        order_facts::{OrderBucket, OrderFacts, OrderMeasures, Rollups},
        orders::{OrderRow, Orders},
        payments::{PaymentRow, Payments},
    },
};
use shared::{
    domain::{AggregateType, DomainEvent, EventSourced, ledger::Ledger as Books, order::Order},
    log::RecordedEvent,
};
use sqlx::PgPool;
use uuid::Uuid;

pub async fn check(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    check_orders(db, events).await;
    check_payments(db, events).await;
    check_gifts(db, events).await;
    check_disputes(db, events).await;
    check_feed(db, events).await;
    check_order_facts(db, events).await;
    check_ledger(db, events).await;
}

fn fold<P: Projection>(events: &[Arc<RecordedEvent>], mut seen: impl FnMut(&mut P::Row)) -> BTreeMap<P::Key, P::Row> {
    let mut rows = BTreeMap::new();
    for event in events {
        for key in P::keys(event) {
            let row = P::apply(rows.remove(&key), event, event.event.as_ref().unwrap()).unwrap();
            if let Some(mut row) = row {
                seen(&mut row);
                P::settle(&mut row);
                rows.insert(key, row);
            }
        }
    }
    rows
}

async fn check_orders(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    let stored: Vec<(Uuid, String, i64, String)> =
        sqlx::query_as("SELECT id, status, version, doc::text FROM orders").fetch_all(db).await.unwrap();
    let folded = fold::<Orders>(events, |_| {});
    let replayed = replay(events);
    assert_eq!(stored.len(), folded.len(), "orders in the read model");
    for (id, status, version, doc) in stored {
        let row: OrderRow = serde_json::from_str(&doc).unwrap();
        assert_eq!(row, folded[&id.into()], "the row of order {id}");
        let (order, sequence) = &replayed[&id];
        assert_eq!(order.status().map(|status| status.as_str()), Some(status.as_str()), "the status of order {id}");
        assert_eq!(*sequence, version as u64, "the version of order {id}");
        assert_eq!(row.refunds.len(), order.refunds().len(), "the refunds of order {id}");
    }
}

/// Every order as its aggregate has it.
fn replay(events: &[Arc<RecordedEvent>]) -> HashMap<Uuid, (Order, u64)> {
    let mut orders = HashMap::<Uuid, (Order, u64)>::new();
    for event in events.iter().filter(|event| event.aggregate_type == AggregateType::Order) {
        let domain: &DomainEvent = event.event.as_ref().unwrap();
        let (order, sequence) = orders.entry(event.aggregate_id).or_default();
        cqrs_es::Aggregate::apply(order, Order::from_domain_event(domain).unwrap().clone());
        *sequence = event.sequence;
    }
    orders
}

async fn check_payments(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    let stored: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, doc::text FROM payments").fetch_all(db).await.unwrap();
    let folded = fold::<Payments>(events, |_| {});
    assert_eq!(stored.len(), folded.len(), "payments in the read model");
    for (id, doc) in stored {
        let row: PaymentRow = serde_json::from_str(&doc).unwrap();
        assert_eq!(row, folded[&id.into()], "the row of payment {id}");
    }
}

async fn check_gifts(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    let stored: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, doc::text FROM gifts").fetch_all(db).await.unwrap();
    let folded = fold::<Gifts>(events, |_| {});
    assert_eq!(stored.len(), folded.len(), "gifts in the read model");
    for (id, doc) in stored {
        let row: GiftRow = serde_json::from_str(&doc).unwrap();
        assert_eq!(row, folded[&id.into()], "the row of gift {id}");
    }
}

async fn check_disputes(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    let stored: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, doc::text FROM disputes").fetch_all(db).await.unwrap();
    let folded = fold::<Disputes>(events, |_| {});
    assert_eq!(stored.len(), folded.len(), "disputes in the read model");
    for (id, doc) in stored {
        let row: DisputeRow = serde_json::from_str(&doc).unwrap();
        assert_eq!(row, folded[&id.into()], "the row of dispute {id}");
    }
}

/// Every user was told everything once; ids are dense, and those of one order are in its order. Where so much time passed
/// that the oldest entries were swept, what is left are the newest.
async fn check_feed(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    let cooks: Vec<(Uuid, Uuid)> = sqlx::query_as("SELECT id, user_id FROM producers").fetch_all(db).await.unwrap();
    let cooks: HashMap<Uuid, Uuid> = cooks.into_iter().collect();
    let mut expected = BTreeMap::<Uuid, Vec<(i64, String)>>::new();
    fold::<Feed>(events, |row| {
        for entry in row.entries() {
            let user_id = match entry.recipient {
                Recipient::User(user_id) => user_id.0,
                Recipient::Producer(producer_id) => cooks[&producer_id.0],
            };
            expected.entry(user_id).or_default().push((entry.position as i64, entry.kind.name().to_owned()));
        }
    });
    let stored: Vec<(Uuid, i64, i64, String)> =
        sqlx::query_as("SELECT user_id, id, position, kind FROM feed_entries ORDER BY user_id, id")
            .fetch_all(db)
            .await
            .unwrap();
    let mut told = BTreeMap::<Uuid, (i64, Vec<(i64, String)>)>::new();
    for (user_id, id, position, kind) in stored {
        let (first, entries) = told.entry(user_id).or_insert((id, Vec::new()));
        assert_eq!(id, *first + entries.len() as i64, "the ids of {user_id} are dense");
        entries.push((position, kind));
    }
    let heads: Vec<(Uuid, i64)> = sqlx::query_as("SELECT user_id, head FROM feed_heads").fetch_all(db).await.unwrap();
    let heads: BTreeMap<Uuid, i64> = heads.into_iter().collect();
    assert!(told.keys().all(|user_id| expected.contains_key(user_id)), "told for nothing: {told:?}");
    for (user_id, mut wanted) in expected {
        wanted.sort();
        assert_eq!(heads.get(&user_id), Some(&(wanted.len() as i64)), "how much {user_id} was told");
        let (first, mut entries) = told.remove(&user_id).unwrap_or((wanted.len() as i64 + 1, Vec::new()));
        entries.sort();
        let swept = usize::try_from(first - 1).unwrap();
        assert_eq!(entries, wanted[swept..], "what {user_id} was told");
    }
}

/// The facts are the fold's, and the roll-ups add up to the facts.
async fn check_order_facts(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    let facts = fold::<OrderFacts>(events, |_| {});
    let keys: Vec<_> = facts.keys().copied().collect();
    let stored = OrderFacts::load(db, &keys).await.unwrap();
    assert_eq!(stored.into_iter().collect::<BTreeMap<_, _>>(), facts, "facts");
    let mut rollups = Rollups::default();
    facts.values().for_each(|fact| rollups.add(fact));
    let mut orders: Vec<_> = rollups.orders.iter().map(|(key, sum)| order_sums(key, sum)).collect();
    orders.sort();
    let stored: Vec<(String, String, String, Uuid, Vec<i64>)> = sqlx::query_as(
        "SELECT basis, width, to_char(bucket AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00'), producer_id, ARRAY[orders, completed, cancelled, revenue_minor, refunded_minor,
                ratings, rating_points, deliveries, delivery_micros]
         FROM order_rollups ORDER BY 1, 2, 3, 4",
    )
    .fetch_all(db)
    .await
    .unwrap();
    assert_eq!(stored, orders, "sums of orders");
    let dishes: i64 = rollups.dishes.values().map(|sum| sum.orders + sum.portions + sum.revenue_minor).sum();
    let sum = "SELECT coalesce(sum(orders + portions + revenue_minor), 0)::bigint FROM dish_rollups";
    assert_eq!(sqlx::query_scalar::<_, i64>(sum).fetch_one(db).await.unwrap(), dishes, "sums of dishes");
}

fn order_sums(key: &OrderBucket, sum: &OrderMeasures) -> (String, String, String, Uuid, Vec<i64>) {
    let sums = vec![
        sum.orders,
        sum.completed,
        sum.cancelled,
        sum.revenue_minor,
        sum.refunded_minor,
        sum.ratings,
        sum.rating_points,
        sum.deliveries,
        sum.delivery_micros,
    ];
    let bucket = key.bucket.format("%Y-%m-%d %H:%M:%S+00").to_string();
    (key.basis.as_str().to_owned(), key.width.as_str().to_owned(), bucket, key.producer_id.0, sums)
}

/// The books are those of a plain fold of the log; accounts and totals add up to the postings, and debits to credits.
async fn check_ledger(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    let mut books = Books::default();
    let mut postings = 0;
    for event in events {
        postings += books.take(event).unwrap().postings().count();
    }
    let expected: BTreeMap<_, _> = books
        .balances()
        .open()
        .map(|(account, of, minor)| ((account.kind().as_str(), account.owner().unwrap_or_default(), of.code()), minor))
        .collect();
    let stored = ledger::accounts(db, ledger::AccountFilter::default(), None, i64::MAX).await.unwrap();
    let balances: BTreeMap<_, _> = stored
        .iter()
        .map(|row| ((row.account.as_str(), row.owner_id, row.currency.code()), row.debit_minor - row.credit_minor))
        .filter(|(_, minor)| *minor != 0)
        .collect();
    assert_eq!(balances, expected, "what stands on the accounts");
    let rows = fold::<Ledger>(events, |_| {});
    assert_eq!(rows.values().map(|row| row.postings.len()).sum::<usize>(), postings, "postings");
    let keys: Vec<Uuid> = rows.keys().copied().collect();
    let stored: BTreeMap<_, _> = Ledger::load(db, &keys).await.unwrap().into_iter().collect();
    assert_eq!(stored, rows, "the books of each order and gift");
    let totals = ledger::totals(db).await.unwrap();
    let (debit, credit): (Vec<i64>, Vec<i64>) = totals.iter().map(|row| (row.debit_minor, row.credit_minor)).unzip();
    assert_eq!(debit.iter().sum::<i64>(), credit.iter().sum::<i64>(), "all debits and all credits");
}
