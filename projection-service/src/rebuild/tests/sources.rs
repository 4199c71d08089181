//! Audits of rows that mix streams: the feed, the facts, the books, and what they add up to.

use super::*;
use crate::{
    chores::sweep_once,
    projections::{feed::Feed, ledger::Ledger, order_facts::OrderFacts, orders::Orders},
    rebuild::audit::{Place, Rows},
};

async fn run(test: &Test, statement: &str) {
    let falsified = sqlx::query(statement).execute(&test.db).await.unwrap();
    assert!(falsified.rows_affected() > 0, "{statement}");
}

/// The tables in which a full pass finds something false, each with what it found.
async fn found(test: &Test, projection: &str) -> Vec<(String, String, String)> {
    let id = test.begin(OperationKind::Verify, projection, json!({})).await;
    let ended = test.becomes(id, OperationState::Succeeded).await;
    let result = ended.result.unwrap();
    let text = |drift: &Value, field: &str| drift[field].as_str().unwrap().to_owned();
    let drifts = result["drifts"].as_array().unwrap();
    let mut found: Vec<_> =
        drifts.iter().map(|drift| (text(drift, "table"), text(drift, "key"), text(drift, "what"))).collect();
    found.sort();
    found
}

async fn heal(test: &Test, projection: &str, id: Uuid) {
    let parts = rebuild_parts(&test.parts);
    let audit = Audit::open(&parts, parts.models.get(projection).unwrap()).await.unwrap();
    assert!(audit.heal(id, "admin:test", "falsified").await.unwrap());
    assert!(!audit.heal(id, "admin:test", "again").await.unwrap());
}

/// Has the sums say what the rows add up to, as after a fold that was wrong in the same way.
async fn add_up(test: &Test, projection: &str) {
    let model = rebuild_parts(&test.parts).models.get(projection).unwrap();
    let mut tx = test.db.begin().await.unwrap();
    for table in model.sources().unwrap().sums {
        sqlx::query(&format!("DELETE FROM {table}")).execute(&mut *tx).await.unwrap();
    }
    model.sum_up(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// False sums are no row's: all of them are folded anew.
async fn rebuild_whatever_differs(test: &Test, projection: &str) {
    let id = test.begin(OperationKind::Rebuild, projection, json!({"swap": "verified"})).await;
    test.becomes(id, OperationState::Succeeded).await;
}

fn of(table: &str, key: impl ToString, what: &str) -> (String, String, String) {
    (table.to_owned(), key.to_string(), what.to_owned())
}

#[tokio::test]
async fn a_false_fact_and_a_false_sum_are_found_and_healed() {
    let mut test = Test::with_orders(300).await;
    test.log.push(test.ids[9], samples::cancelled(shared::domain::order::OrderStatus::Preparing));
    test.append().await;
    let _running = test.fold::<OrderFacts>().await;
    let _working = test.worker(64);
    assert_eq!(found(&test, "order_facts").await, []);
    let tables = ["order_facts", "order_line_facts", "order_rollups", "dish_rollups"];
    let mut right = Vec::new();
    for table in tables {
        right.push(test.rows(table).await);
    }
    let (a, b, c) = (test.ids[5], test.ids[150], test.ids[299]);
    run(&test, &format!("UPDATE order_facts SET total_minor = total_minor + 1 WHERE order_id = '{a}'")).await;
    run(&test, &format!("UPDATE order_line_facts SET quantity = 7 WHERE order_id = '{b}'")).await;
    run(&test, &format!("DELETE FROM order_line_facts WHERE order_id = '{c}'")).await;
    add_up(&test, "order_facts").await;
    run(&test, "UPDATE dish_rollups SET portions = portions + 1 WHERE width = 'MONTH'").await;
    let found = found(&test, "order_facts").await;
    let rows: Vec<_> = found.iter().filter(|(table, _, _)| table.ends_with("_facts")).cloned().collect();
    let mut expected = vec![
        of("order_facts", a, "changed"),
        of("order_line_facts", b, "changed"),
        of("order_line_facts", c, "missing"),
    ];
    expected.sort();
    assert_eq!(rows, expected);
    assert!(found.iter().any(|(table, _, _)| table == "dish_rollups"), "{found:?}");
    let parts = rebuild_parts(&test.parts);
    let audit = Audit::open(&parts, parts.models.get("order_facts").unwrap()).await.unwrap();
    for id in [a, b, c] {
        audit.heal(id, "admin:test", "falsified").await.unwrap();
    }
    for (table, right) in tables.into_iter().zip(&right).take(3) {
        assert_eq!(test.rows(table).await, *right, "{table}");
    }
    rebuild_whatever_differs(&test, "order_facts").await;
    for (table, right) in tables.into_iter().zip(right) {
        assert_eq!(test.rows(table).await, right, "{table}");
    }
}

#[tokio::test]
async fn a_fact_is_healed_without_a_look_at_all_the_others() {
    let test = Test::with_orders(30).await;
    let _running = test.fold::<OrderFacts>().await;
    let tables = ["order_facts", "order_line_facts", "order_rollups", "dish_rollups"];
    let mut right = Vec::new();
    for table in tables {
        right.push(test.rows(table).await);
    }
    let (a, b, surplus, another) = (test.ids[5], test.ids[15], Uuid::max(), test.ids[20]);
    run(&test, &format!("UPDATE order_facts SET created_at = created_at - interval '1 year' WHERE order_id = '{a}'"))
        .await;
    run(&test, &format!("UPDATE order_line_facts SET line_no = 9 WHERE order_id = '{b}'")).await;
    run(
        &test,
        &format!(
            "INSERT INTO order_facts SELECT '{surplus}', customer_id, producer_id, currency, outcome, total_minor, refunded_minor,
             rating, created_at, paid_at, delivered_at, completed_at, cancelled_at, version FROM order_facts LIMIT 1"
        ),
    )
    .await;
    add_up(&test, "order_facts").await;
    // Nobody can read this one.
    run(&test, &format!("UPDATE order_facts SET currency = '???' WHERE order_id = '{another}'")).await;
    for id in [a, b, surplus] {
        heal(&test, "order_facts", id).await;
    }
    run(&test, &format!("UPDATE order_facts SET currency = 'RUB' WHERE order_id = '{another}'")).await;
    for (table, right) in tables.into_iter().zip(right) {
        assert_eq!(test.rows(table).await, right, "{table}");
    }
}

#[tokio::test]
async fn a_false_posting_and_a_false_account_are_found_and_healed() {
    let test = Test::with_orders(100).await;
    let _running = test.fold::<Ledger>().await;
    let _working = test.worker(64);
    assert_eq!(found(&test, "ledger").await, []);
    let tables = ["ledger_flows", "ledger_postings", "ledger_accounts", "ledger_totals"];
    let mut right = Vec::new();
    for table in tables {
        right.push(test.rows(table).await);
    }
    assert!(right.iter().all(|rows| !rows.is_empty()));
    let (a, b) = (test.ids[3], test.ids[77]);
    run(&test, &format!("UPDATE ledger_flows SET doc = '{{\"flow\":null}}' WHERE flow_id = '{a}'")).await;
    assert_eq!(found(&test, "ledger").await, [of("ledger_flows", a, "changed")]);
    heal(&test, "ledger", a).await;
    run(&test, &format!("UPDATE ledger_postings SET amount_minor = amount_minor + 1 WHERE flow_id = '{b}'")).await;
    let found = found(&test, "ledger").await;
    let named: Vec<&str> = found.iter().map(|(table, _, _)| table.as_str()).collect();
    assert_eq!(named.iter().filter(|table| **table == "ledger_postings").count(), 1, "{found:?}");
    assert!(named.contains(&"ledger_accounts") && named.contains(&"ledger_totals"), "{found:?}");
    add_up(&test, "ledger").await;
    heal(&test, "ledger", b).await;
    for (table, right) in tables.into_iter().zip(&right) {
        assert_eq!(test.rows(table).await, *right, "{table}");
    }
    run(&test, "UPDATE ledger_totals SET debit_minor = debit_minor + 1 WHERE debit_minor > 0").await;
    rebuild_whatever_differs(&test, "ledger").await;
    for (table, right) in tables.into_iter().zip(right) {
        assert_eq!(test.rows(table).await, right, "{table}");
    }
}

#[tokio::test]
async fn a_false_row_of_the_feed_is_healed_and_a_false_entry_is_found() {
    let test = Test::with_orders(50).await;
    let _running = test.fold::<Feed>().await;
    let _working = test.worker(64);
    assert_eq!(found(&test, "feed").await, []);
    let (rows, entries) = (test.rows("feed_orders").await, test.rows("feed_entries").await);
    let a = test.ids[3];
    run(
        &test,
        &format!("UPDATE feed_orders SET doc = replace(doc::text, 'PREPARING', 'READY')::json WHERE order_id = '{a}'"),
    )
    .await;
    assert_eq!(found(&test, "feed").await, [of("feed_orders", a, "changed")]);
    heal(&test, "feed", a).await;
    assert_eq!(test.rows("feed_orders").await, rows);
    assert_eq!(test.rows("feed_entries").await, entries, "nobody is told twice");
    // Other words for the same are no drift.
    run(&test, "UPDATE feed_entries SET data = replace(data::text, 'New order', 'Work')::json").await;
    assert_eq!(found(&test, "feed").await, []);
    let customer = CUSTOMER.0;
    run(&test, &format!("UPDATE feed_entries SET position = position + 1 WHERE id = 7 AND user_id = '{customer}'"))
        .await;
    run(&test, &format!("DELETE FROM feed_entries WHERE id = 1 AND user_id = '{COOK}'")).await;
    let found = found(&test, "feed").await;
    assert!(found.iter().any(|(table, _, what)| (table.as_str(), what.as_str()) == ("feed_entries", "changed")));
    assert!(found.iter().all(|(table, _, _)| table == "feed_entries") && found.len() >= 3, "{found:?}");
}

#[tokio::test]
async fn what_was_swept_by_a_clock_that_was_moved_is_not_missed() {
    let test = Test::with_orders(10).await;
    let _running = test.fold::<Feed>().await;
    let _working = test.worker(64);
    // Dated by the machine, which nobody moves.
    let ended = test.begin(OperationKind::Verify, "feed", json!({})).await;
    test.becomes(ended, OperationState::Succeeded).await;
    test.parts.clock.advance(chrono::TimeDelta::days(8));
    sweep_once(&test.parts).await.unwrap();
    assert_eq!(found(&test, "feed").await, []);
    test.parts.clock.advance(chrono::TimeDelta::days(730));
    sweep_once(&test.parts).await.unwrap();
    assert_eq!(test.rows("feed_entries").await.len(), 0, "nothing is so young");
    assert_eq!(found(&test, "feed").await, []);
    test.becomes(ended, OperationState::Succeeded).await;
}

#[tokio::test]
async fn rows_of_another_generation_are_compared_with_the_log_itself() {
    let test = Test::with_orders(40).await;
    let _running = test.fold::<Orders>().await;
    let _working = test.worker(64);
    let id = test.rebuild("orders").await;
    test.becomes(id, OperationState::Succeeded).await;
    run(&test, &format!("UPDATE generation_orders_1.orders SET version = 3 WHERE id = '{}'", test.ids[20])).await;
    let parts = rebuild_parts(&test.parts);
    let over = |schema: &str| {
        let place = Place { position: 160, stopped: Default::default() };
        Audit::over(&parts, parts.models.get("orders").unwrap(), (schema.to_owned(), Some(place)))
    };
    let check = |audit: Audit| async move { audit.check(Rows::Behind(None)).await.unwrap().drifts };
    assert_eq!(check(over("public").await.unwrap()).await, []);
    let drifts = check(over("generation_orders_1").await.unwrap()).await;
    assert_eq!(drifts.len(), 1);
    assert_eq!(drifts[0].key, test.ids[20].to_string());
}
