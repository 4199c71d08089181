//! Money that is only held until the cook says yes.

use serde_json::json;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{TestSystem, id_of, scenario_dish};

/// An order whose money is held, and its payment.
async fn held_order(system: &TestSystem) -> (Uuid, Uuid) {
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let body = json!({ "return_url": "http://localhost/paid", "capture_mode": "ON_ACCEPT" });
    let answer = customer.post_answered(&format!("/api/v1/orders/{order}/payments"), &body, &order.to_string()).await;
    let payment = id_of(&answer.expect(201).data()["payment_id"]);
    customer.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    assert_eq!(system.payload(order, "order_paid").await["funds"], "AUTHORIZED");
    (order, payment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_money_is_taken_when_the_cook_accepts() {
    let system = TestSystem::start().await;
    let (order, payment) = held_order(&system).await;
    system.producer().act(order, "accept").await.expect(200);
    system.payment_gets(payment, "payment_succeeded").await;
    system.audit().await;
    // From now on calling it off is a refund.
    system.customer().act(order, "cancel").await.expect(200);
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_money_is_let_go_when_the_cook_refuses() {
    let system = TestSystem::start().await;
    let (order, payment) = held_order(&system).await;
    system.producer().act(order, "reject").await.expect(200);
    system.payment_gets(payment, "payment_failed").await;
    assert_eq!(system.payload(payment, "payment_failed").await["reason"], "VOIDED");
    let events = system.order_events(order).await;
    assert!(!events.contains(&"order_refund_authorized".to_owned()), "nothing was taken: {events:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_and_calling_off_at_the_same_moment_keeps_the_books() {
    let system = TestSystem::start().await;
    for _ in 0..5 {
        let (order, _) = held_order(&system).await;
        let (producer, customer) = (system.producer(), system.customer());
        let (_, cancelled) = tokio::join!(producer.act(order, "accept"), customer.act(order, "cancel"));
        cancelled.expect(200);
    }
    system.finish().await;
}
