//! A payment provider that is not well.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{TestSystem, eventually, scenario_dish};

async fn health_of(system: &TestSystem, part: &str) -> (Value, Value) {
    let report = system.nobody().get("/health/").await.json();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == part).cloned().unwrap_or_default();
    (report["status"].clone(), check["status"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_failures_open_the_circuit_and_two_successes_after_a_minute_close_it() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    // Refusals are business and say nothing of the provider's health.
    for _ in 0..6 {
        let order = customer.place(scenario_dish(0), 1).await;
        let payment = customer.pay(order).await;
        customer.at_bank(payment, "decline").await.expect(200);
    }
    assert_eq!(health_of(&system, "payment_provider").await.1, "healthy");
    let begun = customer.place(scenario_dish(0), 1).await;
    let page = customer.pay(begun).await;
    system.payment_gets(page, "payment_session_opened").await;
    let (one, other) = (customer.place(scenario_dish(14), 1).await, customer.place(scenario_dish(14), 1).await);
    tokio::join!(customer.ask_to_pay(one), customer.ask_to_pay(other));
    eventually(20, || async {
        let health = health_of(&system, "payment_provider").await;
        if health == ("degraded".into(), "degraded".into()) { Ok(()) } else { Err(format!("{health:?}")) }
    })
    .await;
    let waiting = customer.place(scenario_dish(0), 1).await;
    let refused = customer.ask_to_pay(waiting).await.expect_problem(503, "SERVICE_UNAVAILABLE");
    assert_eq!(refused.json()["rule_name"], "circuit_breaker_open");
    let rest: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&rest), "{rest}");
    assert_eq!(customer.pay(begun).await, page, "who has a page open is told of it");
    // The attempts that failed so cost their orders nothing.
    for order in [one, other] {
        system.order_gets(order, "order_payment_attempt_failed").await;
        system.order_reaches(order, OrderStatus::WaitingForPayment).await;
    }
    system.advance(TimeDelta::seconds(60));
    for order in [waiting, customer.place(scenario_dish(0), 1).await] {
        let payment = customer.pay(order).await;
        customer.complete_at_bank(payment).await;
        system.order_reaches(order, OrderStatus::Paid).await;
    }
    eventually(20, || async {
        let health = health_of(&system, "payment_provider").await;
        if health.1 == "healthy" { Ok(()) } else { Err(format!("{health:?}")) }
    })
    .await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_not_enabled_is_refused_and_costs_no_attempt() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let (key, path) = (Uuid::now_v7().to_string(), format!("/api/v1/orders/{order}/payments"));
    let body = json!({ "return_url": "http://localhost:3000/paid", "provider": "TBANK" });
    for key in [key.clone(), key, Uuid::now_v7().to_string()] {
        customer.post_once(&path, &body, &key).await.expect_rule("provider_disabled");
    }
    assert_eq!(system.order_events(order).await, ["order_created"]);
    let gift = json!({
        "value": { "amount": "1000.00", "currency": "RUB" }, "return_url": "http://localhost:3000/paid",
        "provider": "TBANK"
    });
    customer.gift_command("", &gift).await.expect_rule("provider_disabled");
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_asked_for_again_after_a_lost_answer_is_counted() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(5), 1).await;
    let payment = customer.pay(order).await;
    system.payment_gets(payment, "payment_session_opened").await;
    system.metric_reaches("retry_attempts_total", "op=\"init\"", 1).await;
    system.finish().await;
}
