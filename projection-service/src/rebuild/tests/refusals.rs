//! What a fold refuses, across generations: letters are settled by a rebuild, made by one, and never lost.

use super::*;
use crate::{
    dead_letters::{LetterFilter, RedriveInput, start},
    projections::orders::Orders,
};

async fn letters(test: &Test) -> Vec<(Uuid, i64, String)> {
    let found = "SELECT aggregate_id, sequence, status FROM dead_letters ORDER BY position";
    sqlx::query_as(found).fetch_all(&test.db).await.unwrap()
}

fn letter(id: Uuid, sequence: i64, status: &str) -> (Uuid, i64, String) {
    (id, sequence, status.to_owned())
}

async fn version(test: &Test, id: Uuid) -> Option<i64> {
    let version = sqlx::query_scalar("SELECT version FROM orders WHERE id = $1");
    version.bind(id).fetch_optional(&test.db).await.unwrap()
}

#[tokio::test]
async fn a_rebuild_takes_what_was_parked_once_the_cause_is_mended() {
    let mut test = Test::with_orders(20).await;
    test.park_at_once();
    let poisoned = test.ids[3];
    test.parts.failpoints.set_fold("orders", poisoned);
    let _running = test.fold::<Orders>().await;
    assert_eq!(letters(&test).await.len(), 4);
    test.parts.failpoints.clear_fold("orders", poisoned);
    let id = test.rebuild("orders").await;
    let _working = test.worker(16);
    test.becomes(id, OperationState::Succeeded).await;
    assert!(letters(&test).await.iter().all(|(_, _, status)| status == "REDRIVEN"));
    assert_eq!(version(&test, poisoned).await, Some(4));
    test.log.push(poisoned, samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    assert_eq!(version(&test, poisoned).await, Some(5));

    // The generation that comes back stood still there: its letters are open again.
    let back = test.begin(OperationKind::Rollback, "orders", json!({"swap": "verified"})).await;
    test.becomes(back, OperationState::Succeeded).await;
    assert_eq!(version(&test, poisoned).await, None);
    let statuses: Vec<_> = letters(&test).await.into_iter().map(|(_, _, status)| status).collect();
    assert_eq!(statuses, ["PARKED", "BLOCKED", "BLOCKED", "BLOCKED", "BLOCKED"]);
    sqlx::query("UPDATE dead_letters SET status = 'PENDING', next_retry_at = now() WHERE status = 'PARKED'")
        .execute(&test.db)
        .await
        .unwrap();
    eventually("it follows", || async { version(&test, poisoned).await == Some(5) }).await;
}

#[tokio::test]
async fn what_the_new_generation_refuses_waits_as_letters_after_the_swap() {
    let mut test = Test::with_orders(20).await;
    let _running = test.fold::<Orders>().await;
    let refused = test.ids[5];
    test.parts.failpoints.set_fold("orders", refused);
    let id = test.begin(OperationKind::Rebuild, "orders", json!({"swap": "verified"})).await;
    let _working = test.worker(16);
    let ended = test.becomes(id, OperationState::Succeeded).await;
    assert_eq!(ended.result.unwrap()["refused_aggregates"], 1);
    let waiting: Vec<_> = letters(&test).await.into_iter().map(|(id, sequence, _)| (id, sequence)).collect();
    assert_eq!(waiting, [(refused, 1), (refused, 2), (refused, 3), (refused, 4)]);
    test.log.push(refused, samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    assert_eq!(version(&test, refused).await, None);
    test.parts.failpoints.clear_fold("orders", refused);
    sqlx::query("UPDATE dead_letters SET status = 'PENDING', next_retry_at = now() WHERE status = 'PARKED'")
        .execute(&test.db)
        .await
        .unwrap();
    eventually("it follows", || async { version(&test, refused).await == Some(5) }).await;
}

#[tokio::test]
async fn a_rebuild_that_would_lose_rows_asks_a_person() {
    let mut test = Test::with_orders(20).await;
    test.park_at_once();
    let running = test.fold::<Orders>().await;
    let waits_already = test.ids[3];
    test.parts.failpoints.set_fold("orders", waits_already);
    test.log.push(waits_already, samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    assert_eq!(letters(&test).await, [letter(waits_already, 5, "PARKED")]);
    drop(running);
    // One that is whole is refused now, and one that stood still is refused from its first event on.
    let whole = test.ids[5];
    test.parts.failpoints.set_fold("orders", whole);
    let before = test.rows("orders").await;
    let id = test.rebuild("orders").await;
    let _working = test.worker(16);
    let asks = test.becomes(id, OperationState::Paused).await.result.unwrap();
    assert_eq!((&asks["refused_aggregates"], &asks["lost_aggregates"]), (&json!(2), &json!(2)), "{asks}");
    let mut lost: Vec<_> = asks["lost"].as_array().unwrap().iter().map(|lost| lost["aggregate_id"].clone()).collect();
    lost.sort_by_key(|id| id.to_string());
    let mut expected = [json!(waits_already), json!(whole)];
    expected.sort_by_key(|id| id.to_string());
    assert_eq!(lost, expected);
    assert_eq!(asks["tables"][0]["only_live"], 1, "{asks}");
    assert_eq!(test.rows("orders").await, before);
    assert_eq!(letters(&test).await, [letter(waits_already, 5, "PARKED")]);
}

#[tokio::test]
async fn what_was_discarded_stays_discarded() {
    let mut test = Test::with_orders(5).await;
    test.park_at_once();
    let running = test.fold::<Orders>().await;
    let id = test.ids[2];
    test.parts.failpoints.set_fold("orders", id);
    test.log.push(id, samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    assert_eq!(letters(&test).await, [letter(id, 5, "PARKED")]);
    sqlx::query("UPDATE dead_letters SET status = 'DISCARDED'").execute(&test.db).await.unwrap();
    test.parts.failpoints.clear_fold("orders", id);
    let before = test.rows("orders").await;
    let _working = test.worker(16);
    let rebuilt = test.rebuild("orders").await;
    test.becomes(rebuilt, OperationState::Succeeded).await;
    assert_eq!(test.rows("orders").await, before);
    let verified = test.begin(OperationKind::Verify, "orders", json!({})).await;
    assert_eq!(test.becomes(verified, OperationState::Succeeded).await.result.unwrap()["drifted"], 0);
    drop(running);
}

/// Has the letters redriven while nobody folds, has a rebuild settle them meanwhile, and says what the redrive came to.
async fn redriven_across_a_rebuild(test: &Test) -> Value {
    let input = RedriveInput { filter: LetterFilter::default(), rate_per_s: 1_000 };
    let redrive = start(&test.db, &input, "admin:test", "mended, they say").await.unwrap().id;
    let _working = [test.worker(16), test.worker(16)];
    eventually("it is asked for", || async {
        let status: String =
            sqlx::query_scalar("SELECT status FROM dead_letters WHERE id IN (SELECT letter_id FROM operation_letters)")
                .fetch_one(&test.db)
                .await
                .unwrap();
        status == "PENDING"
    })
    .await;
    let rebuild = test.begin(OperationKind::Rebuild, "orders", json!({"swap": "verified"})).await;
    test.becomes(rebuild, OperationState::Succeeded).await;
    test.becomes(redrive, OperationState::Succeeded).await.result.unwrap()
}

#[tokio::test]
async fn a_redrive_comes_to_its_end_when_a_swap_puts_its_letter_behind_another() {
    let mut test = Test::with_orders(5).await;
    test.park_at_once();
    let running = test.fold::<Orders>().await;
    let id = test.ids[2];
    test.parts.failpoints.set_fold("orders", id);
    test.log.push(id, samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    assert_eq!(letters(&test).await, [letter(id, 5, "PARKED")]);
    running.stop().await;
    // The new generation stops at the first event of the order.
    let result = redriven_across_a_rebuild(&test).await;
    assert_eq!(result, json!({"selected": 1, "redriven": 0, "failed": 0, "skipped": 1}));
}

#[tokio::test]
async fn a_redrive_comes_to_its_end_when_a_swap_refuses_its_letter_once_more() {
    let mut test = Test::with_orders(5).await;
    test.park_at_once();
    test.parts.failpoints.set_fold("orders", test.ids[2]);
    let running = test.fold::<Orders>().await;
    sqlx::query("UPDATE dead_letters SET retry_count = 3 WHERE status = 'PARKED'").execute(&test.db).await.unwrap();
    running.stop().await;
    let result = redriven_across_a_rebuild(&test).await;
    assert_eq!(result, json!({"selected": 1, "redriven": 0, "failed": 1, "skipped": 0}));
}
