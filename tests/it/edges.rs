//! The edges of HTTP: proxies, limits per caller, origins of sockets, tickets that are none.

use fake_bank::Telling;
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::domain::order::OrderStatus;
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};

use crate::harness::{Client, SOON_SECS, TestSystem, eventually, scenario_dish, wish};

const WEBHOOK: &str = "/api/v1/webhooks/tbank";
/// An address of T-Bank's.
const BANK: &str = "91.194.226.7";

async fn knock(system: &TestSystem, header: &'static str, value: &'static str) -> u16 {
    let nobody = system.nobody();
    let request = nobody.request(Method::POST, WEBHOOK).header(header, value).body("{}");
    nobody.send(request).await.status
}

/// How often a notification was refused for that reason.
async fn refused(system: &TestSystem, reason: &str, times: u64) {
    system.metric_reaches("webhook_total{", reason, times).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_does_not_become_the_bank_by_saying_so() {
    let system = TestSystem::builder().fake_tbank().write_side(&["--tbank-networks", "91.194.226.0/23"]).start().await;
    for (header, value) in [("x-forwarded-for", BANK), ("forwarded", "for=91.194.226.7"), ("x-real-ip", BANK)] {
        assert_eq!(knock(&system, header, value).await, 403);
    }
    refused(&system, "foreign_network", 3).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_the_bank_is_who_the_proxy_saw() {
    let arguments = ["--tbank-networks", "91.194.226.0/23", "--trusted-proxies", "127.0.0.0/8,10.0.0.0/8"];
    let system = TestSystem::builder().fake_tbank().write_side(&arguments).start().await;
    // Let through to the signature, which these have not.
    for (header, value) in [
        ("x-forwarded-for", BANK),
        ("x-forwarded-for", "203.0.113.9, 91.194.226.7, 10.1.1.1"),
        ("forwarded", "for=\"91.194.226.7:4711\";proto=https"),
    ] {
        assert_eq!(knock(&system, header, value).await, 403);
    }
    refused(&system, "bad_signature", 3).await;
    for (header, value) in [
        ("x-forwarded-for", "91.194.226.7, 203.0.113.9"),
        ("x-forwarded-for", "91.194.226.7, unknown"),
        ("x-forwarded-for", ""),
        ("forwarded", "for=91.194.226.7, for=203.0.113.9"),
        ("x-real-ip", BANK),
    ] {
        assert_eq!(knock(&system, header, value).await, 403);
    }
    refused(&system, "foreign_network", 5).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_are_counted_by_the_address_that_the_proxy_saw() {
    let system = TestSystem::builder().write_side(&["--trusted-proxies", "127.0.0.0/8"]).start().await;
    let guess = async |address: &str| {
        let customer = system.new_customer();
        let path = "/api/v1/gifts/balance?code=0000-0000-0000-0000";
        customer.send(customer.request(Method::GET, path).header("x-forwarded-for", address)).await.status
    };
    for n in 0..5 {
        // Whatever the caller writes before what the proxy adds.
        assert_eq!(guess(&format!("198.51.100.{n}, 203.0.113.9")).await, 404);
    }
    assert_eq!(guess("198.51.100.77, 203.0.113.9").await, 429);
    assert_eq!(guess("203.0.113.10").await, 404, "another house");
    system.stop().await;
}

async fn orders(client: &Client) -> crate::harness::Answer {
    client.get("/api/v1/orders").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_much_is_told_when_to_come_back_and_others_are_not_disturbed() {
    let limits = ["--rate-limits", "queries=3,commands=2,payments=1", "--trusted-proxies", "127.0.0.0/8"];
    let system = TestSystem::builder().write_side(&limits).start().await;
    let customer = system.customer();
    for left in ["2", "1", "0"] {
        let answer = orders(&customer).await.expect(200);
        assert!(answer.header("ratelimit").starts_with(&format!("\"queries\";r={left};t=")), "{:?}", answer.headers);
        assert_eq!(answer.header("ratelimit-policy"), "\"queries\";q=3;w=60");
    }
    let refused = orders(&customer).await.expect_problem(429, "RATE_LIMITED");
    let rest: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&rest), "{rest}");
    assert!(refused.header("ratelimit").starts_with("\"queries\";r=0;"), "{:?}", refused.headers);
    // Another group, another person, and what is not limited.
    customer.post("/api/v1/orders", &wish(scenario_dish(0), 1)).await.expect(201);
    orders(&system.other_customer()).await.expect(200);
    for _ in 0..10 {
        system.nobody().get("/health/live").await.expect(200);
    }
    // Somebody with a token that is none uses up nobody's but their address's.
    let nobody = system.nobody();
    for (address, status) in [("203.0.113.9", 401), ("203.0.113.9", 401), ("203.0.113.9", 401), ("203.0.113.9", 429)] {
        let request = nobody.request(Method::GET, "/api/v1/orders").header("x-forwarded-for", address);
        assert_eq!(nobody.send(request.bearer_auth("nonsense")).await.status, status);
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_is_heard_however_much_it_says() {
    let limits = ["--rate-limits", "queries=1000,commands=1,payments=100"];
    let system = TestSystem::builder().fake_tbank().write_side(&limits).start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let payment = customer.pay(order).await;
    system.payment_gets(payment, "payment_session_opened").await;
    let telling = Telling { deliveries: Some(20), ..Telling::default() };
    system.bank().pay(&payment.to_string(), telling).await.unwrap();
    system.order_reaches(order, OrderStatus::Paid).await;
    system.metric_reaches("webhook_total{", "repeated", 19).await;
    system.stop().await;
}

/// The status of a handshake, 101 if it went well.
async fn handshake(system: &TestSystem, origin: Option<&str>) -> u16 {
    let customer = system.customer();
    let mut request = format!("{}/ws", customer.url().replace("http", "ws")).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", customer.token()).parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, answer)) => answer.status().as_u16(),
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("no handshake: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_strangers_open_no_sockets() {
    let sites = |settings: &mut projection_service::settings::ReadSideSettings| {
        settings.ws_origins = vec!["https://homefood.example".to_owned()];
    };
    let system = TestSystem::builder().read_side(sites).start().await;
    for origin in [None, Some("https://homefood.example"), Some("http://localhost:5173")] {
        assert_eq!(handshake(&system, origin).await, 101, "{origin:?}");
    }
    for origin in ["https://evil.example", "https://homefood.example.evil", "null"] {
        assert_eq!(handshake(&system, Some(origin)).await, 403, "{origin}");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_ticket_signs_nobody_in() {
    let system = TestSystem::start().await;
    let (nobody, customer) = (system.nobody(), system.customer());
    for client in [&nobody, &customer] {
        client.get("/api/v1/feed/stream?ticket=").await.expect_problem(401, "UNAUTHENTICATED");
    }
    nobody.get("/api/v1/feed/stream?ticket=nonsense").await.expect_problem(401, "UNAUTHENTICATED");
    for wrong in ["last_id=-1", "last_id=x", "tickets=1", "last_id=1&last_id=2"] {
        customer.get(&format!("/api/v1/feed/stream?{wrong}")).await.expect_problem(400, "VALIDATION_ERROR");
    }
    let request = customer.request(Method::GET, "/api/v1/feed/stream").header("Last-Event-ID", "-7");
    customer.send(request).await.expect_problem(400, "VALIDATION_ERROR");
    let request = customer.request(Method::GET, "/ws");
    let plain = customer.send(request).await;
    assert_eq!(plain.status, StatusCode::BAD_REQUEST.as_u16(), "{}", plain.text());
    assert_eq!(plain.header("content-type"), "application/problem+json");
    eventually(SOON_SECS, || async {
        let buy = customer.post("/api/v1/ws-tickets", &json!({})).await;
        if buy.status == 201 { Ok(()) } else { Err(buy.text()) }
    })
    .await;
    system.finish().await;
}
