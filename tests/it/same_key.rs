//! One key stands for one request: whatever else comes under it, at once or later, changes nothing.

use fake_bank::{Fault, FaultRule, Operation};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{Answer, TestSystem, complaint, id_of, return_url, roubles, scenario_dish, wish_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_orders_under_the_same_key_at_once_leave_the_gift_to_the_one_that_stands() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("1000.00").await;
    let holder = system.other_customer();
    let mut placed = Vec::new();
    for round in 0..5 {
        let key = format!("round-{round}");
        let wish = |no: usize| {
            wish_with(2, &json!({ "gift_id": gift, "gift_amount": roubles("100.00"), "comment": no.to_string() }))
        };
        let wishes: Vec<_> = (0..6).map(wish).collect();
        let answers = join_all(wishes.iter().map(|wish| holder.post_once("/api/v1/orders", wish, &key))).await;
        let (stand, fall): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(stand.len(), 1);
        for answer in fall {
            answer.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
        }
        placed.push(id_of(&stand[0].data()["id"]));
    }
    for order in placed {
        let payment = holder.pay(order).await;
        holder.complete_at_bank(payment).await;
        system.order_reaches(order, OrderStatus::Paid).await;
    }
    system.gift_shows(gift, json!({ "redeemed": roubles("500.00"), "available": roubles("500.00") })).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_taken_with_a_code_is_answered_again_though_the_guesses_are_used_up() {
    let system = TestSystem::start().await;
    let (_, code) = system.paid_gift("1000.00").await;
    let holder = system.other_customer();
    let take =
        async |code: &str, key: &str| holder.post_once("/api/v1/gifts/activate", &json!({ "code": code }), key).await;
    let taken = take(&code, "taken").await.expect(200);
    let wrong = take("0000-0000-0000-0001", "wrong").await.expect_problem(404, "NOT_FOUND");
    for _ in 0..10 {
        let again = take("0000-0000-0000-0001", "wrong").await.expect_problem(404, "NOT_FOUND");
        assert_eq!((again.header("idempotent-replayed"), again.text()), ("true", wrong.text()), "no guess");
    }
    for no in 0..4 {
        take("0000-0000-0000-0001", &format!("guess-{no}")).await.expect_problem(404, "NOT_FOUND");
    }
    take(&code, "no-more").await.expect_problem(429, "RATE_LIMITED");
    let again = take(&code, "taken").await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), again.text()), ("true", taken.text()));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_of_the_bank_is_not_kept_under_the_key() {
    let system = TestSystem::builder().fake_tbank().start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let path = format!("/api/v1/orders/{order}/payments");
    system
        .bank()
        .misbehave(FaultRule::next(Operation::Init, Fault::Code { code: "251".to_owned(), message: String::new() }));
    let pay = async |key: &str| customer.post_once(&path, &return_url(), key).await;
    pay("first").await.expect_problem(502, "PROVIDER_ERROR");
    pay("first").await.expect_problem(502, "PROVIDER_ERROR");
    let page = pay("second").await.expect(201).data();
    assert_eq!(pay("first").await.expect(201).data()["payment_id"], page["payment_id"], "it can be paid now");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_is_opened_about_the_version_of_the_order_that_was_seen() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    system.payment_gets(payment, "payment_applied").await;
    let path = format!("/api/v1/orders/{order}/disputes");
    let open = async |version: usize| {
        let request = customer.request(Method::POST, &path).header("Idempotency-Key", Uuid::now_v7().to_string());
        customer.send(request.header("If-Match", format!("\"v{version}\"")).json(&complaint(None))).await
    };
    let version = system.order_events(order).await.len();
    open(version - 1).await.expect_problem(412, "PRECONDITION_FAILED");
    assert_eq!(system.order_events(order).await.len(), version, "nothing was claimed");
    let opened = open(version).await.expect(201).data();
    assert_ne!(opened["id"], Value::Null);
    system.come_to_rest(&Default::default()).await;
    system.finish().await;
}
