//! Reading what was written: never from before, and only the version that was looked at is changed.

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{TestSystem, id_of, scenario_dish, wish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_write_is_never_stale_under_load() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let flows = stream::iter(0..150).for_each_concurrent(16, |_| async {
        let placed = customer.post("/api/v1/orders", &wish(scenario_dish(0), 1)).await.expect(201);
        let order = id_of(&placed.data()["id"]);
        let seen = customer.order_after(order, &placed.token()).await.expect(200);
        assert_eq!(seen.data()["status"], "WAITING_FOR_PAYMENT");
        let cancelled = customer.act(order, "cancel").await.expect(200);
        let seen = customer.order_after(order, &cancelled.token()).await.expect(200);
        assert_eq!(seen.data()["status"], "CANCELLED");
        assert_eq!((seen.version(), seen.header("etag")), (2, "\"v2\""));
    });
    flows.await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_does_not_catch_up_in_time_says_so() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let placed = customer.post("/api/v1/orders", &wish(scenario_dish(0), 1)).await.expect(201);
    let order = id_of(&placed.data()["id"]);
    customer.order_after(order, &placed.token()).await.expect(200);
    let future = system.instances[0].platform.opaque.seal_position(1_000_000);
    let path = format!("/api/v1/orders/{order}");
    let ask = |path: &str| {
        let request = customer.request(Method::GET, path).header("Consistency-Token", &future);
        request.header("Prefer", "wait=0")
    };
    let late = customer.send(ask(&path)).await.expect_problem(503, "PROJECTION_LAG");
    assert!(!late.header("retry-after").is_empty());
    let stale = customer.send(ask(&format!("{path}?allow_stale=true"))).await.expect(200);
    assert_eq!(stale.header("projection-position"), "1");
    assert_eq!(stale.header("preference-applied"), "wait=0");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_an_older_version_is_refused_with_the_present_one() {
    let system = TestSystem::start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    let producer = system.producer();
    let accept = |version: &str| {
        let request = producer.request(Method::POST, &format!("/api/v1/orders/{order}/accept"));
        request.header("If-Match", version).json(&json!({ "eta_minutes": 20 }))
    };
    let before = system.head().await;
    let refused = producer.send(accept("\"v2\"")).await.expect_problem(412, "PRECONDITION_FAILED");
    assert_eq!(refused.json()["current_version"], 3);
    assert_eq!(system.order_events(order).await.len(), 3);
    assert!(before <= system.head().await);
    producer.send(accept("\"v3\"")).await.expect(200);
    let seen = system.customer().order(order).await;
    let known = system.customer().request(Method::GET, &format!("/api/v1/orders/{order}"));
    if seen.version() == 4 {
        let known = system.customer().send(known.header("If-None-Match", "\"v4\"")).await;
        assert_eq!((known.status, known.body.len()), (304, 0));
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completed_orders_are_listed_by_their_status() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.deliver(order).await;
    customer.place(scenario_dish(0), 1).await;
    let completed = customer.act(order, "complete").await.expect(200);
    customer.order_after(order, &completed.token()).await.expect(200);
    let listed = customer.get("/api/v1/orders?status=COMPLETED").await.expect(200).data();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(id_of(&listed[0]["id"]), order);
    assert_eq!(system.other_customer().get("/api/v1/orders").await.expect(200).data(), json!([]));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_show_every_order_once_while_new_ones_come() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let mut placed: Vec<Uuid> = Vec::new();
    for _ in 0..11 {
        placed.push(customer.place(scenario_dish(0), 1).await);
    }
    system.come_to_rest(&Default::default()).await;
    let mut listed: Vec<Uuid> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = customer.get(&format!("/api/v1/orders?limit=3{cursor}")).await.expect(200).json();
        listed.extend(page["data"].as_array().unwrap().iter().map(|order| id_of(&order["id"])));
        customer.place(scenario_dish(0), 1).await;
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        let other = customer.get(&format!("/api/v1/orders?limit=3&status=PAID{cursor}")).await;
        other.expect_problem(400, "VALIDATION_ERROR");
    }
    placed.reverse();
    assert_eq!(listed, placed, "newest first");
    system.finish().await;
}
