//! Dishes with a limit: no portion is sold twice, and what is called off in time can be sold again, once.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{
    Answer, Client, KITCHEN, Parts, SOON_SECS, TestSystem, eventually, id_of, roubles, scenario_dish, wish, wish_with,
};

/// The kitchen says how many of a new dish for 100 roubles there are.
async fn limited(system: &TestSystem, portions: u32) -> Uuid {
    let dish = Uuid::now_v7();
    put(&system.producer(), dish, Some(portions), None).await.expect(200);
    dish
}

async fn put(cook: &Client, dish: Uuid, portions: Option<u32>, version: Option<i64>) -> Answer {
    let mut body =
        json!({ "producer_id": KITCHEN, "name": "Pelmeni", "price": roubles("100.00"), "is_available": true });
    if let Some(portions) = portions {
        body["portions_left"] = json!(portions);
    }
    let request = cook.request(Method::PUT, &format!("/api/v1/dishes/{dish}")).json(&body);
    let seen = version.map(|version| format!("\"v{version}\""));
    cook.send(seen.into_iter().fold(request, |request, seen| request.header("If-Match", seen))).await
}

/// What everybody sees of it.
async fn left(system: &TestSystem, dish: Uuid) -> Value {
    let shown = system.nobody().get(&format!("/api/v1/dishes/{dish}")).await.expect(200).data();
    shown["portions_left"].clone()
}

async fn paid(system: &TestSystem, dish: Uuid, quantity: u32) -> Uuid {
    system.paid_order(dish, quantity).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_orders_at_once_for_five_portions_are_five() {
    let mut system = TestSystem::start().await;
    let second = system.add_instance(Parts::WRITE).await;
    let dish = limited(&system, 5).await;
    let customer = system.customer();
    let there = customer.at(&second);
    let orders = (0..20).map(|n| {
        let customer = if n % 2 == 0 { &customer } else { &there };
        async move { customer.post_once("/api/v1/orders", &wish(dish, 1), &Uuid::now_v7().to_string()).await }
    });
    let answers = futures::future::join_all(orders).await;
    let (placed, refused): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(placed.len(), 5);
    for answer in refused {
        answer.expect_rule("insufficient_portions");
    }
    assert_eq!(left(&system, dish).await, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portions_of_an_order_that_is_called_off_in_time_come_back_once() {
    let system = TestSystem::start().await;
    let dish = limited(&system, 5).await;
    let customer = system.customer();
    let order = paid(&system, dish, 3).await;
    assert_eq!(left(&system, dish).await, 2);
    customer.post("/api/v1/orders", &wish(dish, 3)).await.expect_rule("insufficient_portions");
    let (path, key) = (format!("/api/v1/orders/{order}/cancel"), Uuid::now_v7().to_string());
    customer.post_once(&path, &json!({}), &key).await.expect(200);
    assert_eq!(left(&system, dish).await, 5);
    assert_eq!(customer.post_once(&path, &json!({}), &key).await.expect(200).header("idempotent-replayed"), "true");
    customer.post(&path, &json!({})).await.expect_rule("order_already_cancelled");
    system.order_gets(order, "order_refund_settled").await;
    assert_eq!(left(&system, dish).await, 5);
    // They can be sold again at once.
    customer.place(dish, 5).await;
    assert_eq!(left(&system, dish).await, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portions_that_are_being_cooked_do_not_come_back() {
    let system = TestSystem::start().await;
    let dish = limited(&system, 5).await;
    for canceller in [system.producer(), system.admin()] {
        let order = paid(&system, dish, 1).await;
        for act in ["accept", "start-preparation"] {
            system.producer().act(order, act).await.expect(200);
        }
        canceller.act(order, "cancel").await.expect(200);
    }
    let accepted = paid(&system, dish, 1).await;
    system.producer().act(accepted, "accept").await.expect(200);
    system.producer().act(accepted, "cancel").await.expect(200);
    assert_eq!(left(&system, dish).await, 3);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s28_s29_what_the_cook_refuses_or_lets_lie_can_be_sold_again() {
    let system = TestSystem::start().await;
    let dish = limited(&system, 5).await;
    let refused = paid(&system, dish, 2).await;
    system.producer().act(refused, "reject").await.expect(200);
    assert_eq!(left(&system, dish).await, 5);
    let forgotten = paid(&system, dish, 1).await;
    let unpaid = system.customer().place(dish, 1).await;
    assert_eq!(left(&system, dish).await, 3);
    system.advance(TimeDelta::minutes(15));
    system.order_reaches(forgotten, OrderStatus::Cancelled).await;
    assert_eq!(left(&system, dish).await, 4);
    system.advance(TimeDelta::minutes(15));
    system.order_reaches(unpaid, OrderStatus::Cancelled).await;
    assert_eq!(left(&system, dish).await, 5);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_order_sent_twenty_times_takes_its_portions_once() {
    let system = TestSystem::start().await;
    let dish = limited(&system, 5).await;
    let customer = system.customer();
    let (wish_of_two, key) = (wish(dish, 2), Uuid::now_v7().to_string());
    let answers = (0..20).map(|_| customer.post_once("/api/v1/orders", &wish_of_two, &key));
    for answer in futures::future::join_all(answers).await {
        answer.expect(201);
    }
    assert_eq!(left(&system, dish).await, 3);
    // A refusal is an answer too, and stays one when portions are there again.
    let (too_many, key) = (wish(dish, 4), Uuid::now_v7().to_string());
    customer.post_once("/api/v1/orders", &too_many, &key).await.expect_rule("insufficient_portions");
    put(&system.producer(), dish, Some(9), None).await.expect(200);
    let again = customer.post_once("/api/v1/orders", &too_many, &key).await.expect_rule("insufficient_portions");
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(left(&system, dish).await, 9);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kitchen_that_counts_again_overwrites_no_sale_it_has_not_seen() {
    let system = TestSystem::start().await;
    let (cook, customer) = (system.producer(), system.customer());
    let dish = limited(&system, 5).await;
    let order = customer.place(dish, 2).await;
    let refused = put(&cook, dish, Some(5), Some(1)).await.expect_problem(412, "PRECONDITION_FAILED");
    assert_eq!(refused.json()["current_version"], 2);
    // Ten from now on, besides the two that are sold; those come back to them.
    put(&cook, dish, Some(10), Some(2)).await.expect(200);
    customer.act(order, "cancel").await.expect(200);
    assert_eq!(left(&system, dish).await, 12);
    put(&cook, dish, None, None).await.expect(200);
    assert_eq!(left(&system, dish).await, Value::Null);
    customer.place(dish, 99).await;
    put(&cook, dish, Some(0), None).await.expect(200);
    customer.post("/api/v1/orders", &wish(dish, 1)).await.expect_rule("insufficient_portions");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dish_that_was_given_takes_portions_when_it_is_ordered_and_is_gone_with_them() {
    let system = TestSystem::start().await;
    let dish = limited(&system, 3).await;
    let gift_of_two = json!({ "dish_id": dish, "quantity": 2 });
    let (_, first) = system.paid_gift_of(&gift_of_two).await;
    let (second_gift, second) = system.paid_gift_of(&gift_of_two).await;
    assert_eq!(left(&system, dish).await, 3, "a gift that nobody has taken holds no portions");
    let holder = system.other_customer();
    let take = |code: &str| json!({ "code": code, "delivery_type": "PICKUP" });
    let taken = holder.gift_command("/activate", &take(&first)).await.expect(200).data();
    let order = id_of(&taken["order_id"]);
    system.order_reaches(order, OrderStatus::Paid).await;
    assert_eq!(left(&system, dish).await, 1);
    holder.gift_command("/activate", &take(&second)).await.expect_rule("gift_dish_unavailable");
    system
        .customer()
        .gift_command(
            "",
            &json!({ "dish_id": dish, "quantity": 2, "return_url": "http://localhost:3000/paid",
        "recipient": { "name": "Boris" } }),
        )
        .await
        .expect_rule("dish_unavailable");
    let convert = format!("/{second_gift}/convert");
    let converted = holder.gift_command(&convert, &json!({ "code": second })).await.expect(200).data();
    assert_eq!(converted["kind"], "AMOUNT");
    holder.act(order, "cancel").await.expect(200);
    assert_eq!(left(&system, dish).await, 3);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_given_dishes_for_one_portion_one_is_ordered_and_the_other_waits_again() {
    let system = TestSystem::start().await;
    let dish = limited(&system, 1).await;
    let (one_gift, one) = system.paid_gift_of(&json!({ "dish_id": dish })).await;
    let (other_gift, other) = system.paid_gift_of(&json!({ "dish_id": dish })).await;
    let (first, second) = (system.other_customer(), system.new_customer());
    let take = |code: &str| json!({ "code": code, "delivery_type": "PICKUP" });
    let (one, other) = (take(&one), take(&other));
    // Both may find the portion there; then their orders race for it, and one gift is given back to its holder.
    tokio::join!(first.gift_command("/activate", &one), second.gift_command("/activate", &other));
    let statuses = || async {
        let admin = system.admin();
        let mut statuses = Vec::new();
        for gift in [one_gift, other_gift] {
            let shown = admin.get(&format!("/api/v1/gifts/{gift}")).await;
            let shown = if shown.status == 200 { shown.data()["status"].clone() } else { shown.json() };
            statuses.push(shown.to_string());
        }
        statuses.sort();
        if statuses == ["\"ISSUED\"", "\"REDEEMED\""] { Ok(()) } else { Err(format!("{statuses:?}")) }
    };
    eventually(SOON_SECS, statuses).await;
    assert_eq!(left(&system, dish).await, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s64_a_price_that_changed_is_told_and_nothing_is_reserved() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("1000.00").await;
    let dish = limited(&system, 5).await;
    let holder = system.other_customer();
    let seen = holder.get(&format!("/api/v1/dishes/{dish}")).await.expect(200).data()["price"].clone();
    let cook = system.producer();
    let dearer = json!({ "producer_id": KITCHEN, "name": "Pelmeni", "price": roubles("150.00"), "is_available": true,
        "portions_left": 5 });
    cook.send(cook.request(Method::PUT, &format!("/api/v1/dishes/{dish}")).json(&dearer)).await.expect(200);
    for more in [json!({}), json!({ "gift_id": gift })] {
        let mut wish = wish_with(1, &more);
        (wish["dish_id"], wish["expected_total"]) = (json!(dish), seen.clone());
        let refused = holder.post("/api/v1/orders", &wish).await.expect_rule("price_changed");
        assert_eq!(refused.json()["current_total"], roubles("150.00"));
    }
    assert_eq!(left(&system, dish).await, 5);
    assert!(!system.gift_events(gift).await.contains(&"gift_reserved".to_owned()));
    let orders = holder.get("/api/v1/orders").await.expect(200).data();
    assert_eq!(orders, json!([]));
    let claims: i64 = sqlx::query_scalar("SELECT count(*) FROM portion_claims").fetch_one(&system.db).await.unwrap();
    assert_eq!(claims, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_gets_no_portions_holds_nothing_of_its_gift() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("1000.00").await;
    let dish = limited(&system, 3).await;
    let holder = system.other_customer();
    let orders = (0..6).map(|_| {
        let mut wish = wish_with(1, &json!({ "gift_id": gift, "gift_amount": roubles("50.00") }));
        wish["dish_id"] = json!(dish);
        let holder = holder.clone();
        async move { holder.post_once("/api/v1/orders", &wish, &Uuid::now_v7().to_string()).await }
    });
    let answers = futures::future::join_all(orders).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 3);
    system.gift_shows(gift, json!({ "available": roubles("850.00"), "reserved": roubles("150.00") })).await;
    // The dish of the scenarios has no limit and none of this.
    holder.place(scenario_dish(0), 99).await;
    system.finish().await;
}
