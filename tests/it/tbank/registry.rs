//! The bank's daily registry beside our books.

use fake_bank::{Fault, FaultRule, Operation, Telling};
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;

use super::{open_page, paid, pay, with_bank};
use crate::harness::{Leftovers, TestSystem, scenario_dish};

async fn import(system: &TestSystem) -> Value {
    let admin = system.admin();
    let request = admin.request(Method::POST, "/api/v1/admin/bank-registry").header("Content-Type", "text/csv");
    admin.send(request.body(system.bank().registry())).await.expect(200).data()
}

fn counts(report: &Value) -> [&Value; 5] {
    ["lines", "known", "as_expected", "booked"]
        .map(|name| &report[name])
        .into_iter()
        .chain([&report["findings"]])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s34_a_refund_that_a_clerk_gave_is_booked_and_caps_the_order() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(16)).await;
    system.payment_gets(payment, "payment_external_refund_recorded").await;
    system.order_gets(order, "order_refund_authorized").await;
    assert_eq!(system.payload(order, "order_refund_authorized").await["source"], "EXTERNAL");
    system.come_to_rest(&Leftovers::default()).await;
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "1.00", version).await.expect_rule("refund_exceeds_paid");
    let report = import(&system).await;
    assert_eq!(counts(&report), [&json!(2), &json!(0), &json!(2), &json!(0), &json!([])], "{report}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_a_clerk_gave_is_booked_from_the_registry_once() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(0)).await;
    system.bank().refund_in_cabinet(&payment.to_string(), Some(3_000), Telling::default()).await.unwrap();
    let report = import(&system).await;
    assert_eq!(counts(&report), [&json!(2), &json!(0), &json!(1), &json!(1), &json!([])], "{report}");
    let report = import(&system).await;
    assert_eq!(counts(&report), [&json!(2), &json!(2), &json!(0), &json!(0), &json!([])], "{report}");
    let refund = system.payload(payment, "payment_external_refund_recorded").await;
    assert_eq!(refund["amount"]["amount"], "30.00");
    system.come_to_rest(&Leftovers::default()).await;
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "70.01", version).await.expect_rule("refund_exceeds_paid");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chargeback_is_booked_from_the_registry_once() {
    let system = with_bank().await;
    let (_, payment) = paid(&system, scenario_dish(0)).await;
    system.bank().charge_back(&payment.to_string(), 10_000).unwrap();
    let report = import(&system).await;
    assert_eq!((&report["booked"], &report["findings"]), (&json!(1), &json!([])), "{report}");
    import(&system).await;
    let events = system.payment_events(payment).await;
    assert_eq!(events.iter().filter(|event| *event == "payment_chargeback_recorded").count(), 1, "{events:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_in_doubt_is_settled_by_the_registry_and_its_case_closed() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    system.bank().pay_by_sbp(&payment.to_string(), Telling::default()).await.unwrap();
    system.order_reaches(order, OrderStatus::Paid).await;
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "10.00", version).await.expect(202);
    system.order_gets(order, "order_refund_settled").await;
    system.bank().misbehave(FaultRule::next(Operation::Cancel, Fault::DropAfter));
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "20.00", version).await.expect(202);
    system.payment_gets(payment, "payment_refund_unknown").await;
    let report = import(&system).await;
    assert_eq!(counts(&report), [&json!(3), &json!(0), &json!(2), &json!(1), &json!([])], "{report}");
    let open = "SELECT count(*) FROM payment_cases WHERE closed_at IS NULL";
    assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(&system.db).await.unwrap(), 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_nobody_told_us_of_is_found_by_the_registry() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    pay(&system, payment, Telling::nothing()).await;
    let report = import(&system).await;
    assert_eq!(report["booked"], 1, "{report}");
    system.order_reaches(order, OrderStatus::Paid).await;
    let nobody = system.customer();
    let request = nobody.request(Method::POST, "/api/v1/admin/bank-registry").body("registry_ref\n");
    nobody.send(request).await.expect_problem(403, "PERMISSION_DENIED");
    let admin = system.admin();
    for wrong in
        ["", "x", "registry_ref,operation,order_id\n", "registry_ref,operation,order_id,amount\nr,REFUND,nobody's,1\n"]
    {
        let request = admin.request(Method::POST, "/api/v1/admin/bank-registry").body(wrong);
        admin.send(request).await.expect_problem(400, "VALIDATION_ERROR");
    }
    let stranger = "0190000000007000800000000000000a-01";
    let body = format!("registry_ref,operation,order_id,amount\nr,REFUND,{stranger},1.00\n");
    let answer = admin.send(admin.request(Method::POST, "/api/v1/admin/bank-registry").body(body)).await.expect(200);
    assert_eq!(answer.data()["findings"][0]["registry_ref"], "r");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_the_bank_tells_otherwise_the_next_day_is_a_finding_with_a_case() {
    let system = with_bank().await;
    let (_, payment) = paid(&system, scenario_dish(0)).await;
    system.bank().charge_back(&payment.to_string(), 10_000).unwrap();
    let registry = system.bank().registry();
    import(&system).await;
    system.come_to_rest(&Leftovers::default()).await;
    let events = system.payment_events(payment).await;
    let open = "SELECT count(*) FROM payment_cases WHERE closed_at IS NULL AND kind = 'BOOKS_DIFFER'";
    assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(&system.db).await.unwrap(), 0);
    let admin = system.admin();
    let send = async |body: String| {
        let request = admin.request(Method::POST, "/api/v1/admin/bank-registry").header("Content-Type", "text/csv");
        admin.send(request.body(body)).await.expect(200).data()
    };
    for otherwise in [registry.replace("CHARGEBACK", "REFUND"), registry.replace("100.00", "40.00")] {
        assert_ne!(otherwise, registry, "the registry says nothing that could be changed");
        let report = send(otherwise).await;
        let found = report["findings"][0]["what"].as_str().unwrap_or_default();
        assert!(found.contains("before") && found.contains("now"), "{report}");
        assert_eq!(report["booked"], 0, "{report}");
    }
    assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(&system.db).await.unwrap(), 1);
    assert_eq!(system.payment_events(payment).await, events, "nothing of it was booked");
    let report = send(registry).await;
    assert_eq!((&report["known"], &report["findings"]), (&report["lines"], &json!([])), "{report}");
    system.finish().await;
}
