//! What the business is set to reaches every place that decides, waits or offers by it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;

use crate::harness::{TestSystem, roubles, scenario_dish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_limits_of_orders_reach_decisions_timers_and_what_is_offered() {
    let limits = [
        "--order-payment-attempts-max=1",
        "--order-remind-minutes=5",
        "--order-rating-days=1",
        "--order-contact-hours=1",
    ];
    let system = TestSystem::builder().write_side(&limits).start().await;
    let customer = system.customer();
    // A process manager: the first refusal ends the order.
    let lost = customer.place(scenario_dish(0), 1).await;
    let payment = customer.pay(lost).await;
    customer.at_bank(payment, "decline").await.expect(200);
    system.order_reaches(lost, OrderStatus::Cancelled).await;
    // A timer: the reminder comes after five minutes, not after two.
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.advance(TimeDelta::minutes(4));
    system.audit().await;
    assert!(!system.order_events(order).await.contains(&"order_producer_reminded".to_owned()));
    system.advance(TimeDelta::minutes(1));
    system.order_gets(order, "order_producer_reminded").await;
    // What is shown and offered, and the decision behind it.
    system.deliver(order).await;
    let completed = customer.act(order, "complete").await.expect(200);
    let path = format!("/api/v1/orders/{order}");
    let offered = async || customer.after(&path, &completed.token()).await.data()["allowed_actions"].clone();
    let shown = async || system.producer().after(&path, &completed.token()).await.data()["contact"].clone();
    assert!(offered().await.as_array().unwrap().contains(&json!("rate")));
    assert_ne!(shown().await, Value::Null);
    system.advance(TimeDelta::hours(25));
    assert!(!offered().await.as_array().unwrap().contains(&json!("rate")));
    assert_eq!(shown().await, Value::Null);
    customer.act(order, "rating").await.expect_rule("rating_window_closed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_limits_of_gifts_and_of_what_a_card_pays_are_kept() {
    let limits = ["--gift-guesses-max=2", "--gift-value-max-minor=50000", "--order-payable-min-minor=5000"];
    let system = TestSystem::builder().write_side(&limits).start().await;
    let buyer = system.customer();
    let wish = |value: &str| {
        json!({
            "kind": "AMOUNT", "value": roubles(value), "recipient": { "name": "Boris" },
            "return_url": "http://localhost:3000/paid",
        })
    };
    buyer.gift_command("", &wish("500.01")).await.expect_rule("gift_value_out_of_range");
    let _ = buyer.gift_command("", &wish("500.00")).await.expect(201);
    let guesser = system.other_customer();
    for status in [404, 404, 429] {
        assert_eq!(guesser.activate("0123456789ABCDEF").await.status, status);
    }
    system.finish().await;
}
