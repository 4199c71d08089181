//! What only a person can clear up: administrators see it, decide it two by two, and close it with a reason.

use fake_bank::{Fault, FaultRule, Operation, Telling};
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use super::{open_page, paid, with_bank};
use crate::harness::{Answer, Client, Leftovers, SOON_SECS, TestSystem, eventually, id_of, scenario_dish};

const CASES: &str = "/api/v1/admin/payment-cases";

/// A payment by faster payments of which a part went back, and another part of which nobody knows whether it did: the
/// bank did it if `executed`.
async fn in_doubt(system: &TestSystem, executed: bool) -> (Uuid, Uuid, Uuid) {
    let (order, payment) = open_page(system, scenario_dish(0)).await;
    system.bank().pay_by_sbp(&payment.to_string(), Telling::default()).await.unwrap();
    system.order_reaches(order, OrderStatus::Paid).await;
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "10.00", version).await.expect(202);
    system.order_gets(order, "order_refund_settled").await;
    let fault = if executed { Fault::DropAfter } else { Fault::DropBefore };
    system.bank().misbehave(FaultRule::next(Operation::Cancel, fault));
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "20.00", version).await.expect(202);
    system.payment_gets(payment, "payment_refund_unknown").await;
    let refund = id_of(&system.payload(payment, "payment_refund_unknown").await["refund_id"]);
    (order, payment, refund)
}

async fn resolve(admin: &Client, payment: Uuid, refund: Uuid, finding: &str) -> Answer {
    let body = json!({ "finding": finding, "reason": "looked in the bank's cabinet" });
    let path = format!("/api/v1/payments/{payment}/refunds/{refund}/resolution");
    admin.post_once(&path, &body, &Uuid::now_v7().to_string()).await
}

async fn cases_of(system: &TestSystem, payment: Uuid) -> Vec<Value> {
    let answer = system.admin().get(&format!("{CASES}?payment_id={payment}")).await.expect(200);
    answer.data().as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_in_doubt_that_two_saw_done_is_settled_and_never_sent_again() {
    let system = with_bank().await;
    let (order, payment, refund) = in_doubt(&system, true).await;
    let case = eventually(SOON_SECS, || async { cases_of(&system, payment).await.pop().ok_or("no case yet") }).await;
    assert_eq!((&case["kind"], &case["status"]), (&json!("REFUND_AMBIGUOUS"), &json!("OPEN")));
    assert!(case["detail"].as_str().unwrap().contains(&refund.to_string()), "{case}");
    system.metric_reaches("payment_cases_open{", "REFUND_AMBIGUOUS", 1).await;
    eventually(SOON_SECS, || async {
        let health = system.nobody().get("/health/").await.json();
        if health["status"] == "degraded" { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    resolve(&system.customer(), payment, refund, "DONE").await.expect_problem(403, "PERMISSION_DENIED");
    let answer = resolve(&system.admin(), payment, refund, "DONE").await.expect(202);
    let seen = system.admin().after(&format!("/api/v1/payments/{payment}"), &answer.token()).await.data();
    let shown = seen["refunds"].as_array().unwrap().iter().find(|it| it["refund_id"] == refund.to_string()).unwrap();
    assert_eq!(shown["proposal"]["finding"], "DONE", "{seen}");
    resolve(&system.admin(), payment, refund, "DONE").await.expect(202);
    assert!(!system.payment_events(payment).await.contains(&"payment_refund_resolved".to_owned()), "one is not two");
    resolve(&system.another_admin(), payment, refund, "DONE").await.expect(202);
    system.payment_gets(payment, "payment_refund_resolved").await;
    eventually(SOON_SECS, || async {
        let settled = system.order_events(order).await;
        let settled = settled.iter().filter(|event| *event == "order_refund_settled").count();
        if settled == 2 { Ok(()) } else { Err(settled) }
    })
    .await;
    assert_eq!(system.bank().calls(Operation::Cancel), 2, "nothing was sent again");
    assert_eq!(cases_of(&system, payment).await[0]["status"], "CLOSED");
    resolve(&system.admin(), payment, refund, "NOT_DONE").await.expect_rule("refund_not_in_doubt");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_in_doubt_that_two_saw_not_done_is_sent_under_the_next_epoch() {
    let system = with_bank().await;
    let (_, payment, refund) = in_doubt(&system, false).await;
    resolve(&system.admin(), payment, refund, "DONE").await.expect(202);
    // The other one knows better, and the first looks again.
    resolve(&system.another_admin(), payment, refund, "NOT_DONE").await.expect(202);
    resolve(&system.admin(), payment, refund, "NOT_DONE").await.expect(202);
    eventually(SOON_SECS, || async {
        let page = system.bank().payments_of(&payment.to_string())[0].clone();
        if page.refunded == 3_000 { Ok(()) } else { Err(format!("{page:?}")) }
    })
    .await;
    let page = system.bank().payments_of(&payment.to_string())[0].clone();
    assert!(page.acts[1].name.as_ref().unwrap().ends_with("-2"), "{page:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_the_bank_leaves_to_people_is_settled_when_two_say_it_is_done() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(0)).await;
    let fault = Fault::Code { code: "3028".to_owned(), message: "Обратитесь в банк".to_owned() };
    system.bank().misbehave(FaultRule::next(Operation::Cancel, fault));
    system.producer().act(order, "reject").await.expect(200);
    system.order_gets(order, "order_refund_failed").await;
    let refund = id_of(&system.payload(payment, "payment_refund_failed").await["refund_id"]);
    // A clerk did it, and nobody was told.
    system.bank().refund_in_cabinet(&payment.to_string(), None, Telling::nothing()).await.unwrap();
    resolve(&system.admin(), payment, refund, "DONE").await.expect(202);
    resolve(&system.another_admin(), payment, refund, "DONE").await.expect(202);
    system.order_gets(order, "order_refund_settled").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_listed_shown_and_closed_once_with_a_reason() {
    let system = with_bank().await;
    let admin = system.admin();
    let mut payments = Vec::new();
    for _ in 0..3 {
        let (order, payment) = paid(&system, scenario_dish(0)).await;
        let fault = Fault::Code { code: "3028".to_owned(), message: String::new() };
        system.bank().misbehave(FaultRule::next(Operation::Cancel, fault).about(&payment.to_string()));
        system.producer().act(order, "reject").await.expect(200);
        system.order_gets(order, "order_refund_failed").await;
        payments.extend([payment, order]);
    }
    for somebody in [system.customer(), system.producer(), system.analyst()] {
        somebody.get(CASES).await.expect_problem(403, "PERMISSION_DENIED");
    }
    system.nobody().get(CASES).await.expect_problem(401, "UNAUTHENTICATED");
    let first = admin.get(&format!("{CASES}?status=OPEN&kind=REFUND_REFUSED&limit=2")).await.expect(200);
    let cursor = first.json()["meta"]["next_cursor"].as_str().unwrap().to_owned();
    let second = admin.get(&format!("{CASES}?status=OPEN&kind=REFUND_REFUSED&limit=2&cursor={cursor}")).await;
    let (first, second) = (first.data(), second.expect(200).data());
    assert_eq!((first.as_array().unwrap().len(), second.as_array().unwrap().len()), (2, 1));
    for wrong in ["status=LOST", "limit=0", "limit=101", "kind=x", "colour=red", &format!("cursor={cursor}")] {
        admin.get(&format!("{CASES}?{wrong}")).await.expect_problem(400, "VALIDATION_ERROR");
    }
    let id = id_of(&second[0]["id"]);
    let shown = admin.get(&format!("{CASES}/{id}")).await.expect(200);
    assert_eq!((shown.header("etag"), &shown.data()["acts"][0]["act"]), ("\"v1\"", &json!("OPENED")));
    admin.get(&format!("{CASES}/{}", Uuid::now_v7())).await.expect_problem(404, "NOT_FOUND");
    close_and_close_again(&system, id).await;
    let open = admin.get(&format!("{CASES}?status=OPEN")).await.expect(200).data();
    assert_eq!(open.as_array().unwrap().len(), 2);
    system.audit_with(&Leftovers { money_of: payments.into_iter().collect(), ..Leftovers::default() }).await;
    system.stop().await;
}

async fn close_and_close_again(system: &TestSystem, id: Uuid) {
    let admin = system.admin();
    let close = async |reason: &str, key: &str, version: &str| {
        let request = admin.request(Method::POST, &format!("{CASES}/{id}/close")).json(&json!({ "reason": reason }));
        let request = if key.is_empty() { request } else { request.header("Idempotency-Key", key) };
        admin.send(request.header("If-Match", version)).await
    };
    close("paid by hand", "", "\"v1\"").await.expect_problem(400, "IDEMPOTENCY_KEY_MISSING");
    close(" ", "key-0", "\"v1\"").await.expect_problem(400, "VALIDATION_ERROR");
    let changed = close("paid by hand", "key-1", "\"v7\"").await.expect_problem(412, "PRECONDITION_FAILED");
    assert_eq!(changed.json()["current_version"], 1);
    let closed = close("paid by hand", "key-2", "\"v1\"").await.expect(200);
    let act = &closed.data()["acts"][1];
    assert_eq!((&act["act"], &act["reason"]), (&json!("CLOSED"), &json!("paid by hand")));
    assert_eq!(act["actor"], format!("admin:{}", system.people.admin.user_id));
    let again = close("paid by hand", "key-2", "\"v1\"").await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), again.data()), ("true", closed.data()));
    close("another reason", "key-2", "\"v1\"").await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    close("paid by hand", "key-3", "\"v2\"").await.expect_rule("case_already_closed");
}
