//! Two thousand sockets on one instance, most of which drop and come back: each hears its user's whole feed once, in
//! order.

use futures::{StreamExt, future::join_all, stream};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, Socket, TestSystem, id_of, ids, scenario_dish, wish};

const USERS: usize = 400;
/// A quarter of what one user may have: the end of a dropped one may be noticed after its successors have come.
const SOCKETS_PER_USER: usize = 5;
const ORDERS_PER_USER: usize = 2;
/// Users who order at the same time.
const AT_ONCE: usize = 32;
/// How often a socket may be told to come back.
const TRIES_MAX: usize = 1_000;
/// An order that is called off tells its customer twice.
const ENTRIES: i64 = 2 * ORDERS_PER_USER as i64;

/// Both ends of every socket are in this process.
fn allow_many_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let allowed = limit.current.unwrap_or(u64::MAX);
    assert!(allowed > 2 * (USERS * SOCKETS_PER_USER) as u64 + 500, "{allowed} open files are too few");
}

/// Where a socket is dropped: any number of times, at any entries.
fn drops(of: usize) -> impl Iterator<Item = i64> {
    let pattern = (of as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (0..ENTRIES).filter(move |entry| pattern >> entry & 1 == 1).take(3)
}

/// Hears the entries up to `last` over one socket; an overtaxed server may close it before.
async fn hear(customer: &Client, last: i64, heard: &mut Vec<Value>) -> Result<(), u16> {
    let mut socket = Socket::try_open(customer).await?;
    socket.resume(heard.len() as i64).await;
    while (heard.len() as i64) < last {
        let message = socket.next_or_closed().await?;
        if message["id"] == heard.len() + 1 {
            heard.push(message);
        }
    }
    Ok(())
}

async fn hear_everything(customer: &Client, number: usize) {
    let mut heard = Vec::new();
    for last in drops(number).chain([ENTRIES]) {
        // "Something went wrong; connect again and resume": two thousand at once on a busy machine may hear that.
        let mut tries = 0;
        while let Err(code) = hear(customer, last, &mut heard).await {
            tries += 1;
            assert!(code == 1011 && tries < TRIES_MAX, "socket {number} was closed with {code}");
        }
    }
    assert_eq!(ids(&heard), (1..=ENTRIES).collect::<Vec<_>>(), "socket {number}");
}

/// Two entries for each order; a service that is overtaxed is asked again, under the same key.
async fn call_orders_off(customer: &Client) {
    for _ in 0..ORDERS_PER_USER {
        let key = Uuid::now_v7().to_string();
        let placed = customer.post_answered("/api/v1/orders", &wish(scenario_dish(0), 1), &key).await.expect(201);
        let path = format!("/api/v1/orders/{}/cancel", id_of(&placed.data()["id"]));
        customer.post_answered(&path, &json!({}), &key).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sockets_that_come_and_go_all_hear_everything_once() {
    allow_many_open_files();
    let system = TestSystem::start().await;
    let customers: Vec<Client> = (0..USERS).map(|_| system.new_customer()).collect();
    let sockets = (0..USERS * SOCKETS_PER_USER).map(|number| hear_everything(&customers[number % USERS], number));
    let orders = stream::iter(customers.iter().map(call_orders_off)).buffer_unordered(AT_ONCE).collect::<()>();
    tokio::join!(join_all(sockets), orders);
    system.finish().await;
}
