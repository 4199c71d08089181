//! What could not be told is told once, in order, when an operator has it tried again.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    harness::{Leftovers, Parts, ServiceProcess, Socket, TestSystem, eventually, id_of, ids, scenario_dish},
    operators::{begin, ends},
};

/// Status and retries of the feed's letters, in order of the log.
async fn letters(db: &PgPool) -> Vec<(String, i32)> {
    let letters = "SELECT status, retry_count FROM dead_letters WHERE queue_name = 'feed' ORDER BY position";
    sqlx::query_as(letters).fetch_all(db).await.unwrap()
}

async fn letters_become(db: &PgPool, wanted: &[(&str, i32)]) {
    let wanted: Vec<(String, i32)> = wanted.iter().map(|(status, retries)| ((*status).to_owned(), *retries)).collect();
    eventually(20, || async {
        let found = letters(db).await;
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// What every user was told of an order: whom, of which event of it, by which id.
async fn told(db: &PgPool, order: Uuid) -> Vec<(Uuid, i64, i64)> {
    let told = "SELECT f.user_id, e.sequence, f.id FROM feed_entries f JOIN events e ON e.position = f.position
                WHERE e.aggregate_id = $1 ORDER BY f.user_id, f.id";
    sqlx::query_as(told).bind(order.to_string()).fetch_all(db).await.unwrap()
}

async fn head(db: &PgPool, user: Uuid) -> i64 {
    let head = sqlx::query_scalar("SELECT head FROM feed_heads WHERE user_id = $1");
    head.bind(user).fetch_optional(db).await.unwrap().unwrap_or(0)
}

fn status(entry: &Value) -> &str {
    entry["data"]["status"].as_str().unwrap_or_else(|| entry["data"]["kind"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s60_a_notification_that_fails_three_times_is_parked_and_told_once_in_order_when_it_is_mended() {
    let system = TestSystem::builder().read_side(|settings| settings.retry_base_ms = 10).start().await;
    let (db, failpoints) = (&system.db, system.instances[0].failpoints.clone());
    let (customer, cook, admin) = (system.customer(), system.producer(), system.admin());
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.come_to_rest(&Leftovers::default()).await;
    let before = told(db, order).await;
    let known = head(db, system.people.customer.user_id).await;
    let mut socket = Socket::open(&customer).await;

    // It fails, at short intervals and then three times at long ones, and is parked; the later ones wait behind it.
    failpoints.set_fold("feed", order);
    for act in ["accept", "start-preparation", "ready"] {
        cook.act(order, act).await.expect(200);
    }
    for (retries, wait_secs) in [(2, 60), (3, 120), (4, 240)] {
        letters_become(db, &[("PENDING", retries), ("BLOCKED", 0), ("BLOCKED", 0)]).await;
        system.advance(TimeDelta::seconds(wait_secs));
    }
    letters_become(db, &[("PARKED", 5), ("BLOCKED", 0), ("BLOCKED", 0)]).await;
    let (other, _) = system.paid_order(scenario_dish(0), 1).await;
    system.order_reaches(other, OrderStatus::Paid).await;
    system.come_to_rest(&Leftovers { letters: true, ..Leftovers::default() }).await;
    assert_eq!(told(db, order).await, before, "nobody was told");
    assert!(!told(db, other).await.is_empty(), "others are");

    // The cause is mended, and an operator has it tried again: the queue is told, once and in order.
    failpoints.clear_fold("feed", order);
    let parked = admin.get("/api/v1/admin/dlq?queue=feed&status=PARKED").await.expect(200).data();
    let retry = format!("/api/v1/admin/dlq/{}/retry", id_of(&parked[0]["id"]));
    let ended = ends(&admin, &begin(&admin, &retry, json!({"reason": "mended"})).await).await;
    assert_eq!(ended["result"], json!({"selected": 1, "redriven": 1, "failed": 0, "skipped": 0}), "{ended}");
    letters_become(db, &[("REDRIVEN", 5), ("REDRIVEN", 0), ("REDRIVEN", 0)]).await;
    let after = told(db, order).await;
    let user = system.people.customer.user_id;
    let new: Vec<(Uuid, i64, i64)> = after.iter().filter(|entry| !before.contains(entry)).copied().collect();
    let versions = |of: &dyn Fn(Uuid) -> bool| new.iter().filter(|it| of(it.0)).map(|it| it.1).collect::<Vec<_>>();
    let of_customer = versions(&|id| id == user);
    let first = of_customer[0];
    assert_eq!(of_customer, [first, first + 1, first + 2, first + 2], "accepted, begun, ready, and word of that");
    assert_eq!(versions(&|id| id != user), [first, first + 1, first + 2]);
    let last = head(db, user).await;
    let heard = socket.entries_until(last).await;
    assert_eq!(ids(&heard), (known + 1..=last).collect::<Vec<_>>(), "the socket has heard everything once");
    let heard: Vec<&str> =
        heard.iter().filter(|entry| entry["data"]["order_id"] == order.to_string()).map(status).collect();
    assert_eq!(heard, ["ACCEPTED", "PREPARING", "READY", "order_ready"]);

    // Whatever is redriven a second time tells nobody anything.
    admin.post(&retry, &json!({"reason": "again"})).await.expect_rule("letter_not_open");
    let all = json!({"filter": {"queue": "feed"}, "reason": "again"});
    admin.post("/api/v1/admin/dlq/redrive", &all).await.expect_rule("nothing_selected");
    system.come_to_rest(&Leftovers::default()).await;
    assert_eq!((told(db, order).await, head(db, user).await), (after, last));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_of_the_feed_goes_on_in_another_process_after_kill_nine_and_tells_nobody_twice() {
    let park_at_once = |settings: &mut projection_service::settings::ReadSideSettings| {
        (settings.retry_attempts, settings.dlq_retries) = (1, 0);
    };
    let mut system = TestSystem::builder().instances(&[Parts::READ]).read_side(park_at_once).start().await;
    let mut doomed = ServiceProcess::start(&system).await;
    let (customer, admin) = (system.customer().at(&doomed.url), system.admin().at(&doomed.url));
    let failpoints = system.instances[0].failpoints.clone();
    let mut orders = Vec::new();
    for _ in 0..60 {
        orders.push(customer.place(scenario_dish(0), 1).await);
    }
    let letters_open = Leftovers { letters: true, ..Leftovers::default() };
    system.come_to_rest(&letters_open).await;
    for order in &orders {
        failpoints.set_fold("feed", *order);
        customer.act(*order, "cancel").await.expect(200);
    }
    system.come_to_rest(&letters_open).await;
    assert_eq!(letters(&system.db).await, vec![("PARKED".to_owned(), 0); 60]);
    let user = system.people.customer.user_id;
    assert_eq!(head(&system.db, user).await, 0);
    // The doomed one folds without a fault, and is killed in the middle of the redrive.
    system.instances.remove(0).stop().await.unwrap();
    let redrive = json!({"filter": {"queue": "feed"}, "rate_per_s": 10, "reason": "mended"});
    let operation = begin(&admin, "/api/v1/admin/dlq/redrive", redrive).await;
    eventually(30, || async {
        let found = admin.get(&operation).await.expect(200).data();
        if found["progress"]["done"].as_u64() >= Some(10) { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    doomed.kill().await;
    let half = letters(&system.db).await.iter().filter(|(status, _)| status == "REDRIVEN").count();
    assert!((10..60).contains(&half), "{half} were taken before the kill");
    let url = system.add_instance(Parts::ALL).await;
    let admin = admin.at(&url);
    let ended = ends(&admin, &operation).await;
    assert_eq!(ended["result"], json!({"selected": 60, "redriven": 60, "failed": 0, "skipped": 0}), "{ended}");
    // Each customer's cancellation is told as an update and as a word, by consecutive ids.
    for order in orders {
        let told: Vec<(Uuid, i64)> = told(&system.db, order).await.into_iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(told, [(user, 2), (user, 2)]);
    }
    assert_eq!(head(&system.db, user).await, 120);
    system.finish().await;
}
