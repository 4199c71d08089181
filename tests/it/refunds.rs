//! Money on its way back: surely, and never twice.

use chrono::TimeDelta;
use serde_json::json;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{Leftovers, TestSystem, scenario_dish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_the_cook_refuses_is_refunded_in_full() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 3).await;
    system.producer().act(order, "reject").await.expect(200);
    system.payment_gets(payment, "payment_refund_succeeded").await;
    assert_eq!(system.payload(payment, "payment_refund_succeeded").await["amount"]["amount"], "300.00");
    assert_eq!(system.payload(order, "order_cancelled").await["reason_code"], "PRODUCER_REJECTED");
    system.order_reaches(order, OrderStatus::Cancelled).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_whose_answer_was_lost_happens_once() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(10), 1).await;
    system.customer().act(order, "cancel").await.expect(200);
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.order_gets(order, "order_refund_settled").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_the_bank_puts_off_is_tried_after_an_hour_and_not_before() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(9), 1).await;
    system.customer().act(order, "cancel").await.expect(200);
    system.payment_gets(payment, "payment_refund_failed").await;
    system.advance(TimeDelta::minutes(59));
    let waiting = Leftovers { money_of: [order, payment].into(), ..Leftovers::default() };
    system.audit_with(&waiting).await;
    assert_eq!(system.payment_events(payment).await.last().unwrap(), "payment_refund_failed");
    system.advance(TimeDelta::minutes(2));
    system.payment_gets(payment, "payment_refund_succeeded").await;
    assert_eq!(system.payload(payment, "payment_refund_succeeded").await["epoch"], 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_refunds_at_once_never_exceed_what_was_paid() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    let admin = system.admin();
    let version = system.order_events(order).await.len() as u64;
    let (one, other) = tokio::join!(admin.refund(order, "60.00", version), admin.refund(order, "60.00", version));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 412], "{} {}", one.text(), other.text());
    let loser = if one.status == 412 { one } else { other };
    let seen = loser.expect_problem(412, "PRECONDITION_FAILED").json()["current_version"].as_u64().unwrap();
    // Between that and now the first may have been settled.
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.order_gets(order, "order_refund_settled").await;
    let now = system.order_events(order).await.len() as u64;
    assert!(seen > version && seen <= now);
    admin.refund(order, "60.00", now).await.expect_rule("refund_exceeds_paid");
    admin.refund(order, "40.00", now).await.expect(202);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_and_the_rest_add_up_to_what_was_paid() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    let admin = system.admin();
    for amount in ["0.01", "33.33", "16.66"] {
        let version = system.order_events(order).await.len() as u64;
        let answer = admin.refund(order, amount, version).await;
        if answer.status == 412 {
            let version = answer.json()["current_version"].as_u64().unwrap();
            admin.refund(order, amount, version).await.expect(202);
        }
    }
    system.audit().await;
    system.customer().act(order, "cancel").await.expect(200);
    system.audit().await;
    let given: i64 = {
        let returned = "SELECT sum((act->>'minor')::bigint)::bigint FROM dev_fake_payments,
            jsonb_array_elements(account->'pages') page, jsonb_array_elements(page->'acts') act WHERE payment_id = $1";
        sqlx::query_scalar(returned).bind(payment).fetch_one(&system.db).await.unwrap()
    };
    assert_eq!(given, 10_000);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_needs_a_key_a_version_and_an_amount() {
    let system = TestSystem::start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    let (admin, path) = (system.admin(), format!("/api/v1/orders/{order}/refunds"));
    let before = system.head().await;
    let body = json!({ "amount": { "amount": "10.00", "currency": "RUB" } });
    admin.post(&path, &body).await.expect_problem(400, "IDEMPOTENCY_KEY_MISSING");
    let key = Uuid::now_v7().to_string();
    admin.post_once(&path, &body, &key).await.expect_problem(428, "PRECONDITION_REQUIRED");
    for amount in ["0.00", "-1.00"] {
        admin.refund(order, amount, before).await.expect_problem(400, "VALIDATION_ERROR");
    }
    let version = system.order_events(order).await.len() as u64;
    admin.refund(order, "100.01", version).await.expect_rule("refund_exceeds_paid");
    assert_eq!(system.head().await, before);
    system.finish().await;
}
