//! Rebuilds beside live traffic, after kills, on demand, and back again.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use shared::{domain::DomainEvent, log::RecordedEvent};
use sqlx::PgConnection;

use super::*;
use crate::{
    engine::{Changes, FoldError, Keys, Named, Projection},
    projections::{
        feed::Feed,
        ledger::Ledger,
        order_facts::OrderFacts,
        orders::{self, OrderFilter, Orders},
        payments::Payments,
    },
};

/// Reads as the API does, and never sees an error, a missing row or one that goes back.
fn reader(db: &PgPool, ids: Vec<Uuid>, stop: Arc<AtomicBool>, reads: Arc<AtomicU64>) -> JoinHandle<()> {
    let db = db.clone();
    tokio::spawn(async move {
        let mut versions = vec![4_u64; ids.len()];
        let mut at = 0;
        while !stop.load(Ordering::Relaxed) {
            at = (at + 7) % ids.len();
            let row = orders::find(&db, ids[at].into()).await.expect("a query fails").expect("a row is gone");
            assert!(row.version >= versions[at], "a row goes back");
            versions[at] = row.version;
            let page = orders::list(&db, &OrderFilter::default(), (None, 50)).await.expect("a query fails");
            assert_eq!(page.len(), 50, "a list is half built");
            reads.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_writers_do_not_notice_a_rebuild_that_is_killed_twice() {
    let mut test = Test::with_orders(5_000).await;
    let _running = test.fold::<Orders>().await;
    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..2).map(|_| reader(&test.db, test.ids.clone(), stop.clone(), reads.clone())).collect();
    let id = test.rebuild("orders").await;
    let mut written = 0;
    for killed_at in [4_000, 12_000, u64::MAX] {
        let working = test.worker(1_000);
        loop {
            // Old orders go on and new ones come, all the while.
            let old = test.ids[written % test.ids.len()];
            test.log.push(old, samples::ready());
            let new = Uuid::now_v7();
            test.log.push(new, samples::created(CUSTOMER, KITCHEN));
            test.append().await;
            written += 1;
            let found = test.find(id).await;
            assert!(!matches!(found.state, OperationState::Failed | OperationState::Paused), "{found:?}");
            if found.progress.done >= killed_at || found.state == OperationState::Succeeded {
                break;
            }
        }
        drop(working);
    }
    let ended = test.find(id).await;
    assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
    assert!(ended.progress.done >= 20_000 && ended.errors.is_empty(), "{ended:?}");
    test.caught_up("orders").await;
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(reads.load(Ordering::Relaxed) > 20 && written > 20);
    assert_eq!(test.generation("orders").await, 2);
    // The rows are those of a fold from the beginning, and the indexes have kept their names.
    let verified = test.begin(OperationKind::Verify, "orders", json!({})).await;
    let _working = test.worker(1_000);
    let verified = test.becomes(verified, OperationState::Succeeded).await;
    assert_eq!(verified.result.unwrap()["drifted"], 0);
    let indexes: Vec<String> = sqlx::query_scalar(
        "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'orders' ORDER BY 1",
    )
    .fetch_all(&test.db)
    .await
    .unwrap();
    let named =
        ["orders_created_idx", "orders_customer_idx", "orders_pkey", "orders_producer_idx", "orders_status_idx"];
    assert_eq!(indexes, named);
}

#[tokio::test]
async fn a_falsified_row_is_found_a_person_decides_and_can_take_it_back() {
    let mut test = Test::with_orders(100).await;
    let _running = test.fold::<Orders>().await;
    let right = test.rows("orders").await;
    sqlx::query("UPDATE orders SET status = 'COMPLETED' WHERE id = $1")
        .bind(test.ids[7])
        .execute(&test.db)
        .await
        .unwrap();
    let false_rows = test.rows("orders").await;
    let working = test.worker(64);
    let id = test.rebuild("orders").await;
    let paused = test.becomes(id, OperationState::Paused).await;
    let difference = &paused.result.as_ref().unwrap()["tables"][0];
    assert_eq!((&difference["changed"], &difference["keys"]), (&json!(1), &json!([test.ids[7]])), "{difference}");
    assert_eq!(test.rows("orders").await, false_rows);

    operations::set_input(&test.db, id, &json!({"swap": "verified"})).await.unwrap();
    operations::ask(&test.db, id, operations::Wanted::Run, "admin:test", "the new one is right").await.unwrap();
    test.becomes(id, OperationState::Succeeded).await;
    assert_eq!(test.rows("orders").await, right);
    assert_eq!(test.generation("orders").await, 2);

    // What happens after the swap is in the generation that comes back, too.
    test.log.push(test.ids[0], samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    let back = test.begin(OperationKind::Rollback, "orders", json!({"swap": "verified"})).await;
    test.becomes(back, OperationState::Succeeded).await;
    assert_eq!(test.generation("orders").await, 1);
    let order: (i64, String) = sqlx::query_as("SELECT version, status FROM orders WHERE id = $1")
        .bind(test.ids[0])
        .fetch_one(&test.db)
        .await
        .unwrap();
    assert_eq!(order, (5, "READY".to_owned()));
    let taken_back: String = sqlx::query_scalar("SELECT status FROM orders WHERE id = $1")
        .bind(test.ids[7])
        .fetch_one(&test.db)
        .await
        .unwrap();
    assert_eq!(taken_back, "COMPLETED");

    let forgotten = {
        let model = rebuild_parts(&test.parts).models.get("orders").unwrap();
        forget(&test.db, &*model, "admin:test", "not needed").await.unwrap()
    };
    assert_eq!(forgotten, 1);
    test.log.push(test.ids[1], samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    drop(working);
}

#[tokio::test]
async fn a_rebuild_of_the_feed_tells_nobody_anything() {
    let mut test = Test::with_orders(150).await;
    let _running = test.fold::<Feed>().await;
    let (entries, heads, orders) =
        (test.rows("feed_entries").await, test.rows("feed_heads").await, test.rows("feed_orders").await);
    let id = test.rebuild("feed").await;
    let _working = test.worker(100);
    test.becomes(id, OperationState::Succeeded).await;
    assert_eq!(test.rows("feed_entries").await, entries);
    assert_eq!(test.rows("feed_heads").await, heads);
    assert_eq!(test.rows("feed_orders").await, orders);
    // And what comes next has the next id.
    let before = entries.len();
    test.log.push(test.ids[0], samples::ready());
    test.append().await;
    test.caught_up("feed").await;
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM feed_entries WHERE user_id = $1 ORDER BY id")
        .bind(CUSTOMER.0)
        .fetch_all(&test.db)
        .await
        .unwrap();
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>());
    assert!(test.rows("feed_entries").await.len() > before);
}

#[tokio::test]
async fn one_that_is_called_off_leaves_nothing_behind() {
    let test = Test::with_orders(300).await;
    let _running = test.fold::<Orders>().await;
    let before = test.rows("orders").await;
    let id = test.begin(OperationKind::Rebuild, "orders", json!({"swap": "told"})).await;
    let _working = test.worker(50);
    test.becomes(id, OperationState::Paused).await;
    assert_eq!(test.schemas().await, ["generation_orders_2"]);
    operations::ask(&test.db, id, operations::Wanted::Cancel, "admin:test", "no").await.unwrap();
    test.becomes(id, OperationState::Cancelled).await;
    assert_eq!(test.schemas().await, Vec::<String>::new());
    assert_eq!(test.rows("orders").await, before);
    let again = test.rebuild("orders").await;
    test.becomes(again, OperationState::Succeeded).await;
    assert_eq!(test.rows("orders").await, before);
}

/// All that a table is beside its rows: columns, room in its pages, rights, keys and indexes.
async fn definition<P: ReadModel>(test: &Test) -> Vec<String> {
    let tables: Vec<String> = P::TABLES.iter().map(|table| format!("public.{table}")).collect();
    let statement = "
        WITH t AS (SELECT unnest($1::text[])::regclass AS id)
        SELECT concat_ws(' ', id, 'has', reloptions, (SELECT array_agg(acl::text ORDER BY acl::text) FROM unnest(relacl) acl))
        FROM t JOIN pg_class ON oid = id
        UNION ALL
        SELECT concat_ws(' ', id, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, id))
        FROM t JOIN pg_attribute ON attrelid = id AND attnum > 0 LEFT JOIN pg_attrdef ON adrelid = id AND adnum = attnum
        UNION ALL
        SELECT concat_ws(' ', id, conname, pg_get_constraintdef(oid)) FROM t JOIN pg_constraint ON conrelid = id
        UNION ALL
        SELECT pg_get_indexdef(indexrelid) FROM t JOIN pg_index ON indrelid = id
        ORDER BY 1";
    sqlx::query_scalar(statement).bind(tables).fetch_all(&test.db).await.unwrap()
}

async fn rebuilt_like_before<P: ReadModel>(test: &Test) {
    let before = definition::<P>(test).await;
    assert!(before.len() >= 5, "{before:?}");
    let _running = test.fold::<P>().await;
    let _working = test.worker(100);
    let id = test.rebuild(P::NAME).await;
    test.becomes(id, OperationState::Succeeded).await;
    assert_eq!(definition::<P>(test).await, before, "{}", P::NAME);
}

#[tokio::test]
async fn a_rebuilt_table_is_made_as_the_one_before_it() {
    let test = Test::with_orders(5).await;
    rebuilt_like_before::<Orders>(&test).await;
    rebuilt_like_before::<Payments>(&test).await;
    rebuilt_like_before::<Feed>(&test).await;
    rebuilt_like_before::<OrderFacts>(&test).await;
    rebuilt_like_before::<Ledger>(&test).await;
}

#[tokio::test]
async fn one_without_events_is_swapped_too_and_an_unknown_one_fails() {
    let test = Test::with_orders(10).await;
    let _running = test.fold::<Payments>().await;
    let _working = test.worker(50);
    let id = test.rebuild("payments").await;
    test.becomes(id, OperationState::Succeeded).await;
    let unknown = test.rebuild("nobody's").await;
    let failed = test.becomes(unknown, OperationState::Failed).await;
    assert!(failed.errors[0].contains("no projection"), "{failed:?}");
}

#[tokio::test]
async fn views_over_a_table_follow_it_through_the_swap() {
    let test = Test::with_orders(20).await;
    let _running = test.fold::<Orders>().await;
    sqlx::query(
        "CREATE VIEW analytics.orders_seen WITH (security_barrier = true) AS SELECT id, status FROM public.orders",
    )
    .execute(&test.db)
    .await
    .unwrap();
    sqlx::query("GRANT SELECT ON analytics.orders_seen TO homefood_analyst").execute(&test.db).await.unwrap();
    let id = test.rebuild("orders").await;
    let _working = test.worker(50);
    test.becomes(id, OperationState::Succeeded).await;
    sqlx::query("UPDATE orders SET status = 'SEEN' WHERE id = $1").bind(test.ids[0]).execute(&test.db).await.unwrap();
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM analytics.orders_seen WHERE status = 'SEEN'")
        .fetch_one(&test.db)
        .await
        .unwrap();
    let kept: (bool, Option<Vec<String>>) = sqlx::query_as(
        "SELECT has_table_privilege('homefood_analyst', oid, 'SELECT'), reloptions FROM pg_class WHERE relname = 'orders_seen'",
    )
    .fetch_one(&test.db)
    .await
    .unwrap();
    assert_eq!((seen, kept), (1, (true, Some(vec!["security_barrier=true".to_owned()]))));
}

/// The orders, as a projection that says nothing of how it may be rebuilt.
#[derive(Debug)]
struct Unspecified;

impl Projection for Unspecified {
    const NAME: &'static str = Orders::NAME;
    type Key = <Orders as Projection>::Key;
    type Row = <Orders as Projection>::Row;

    fn keys(event: &RecordedEvent) -> Keys<Self::Key> {
        Orders::keys(event)
    }

    fn apply(
        row: Option<Self::Row>,
        event: &RecordedEvent,
        domain: &DomainEvent,
    ) -> Result<Option<Self::Row>, FoldError> {
        Orders::apply(row, event, domain)
    }
}

impl ReadModel for Unspecified {
    type Written = ();

    async fn load(db: &PgPool, keys: &[Self::Key]) -> Result<HashMap<Self::Key, Self::Row>, sqlx::Error> {
        Orders::load(db, keys).await
    }

    async fn store(tx: &mut PgConnection, changes: &Changes<Self>) -> Result<(), sqlx::Error> {
        Orders::store(tx, changes).await
    }
}

#[tokio::test]
async fn a_projection_that_says_nothing_is_rebuilt_in_order_of_the_log() {
    let mut test = Test::with_orders(3_000).await;
    let _running = test.fold::<Orders>().await;
    test.log.push(test.ids[4], samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    let before = test.rows("orders").await;
    let parts = RebuildParts {
        models: Models::new(vec![Named::<Unspecified>::model(&test.parts.failpoints)]),
        ..rebuild_parts(&test.parts)
    };
    let make = jobs::maker(test.parts.clock.clone(), parts);
    let worker = Worker::new(test.db.clone(), Duration::from_millis(500), make);
    let _working = Abort(tokio::spawn(async move { worker.run(CancellationToken::new()).await.unwrap() }));
    let id = test.rebuild("orders").await;
    test.becomes(id, OperationState::Succeeded).await;
    assert_eq!(test.rows("orders").await, before);
    let verify = test.begin(OperationKind::Verify, "orders", json!({})).await;
    let failed = test.becomes(verify, OperationState::Failed).await;
    assert!(failed.errors[0].contains("a rebuild compares them all"), "{failed:?}");
}
