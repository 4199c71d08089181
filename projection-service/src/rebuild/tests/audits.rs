//! The audit finds one falsified row in many, and heals it.

use super::*;
use crate::projections::orders::Orders;

#[tokio::test]
async fn a_full_pass_finds_every_kind_of_falsification_and_heals_it() {
    let test = Test::with_orders(2_000).await;
    let _running = test.fold::<Orders>().await;
    let right = test.rows("orders").await;
    let (changed, missing, surplus) = (test.ids[1_234], test.ids[77], Uuid::max());
    sqlx::query("UPDATE orders SET doc = replace(doc::text, '\"PREPARING\"', '\"READY\"')::json WHERE id = $1")
        .bind(changed)
        .execute(&test.db)
        .await
        .unwrap();
    sqlx::query("DELETE FROM orders WHERE id = $1").bind(missing).execute(&test.db).await.unwrap();
    sqlx::query(
        "INSERT INTO orders SELECT $1, customer_id, producer_id, status, created_at, version, doc FROM orders LIMIT 1",
    )
    .bind(surplus)
    .execute(&test.db)
    .await
    .unwrap();
    let id = test.begin(OperationKind::Verify, "orders", json!({})).await;
    let killed = test.worker(500);
    eventually("it is under way", || async { test.find(id).await.progress.done > 1_000 }).await;
    drop(killed);
    let _working = test.worker(500);
    let ended = test.becomes(id, OperationState::Succeeded).await;
    let result = ended.result.unwrap();
    assert_eq!((&result["drifted"], &result["events"]), (&json!(3), &json!(8_000)), "{result}");
    let mut found: Vec<(String, String)> = result["drifts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|drift| (drift["key"].as_str().unwrap().to_owned(), drift["what"].as_str().unwrap().to_owned()))
        .collect();
    found.sort();
    let mut expected = vec![
        (changed.to_string(), "changed".to_owned()),
        (missing.to_string(), "missing".to_owned()),
        (surplus.to_string(), "surplus".to_owned()),
    ];
    expected.sort();
    assert_eq!(found, expected);

    let parts = rebuild_parts(&test.parts);
    let audit = Audit::open(&parts, parts.models.get("orders").unwrap()).await.unwrap();
    for id in [changed, missing, surplus] {
        assert!(audit.heal(id, "admin:test", "falsified").await.unwrap());
        assert!(!audit.heal(id, "admin:test", "again").await.unwrap());
    }
    assert_eq!(test.rows("orders").await, right);
}

#[tokio::test]
async fn the_owner_goes_on_from_the_healed_row_and_not_from_its_memory() {
    let mut test = Test::with_orders(10).await;
    let _running = test.fold::<Orders>().await;
    let id = test.ids[0];
    sqlx::query("DELETE FROM orders WHERE id = $1").bind(id).execute(&test.db).await.unwrap();
    let parts = rebuild_parts(&test.parts);
    let audit = Audit::open(&parts, parts.models.get("orders").unwrap()).await.unwrap();
    assert_eq!(audit.row(id).await.unwrap().len(), 1);
    audit.heal(id, "admin:test", "it was gone").await.unwrap();
    test.log.push(id, samples::ready());
    test.append().await;
    test.caught_up("orders").await;
    assert_eq!(audit.row(id).await.unwrap(), []);
}

#[tokio::test]
async fn a_row_is_not_cut_off_where_the_fold_refuses_an_event_today() {
    let test = Test::with_orders(10).await;
    let _running = test.fold::<Orders>().await;
    let (id, parts) = (test.ids[7], rebuild_parts(&test.parts));
    let audit = Audit::open(&parts, parts.models.get("orders").unwrap()).await.unwrap();
    sqlx::query("UPDATE orders SET status = 'LOST' WHERE id = $1").bind(id).execute(&test.db).await.unwrap();
    let before = test.rows("orders").await;
    test.parts.failpoints.set_fold("orders", id);
    let refused = audit.heal(id, "admin:test", "falsified").await.unwrap_err();
    assert!(refused.to_string().contains("position 8"), "{refused}");
    let acts = test.rows("operator_acts").await;
    assert_eq!((test.rows("orders").await, acts), (before, vec![]), "nothing has happened");
    test.parts.failpoints.clear_fold("orders", id);
    assert!(audit.heal(id, "admin:test", "falsified").await.unwrap());
    assert_eq!(audit.row(id).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_under_write_load_reports_no_row_that_is_right() {
    let mut test = Test::with_orders(200).await;
    let _orders = test.fold::<Orders>().await;
    let _working = test.worker(64);
    let id = test.begin(OperationKind::Verify, "orders", json!({})).await;
    let mut at = 0;
    while !test.find(id).await.state.is_final() {
        at += 1;
        test.log.push(test.ids[at % 200], samples::ready());
        test.append().await;
    }
    let ended = test.find(id).await;
    assert_eq!((ended.state, &ended.result.unwrap()["drifted"]), (OperationState::Succeeded, &json!(0)));
    assert!(at > 5);
}

#[tokio::test]
async fn a_sample_finds_a_row_that_lies_behind_its_place() {
    let test = Test::with_orders(30).await;
    let _running = test.fold::<Orders>().await;
    sqlx::query("UPDATE orders SET status = 'LOST'").execute(&test.db).await.unwrap();
    let parts = rebuild_parts(&test.parts);
    let audit = Audit::open(&parts, parts.models.get("orders").unwrap()).await.unwrap();
    assert!(!audit.sample(0.5).await.unwrap().is_empty());
}
