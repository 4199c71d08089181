//! Requests that are not what they should be: each gets its documented refusal, and changes nothing.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, TestSystem, return_url, scenario_dish, wish};

/// The wish for an order with one field replaced, or taken out by null.
fn wish_with(field: &str, value: Value) -> Value {
    let mut wish = wish(scenario_dish(0), 1);
    match value {
        Value::Null => drop(wish.as_object_mut().unwrap().remove(field)),
        value => wish[field] = value,
    }
    wish
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_fields_of_an_order_are_named() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let dish = json!(scenario_dish(0));
    for (field, value, pointer) in [
        ("quantity", json!(0), "/quantity"),
        ("quantity", json!(100), "/quantity"),
        ("quantity", json!("1"), "/quantity"),
        ("quantity", json!(1.5), "/quantity"),
        ("quantity", Value::Null, "/quantity"),
        ("dish_id", json!("borscht"), "/dish_id"),
        ("dish_id", Value::Null, "/dish_id"),
        ("surprise", json!(1), "/surprise"),
        ("delivery_type", json!("DRONE"), "/delivery_type"),
        ("delivery_address_text", Value::Null, "/delivery_address_text"),
        ("delivery_address_text", json!("x".repeat(501)), "/delivery_address_text"),
        ("user_name", json!("x".repeat(101)), "/user_name"),
        ("phone", json!("89990000001"), "/phone"),
        ("comment", json!("\u{0}"), ""),
        ("items", json!([{ "dish_id": dish, "quantity": 1 }]), "/items"),
        ("expected_total", json!(["100.00", "RUB"]), "/expected_total"),
        ("expected_total", json!(100.0), "/expected_total"),
        ("expected_total", json!({ "amount": "100.001", "currency": "RUB" }), "/expected_total"),
        ("expected_total", json!({ "amount": "100.000", "currency": "RUB" }), "/expected_total"),
        ("expected_total", json!({ "amount": 100, "currency": "RUB" }), "/expected_total"),
        ("requested_for", json!("tomorrow"), "/requested_for"),
    ] {
        let answer = customer.post("/api/v1/orders", &wish_with(field, value.clone())).await;
        let problem = answer.expect_problem(400, "VALIDATION_ERROR").json();
        let named = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(named.starts_with(pointer), "{field} = {value}: {problem}");
    }
    let cheaper = wish_with("expected_total", json!({ "amount": "99.00", "currency": "RUB" }));
    let refused = customer.post("/api/v1/orders", &cheaper).await.expect_rule("price_changed");
    assert_eq!(refused.json()["current_total"]["amount"], "100.00");
    let foreign = wish_with("expected_total", json!({ "amount": "100.00", "currency": "USD" }));
    customer.post("/api/v1/orders", &foreign).await.expect_rule("currency_mismatch");
    assert_eq!(system.head().await, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_json_are_refused() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let post = |content_type: &str, body: Vec<u8>| {
        customer.request(Method::POST, "/api/v1/orders").header("content-type", content_type).body(body)
    };
    let json = "application/json";
    // All the values of an order, without the names of the fields.
    let positional = json!([scenario_dish(0), 1, null, "BUILDING", "flat 12", "Anna", "+79990000001"]);
    for (request, status, code) in [
        (post(json, b"{".to_vec()), 400, "MALFORMED_JSON"),
        (post(json, b"{} {}".to_vec()), 400, "MALFORMED_JSON"),
        (post(json, vec![0xff, 0xfe]), 400, "MALFORMED_JSON"),
        (post(json, b"[]".to_vec()), 400, "VALIDATION_ERROR"),
        (post(json, b"null".to_vec()), 400, "VALIDATION_ERROR"),
        (post("text/plain", b"{}".to_vec()), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (post(json, vec![b' '; 65 * 1024]), 413, "PAYLOAD_TOO_LARGE"),
        (post(json, vec![b' '; 900 * 1024]), 413, "PAYLOAD_TOO_LARGE"),
        (post(json, vec![b'['; 60 * 1024]), 400, "MALFORMED_JSON"),
        (post(json, positional.to_string().into_bytes()), 400, "VALIDATION_ERROR"),
    ] {
        customer.send(request).await.expect_problem(status, code);
    }
    assert_eq!(system.head().await, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_mean_nothing_are_refused() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    system.come_to_rest(&Default::default()).await;
    let pay = || customer.request(Method::POST, &format!("/api/v1/orders/{order}/payments")).json(&return_url());
    let read = || customer.request(Method::GET, &format!("/api/v1/orders/{order}"));
    let long = "k".repeat(256);
    let requests: Vec<RequestBuilder> = vec![
        pay().header("Idempotency-Key", ""),
        pay().header("Idempotency-Key", "two words"),
        pay().header("Idempotency-Key", "\"open"),
        pay().header("Idempotency-Key", long.as_str()),
        pay().header("Idempotency-Key", "a").header("Idempotency-Key", "b"),
        pay().header("Idempotency-Key", "a").header("If-Match", "W/\"v1\""),
        pay().header("Idempotency-Key", "a").header("If-Match", "\"v01\""),
        pay().header("Idempotency-Key", "a").header("If-Match", "1"),
        read().header("Consistency-Token", "100"),
        read().header("Consistency-Token", ""),
        read().header("Consistency-Token", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ];
    for request in requests {
        customer.send(request).await.expect_problem(400, "VALIDATION_ERROR");
    }
    for token in ["", "Basic x", "Bearer", "Bearer not.a.token"] {
        let request = system.nobody().request(Method::GET, &format!("/api/v1/orders/{order}"));
        let answer = system.nobody().send(request.header("Authorization", token)).await;
        let answer = answer.expect_problem(401, "UNAUTHENTICATED");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(system.head().await, 1);
    system.finish().await;
}

async fn refused(client: &Client, path: &str, status: u16, code: &str) {
    client.get(path).await.expect_problem(status, code);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_lead_nowhere_are_refused() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    for path in ["/api/v1/orders/7", "/api/v1/payments/not-a-uuid", "/api/v1/orders/%00/history"] {
        refused(&customer, path, 400, "VALIDATION_ERROR").await;
    }
    for query in ["status=LOST", "limit=0", "limit=101", "limit=x", "surprise=1", "cursor=abc", "from=yesterday"] {
        refused(&customer, &format!("/api/v1/orders?{query}"), 400, "VALIDATION_ERROR").await;
    }
    for path in ["/api/v1/nothing", "/nothing", "/api/v2/orders"] {
        refused(&customer, path, 404, "NOT_FOUND").await;
    }
    let order = Uuid::now_v7();
    refused(&customer, &format!("/api/v1/orders/{order}/accept"), 405, "METHOD_NOT_ALLOWED").await;
    let request = customer.request(Method::DELETE, &format!("/api/v1/orders/{order}"));
    customer.send(request).await.expect_problem(405, "METHOD_NOT_ALLOWED");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_alias_and_the_trailing_slash_are_served() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    for path in ["/api/v1/orders", "/api/v1/orders/", "/api/orders", "/api/orders/"] {
        customer.post(path, &wish(scenario_dish(0), 1)).await.expect(201);
    }
    system.come_to_rest(&Default::default()).await;
    for path in ["/api/orders?limit=4", "/api/orders/?limit=4", "/api/v1/orders/?limit=4"] {
        let listed = customer.get(path).await.expect(200).data();
        assert_eq!(listed.as_array().map(Vec::len), Some(4), "{path}");
    }
    // One key is one command under every spelling of the address.
    let first = customer.post_once("/api/orders/", &wish(scenario_dish(0), 1), "key").await.expect(201);
    let again = customer.post_once("/api/v1/orders", &wish(scenario_dish(0), 1), "key").await.expect(201);
    assert_eq!((first.body, again.header("idempotent-replayed")), (again.body.clone(), "true"));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_exist_stays_so_under_its_key() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let unknown = |quantity: u32| wish(Uuid::from_u128(404), quantity);
    let gift = |quantity: u32| {
        let mut gift = return_url();
        gift["dish_id"] = json!(Uuid::from_u128(404));
        gift["quantity"] = json!(quantity);
        gift
    };
    let dispute = |claimed: u32| {
        let claimed = json!({ "amount": format!("{claimed}.00"), "currency": "RUB" });
        json!({ "reason_code": "LATE", "description": "It came late.", "claimed_amount": claimed })
    };
    let nowhere = format!("/api/v1/orders/{}/disputes", Uuid::from_u128(404));
    for (path, body, other) in [
        ("/api/v1/orders", unknown(1), unknown(2)),
        ("/api/v1/gifts", gift(1), gift(2)),
        (nowhere.as_str(), dispute(1), dispute(2)),
    ] {
        let key = Uuid::now_v7().to_string();
        let first = customer.post_once(path, &body, &key).await.expect_problem(404, "NOT_FOUND");
        assert_eq!(first.header("idempotent-replayed"), "");
        let again = customer.post_once(path, &body, &key).await.expect_problem(404, "NOT_FOUND");
        assert_eq!((again.header("idempotent-replayed"), again.text()), ("true", first.text()), "{path}");
        customer.post_once(path, &other, &key).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    }
    assert_eq!(system.head().await, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_is_too_long_is_named_as_the_body_names_it() {
    let system = TestSystem::start().await;
    let (customer, producer) = (system.customer(), system.producer());
    let order = customer.place(scenario_dish(0), 1).await;
    let (paid, _) = system.paid_order(scenario_dish(0), 1).await;
    let long = "x".repeat(501);
    for (client, path, body, pointer) in [
        (&customer, format!("/api/v1/orders/{order}/cancel"), json!({ "reason": long }), "/reason"),
        (
            &producer,
            format!("/api/v1/orders/{paid}/reject"),
            json!({ "reason_code": "OTHER", "comment": long }),
            "/comment",
        ),
        (&producer, format!("/api/v1/orders/{paid}/accept"), json!({ "eta_minutes": 601 }), "/eta_minutes"),
        (&customer, format!("/api/v1/orders/{paid}/rating"), json!({ "rating": 6 }), "/rating"),
    ] {
        let problem = client.post(&path, &body).await.expect_problem(400, "VALIDATION_ERROR").json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}");
    }
    system.finish().await;
}
