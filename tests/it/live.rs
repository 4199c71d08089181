//! The live feed: what happens reaches the sockets, in order, and nothing is lost with a connection.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, Parts, Socket, TestSystem, ids, scenario_dish};

/// Two entries for the customer each: the order moved on, and a note for the person.
async fn call_orders_off(customer: &Client, orders: usize) {
    let called_off = stream::iter(0..orders).for_each_concurrent(8, |_| async {
        let order = customer.place(scenario_dish(0), 1).await;
        customer.act(order, "cancel").await.expect(200);
    });
    called_off.await;
}

/// Orders move forward only.
fn assert_in_order(entries: &[Value]) {
    let mut versions = HashMap::<String, u64>::new();
    for entry in entries.iter().filter(|entry| entry["type"] == "order_status_update") {
        let version = entry["data"]["version"].as_u64().unwrap();
        let before = versions.insert(entry["data"]["order_id"].to_string(), version);
        assert!(before.is_none_or(|before| before < version), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_parties_hear_of_a_payment() {
    let system = TestSystem::start().await;
    let mut customer = Socket::open(&system.customer()).await;
    let mut producer = Socket::open(&system.producer()).await;
    customer.say(json!({ "type": "ping" })).await;
    assert_eq!(customer.next().await["type"], "pong");
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    for socket in [&mut customer, &mut producer] {
        let update = socket.next().await;
        assert_eq!((&update["type"], &update["id"]), (&json!("order_status_update"), &json!(1)));
        assert_eq!(update["data"]["order_id"], json!(order));
        assert_eq!((&update["data"]["status"], &update["data"]["version"]), (&json!("PAID"), &json!(3)));
        assert_eq!(update["data"]["previous_status"], "WAITING_FOR_PAYMENT");
    }
    let note = producer.next().await;
    assert_eq!((&note["type"], &note["data"]["kind"]), (&json!("notification"), &json!("new_order")));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_socket_resumes_after_five_hundred_events_without_loss() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let mut socket = Socket::open(&customer).await;
    assert_eq!(socket.head_id, 0);
    call_orders_off(&customer, 10).await;
    let mut heard = socket.entries_until(5).await;
    drop(socket);
    call_orders_off(&customer, 240).await;
    let mut socket = Socket::open(&customer).await;
    socket.resume(5).await;
    // More happens while the rest is replayed.
    tokio::join!(socket.take_up_to(520, &mut heard), call_orders_off(&customer, 10));
    assert_eq!(ids(&heard), (1..=520).collect::<Vec<_>>(), "all, in order, none twice");
    assert_in_order(&heard);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_understood_is_said_so_until_it_is_too_much() {
    let system = TestSystem::start().await;
    let mut socket = Socket::open(&system.customer()).await;
    socket.say(json!({ "type": "dance" })).await;
    assert_eq!(socket.next().await["code"], "UNKNOWN_MESSAGE_TYPE");
    for _ in 0..8 {
        socket.say(json!(7)).await;
        assert_eq!(socket.next().await["code"], "INVALID_JSON");
    }
    socket.say(json!([])).await;
    assert_eq!(socket.closed_with().await, 4400);
    let mut stranger = Socket::open_as_stranger(&system.nobody()).await;
    assert_eq!(stranger.closed_with().await, 4401);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_on_any_instance_hear_everything() {
    let parts = [Parts::WRITE, Parts::WRITE, Parts::READ, Parts::READ];
    let system = TestSystem::builder().instances(&parts).start().await;
    let urls: Vec<String> = system.instances.iter().map(|instance| instance.url.clone()).collect();
    let customers = [&urls[0], &urls[1]].map(|url| system.customer().at(url));
    let mut sockets = Vec::new();
    for url in &urls[2..] {
        sockets.push(Socket::open(&system.customer().at(url)).await);
    }
    tokio::join!(call_orders_off(&customers[0], 40), call_orders_off(&customers[1], 40));
    for socket in &mut sockets {
        let entries = socket.entries_until(160).await;
        assert_eq!(ids(&entries), (1..=160).collect::<Vec<_>>());
        assert_in_order(&entries);
    }
    drop(sockets);
    let folding: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT owner FROM projection_checkpoints").fetch_all(&system.db).await.unwrap();
    assert!(!folding.is_empty());
    system.finish().await;
}
