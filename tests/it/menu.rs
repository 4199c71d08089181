//! The catalogue: who may change it, and that orders hear of a change at once and keep what they froze.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Client, KITCHEN, OTHER_KITCHEN, Parts, TestSystem, scenario_dish, wish};

async fn put(client: &Client, path: &str, body: &Value) -> Answer {
    client.send(client.request(Method::PUT, path).json(body)).await
}

fn dish(kitchen: Uuid, price: &str) -> Value {
    json!({ "producer_id": kitchen, "name": "Solyanka", "price": { "amount": price, "currency": "RUB" },
            "is_available": true })
}

fn kitchen() -> Value {
    json!({ "name": "Maria's", "city": "Moscow", "active": true, "timezone": "Europe/Moscow",
            "opening_hours": {}, "delivery_types": ["BUILDING", "PICKUP"],
            "delivery_fee": { "amount": "0.00", "currency": "RUB" }, "delivery_time_minutes": 45 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_price_is_heard_everywhere_at_once_and_old_orders_keep_theirs() {
    let mut system = TestSystem::start().await;
    let second = system.add_instance(Parts::WRITE).await;
    let (cook, customer) = (system.producer(), system.customer());
    let id = Uuid::now_v7();
    let path = format!("/api/v1/dishes/{id}");
    let made = put(&cook, &path, &dish(KITCHEN, "100.00")).await.expect(200);
    assert_eq!((made.version(), made.header("etag")), (1, "\"v1\""));
    let order = customer.place(id, 1).await;
    assert_eq!(put(&cook, &path, &dish(KITCHEN, "100.00")).await.expect(200).version(), 1, "nothing changed");
    assert_eq!(put(&cook, &path, &dish(KITCHEN, "150.00")).await.expect(200).version(), 2);
    let mut seen = wish(id, 1);
    seen["expected_total"] = json!({ "amount": "100.00", "currency": "RUB" });
    // Asked again until the notice is there, the other instance answers with the new price.
    let customer_there = customer.at(&second);
    crate::harness::eventually(20, || async {
        let refused = customer_there.post("/api/v1/orders", &seen).await;
        if refused.status == 422 { Ok(()) } else { Err(refused.text()) }
    })
    .await;
    let refused = customer.post("/api/v1/orders", &seen).await.expect_rule("price_changed");
    assert_eq!(refused.json()["current_total"]["amount"], "150.00");
    system.come_to_rest(&Default::default()).await;
    let old = customer.order(order).await.data();
    assert_eq!((&old["total_price"]["amount"], &old["items"][0]["price_version"]), (&json!("100.00"), &json!(1)));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kitchens_change_their_own_and_administrators_open_them() {
    let system = TestSystem::start().await;
    let (cook, other, admin) = (system.producer(), system.other_producer(), system.admin());
    let path = format!("/api/v1/producers/{KITCHEN}");
    put(&system.nobody(), &path, &kitchen()).await.expect_problem(401, "UNAUTHENTICATED");
    put(&system.customer(), &path, &kitchen()).await.expect_problem(403, "PERMISSION_DENIED");
    put(&other, &path, &kitchen()).await.expect_problem(404, "NOT_FOUND");
    let mut greedy = kitchen();
    greedy["commission_bps"] = json!(0);
    put(&cook, &path, &greedy).await.expect_problem(403, "PERMISSION_DENIED");
    assert_eq!(put(&cook, &path, &kitchen()).await.expect(200).version(), 2);
    let request = cook.request(Method::PUT, &path).header("If-Match", "\"v1\"").json(&kitchen());
    assert_eq!(cook.send(request).await.expect_problem(412, "PRECONDITION_FAILED").json()["current_version"], 2);
    put(&admin, &path, &greedy).await.expect(200);
    let shown = system.nobody().get(&path).await.expect(200).data();
    assert_eq!(shown["delivery_time_minutes"], 45);
    for (who, share) in [(&system.nobody(), None), (&other, None), (&cook, Some(0)), (&admin, Some(0))] {
        let shown = who.get(&path).await.expect(200).data();
        assert_eq!(shown["commission_bps"].as_i64(), share);
    }
    let mut resting = greedy.clone();
    for active in [false, true] {
        resting["active"] = json!(active);
        put(&admin, &path, &resting).await.expect(200);
        let dish = system.nobody().get(&format!("/api/v1/dishes/{}", scenario_dish(0))).await.expect(200).data();
        assert_eq!((&dish["is_available"], &dish["producer_active"]), (&json!(true), &json!(active)));
    }
    let new = format!("/api/v1/producers/{}", Uuid::now_v7());
    let refused = put(&admin, &new, &kitchen()).await.expect_problem(400, "VALIDATION_ERROR");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/user_id", "{}", refused.text());
    let mut owned = kitchen();
    owned["user_id"] = json!(Uuid::now_v7());
    put(&admin, &new, &owned).await.expect(200);
    put(&cook, &format!("/api/v1/dishes/{}", Uuid::now_v7()), &dish(OTHER_KITCHEN, "1.00")).await.expect(404);
    let stolen = format!("/api/v1/dishes/{}", scenario_dish(0));
    put(&other, &stolen, &dish(OTHER_KITCHEN, "1.00")).await.expect_problem(404, "NOT_FOUND");
    let category = format!("/api/v1/categories/{}", Uuid::now_v7());
    put(&cook, &category, &json!({ "name": "Soups" })).await.expect_problem(403, "PERMISSION_DENIED");
    put(&admin, &category, &json!({ "name": "Soups" })).await.expect(200);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_with_its_field() {
    let system = TestSystem::start().await;
    let cook = system.producer();
    let path = format!("/api/v1/producers/{KITCHEN}");
    for (field, value) in [
        ("opening_hours", json!({ "mon": [["21:00", "09:00"]] })),
        ("timezone", json!("Mars/Olympus")),
        ("delivery_types", json!([])),
        ("delivery_time_minutes", json!(0)),
        ("name", json!(" ")),
        ("delivery_fee", json!({ "amount": "-1.00", "currency": "RUB" })),
    ] {
        let mut body = kitchen();
        body[field] = value;
        let refused = put(&cook, &path, &body).await.expect_problem(400, "VALIDATION_ERROR");
        assert_eq!(refused.json()["errors"][0]["pointer"], format!("/{field}"), "{}", refused.text());
    }
    let mut three_ends = kitchen();
    three_ends["opening_hours"] = json!({ "mon": [["09:00", "12:00", "13:00"]] });
    let refused = put(&cook, &path, &three_ends).await.expect_problem(400, "VALIDATION_ERROR");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/opening_hours/mon/0", "{}", refused.text());
    let mut strange = kitchen();
    strange["main_category_id"] = json!(Uuid::now_v7());
    put(&cook, &path, &strange).await.expect_rule("catalogue_mismatch");
    let dish_path = format!("/api/v1/dishes/{}", Uuid::now_v7());
    put(&cook, &dish_path, &dish(KITCHEN, "0.00")).await.expect_problem(400, "VALIDATION_ERROR");
    let mut dollars = dish(KITCHEN, "1.00");
    dollars["price"]["currency"] = json!("USD");
    put(&cook, &dish_path, &dollars).await.expect_rule("catalogue_mismatch");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_a_place_on_the_web_and_an_entry_tells_the_version_to_name() {
    let system = TestSystem::start().await;
    let (cook, id) = (system.producer(), Uuid::now_v7());
    let path = format!("/api/v1/dishes/{id}");
    let with = |url: &str| {
        let mut dish = dish(KITCHEN, "100.00");
        dish["photo_url"] = json!(url);
        dish
    };
    let long = format!("https://img.example/{}", "x".repeat(2_000));
    for wrong in
        ["javascript:alert(1)", "data:image/png;base64,AAAA", "//img.example/a", "/a.png", "", "https://", &long]
    {
        let refused = put(&cook, &path, &with(wrong)).await.expect_problem(400, "VALIDATION_ERROR");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/photo_url", "{wrong}");
    }
    put(&cook, &path, &with("https://img.example/a.png?w=200")).await.expect(200);
    let seen = system.nobody().get(&path).await.expect(200);
    assert_eq!(seen.header("etag"), "\"v1\"");
    let change = |etag: &str| cook.request(Method::PUT, &path).header("If-Match", etag).json(&dish(KITCHEN, "150.00"));
    cook.send(change(seen.header("etag"))).await.expect(200);
    cook.send(change(seen.header("etag"))).await.expect_problem(412, "PRECONDITION_FAILED");
    let kitchen = system.nobody().get(&format!("/api/v1/producers/{KITCHEN}")).await.expect(200);
    assert_eq!(kitchen.header("etag"), format!("\"v{}\"", kitchen.version()));
    system.finish().await;
}
