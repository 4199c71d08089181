//! A poisoned event stops one aggregate in one projection, and nothing else; and everything is made up for.

use chrono::TimeDelta;
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Leftovers, SOON_SECS, TestSystem, eventually, scenario_dish, wish};

/// Type, status, retries, and whether the next one has a date.
type Letter = (String, String, i32, bool);

fn letter(message_type: &str, status: &str, retry_count: i32, dated: bool) -> Letter {
    (message_type.to_owned(), status.to_owned(), retry_count, dated)
}

/// Waits until the letters of an order in the projection of orders are these.
async fn letters_become(db: &PgPool, order: Uuid, wanted: &[Letter]) {
    eventually(SOON_SECS, || async move {
        let found: Vec<Letter> = sqlx::query_as(
            "
            SELECT message_type, status, retry_count, next_retry_at IS NOT NULL AS dated
            FROM dead_letters
            WHERE queue_name = 'orders' AND aggregate_id = $1
            ORDER BY position
            ",
        )
        .bind(order)
        .fetch_all(db)
        .await
        .unwrap();
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

async fn system_that_retries_fast() -> TestSystem {
    TestSystem::builder().read_side(|settings| settings.retry_base_ms = 10).start().await
}

fn open_letters() -> Leftovers {
    Leftovers { letters: true, ..Leftovers::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_that_fails_all_retries_is_parked_with_an_exact_count_and_can_be_tried_again() {
    let system = system_that_retries_fast().await;
    let (customer, failpoints) = (system.customer(), system.instances[0].failpoints.clone());
    let order = customer.place(scenario_dish(0), 1).await;
    system.come_to_rest(&Leftovers::default()).await;
    failpoints.set_fold("orders", order);
    customer.act(order, "cancel").await.expect(200);
    // Two more tries at once, and then three at long intervals.
    for (retries, wait) in [(2, 60), (3, 120), (4, 240)] {
        letters_become(&system.db, order, &[letter("order_cancelled", "PENDING", retries, true)]).await;
        system.advance(TimeDelta::seconds(wait));
    }
    letters_become(&system.db, order, &[letter("order_cancelled", "PARKED", 5, false)]).await;
    let unwell = eventually(SOON_SECS, || async {
        let health = system.nobody().get("/health/").await.expect(200).json();
        let says_why = health.to_string().contains("parked, waiting for a person: orders: 1");
        if health["status"] == "degraded" && says_why { Ok(()) } else { Err(health.to_string()) }
    });
    unwell.await;
    // Everybody else goes on, also this order elsewhere.
    let other = customer.place(scenario_dish(0), 1).await;
    system.audit_with(&open_letters()).await;
    assert_eq!(customer.order(other).await.expect(200).data()["status"], "WAITING_FOR_PAYMENT");
    assert_eq!(customer.order(order).await.expect(200).data()["status"], "WAITING_FOR_PAYMENT");
    let told = "SELECT count(*) FROM feed_entries WHERE user_id = $1";
    let told = sqlx::query_scalar::<_, i64>(told).bind(system.people.customer.user_id);
    assert_eq!(told.fetch_one(&system.db).await.unwrap(), 2);
    // A person mends the cause and has it tried again.
    failpoints.clear_fold("orders", order);
    sqlx::query("UPDATE dead_letters SET status = 'PENDING', next_retry_at = now() WHERE aggregate_id = $1")
        .bind(order)
        .execute(&system.db)
        .await
        .unwrap();
    letters_become(&system.db, order, &[letter("order_cancelled", "REDRIVEN", 5, false)]).await;
    assert_eq!(customer.order(order).await.data()["status"], "CANCELLED");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_view_set_aside_is_not_passed_off_as_fresh() {
    let system = system_that_retries_fast().await;
    let failpoints = system.instances[0].failpoints.clone();
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    let (customer, cook) = (system.customer(), system.producer());
    failpoints.set_fold("orders", order);
    let token = cook.act(order, "accept").await.expect(200).token();
    letters_become(&system.db, order, &[letter("order_accepted", "PENDING", 2, true)]).await;
    let (one, list) = (format!("/api/v1/orders/{order}"), "/api/v1/orders?status=PAID");
    for (client, path) in [(&customer, one.as_str()), (&cook, one.as_str()), (&cook, list)] {
        client.after_once(path, &token).await.expect_problem(503, "PROJECTION_LAG");
        client.get(path).await.expect(200);
    }
    let stale = customer.after(&format!("{one}?allow_stale=true"), &token).await.expect(200);
    assert_eq!(stale.data()["status"], "PAID");
    // What came later and is about something else says nothing of this order, but asking for this order does.
    let other = customer.post("/api/v1/orders", &wish(scenario_dish(0), 1)).await.expect(201).token();
    customer.after("/api/v1/orders", &other).await.expect(200);
    customer.after_once(&one, &other).await.expect_problem(503, "PROJECTION_LAG");
    failpoints.clear_fold("orders", order);
    system.advance(TimeDelta::seconds(60));
    letters_become(&system.db, order, &[letter("order_accepted", "REDRIVEN", 2, false)]).await;
    assert_eq!(customer.after(&one, &token).await.expect(200).data()["status"], "ACCEPTED");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_succeeds_takes_what_waited_behind_it() {
    let system = system_that_retries_fast().await;
    let failpoints = system.instances[0].failpoints.clone();
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    failpoints.set_fold("orders", order);
    system.producer().act(order, "accept").await.expect(200);
    system.producer().act(order, "start-preparation").await.expect(200);
    let waiting =
        [letter("order_accepted", "PENDING", 2, true), letter("order_preparation_started", "BLOCKED", 0, false)];
    letters_become(&system.db, order, &waiting).await;
    failpoints.clear_fold("orders", order);
    system.advance(TimeDelta::seconds(60));
    let done =
        [letter("order_accepted", "REDRIVEN", 2, false), letter("order_preparation_started", "REDRIVEN", 0, false)];
    letters_become(&system.db, order, &done).await;
    system.finish().await;
}
