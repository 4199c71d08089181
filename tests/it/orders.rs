//! An order from the wish to the payout, and what is refused on the way.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{TestSystem, id_of, other_dish, scenario_dish, wish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn placing_an_order_answers_with_its_total() {
    let system = TestSystem::start().await;
    let dish = scenario_dish(0);
    let answer = system.customer().post("/api/v1/orders", &wish(dish, 2)).await.expect(201);
    let data = answer.data();
    assert_eq!(data["total_price"], json!({ "amount": "200.00", "currency": "RUB" }));
    assert_eq!((&data["dish_id"], &data["quantity"]), (&json!(dish), &json!(2)));
    assert_eq!(data["status"], "WAITING_FOR_PAYMENT");
    assert_eq!(answer.header("etag"), "\"v1\"");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_is_paid_once() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 2).await;
    let events = system.payment_gets(payment, "payment_applied").await;
    let story = ["payment_initiated", "payment_session_opened", "payment_succeeded", "payment_applied"];
    assert_eq!(events, story);
    assert_eq!(system.order_events(order).await, ["order_created", "order_payment_requested", "order_paid"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivered_order_completes_and_pays_out_by_itself() {
    let system = TestSystem::start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 2).await;
    system.deliver(order).await;
    system.advance(TimeDelta::hours(24));
    system.order_reaches(order, OrderStatus::Completed).await;
    system.advance(TimeDelta::hours(48));
    system.order_gets(order, "order_payout_released").await;
    let payout = system.payload(order, "order_payout_released").await;
    assert_eq!(payout["producer_net"]["amount"], "180.00");
    assert_eq!(payout["commission"]["amount"], "20.00");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_dish_and_an_unknown_order_are_not_found() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    customer.post("/api/v1/orders", &wish(Uuid::now_v7(), 1)).await.expect_problem(404, "NOT_FOUND");
    customer.order(Uuid::now_v7()).await.expect_problem(404, "NOT_FOUND");
    customer.ask_to_pay(Uuid::now_v7()).await.expect_problem(404, "NOT_FOUND");
    let foreign = system.other_customer().place(scenario_dish(0), 1).await;
    customer.order(foreign).await.expect_problem(404, "NOT_FOUND");
    customer.ask_to_pay(foreign).await.expect_problem(404, "NOT_FOUND");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_order_that_waits_for_its_payment_can_be_paid() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let waiting = customer.place(scenario_dish(0), 1).await;
    let opened = customer.wait_to_pay(waiting).await.expect(201).data();
    assert_eq!(opened["amount"]["amount"], "100.00");
    assert!(opened["payment_id"].is_string() && opened["payment_url"].is_string(), "{opened}");
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.deliver(order).await;
    customer.act(order, "complete").await.expect(200);
    customer.ask_to_pay(order).await.expect_rule("order_not_payable");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_takes_dishes_of_one_kitchen() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let mut wish = json!({ "delivery_type": "PICKUP" });
    wish["items"] = json!([{ "dish_id": scenario_dish(0), "quantity": 1 }, { "dish_id": other_dish(), "quantity": 1 }]);
    customer.post("/api/v1/orders", &wish).await.expect_rule("mixed_producers");
    wish["items"] =
        json!([{ "dish_id": scenario_dish(0), "quantity": 2 }, { "dish_id": scenario_dish(1), "quantity": 1 }]);
    let placed = customer.post("/api/v1/orders", &wish).await.expect(201);
    assert_eq!(placed.data()["total_price"]["amount"], "300.01");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_to_pay_is_a_setting() {
    let system = TestSystem::builder().write_side(&["--order-payment-window-minutes", "3"]).start().await;
    let order = system.customer().place(scenario_dish(0), 1).await;
    system.advance(TimeDelta::minutes(3));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_are_given_once_after_completion() {
    let system = TestSystem::start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    let customer = system.customer();
    customer.act(order, "rating").await.expect_rule("invalid_transition");
    system.deliver(order).await;
    customer.act(order, "complete").await.expect(200);
    customer.act(order, "rating").await.expect(201);
    customer.act(order, "rating").await.expect_rule("already_rated");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_answers_with_the_order_and_what_its_caller_may_do_next() {
    let system = TestSystem::start().await;
    let (customer, key) = (system.customer(), Uuid::now_v7().to_string());
    let wish = wish(scenario_dish(0), 2);
    let placed = customer.post_once("/api/v1/orders", &wish, &key).await.expect(201);
    let data = placed.data();
    let total = json!({ "amount": "200.00", "currency": "RUB" });
    assert_eq!((&data["total_price"], &data["amount_due"], &data["quantity"]), (&total, &total, &json!(2)));
    assert_eq!(data["items"], json!([{ "dish_id": scenario_dish(0), "quantity": 2 }]));
    assert_eq!((&data["allowed_actions"], &data["payment"]), (&json!(["pay", "cancel"]), &Value::Null));
    let order = id_of(&data["id"]);
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    let answer = system.producer().act(order, "accept").await.expect(200);
    let accepted = answer.data();
    let paid = json!({ "payment_id": payment, "attempt_no": 1, "status": "SUCCEEDED", "amount": total });
    assert_eq!(accepted["payment"], paid);
    let seen = system.producer().after(&format!("/api/v1/orders/{order}"), &answer.token()).await.data();
    assert_eq!(accepted["allowed_actions"], seen["allowed_actions"]);
    let again = customer.post_once("/api/v1/orders", &wish, &key).await.expect(201);
    assert_eq!(again.data(), data, "the answer is the one that was given");
    system.finish().await;
}
