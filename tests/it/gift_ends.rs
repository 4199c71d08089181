//! How gifts end: unpaid, called off, expired, given back. In every case each rouble is with somebody.

use chrono::TimeDelta;
use serde_json::json;
use shared::domain::order::OrderStatus;

use crate::harness::{Leftovers, TestSystem, roubles};

/// A year after it was paid.
const VALIDITY: TimeDelta = TimeDelta::days(365);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_placed_before_the_end_is_paid_after_it() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("1000.00").await;
    let holder = system.other_customer();
    system.advance(VALIDITY - TimeDelta::minutes(5));
    let share = json!({ "gift_id": gift, "gift_amount": roubles("300.00") });
    let order = holder.place_with(10, &share).await;
    let payment = holder.pay(order).await;
    system.advance(TimeDelta::minutes(10));
    system.gift_gets(gift, "gift_expired").await;
    assert_eq!(system.payload(gift, "gift_expired").await["unspent"], roubles("700.00"));
    holder.order_with(1, &json!({ "gift_id": gift })).await.expect_rule("gift_expired");
    holder.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    let seen = json!({ "status": "EXPIRED", "redeemed": roubles("300.00"), "refunded": roubles("700.00") });
    system.gift_shows(gift, seen).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_order_gives_back_after_the_end_goes_to_the_buyer() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("600.00").await;
    let holder = system.other_customer();
    system.advance(VALIDITY - TimeDelta::minutes(5));
    let order = holder.place_with(6, &json!({ "gift_id": gift })).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.advance(TimeDelta::minutes(10));
    system.producer().act(order, "reject").await.expect(200);
    system.order_gets(order, "order_refund_settled").await;
    system.gift_shows(gift, json!({ "status": "EXPIRED", "refunded": roubles("600.00") })).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_that_nobody_pays_is_called_off() {
    let system = TestSystem::start().await;
    let buyer = system.customer();
    let (gift, payment) = buyer.buy_gift(&json!({ "value": roubles("1000.00") })).await;
    system.advance(TimeDelta::minutes(30));
    system.gift_shows(gift, json!({ "status": "CANCELLED", "cancel_reason": "PAYMENT_TIMEOUT" })).await;
    system.payment_gets(payment, "payment_failed").await;
    buyer.get(&format!("/api/v1/payments/{payment}")).await.expect(200);
    system.other_customer().get(&format!("/api/v1/payments/{payment}")).await.expect_problem(404, "NOT_FOUND");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_is_issued_although_the_news_of_its_money_got_lost() {
    let system = TestSystem::start().await;
    let buyer = system.customer();
    let (gift, payment) = buyer.buy_gift(&json!({ "value": roubles("1000.00") })).await;
    buyer.at_bank(payment, "complete?webhooks=0").await.expect(200);
    system.advance(TimeDelta::minutes(2));
    system.gift_shows(gift, json!({ "status": "ISSUED" })).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_buyer_tries_again() {
    let system = TestSystem::start().await;
    let buyer = system.customer();
    let (gift, payment) = buyer.buy_gift(&json!({ "value": roubles("1000.00") })).await;
    buyer.at_bank(payment, "decline").await.expect(200);
    system.gift_gets(gift, "gift_payment_attempt_failed").await;
    let again = json!({ "return_url": "http://localhost:3000/paid" });
    let answer = buyer.gift_command(&format!("/{gift}/payments"), &again).await;
    assert!(matches!(answer.status, 201 | 202), "{}", answer.text());
    let second = crate::harness::id_of(&answer.data()["payment_id"]);
    assert_ne!(second, payment);
    buyer.complete_at_bank(second).await;
    system.gift_shows(gift, json!({ "status": "ISSUED" })).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_buyer_takes_a_gift_back_until_it_is_taken() {
    let system = TestSystem::start().await;
    let buyer = system.customer();
    let (gift, code) = system.paid_gift("1000.00").await;
    system.other_customer().gift_command(&format!("/{gift}/cancel"), &json!({})).await.expect_problem(404, "NOT_FOUND");
    buyer.gift_command(&format!("/{gift}/refund"), &json!({ "amount": roubles("400.00") })).await.expect(202);
    system.gift_shows(gift, json!({ "status": "ISSUED", "refunded": roubles("400.00") })).await;
    buyer.gift_command(&format!("/{gift}/cancel"), &json!({ "reason": "wrong person" })).await.expect(200);
    system.gift_shows(gift, json!({ "status": "CANCELLED", "refunded": roubles("1000.00") })).await;
    system.other_customer().activate(&code).await.expect_problem(404, "NOT_FOUND");
    let taken = system.taken_gift("1000.00").await;
    buyer.gift_command(&format!("/{taken}/cancel"), &json!({})).await.expect_rule("gift_already_activated");
    buyer.gift_command(&format!("/{taken}/refund"), &json!({})).await.expect_rule("gift_already_activated");
    system.admin().gift_command(&format!("/{taken}/refund"), &json!({})).await.expect(202);
    system.gift_shows(taken, json!({ "refunded": roubles("1000.00") })).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_outlives_its_order_comes_free() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("300.00").await;
    let order = system.other_customer().place_with(10, &json!({ "gift_id": gift })).await;
    system.advance(TimeDelta::minutes(31));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    system.gift_shows(gift, json!({ "available": roubles("300.00") })).await;
    system.advance(TimeDelta::minutes(70));
    system.audit_with(&Leftovers::default()).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s45_money_that_comes_after_a_gift_was_called_off_goes_back() {
    let system = TestSystem::start().await;
    let buyer = system.customer();
    // The bank takes the money although its page was withdrawn.
    let (gift, payment) = buyer.buy_gift(&json!({ "value": roubles("1000.13") })).await;
    system.advance(TimeDelta::minutes(30));
    system.gift_shows(gift, json!({ "status": "CANCELLED" })).await;
    buyer.at_bank(payment, "complete").await;
    system.payment_gets(payment, "payment_refund_succeeded").await;
    assert!(!system.gift_events(gift).await.contains(&"gift_issued".to_owned()));
    system.finish().await;
}
