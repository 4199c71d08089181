//! A command is done once, and everybody who sent it gets the same answer.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::future::join_all;

use crate::harness::{Answer, Client, SOON_SECS, TestSystem, eventually, return_url, scenario_dish, wish};

const DUPLICATES: usize = 1_000;

/// Sends one command so often at once, and those again that the service is too busy for. Also how often it was.
async fn insist_at_once(client: &Client, path: &str, body: &serde_json::Value) -> (Vec<Answer>, usize) {
    let put_off = AtomicUsize::new(0);
    let insisting = (0..DUPLICATES).map(|_| {
        eventually(SOON_SECS, || async {
            let answer = client.post_once(path, body, "the-same").await;
            if answer.status != 503 {
                return Ok(answer);
            }
            put_off.fetch_add(1, Ordering::Relaxed);
            Err(answer.text())
        })
    });
    (join_all(insisting).await, put_off.load(Ordering::Relaxed))
}

/// Every answer is the same, byte for byte, but for who was first.
async fn send_at_once(client: &Client, path: &str, body: &serde_json::Value, status: u16) -> Answer {
    let (answers, put_off) = insist_at_once(client, path, body).await;
    let mut kinds = HashMap::<_, usize>::new();
    for answer in &answers {
        *kinds.entry((answer.status, answer.text(), answer.header("etag").to_owned(), answer.token())).or_default() +=
            1;
    }
    assert_eq!(kinds.len(), 1, "answers that differ: {:#?}", kinds.iter().take(3).collect::<Vec<_>>());
    assert_eq!(answers[0].status, status);
    let first = answers.iter().filter(|answer| answer.header("idempotent-replayed") != "true").count();
    assert!(first <= 1, "{first} are the first; the others are told that they are replays");
    assert!(first == 1 || put_off > 0, "nobody is the first, and nobody was put off");
    answers.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_duplicates_place_one_order() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let answer = send_at_once(&customer, "/api/v1/orders", &wish(scenario_dish(0), 1), 201).await;
    assert_eq!(system.head().await, 1);
    let late = customer.post_once("/api/v1/orders", &wish(scenario_dish(0), 1), "\"the-same\"").await;
    assert_eq!((late.status, late.body), (answer.status, answer.body), "also later, and under the quoted key");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_duplicates_open_one_page_to_pay_on() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    send_at_once(&customer, &format!("/api/v1/orders/{order}/payments"), &return_url(), 201).await;
    assert_eq!(system.order_events(order).await, ["order_created", "order_payment_requested"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_duplicates_of_a_refused_command_get_one_refusal() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    customer.act(order, "cancel").await.expect(200);
    let path = format!("/api/v1/orders/{order}/payments");
    let body = return_url();
    let (answers, _) = insist_at_once(&customer, &path, &body).await;
    let bodies: std::collections::HashSet<_> = answers.iter().map(|answer| (answer.status, answer.text())).collect();
    assert_eq!(bodies.len(), 1, "answers that differ: {:#?}", bodies.iter().take(3).collect::<Vec<_>>());
    answers.into_iter().next().unwrap().expect_rule("order_not_payable");
    system.finish().await;
}
