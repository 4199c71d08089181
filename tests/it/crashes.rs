//! `kill -9`, at any moment: what was acknowledged is there once, and everything converges.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::future::join_all;
use shared::{domain::order::OrderStatus, log::Position};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::harness::{
    Client, Parts, SOON_SECS, ServiceProcess, TestSystem, eventually, id_of, return_url, scenario_dish, wish,
};

/// Writers that go on whatever happens.
const WRITERS: usize = 8;
/// How often the process is killed.
const KILLS: u64 = 4;

/// What was acknowledged: the order, the position that its answer stands for, and the answer.
#[derive(Debug)]
struct Acknowledged {
    order: Uuid,
    key: String,
    body: Vec<u8>,
}

/// Places, pays and calls orders off until told to stop; keeps what it was told.
async fn write(client: &Mutex<Client>, stop: &AtomicBool, kept: &Mutex<Vec<Acknowledged>>) {
    while !stop.load(Ordering::Relaxed) {
        let client = client.lock().await.clone();
        let key = Uuid::now_v7().to_string();
        let request = client.request(reqwest::Method::POST, "/api/v1/orders").header("Idempotency-Key", &key);
        let Ok(answer) = client.try_send(request.json(&wish(scenario_dish(0), 1))).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        if answer.status != 201 {
            continue;
        }
        let order = id_of(&answer.data()["id"]);
        kept.lock().await.push(Acknowledged { order, key, body: answer.body });
        let path = format!("/api/v1/orders/{order}/payments");
        let pay = client.request(reqwest::Method::POST, &path).header("Idempotency-Key", "pay");
        let Ok(paid) = client.try_send(pay.json(&return_url())).await else { continue };
        if paid.status == 201 {
            let payment = id_of(&paid.data()["payment_id"]);
            let path = format!("/api/v1/dev/fake/{payment}/complete");
            let _ = client.try_send(client.request(reqwest::Method::POST, &path)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_kill_nine_in_the_middle_of_load() {
    let mut system = TestSystem::builder().instances(&[Parts::READ]).start().await;
    let (stop, kept) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut process = ServiceProcess::start(&system).await;
    let client = Mutex::new(system.customer().at(&process.url));
    let mut survived: Vec<Position> = Vec::new();
    let murder = async {
        for round in 1..=KILLS {
            let before = system.head().await;
            let enough = before + 20 * round + u64::from(Uuid::new_v4().as_bytes()[0]) / 4;
            eventually(SOON_SECS, || async {
                let head = system.head().await;
                if head >= enough { Ok(()) } else { Err(format!("the log is at {head}, not {enough}")) }
            })
            .await;
            process.kill().await;
            survived.push(system.head().await);
            process = ServiceProcess::start(&system).await;
            *client.lock().await = system.customer().at(&process.url);
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(murder, join_all((0..WRITERS).map(|_| write(&client, &stop, &kept))));

    let client = client.into_inner();
    let events = system.events().await;
    let placed: HashSet<Uuid> =
        events.iter().filter(|event| event.event_type == "order_created").map(|event| event.aggregate_id).collect();
    let kept = kept.into_inner();
    assert!(!kept.is_empty() && survived.is_sorted());
    for Acknowledged { order, key, body } in &kept {
        assert!(placed.contains(order), "order {order} was acknowledged and is not in the log");
        let again = client.post_once("/api/v1/orders", &wish(scenario_dish(0), 1), key).await;
        assert_eq!((again.status, &again.body), (201, body), "the same answer after the crash");
    }
    drop(process);
    system.add_instance(Parts::ALL).await;
    ask_about_payments(&system).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_of_two_processes_is_killed_the_other_goes_on() {
    let mut system = TestSystem::builder().instances(&[Parts::READ]).start().await;
    let (stop, kept) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut doomed = ServiceProcess::start(&system).await;
    let survivor = ServiceProcess::start(&system).await;
    let clients = [&doomed.url, &survivor.url].map(|url| Mutex::new(system.customer().at(url)));
    let grown = |by: u64| {
        let system = &system;
        async move {
            let enough = system.head().await + by;
            eventually(SOON_SECS, || async {
                (system.head().await >= enough).then_some(()).ok_or("the log does not grow")
            })
            .await;
        }
    };
    let murder = async {
        grown(200).await;
        doomed.kill().await;
        *clients[0].lock().await = system.customer().at(&survivor.url);
        // Nobody waits for the dead: what it led is led by the other one.
        grown(200).await;
        stop.store(true, Ordering::Relaxed);
    };
    let writers = (0..WRITERS).map(|n| write(&clients[n % 2], &stop, &kept));
    tokio::join!(murder, join_all(writers));
    let events = system.events().await;
    let placed: HashSet<Uuid> = events.iter().map(|event| event.aggregate_id).collect();
    let lost = kept.into_inner().into_iter().filter(|kept| !placed.contains(&kept.order)).count();
    assert_eq!(lost, 0, "orders that were acknowledged and are not in the log");
    drop(survivor);
    system.add_instance(Parts::ALL).await;
    ask_about_payments(&system).await;
    system.finish().await;
}

/// A notification that the process's death swallowed does not come again: an administrator asks the bank.
async fn ask_about_payments(system: &TestSystem) {
    let admin = system.admin().at(&system.instances.last().unwrap().url);
    let open = "
        SELECT payment_id FROM dev_fake_payments
        WHERE account->'pages'->-1->>'word' = 'Confirmed' AND NOT EXISTS (
            SELECT FROM events WHERE aggregate_type = 'payment' AND aggregate_id = payment_id::text
            AND event_type = 'payment_succeeded')";
    let open: Vec<Uuid> = sqlx::query_scalar(open).fetch_all(&system.db).await.unwrap();
    for payment in open {
        admin.post(&format!("/api/v1/payments/{payment}/sync"), &serde_json::json!({})).await.expect(202);
    }
}

/// What a dead process had asked of its bank's books dies with it, too, and not only what already waited for the lock.
async fn the_banks_connections_end(system: &TestSystem) {
    let backends = "
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'dev-fake-bank'";
    eventually(SOON_SECS, || async {
        let left: Vec<bool> = sqlx::query_scalar(backends).fetch_all(&system.db).await.unwrap();
        if left.is_empty() { Ok(()) } else { Err(format!("{} connections are left", left.len())) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_attempt_and_its_page_ends_with_one_page() {
    let mut system = TestSystem::builder().instances(&[Parts::READ]).start().await;
    let mut process = ServiceProcess::start(&system).await;
    let customer = system.customer().at(&process.url);
    let order = customer.place(scenario_dish(0), 1).await;
    // The bank cannot write its books, so it does not answer.
    let mut bank = system.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE dev_fake_payments").execute(&mut *bank).await.unwrap();
    let asking = tokio::spawn(async move { customer.ask_to_pay(order).await.status });
    let payment = eventually(SOON_SECS, || async {
        let events = system.events().await;
        let initiated = events.iter().find(|event| event.event_type == "payment_initiated");
        initiated.map(|event| event.aggregate_id).ok_or("nothing was initiated")
    })
    .await;
    process.kill().await;
    assert!(asking.await.is_err(), "nobody answers any more");
    the_banks_connections_end(&system).await;
    bank.rollback().await.unwrap();
    let url = system.add_instance(Parts::ALL).await;
    system.payment_gets(payment, "payment_session_opened").await;
    let customer = system.customer().at(&url);
    customer.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}
