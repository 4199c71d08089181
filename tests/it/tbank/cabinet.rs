//! Money that a clerk gives back in the bank's cabinet, and an administrator writes down over HTTP.

use chrono::TimeDelta;
use fake_bank::{Fault, FaultRule, Operation, Telling};
use serde_json::json;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use super::{paid, with_bank};
use crate::harness::{Leftovers, TestSystem, eventually, roubles, scenario_dish};

/// A paid order that its cook has taken on, so that nothing else happens to its money.
async fn taken_on(system: &TestSystem) -> (Uuid, Uuid) {
    let (order, payment) = paid(system, scenario_dish(0)).await;
    system.producer().act(order, "accept").await.expect(200);
    (order, payment)
}

/// A clerk gives so much back, and nobody is told.
async fn gives_back(system: &TestSystem, payment: Uuid, kopecks: i64) {
    system.bank().refund_in_cabinet(&payment.to_string(), Some(kopecks), Telling::nothing()).await.unwrap();
}

/// The bank refuses the next refund so.
fn refuse(system: &TestSystem, code: &str) {
    let fault = Fault::Code { code: code.to_owned(), message: String::new() };
    system.bank().misbehave(FaultRule::next(Operation::Cancel, fault));
}

async fn settled(system: &TestSystem, order: Uuid, times: usize) {
    eventually(20, || async {
        let events = system.order_events(order).await;
        let settled = events.iter().filter(|event| *event == "order_refund_settled").count();
        if settled == times { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
}

/// What the accounts of refunds owed and of losses do not add up to nothing on.
async fn unsettled(system: &TestSystem) -> i64 {
    system.come_to_rest(&Leftovers::default()).await;
    let left = "SELECT count(*) FROM ledger_accounts WHERE account IN ('refund_due', 'chargeback_loss')
        AND debit_minor <> credit_minor";
    sqlx::query_scalar(left).fetch_one(&system.db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_a_clerk_gave_is_a_refund_of_its_own_and_caps_the_order() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(0)).await;
    gives_back(&system, payment, 3_000).await;
    let admin = system.admin();
    admin.record(payment, "external-refunds", "30.00", "EX-1").await.expect(202);
    admin.record(payment, "external-refunds", "30.00", "EX-1").await.expect(202);
    admin.record(payment, "external-refunds", "30.01", "EX-1").await.expect_rule("registry_ref_used");
    settled(&system, order, 1).await;
    let refund = system.payload(order, "order_refund_authorized").await;
    assert_eq!((&refund["source"], &refund["card_amount"]), (&json!("EXTERNAL"), &roubles("30.00")));
    system.come_to_rest(&Leftovers::default()).await;
    let version = system.order_events(order).await.len() as u64;
    admin.refund(order, "70.01", version).await.expect_rule("refund_exceeds_paid");
    admin.refund(order, "70.00", version).await.expect(202);
    settled(&system, order, 2).await;
    assert_eq!(system.bank().payments_of(&payment.to_string())[0].refunded, 10_000);
    assert_eq!(unsettled(&system).await, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_was_put_off_and_given_by_a_clerk_is_not_given_a_second_time() {
    // Put off by the bank for an hour, and left by it to people.
    for code in ["3029", "3028"] {
        let system = with_bank().await;
        let (order, payment) = taken_on(&system).await;
        refuse(&system, code);
        let version = system.order_events(order).await.len() as u64;
        system.admin().refund(order, "30.00", version).await.expect(202);
        system.payment_gets(payment, "payment_refund_failed").await;
        let ours = system.payload(payment, "payment_refund_failed").await["refund_id"].clone();
        gives_back(&system, payment, 3_000).await;
        system.admin().record(payment, "external-refunds", "30.00", "EX-1").await.expect(202);
        settled(&system, order, 1).await;
        let act = system.payload(payment, "payment_external_refund_recorded").await;
        assert_eq!(act["stands_for"], ours);
        system.advance(TimeDelta::hours(7));
        system.come_to_rest(&Leftovers::default()).await;
        assert_eq!(system.bank().payments_of(&payment.to_string())[0].refunded, 3_000, "after {code}");
        let shown = system.admin().get(&format!("/api/v1/payments/{payment}")).await.data();
        assert_eq!(shown["refunds"][0]["status"], "BACK_ALREADY", "{shown}");
        let path = format!("/api/v1/admin/payment-cases?payment_id={payment}&status=OPEN");
        assert_eq!(system.admin().get(&path).await.data(), json!([]));
        assert_eq!(unsettled(&system).await, 0);
        system.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_was_put_off_does_not_swallow_another_amount_of_a_clerks() {
    let system = with_bank().await;
    let (order, payment) = taken_on(&system).await;
    refuse(&system, "3029");
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "30.00", version).await.expect(202);
    system.payment_gets(payment, "payment_refund_failed").await;
    gives_back(&system, payment, 2_000).await;
    system.admin().record(payment, "external-refunds", "20.00", "EX-1").await.expect(202);
    settled(&system, order, 1).await;
    system.advance(TimeDelta::minutes(61));
    settled(&system, order, 2).await;
    assert_eq!(system.bank().payments_of(&payment.to_string())[0].refunded, 5_000);
    system.order_reaches(order, OrderStatus::Accepted).await;
    assert_eq!(unsettled(&system).await, 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_that_a_clerk_gave_back_is_refunded_once() {
    let system = with_bank().await;
    let buyer = system.customer();
    let (gift, payment) = buyer.buy_gift(&json!({ "value": roubles("1000.00") })).await;
    system.payment_gets(payment, "payment_session_opened").await;
    super::pay(&system, payment, Telling::default()).await;
    system.gift_gets(gift, "gift_issued").await;
    refuse(&system, "3029");
    buyer.gift_command(&format!("/{gift}/cancel"), &json!({})).await.expect(200);
    system.payment_gets(payment, "payment_refund_failed").await;
    gives_back(&system, payment, 100_000).await;
    system.admin().record(payment, "external-refunds", "1000.00", "EX-1").await.expect(202);
    let events = system.gift_gets(gift, "gift_refund_settled").await;
    assert!(!events.contains(&"gift_blocked".to_owned()), "nobody holds it: {events:?}");
    system.advance(TimeDelta::hours(2));
    system.come_to_rest(&Leftovers::default()).await;
    assert_eq!(system.bank().payments_of(&payment.to_string())[0].refunded, 100_000);
    assert_eq!(unsettled(&system).await, 0);
    system.finish().await;
}
