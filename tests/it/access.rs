//! Who may do what: every route of orders and payments against every kind of person.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, TestSystem, return_url, scenario_dish};

/// Everybody who may knock, in the order of the columns below.
fn everybody(system: &TestSystem) -> [(&'static str, Client); 7] {
    [
        ("nobody", system.nobody()),
        ("the customer", system.customer()),
        ("another customer", system.other_customer()),
        ("the cook", system.producer()),
        ("another cook", system.other_producer()),
        ("an administrator", system.admin()),
        ("an analyst", system.analyst()),
    ]
}

/// What each of them is answered. 0: allowed, whatever the rules of the business say then.
type Answers = [u16; 7];

const CUSTOMERS: Answers = [401, 0, 404, 403, 403, 403, 403];
const COOKS: Answers = [401, 403, 403, 0, 404, 403, 403];
const ADMINS: Answers = [401, 403, 403, 403, 403, 0, 403];
/// `complete` takes customers and administrators.
const CUSTOMERS_AND_ADMINS: Answers = [401, 0, 404, 403, 403, 0, 403];
/// `cancel` takes all three sides.
const EVERY_SIDE: Answers = [401, 0, 404, 0, 404, 0, 403];
/// What parties see; to others it does not exist.
const PARTIES: Answers = [401, 0, 404, 0, 404, 0, 404];

/// Commands, with a body that is in order.
fn commands(order: Uuid, payment: Uuid) -> Vec<(String, Value, Answers)> {
    let on_order = |act: &str| format!("/api/v1/orders/{order}/{act}");
    let eta = json!({ "eta_minutes": 20 });
    let refund = json!({ "amount": { "amount": "1.00", "currency": "RUB" } });
    vec![
        (on_order("payments"), return_url(), CUSTOMERS),
        (on_order("rating"), json!({ "rating": 5 }), CUSTOMERS),
        (on_order("complete"), json!({}), CUSTOMERS_AND_ADMINS),
        (on_order("accept"), eta.clone(), COOKS),
        (on_order("eta"), eta, COOKS),
        (on_order("start-preparation"), json!({}), COOKS),
        (on_order("ready"), json!({}), COOKS),
        (on_order("dispatch"), json!({}), COOKS),
        (on_order("deliver"), json!({}), COOKS),
        (on_order("reject"), json!({ "reason_code": "OTHER" }), COOKS),
        (on_order("refunds"), refund, ADMINS),
        (format!("/api/v1/payments/{payment}/sync"), json!({}), ADMINS),
        (on_order("cancel"), json!({}), EVERY_SIDE),
    ]
}

fn check(who: &str, what: &str, answer: u16, wanted: u16) {
    match wanted {
        0 => assert!(!matches!(answer, 401 | 403 | 404) && answer < 500, "{who}: {what} is {answer}"),
        wanted => assert_eq!(answer, wanted, "{who}: {what}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_taken_from_those_they_belong_to() {
    let system = TestSystem::start().await;
    let people = everybody(&system);
    let unpaid = system.customer().place(scenario_dish(0), 1).await;
    let (paid, payment) = system.paid_order(scenario_dish(0), 1).await;
    for order in [unpaid, paid] {
        for (path, body, answers) in commands(order, payment) {
            // Strangers first: what they are refused must not have happened already.
            let mut columns: Vec<_> = people.iter().zip(answers).collect();
            columns.sort_by_key(|(_, wanted)| *wanted == 0);
            for ((who, client), wanted) in columns {
                let before = system.head().await;
                let request = client.request(reqwest::Method::POST, &path).json(&body);
                let request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
                let answer =
                    client.send(if path.ends_with("refunds") { request.header("If-Match", "*") } else { request });
                let answer = answer.await;
                check(who, &path, answer.status, wanted);
                if wanted != 0 {
                    answer.expect_problem(wanted, code_of(wanted));
                    assert!(system.order_events(order).await.len() as u64 <= before);
                }
            }
        }
    }
    system.finish().await;
}

fn code_of(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_and_payments_are_shown_to_their_parties() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    system.come_to_rest(&Default::default()).await;
    let paths = [
        format!("/api/v1/orders/{order}"),
        format!("/api/v1/orders/{order}/history"),
        format!("/api/v1/orders/{order}/refunds"),
        format!("/api/v1/payments/{payment}"),
    ];
    for path in &paths {
        for ((who, client), wanted) in everybody(&system).iter().zip(PARTIES) {
            check(who, path, client.get(path).await.status, wanted);
        }
    }
    for ((who, client), wanted) in everybody(&system).iter().zip([401, 1, 0, 1, 0, 1, 403]) {
        let answer = client.get("/api/v1/orders").await;
        match wanted {
            401 | 403 => drop(answer.expect_problem(wanted, code_of(wanted))),
            count => assert_eq!(answer.expect(200).data().as_array().map(Vec::len), Some(count.into()), "{who}"),
        }
    }
    for path in ["/api/v1/dishes", "/api/v1/producers", "/api/v1/categories"] {
        for (_, client) in everybody(&system) {
            client.get(path).await.expect(200);
        }
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cook_sees_whom_the_meal_is_for_only_while_that_is_needed() {
    let system = TestSystem::start().await;
    let unpaid = system.customer().place(scenario_dish(0), 1).await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    system.come_to_rest(&Default::default()).await;
    let contact = |client: Client, order: Uuid| async move { client.order(order).await.data()["contact"].clone() };
    assert_eq!(contact(system.customer(), unpaid).await["phone"], "+79990000001");
    assert_eq!(contact(system.producer(), unpaid).await, Value::Null);
    assert_eq!(contact(system.producer(), order).await["phone"], "+79990000001");
    assert_eq!(contact(system.admin(), order).await["user_name"], "Anna");
    system.deliver(order).await;
    system.come_to_rest(&Default::default()).await;
    assert_eq!(contact(system.producer(), order).await["phone"], "+79990000001");
    system.advance(chrono::TimeDelta::hours(25));
    system.come_to_rest(&Default::default()).await;
    assert_eq!(contact(system.producer(), order).await, Value::Null);
    assert_eq!(contact(system.customer(), order).await["phone"], "+79990000001");
    let seen = system.producer().payment(payment).await.data();
    let fields: Vec<&String> = seen.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["amount", "order_id", "payment_id", "status"]);
    system.finish().await;
}
