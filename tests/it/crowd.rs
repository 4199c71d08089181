//! Two thousand sockets on one instance, most of which drop and come back: each hears its user's whole feed once, in
//! order.

use futures::future::join_all;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;

use crate::harness::{Client, Socket, TestSystem, ids, scenario_dish};

const USERS: usize = 400;
/// A quarter of what one user may have: the end of a dropped one may be noticed after its successors have come.
const SOCKETS_PER_USER: usize = 5;
const ORDERS_PER_USER: usize = 2;
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
            assert!(code == 1011 && tries < 20, "socket {number} was closed with {code}");
        }
    }
    assert_eq!(ids(&heard), (1..=ENTRIES).collect::<Vec<_>>(), "socket {number}");
}

async fn call_orders_off(customer: &Client) {
    for _ in 0..ORDERS_PER_USER {
        let order = customer.place(scenario_dish(0), 1).await;
        customer.act(order, "cancel").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sockets_that_come_and_go_all_hear_everything_once() {
    allow_many_open_files();
    let system = TestSystem::start().await;
    let crowd = join_all((0..USERS).map(|user| {
        let customer = system.new_customer();
        async move {
            let numbers = (0..SOCKETS_PER_USER).map(|socket| user * SOCKETS_PER_USER + socket);
            let sockets = join_all(numbers.map(|number| hear_everything(&customer, number)));
            tokio::join!(sockets, call_orders_off(&customer));
        }
    }));
    crowd.await;
    system.finish().await;
}
