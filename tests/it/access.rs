//! Who may do what: every route of orders and payments against every kind of person.

use serde_json::{Value, json};
use shared::domain::{DisputeId, OrderId};
use uuid::Uuid;

use crate::harness::{Client, TestSystem, complaint, return_url, scenario_dish};

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
        (format!("/api/v1/payments/{payment}/chargebacks"), registry("C"), ADMINS),
        (format!("/api/v1/payments/{payment}/external-refunds"), registry("R"), ADMINS),
        (format!("/api/v1/payments/{payment}/integrity-resolution"), json!({ "decision": "REFUND_ALL" }), ADMINS),
        (on_order("cancel"), json!({}), EVERY_SIDE),
    ]
}

fn registry(registry_ref: &str) -> Value {
    json!({ "amount": { "amount": "0.00", "currency": "RUB" }, "registry_ref": registry_ref })
}

/// What can be done in a dispute, in an order in which nothing ends it before the end.
fn acts_in_dispute(dispute: Uuid) -> Vec<(String, Value, Answers)> {
    let path = |act: &str| format!("/api/v1/disputes/{dispute}/{act}");
    let rub = |amount: &str| json!({ "amount": amount, "currency": "RUB" });
    let both: Answers = [401, 0, 404, 0, 404, 403, 403];
    let no_offer = Uuid::now_v7();
    vec![
        (path("evidence"), json!({ "kind": "STATEMENT", "text": "so it was" }), both),
        (path("offers"), json!({ "amount": rub("1.00") }), COOKS),
        (path(&format!("offers/{no_offer}/accept")), json!({}), CUSTOMERS),
        (path(&format!("offers/{no_offer}/decline")), json!({}), CUSTOMERS),
        (path("respond"), json!({ "message": "not at all" }), COOKS),
        (path("escalate"), json!({}), both),
        (path("resolution/approve"), json!({}), ADMINS),
        (path("resolve"), json!({ "outcome": "REJECTED" }), ADMINS),
        (path("accept-claim"), json!({}), COOKS),
        (path("withdraw"), json!({}), CUSTOMERS),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disputes_belong_to_their_sides() {
    let system = TestSystem::start().await;
    let people = everybody(&system);
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    let opening = (format!("/api/v1/orders/{order}/disputes"), complaint(None), CUSTOMERS_AND_ADMINS);
    let dispute = DisputeId::of_order(OrderId(order), 1).0;
    for (path, body, answers) in std::iter::once(opening).chain(acts_in_dispute(dispute)) {
        let mut columns: Vec<_> = people.iter().zip(answers).collect();
        columns.sort_by_key(|(_, wanted)| *wanted == 0);
        for ((who, client), wanted) in columns {
            let request = client.request(reqwest::Method::POST, &path).json(&body);
            let request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
            let is_decision = path.ends_with("resolve") || path.ends_with("approve");
            let answer = client.send(if is_decision { request.header("If-Match", "*") } else { request }).await;
            check(who, &path, answer.status, wanted);
        }
    }
    system.come_to_rest(&Default::default()).await;
    for ((who, client), wanted) in people.iter().zip(PARTIES) {
        let path = format!("/api/v1/disputes/{dispute}");
        check(who, &path, client.get(&path).await.status, wanted);
    }
    for ((who, client), wanted) in people.iter().zip([401, 1, 0, 1, 0, 1, 403]) {
        let answer = client.get("/api/v1/disputes").await;
        match wanted {
            401 | 403 => drop(answer.expect_problem(wanted, code_of(wanted))),
            count => assert_eq!(answer.expect(200).data().as_array().map(Vec::len), Some(count.into()), "{who}"),
        }
    }
    system.finish().await;
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
