//! Servers that go away in the middle, and come back.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use futures::future::join_all;
use serde_json::Value;
use shared::domain::order::OrderStatus;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::harness::{Client, SOON_SECS, Socket, TestSystem, eventually, id_of, ids, return_url, scenario_dish, wish};

async fn health_becomes(client: &Client, status: &str) -> Value {
    eventually(SOON_SECS, || async {
        let report = client.get("/health/").await.json();
        if report["status"] == status { Ok(report) } else { Err(report.to_string()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_go_on_without_nats_and_everything_catches_up() {
    let mut system = TestSystem::builder().own_nats().start().await;
    let customer = system.customer();
    health_becomes(&customer, "healthy").await;
    let mut socket = Socket::open(&customer).await;
    let mut nats = system.own_nats.take().unwrap();
    let (before, _) = system.paid_order(scenario_dish(0), 1).await;
    nats.kill().await.unwrap();
    eventually(SOON_SECS, || async {
        let answer = customer.get("/health/").await.expect(200);
        let report = answer.json();
        let checks = report["checks"].as_array().unwrap();
        let is_bad = |name: &str| checks.iter().any(|check| check["name"] == name && check["status"] != "healthy");
        let is_told = report["status"] == "degraded" && (is_bad("nats") || is_bad("relay"));
        if is_told { Ok(()) } else { Err(report.to_string()) }
    })
    .await;
    // Writing, following and reading all go on.
    for _ in 0..10 {
        let placed = customer.post("/api/v1/orders", &wish(scenario_dish(0), 1)).await.expect(201);
        let order = id_of(&placed.data()["id"]);
        customer.order_after(order, &placed.token()).await.expect(200);
        customer.act(order, "cancel").await.expect(200);
    }
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.producer().act(order, "accept").await.expect(200);
    // The customer's socket, too: two entries for each order called off, one for each payment, one for the cook's yes.
    let entries = socket.entries_until(23).await;
    assert_eq!(ids(&entries), (1..=23).collect::<Vec<_>>());
    nats.restart().await.unwrap();
    health_becomes(&customer, "healthy").await;
    system.own_nats = Some(nats);
    system.order_reaches(before, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_was_wiped_is_filled_again() {
    let mut system = TestSystem::builder().own_nats().start().await;
    let mut nats = system.own_nats.take().unwrap();
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.audit().await;
    nats.stop().await.unwrap();
    std::fs::remove_dir_all(nats.store_dir()).unwrap();
    system.producer().act(order, "accept").await.expect(200);
    nats.restart().await.unwrap();
    system.own_nats = Some(nats);
    system.order_reaches(order, OrderStatus::Accepted).await;
    system.finish().await;
}

/// Commands that are sent again afterwards.
const REPEATED_MAX: usize = 100;

/// What was acknowledged: a key and its order.
type Kept = Mutex<Vec<(String, Uuid)>>;

/// Places orders until told to stop. Whatever is not a success must be one of the documented ways not to be one.
async fn place_orders(client: &Client, stop: &AtomicBool, kept: &Kept, refused: &Mutex<u32>) {
    while !stop.load(Ordering::Relaxed) {
        let key = Uuid::now_v7().to_string();
        let answer = client.post_once("/api/v1/orders", &wish(scenario_dish(0), 1), &key).await;
        if answer.status == 201 {
            kept.lock().await.push((key, id_of(&answer.data()["id"])));
        } else {
            let answer = answer.expect_problem(503, "SERVICE_UNAVAILABLE");
            assert!(!answer.header("retry-after").is_empty());
            *refused.lock().await += 1;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// Reads are answered or put off, never wrong.
async fn read_an_order(client: &Client, order: Uuid, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let answer = client.order(order).await;
        match answer.status {
            200 => assert_eq!(answer.data()["status"], "PAID"),
            _ => drop(answer.expect_problem(503, "SERVICE_UNAVAILABLE")),
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_restarts_costs_some_answers_and_nothing_that_was_acknowledged() {
    let mut system = TestSystem::builder().own_postgres().start().await;
    let mut postgres = system.own_postgres.take().unwrap();
    let customer = system.customer();
    let (paid, payment) = system.paid_order(scenario_dish(0), 1).await;
    let (stop, kept, refused) = (AtomicBool::new(false), Kept::default(), Mutex::new(0));
    let outage = async {
        for crash in [false, true] {
            let enough = kept.lock().await.len() + 20;
            eventually(SOON_SECS, || async {
                (kept.lock().await.len() >= enough).then_some(()).ok_or("too few orders")
            })
            .await;
            if crash {
                postgres.kill().await.unwrap()
            } else {
                postgres.stop().await.unwrap()
            }
            let refusals = *refused.lock().await;
            eventually(SOON_SECS, || async { (*refused.lock().await > refusals + 2).then_some(()).ok_or("no 503") })
                .await;
            health_becomes(&customer, "unhealthy").await;
            assert_eq!(customer.get("/health/").await.status, 503);
            assert_eq!(customer.get("/health/live").await.status, 200);
            customer.order(paid).await.expect_problem(503, "SERVICE_UNAVAILABLE");
            postgres.restart().await.unwrap();
            // Tasks that failed are degraded for a while; that costs nobody an answer.
            eventually(SOON_SECS, || async {
                (customer.get("/health/").await.status == 200).then_some(()).ok_or("unhealthy")
            })
            .await;
        }
        let enough = kept.lock().await.len() + 20;
        eventually(SOON_SECS, || async { (kept.lock().await.len() >= enough).then_some(()).ok_or("too few orders") })
            .await;
        stop.store(true, Ordering::Relaxed);
    };
    let writers = join_all((0..6).map(|_| place_orders(&customer, &stop, &kept, &refused)));
    tokio::join!(outage, writers, read_an_order(&customer, paid, &stop));
    system.own_postgres = Some(postgres);
    system.reconnect().await;
    let events = system.events().await;
    let placed = events.iter().filter(|event| event.event_type == "order_created").map(|event| event.aggregate_id);
    let placed: HashSet<Uuid> = placed.collect();
    let kept = kept.into_inner();
    let lost: Vec<_> = kept.iter().filter(|(_, order)| !placed.contains(order)).collect();
    assert!(lost.is_empty(), "acknowledged and not in the log: {lost:?}");
    let repeated = kept.iter().step_by(kept.len().div_ceil(REPEATED_MAX)).map(|(key, order)| async {
        let again = customer.post_once("/api/v1/orders", &wish(scenario_dish(0), 1), key).await.expect(201);
        assert_eq!(id_of(&again.data()["id"]), *order, "the same answer after the outage");
    });
    join_all(repeated).await;
    // Money still moves, in both directions.
    customer.act(paid, "cancel").await.expect(200);
    system.payment_gets(payment, "payment_refund_succeeded").await;
    let order = customer.place(scenario_dish(0), 1).await;
    customer.post_answered(&format!("/api/v1/orders/{order}/payments"), &return_url(), "pay").await.expect(201);
    system.finish().await;
}
