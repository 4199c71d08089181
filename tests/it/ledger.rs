//! The books: what stands where after payments, refunds and payouts, and what the audit says of it all.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, SOON_SECS, TestSystem, eventually, scenario_dish};

/// Every account of the kind, page by page: what it is about, and what stands on it.
async fn accounts(admin: &Client, kind: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut path = format!("/api/v1/admin/ledger/accounts?kind={kind}&limit=1");
    loop {
        let page = admin.get(&path).await.expect(200);
        for account in page.data().as_array().unwrap() {
            assert_eq!(account["kind"], kind);
            let owner = account["owner_id"].as_str().unwrap_or_default().to_owned();
            let balance = account["balance"]["amount"].as_str().unwrap().to_owned();
            assert!(found.insert(owner, balance).is_none(), "an account twice: {account}");
        }
        match &page.json()["meta"]["next_cursor"] {
            Value::String(cursor) => {
                path = format!("/api/v1/admin/ledger/accounts?kind={kind}&limit=1&cursor={cursor}");
            }
            _ => return found,
        }
    }
}

fn is(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(owner, balance)| ((*owner).to_owned(), (*balance).to_owned())).collect()
}

async fn refund(system: &TestSystem, order: Uuid, amount: &str) {
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, amount, version).await.expect(202);
    system.order_gets(order, "order_refund_settled").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_moves_through_the_accounts_from_payment_over_refund_to_payout() {
    let system = TestSystem::start().await;
    let admin = system.admin();
    let (order, payment) = system.paid_order(scenario_dish(0), 5).await;
    let (other, _) = system.paid_order(scenario_dish(0), 1).await;
    let (order_id, other_id, payment_id) = (order.to_string(), other.to_string(), payment.to_string());
    system.audit().await;
    assert_eq!(accounts(&admin, "psp_clearing").await, is(&[("", "600.00")]));
    assert_eq!(accounts(&admin, "escrow").await, is(&[(&order_id, "500.00"), (&other_id, "100.00")]));
    assert_eq!(accounts(&admin, "unapplied").await[&payment_id], "0.00");
    system.metric_reaches("ledger_balance_minor", "escrow", 60_000).await;
    let then = system.head().await;

    refund(&system, order, "50.00").await;
    system.audit().await;
    assert_eq!(accounts(&admin, "escrow").await[&order_id], "450.00");
    assert_eq!(accounts(&admin, "psp_clearing").await, is(&[("", "550.00")]));
    assert!(accounts(&admin, "refund_due").await.values().all(|balance| balance == "0.00"));

    system.deliver(order).await;
    system.customer().act(order, "complete").await.expect(200);
    system.advance(TimeDelta::hours(48));
    system.order_gets(order, "order_payout_released").await;
    system.audit().await;
    let payout = system.payload(order, "order_payout_released").await;
    let (net, commission) = (payout["producer_net"]["amount"].as_str(), payout["commission"]["amount"].as_str());
    assert_eq!(accounts(&admin, "escrow").await[&order_id], "0.00");
    let owed: Vec<String> = accounts(&admin, "producer_payable").await.into_values().collect();
    assert_eq!(owed.iter().map(String::as_str).collect::<Vec<_>>(), [net.unwrap()]);
    assert_eq!(accounts(&admin, "platform_revenue").await, is(&[("", commission.unwrap())]));
    // As they stood when both were paid and nothing else had happened.
    for (owner, amount) in [(&order_id, "500.00"), (&other_id, "100.00")] {
        let path = format!("/api/v1/admin/ledger/accounts?kind=escrow&owner_id={owner}&at_position={then}");
        let found = admin.get(&path).await.expect(200).data();
        assert_eq!((found.as_array().unwrap().len(), &found[0]["balance"]["amount"]), (1, &json!(amount)), "{found}");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_are_for_administrators_and_their_pages_for_one_filter() {
    let system = TestSystem::start().await;
    let (customer, admin, path) = (system.customer(), system.admin(), "/api/v1/admin/ledger/accounts");
    system.paid_order(scenario_dish(0), 1).await;
    system.audit().await;
    system.nobody().get(path).await.expect_problem(401, "UNAUTHENTICATED");
    customer.get(path).await.expect_problem(403, "PERMISSION_DENIED");
    for wrong in ["?kind=purse", "?limit=0", "?limit=101", "?cursor=x", "?account=escrow"] {
        admin.get(&format!("{path}{wrong}")).await.expect_problem(400, "VALIDATION_ERROR");
    }
    let page = admin.get(&format!("{path}?limit=1")).await.expect(200);
    let cursor = page.json()["meta"]["next_cursor"].as_str().unwrap().to_owned();
    admin.get(&format!("{path}?kind=escrow&cursor={cursor}")).await.expect_problem(400, "VALIDATION_ERROR");
    let rest = admin.get(&format!("{path}?cursor={cursor}")).await.expect(200).data();
    let kinds: Vec<&str> = rest.as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!((&page.data()[0]["kind"], kinds), (&Value::from("escrow"), vec!["psp_clearing", "unapplied"]));
    system.finish().await;
}

/// Has the log audited, and answers the operation when it has ended.
async fn audited(admin: &Client) -> Value {
    let begun = admin.post("/api/v1/admin/audit", &json!({"reason": "to be sure"})).await.expect(202);
    let operation = begun.header("operation-location").to_owned();
    assert_eq!((&begun.data()["kind"], &begun.data()["subject"]), (&json!("audit"), &json!("log")));
    eventually(SOON_SECS, || async {
        let found = admin.get(&operation).await.expect(200).data();
        if found["finished_at"].is_string() { Ok(found) } else { Err(found.to_string()) }
    })
    .await
}

/// Somebody appends what no order says: that one is ready which nobody placed.
async fn break_log(system: &TestSystem) -> i64 {
    let mut tx = system.db.begin().await.unwrap();
    let head = concat!("UPDATE ", "log_head SET position = position + 1 RETURNING position");
    let position: i64 = sqlx::query_scalar(head).fetch_one(&mut *tx).await.unwrap();
    let insert = concat!(
        "INSERT INTO ",
        "events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position,
        event_id, correlation_id, causation_id, actor, occurred_at, recorded_at, slice)
        VALUES ('order', $1::uuid::text, 1, 'order_ready', '1', '{\"type\":\"order_ready\"}',
                format('{\"command_id\":\"%s\"}', $1)::json, $2, $1, $1, $1, 'system:test', now(), now(), 0)"
    );
    sqlx::query(insert).bind(Uuid::now_v7()).bind(position).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    position
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_log_is_audited_and_the_first_offending_position_is_told() {
    let system = TestSystem::start().await;
    let (customer, admin, path) = (system.customer(), system.admin(), "/api/v1/admin/audit");
    customer.post(path, &json!({"reason": "curiosity"})).await.expect_problem(403, "PERMISSION_DENIED");
    admin.post(path, &json!({"reason": " "})).await.expect_problem(400, "VALIDATION_ERROR");
    let (order, _) = system.paid_order(scenario_dish(0), 2).await;
    refund(&system, order, "50.00").await;
    system.audit().await;
    let head = system.head().await;
    let clean = audited(&admin).await;
    assert_eq!((&clean["state"], &clean["errors_total"]), (&json!("succeeded"), &json!(0)), "{clean}");
    assert_eq!(clean["progress"]["done"], head);
    let result = json!({
        "events": head, "position": head, "violations": 0, "first_offending_position": null, "broken": [],
    });
    assert_eq!(clean["result"], result);

    let position = break_log(&system).await;
    system.paid_order(scenario_dish(0), 1).await;
    let broken = audited(&admin).await;
    assert_eq!(
        (&broken["state"], &broken["result"]["first_offending_position"]),
        (&json!("succeeded"), &json!(position))
    );
    assert!(broken["result"]["violations"].as_u64() > Some(0), "{broken}");
    assert_eq!(broken["result"]["broken"][0]["examples"][0]["position"], position);
    assert!(broken["errors"][0].as_str().unwrap().contains(&format!("at position {position}")), "{broken}");
    system.stop().await;
}
