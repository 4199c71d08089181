//! What holds a rebuild up holds nobody else up: its operator is heard, readers and the owner go on.

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
