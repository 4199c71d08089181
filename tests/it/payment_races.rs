//! Paying, when the customer, the bank and the clock do things at the same time or in an odd order.

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{Leftovers, TestSystem, id_of, return_url, scenario_dish, wish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_click_opens_one_page() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let (first, second) = tokio::join!(customer.wait_to_pay(order), customer.wait_to_pay(order));
    let (first, second) = (first.expect(201).data(), second.expect(201).data());
    assert_eq!(first["payment_id"], second["payment_id"]);
    assert_eq!(first["payment_url"], second["payment_url"]);
    let pages = "SELECT jsonb_array_length(account->'pages')::bigint FROM dev_fake_payments";
    let pages: Vec<i64> = sqlx::query_scalar(pages).fetch_all(&system.db).await.unwrap();
    assert_eq!(pages, [1], "one Init at the bank");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_orders_under_one_key_are_one_order() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let wish = wish(scenario_dish(0), 1);
    let answers = join_all((0..20).map(|_| customer.post_once("/api/v1/orders", &wish, "once"))).await;
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    let busy = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!(replayed + busy, 19, "the others are replays or told to come back");
    let made = answers.iter().filter(|answer| answer.status == 201);
    assert_eq!(made.map(|answer| id_of(&answer.data()["id"])).collect::<std::collections::HashSet<_>>().len(), 1);
    assert_eq!(system.head().await, 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_stands_for_one_request() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    customer.post_once("/api/v1/orders", &wish(scenario_dish(0), 1), "\"a key\"").await.expect(400);
    customer.post_once("/api/v1/orders", &wish(scenario_dish(0), 1), "\"key\"").await.expect(201);
    let other = customer.post_once("/api/v1/orders", &wish(scenario_dish(0), 2), "key").await;
    other.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    // Another person's key of the same name is another key.
    let foreign = system.other_customer().post_once("/api/v1/orders", &wish(scenario_dish(0), 2), "key").await;
    foreign.expect(201);
    assert_eq!(system.head().await, 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_that_overtakes_the_answer_to_init_pays_the_order() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(6), 1).await;
    let payment = customer.pay(order).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    let events = system.payment_gets(payment, "payment_applied").await;
    assert_eq!(events, ["payment_initiated", "payment_succeeded", "payment_applied"], "the late answer is ignored");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_told_three_times_is_recorded_once() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(7), 1).await;
    system.payment_gets(payment, "payment_applied").await;
    assert_eq!(system.order_events(order).await.len(), 3);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_news_after_newer_changes_nothing() {
    let system = TestSystem::start().await;
    let (_, payment) = system.paid_order(scenario_dish(8), 1).await;
    let events = system.payment_gets(payment, "payment_applied").await;
    let told_late = events.iter().any(|event| event == "payment_authorized");
    assert!(!told_late, "{events:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_address_was_lost_is_withdrawn_before_the_next_is_opened() {
    let system = TestSystem::start().await;
    let (_, payment) = system.paid_order(scenario_dish(5), 1).await;
    let opened = system.payload(payment, "payment_session_opened").await;
    assert_eq!(opened["init_try"], 2);
    let words = "SELECT account->'pages' FROM dev_fake_payments WHERE payment_id = $1";
    let pages: serde_json::Value = sqlx::query_scalar(words).bind(payment).fetch_one(&system.db).await.unwrap();
    assert_eq!((&pages[0]["word"], &pages[1]["word"]), (&json!("Canceled"), &json!("Confirmed")));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_reached_nobody_is_sent_again() {
    let system = TestSystem::start().await;
    system.paid_order(scenario_dish(4), 1).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_that_wins_against_the_money_sends_it_back() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let payment = customer.pay(order).await;
    // The bank tells of the money too late, so calling off the page is how it is heard of.
    customer.at_bank(payment, "complete?webhooks=0").await.expect(200);
    customer.act(order, "cancel").await.expect(200);
    system.payment_gets(payment, "payment_refund_succeeded").await;
    let events = system.order_events(order).await;
    assert!(!events.contains(&"order_paid".to_owned()), "{events:?}");
    system.order_reaches(order, OrderStatus::Cancelled).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_comes_after_its_page_was_withdrawn_goes_back() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(13), 1).await;
    let payment = customer.pay(order).await;
    customer.act(order, "cancel").await.expect(200);
    system.payment_gets(payment, "payment_failed").await;
    customer.complete_at_bank(payment).await;
    let events = system.payment_gets(payment, "payment_refund_succeeded").await;
    assert!(events.contains(&"payment_unapplied".to_owned()), "{events:?}");
    assert_eq!(system.payload(payment, "payment_succeeded").await["late"], true);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_wins_against_a_cancellation_is_refunded() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    system.customer().act(order, "cancel").await.expect(200);
    system.order_gets(order, "order_refund_settled").await;
    system.payment_gets(payment, "payment_refund_succeeded").await;
    assert_eq!(system.payload(order, "order_cancelled").await["refund_required"], true);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_and_paying_at_the_same_moment_always_ends_with_the_money_back() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    for _ in 0..6 {
        let order = customer.place(scenario_dish(0), 1).await;
        let payment = customer.pay(order).await;
        let (_, cancelled) = tokio::join!(customer.at_bank(payment, "complete"), customer.act(order, "cancel"));
        cancelled.expect(200);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_attempts_that_are_paid_one_is_applied_and_the_other_goes_back() {
    for late_one_first in [false, true] {
        let system = TestSystem::start().await;
        let customer = system.customer();
        let order = customer.place(scenario_dish(13), 1).await;
        let first = customer.pay(order).await;
        customer.at_bank(first, "expire").await.expect(200);
        system.order_gets(order, "order_payment_attempt_failed").await;
        let second = customer.pay(order).await;
        assert_ne!(first, second);
        let (winner, loser) = if late_one_first { (first, second) } else { (second, first) };
        customer.complete_at_bank(winner).await;
        system.payment_gets(winner, "payment_applied").await;
        if late_one_first {
            system.payment_gets(loser, "payment_failed").await;
        }
        customer.complete_at_bank(loser).await;
        system.payment_gets(loser, "payment_refund_succeeded").await;
        system.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_refusals_leave_a_fifth_attempt_and_five_end_the_order() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    for lost in [4, 5] {
        let order = customer.place(scenario_dish(0), 1).await;
        for _ in 0..lost {
            let payment = customer.pay(order).await;
            customer.at_bank(payment, "decline").await.expect(200);
            system.payment_gets(payment, "payment_failed").await;
            system.order_is_free_to_pay(order).await;
        }
        if lost == 5 {
            system.order_reaches(order, OrderStatus::Cancelled).await;
            assert_eq!(system.payload(order, "order_cancelled").await["reason_code"], "PAYMENT_FAILED");
        } else {
            let payment = customer.pay(order).await;
            customer.complete_at_bank(payment).await;
            system.order_reaches(order, OrderStatus::Paid).await;
        }
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_the_bank_free_the_attempt() {
    for suffix in [1, 2] {
        let system = TestSystem::start().await;
        let customer = system.customer();
        let order = customer.place(scenario_dish(suffix), 1).await;
        let payment = customer.pay(order).await;
        customer.complete_at_bank(payment).await;
        system.order_gets(order, "order_payment_attempt_failed").await;
        assert_eq!(system.payload(payment, "payment_failed").await["reason"], "DECLINED");
        system.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_amount_than_asked_is_held_for_a_person_and_pays_nothing() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(11), 1).await;
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.payment_gets(payment, "payment_integrity_violated").await;
    let leftovers = Leftovers { money_of: [payment].into(), ..Leftovers::default() };
    system.audit_with(&leftovers).await;
    assert_eq!(system.order_events(order).await, ["order_created", "order_payment_requested"]);
    assert_eq!(system.admin().payment(payment).await.data()["integrity_hold"], true);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_notification_changes_nothing() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(15), 1).await;
    let payment = customer.pay(order).await;
    let before = system.payment_gets(payment, "payment_session_opened").await;
    customer.complete_at_bank(payment).await;
    system.metric_reaches("webhook_total{", "bad_signature", 1).await;
    assert_eq!(system.payment_events(payment).await, before);
    customer.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paying_needs_a_key() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let path = format!("/api/v1/orders/{order}/payments");
    let answer = customer.send(customer.request(Method::POST, &path).json(&return_url())).await;
    answer.expect_problem(400, "IDEMPOTENCY_KEY_MISSING");
    let elsewhere = json!({ "return_url": "http://localhost.evil.example/" });
    let answer = customer.post_once(&path, &elsewhere, &Uuid::now_v7().to_string()).await;
    answer.expect_problem(400, "VALIDATION_ERROR");
    assert_eq!(system.head().await, 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_administrator_asks_the_bank_is_recorded_with_its_cause() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let payment = customer.pay(order).await;
    customer.at_bank(payment, "complete?webhooks=0").await.expect(200);
    let path = format!("/api/v1/payments/{payment}/sync");
    let synced = system.admin().post(&path, &json!({})).await.expect(202).data();
    assert_eq!(synced["status"], "SUCCEEDED");
    system.order_reaches(order, OrderStatus::Paid).await;
    // The audit at the end follows every event to its cause.
    system.finish().await;
}
