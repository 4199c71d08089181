//! What holds a rebuild up holds nobody else up: its operator is heard, readers and the owner go on.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::{operations::Wanted, projections::orders::Orders};

/// Whether somebody waits for a lock on the table.
async fn is_waited_for(db: &PgPool, table: &str) -> bool {
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)";
    sqlx::query_scalar(waiting).bind(table).fetch_one(db).await.unwrap()
}

async fn ask(test: &Test, id: Uuid, wanted: Wanted) {
    let asked = operations::ask(&test.db, id, wanted, "admin:test", "a test");
    let asked = tokio::time::timeout(Duration::from_secs(5), asked).await.expect("the operator is heard");
    assert!(asked.unwrap().is_some());
}

#[tokio::test]
async fn an_operator_is_heard_while_a_rebuild_indexes_and_while_it_verifies() {
    let test = Test::with_orders(50).await;
    let _running = test.fold::<Orders>().await;
    let id = test.begin(OperationKind::Rebuild, "orders", json!({"swap": "told"})).await;
    let _working = test.worker(50);
    test.becomes(id, OperationState::Paused).await;
    for (table, mode) in [("generation_orders_2.orders", "SHARE"), ("public.orders", "ACCESS EXCLUSIVE")] {
        let mut holding = test.db.begin().await.unwrap();
        sqlx::query(&format!("LOCK TABLE {table} IN {mode} MODE")).execute(&mut *holding).await.unwrap();
        ask(&test, id, Wanted::Run).await;
        eventually("the rebuild waits", || is_waited_for(&test.db, table)).await;
        ask(&test, id, Wanted::Pause).await;
        holding.rollback().await.unwrap();
        test.becomes(id, OperationState::Paused).await;
    }
    ask(&test, id, Wanted::Cancel).await;
    test.becomes(id, OperationState::Cancelled).await;
    assert_eq!(test.schemas().await, Vec::<String>::new());
}

/// Whether somebody keeps the owner from its checkpoint.
async fn is_shut_out(db: &PgPool) -> bool {
    let free = "SELECT 1 FROM projection_checkpoints WHERE name = 'orders' FOR UPDATE SKIP LOCKED";
    sqlx::query(free).fetch_optional(db).await.unwrap().is_none()
}

#[tokio::test]
async fn a_swap_that_is_held_up_is_seldom_in_the_way() {
    const LOOKS: u32 = 200;
    let mut test = Test::with_orders(20).await;
    let _running = test.fold::<Orders>().await;
    let mut reading = test.db.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM orders").execute(&mut *reading).await.unwrap();
    let id = test.rebuild("orders").await;
    let _working = test.worker(50);
    eventually("the swap is held up", || async { test.find(id).await.progress.stage == "swap" }).await;
    let (looks, in_the_way, shut_out) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    eventually("there were enough looks", || async {
        in_the_way.fetch_add(u32::from(is_waited_for(&test.db, "public.orders").await), Ordering::Relaxed);
        shut_out.fetch_add(u32::from(is_shut_out(&test.db).await), Ordering::Relaxed);
        looks.fetch_add(1, Ordering::Relaxed) + 1 >= LOOKS
    })
    .await;
    let (in_the_way, shut_out) = (in_the_way.into_inner(), shut_out.into_inner());
    assert!(in_the_way < LOOKS / 4, "readers wait behind it in {in_the_way} of {LOOKS} looks");
    assert!(shut_out < LOOKS / 10, "the owner is shut out in {shut_out} of {LOOKS} looks");
    test.log.push(test.ids[0], samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    // However long it would rest.
    ask(&test, id, Wanted::Pause).await;
    test.becomes(id, OperationState::Paused).await;
    reading.rollback().await.unwrap();
    ask(&test, id, Wanted::Run).await;
    test.becomes(id, OperationState::Succeeded).await;
    assert_eq!(test.generation("orders").await, 2);
}
