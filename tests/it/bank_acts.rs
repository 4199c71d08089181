//! What the bank does without us: refunds in its cabinet, chargebacks, contradictions.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{Client, Leftovers, SOON_SECS, TestSystem, eventually, id_of, return_url, roubles, scenario_dish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_in_the_banks_cabinet_is_booked_and_the_order_is_capped() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(16), 1).await;
    // A clerk of the bank gives it back as soon as it came.
    system.payment_gets(payment, "payment_external_refund_recorded").await;
    system.order_gets(order, "order_refund_settled").await;
    let refund = system.payload(order, "order_refund_authorized").await;
    assert_eq!((&refund["source"], &refund["card_amount"]["amount"]), (&json!("EXTERNAL"), &json!("100.16")));
    system.come_to_rest(&Default::default()).await;
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "0.01", version).await.expect_rule("refund_exceeds_paid");
    assert_eq!(system.customer().payment(payment).await.data()["status"], "REFUNDED");
    system.customer().act(order, "cancel").await.expect(200);
    system.audit().await;
    assert!(!system.payment_events(payment).await.contains(&"payment_refund_requested".to_owned()));
    system.finish().await;
}

/// A complete order whose payout went out, and its payment.
async fn paid_out(system: &TestSystem) -> (Uuid, Uuid) {
    let (order, payment) = system.paid_order(scenario_dish(0), 5).await;
    system.deliver(order).await;
    system.customer().act(order, "complete").await.expect(200);
    system.advance(TimeDelta::hours(48));
    system.order_gets(order, "order_payout_released").await;
    (order, payment)
}

async fn the_dispute_of(system: &TestSystem, order: Uuid) -> Uuid {
    system.order_gets(order, "order_payout_frozen").await;
    let frozen = system.payload(order, "order_payout_frozen").await;
    let dispute = crate::harness::id_of(&frozen["dispute_id"]);
    system.dispute_gets(dispute, "dispute_opened").await;
    dispute
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chargeback_after_the_payout_becomes_the_cooks_debt() {
    let system = TestSystem::start().await;
    let (order, payment) = paid_out(&system).await;
    let admin = system.admin();
    admin.record(payment, "chargebacks", "500.01", "CB-0").await.expect_rule("chargeback_exceeds_captured");
    admin.record(payment, "chargebacks", "500.00", "CB-1").await.expect(202);
    admin.record(payment, "chargebacks", "500.00", "CB-1").await.expect(202);
    let dispute = the_dispute_of(&system, order).await;
    let opened = system.payload(dispute, "dispute_opened").await;
    assert_eq!((&opened["claim"]["reason_code"], &opened["opened_by"]), (&json!("BANK"), &json!("SYSTEM")));
    system.customer().in_dispute(dispute, "withdraw", json!({})).await.expect_rule("bank_dispute");
    let version = system.producer().in_dispute(dispute, "escalate", json!({})).await.expect(200).version();
    let decision = json!({ "outcome": "REFUND_FULL", "fault": "PRODUCER" });
    admin.decide(dispute, "resolve", &decision, version).await.expect(200);
    system.order_gets(order, "order_payout_unfrozen").await;
    system.audit().await;
    let refund = system.payload(order, "order_refund_authorized").await;
    assert_eq!((&refund["source"], &refund["fault"]), (&json!("DISPUTE"), &json!("PRODUCER")));
    assert!(!system.payment_events(payment).await.contains(&"payment_refund_requested".to_owned()), "the bank paid it");
    assert_eq!(
        system.payment_events(payment).await.iter().filter(|it| *it == "payment_chargeback_recorded").count(),
        1
    );
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chargeback_before_the_payout_holds_it_and_money_does_not_go_back_twice() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 5).await;
    system.deliver(order).await;
    system.customer().act(order, "complete").await.expect(200);
    system.admin().record(payment, "chargebacks", "200.00", "CB-1").await.expect(202);
    let dispute = the_dispute_of(&system, order).await;
    system.advance(TimeDelta::hours(49));
    // A chargeback is small and the cook is silent; that grants nothing.
    system.dispute_gets(dispute, "dispute_escalated").await;
    system.come_to_rest(&Default::default()).await;
    assert!(!system.order_events(order).await.contains(&"order_payout_released".to_owned()));
    let lost = json!({ "outcome": "REJECTED", "fault": "PLATFORM" });
    system.admin().decide(dispute, "resolve", &lost, 2).await.expect(200);
    system.order_gets(order, "order_payout_released").await;
    system.finish().await;
}

async fn decide(admin: &Client, payment: Uuid, decision: &str) {
    let path = format!("/api/v1/payments/{payment}/integrity-resolution");
    let key = Uuid::now_v7().to_string();
    admin.post_once(&path, &json!({ "decision": decision }), &key).await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_administrators_send_back_money_that_does_not_fit() {
    for decision in ["REFUND_ALL", "ACCEPT_AS_PROVIDER"] {
        let system = TestSystem::start().await;
        let customer = system.customer();
        let order = customer.place(scenario_dish(11), 1).await;
        let payment = customer.pay(order).await;
        customer.complete_at_bank(payment).await;
        system.payment_gets(payment, "payment_integrity_violated").await;
        let (admin, other) = (system.admin(), system.another_admin());
        decide(&admin, payment, decision).await;
        decide(&admin, payment, decision).await;
        assert!(!system.payment_events(payment).await.contains(&"payment_integrity_resolved".to_owned()));
        decide(&other, payment, decision).await;
        system.payment_gets(payment, "payment_integrity_resolved").await;
        // The order asked for another amount, so either way it does not take the money.
        system.payment_gets(payment, "payment_refund_succeeded").await;
        assert!(!system.order_events(order).await.contains(&"order_paid".to_owned()));
        // The attempt is over, and the customer may pay anew until the deadline.
        system.order_gets(order, "order_payment_attempt_failed").await;
        let again = customer.pay(order).await;
        assert_ne!(again, payment);
        system.audit().await;
        system.advance(TimeDelta::minutes(31));
        system.order_reaches(order, OrderStatus::Cancelled).await;
        system.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_called_off_under_a_chargeback_gives_back_what_the_bank_did_not_take() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 5).await;
    system.admin().record(payment, "chargebacks", "200.00", "CB-1").await.expect(202);
    let dispute = the_dispute_of(&system, order).await;
    system.customer().act(order, "cancel").await.expect(200);
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.dispute_gets(dispute, "dispute_resolved").await;
    system.come_to_rest(&Default::default()).await;
    assert_eq!(system.payload(payment, "payment_refund_succeeded").await["amount"]["amount"], "300.00");
    let resolved = system.payload(dispute, "dispute_resolved").await;
    assert_eq!(
        (&resolved["decided_by"], &resolved["refund_amount"]["amount"]),
        (&json!("ORDER_CANCELLED"), &json!("500.00"))
    );
    let events = system.order_events(order).await;
    assert!(!events.contains(&"order_refund_failed".to_owned()), "{events:?}");
    assert_eq!(events.iter().filter(|event| *event == "order_refund_settled").count(), 2);
    // The customer has 500 back, the cook nothing, and the platform lost nothing: the books close.
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chargeback_of_everything_leaves_a_cancellation_nothing_to_give() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 5).await;
    system.admin().record(payment, "chargebacks", "500.00", "CB-1").await.expect(202);
    let dispute = the_dispute_of(&system, order).await;
    // Lost or not: the bank has the money, and it does not go back twice.
    let version = system.producer().in_dispute(dispute, "escalate", json!({})).await.expect(200).version();
    let lost = json!({ "outcome": "REJECTED", "fault": "PLATFORM" });
    system.admin().decide(dispute, "resolve", &lost, version).await.expect(200);
    system.order_gets(order, "order_payout_unfrozen").await;
    system.producer().act(order, "reject").await.expect(200);
    system.order_gets(order, "order_refund_settled").await;
    system.come_to_rest(&Default::default()).await;
    assert!(!system.payment_events(payment).await.contains(&"payment_refund_requested".to_owned()));
    assert!(!system.order_events(order).await.contains(&"order_refund_failed".to_owned()));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_whose_money_did_not_fit_can_be_paid_anew() {
    for decision in ["REFUND_ALL", "ACCEPT_AS_PROVIDER"] {
        let system = TestSystem::start().await;
        let buyer = system.customer();
        let (gift, payment) = buyer.buy_gift(&json!({ "value": roubles("1000.11") })).await;
        buyer.complete_at_bank(payment).await;
        system.payment_gets(payment, "payment_integrity_violated").await;
        decide(&system.admin(), payment, decision).await;
        decide(&system.another_admin(), payment, decision).await;
        system.payment_gets(payment, "payment_refund_succeeded").await;
        system.gift_gets(gift, "gift_payment_attempt_failed").await;
        let again = buyer.gift_command(&format!("/{gift}/payments"), &return_url()).await.data();
        assert_ne!(id_of(&again["payment_id"]), payment);
        system.finish().await;
    }
}

async fn resolve(admin: &Client, payment: Uuid, refund: &str) -> crate::harness::Answer {
    let body = json!({ "finding": "DONE", "reason": "the chargeback CB-1 is this refund" });
    let path = format!("/api/v1/payments/{payment}/refunds/{refund}/resolution");
    admin.post_once(&path, &body, &Uuid::now_v7().to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_a_chargeback_overtook_is_ended_by_two_administrators() {
    let system = TestSystem::start().await;
    // The bank puts the refund off for an hour, and meanwhile the customer's own bank is faster.
    let (order, payment) = system.paid_order(scenario_dish(9), 1).await;
    system.producer().act(order, "reject").await.expect(200);
    system.payment_gets(payment, "payment_refund_failed").await;
    let total = system.payload(payment, "payment_succeeded").await["amount"]["amount"].as_str().unwrap().to_owned();
    system.admin().record(payment, "chargebacks", &total, "CB-1").await.expect(202);
    system.come_to_rest(&Leftovers { money_of: [payment].into(), ..Leftovers::default() }).await;
    system.advance(TimeDelta::minutes(61));
    system.order_gets(order, "order_refund_failed").await;
    system.metric_reaches("payment_cases_open{", "REFUND_REFUSED", 1).await;
    let failed = system.payload(payment, "payment_refund_failed").await;
    assert_eq!((&failed["code"], &failed["retry_at"]), (&json!("taken_back_by_the_bank"), &Value::Null));
    let refund = failed["refund_id"].as_str().unwrap().to_owned();
    resolve(&system.customer(), payment, &refund).await.expect_problem(403, "PERMISSION_DENIED");
    resolve(&system.admin(), payment, &refund).await.expect(202);
    resolve(&system.admin(), payment, &refund).await.expect(202);
    assert!(!system.order_events(order).await.contains(&"order_refund_settled".to_owned()), "one is not two");
    resolve(&system.another_admin(), payment, &refund).await.expect(202);
    system.order_gets(order, "order_refund_settled").await;
    system.come_to_rest(&Default::default()).await;
    let events = system.payment_events(payment).await;
    assert!(!events.contains(&"payment_refund_succeeded".to_owned()), "we sent nothing: {events:?}");
    let shown = system.admin().get(&format!("/api/v1/payments/{payment}")).await.data();
    assert_eq!(shown["refunds"][0]["status"], "BACK_ALREADY", "{shown}");
    let open = system.admin().get(&format!("/api/v1/admin/payment-cases?payment_id={payment}&status=OPEN")).await;
    assert_eq!(open.data(), json!([]));
    // Nothing is owed, and the chargeback was no loss.
    let left = "SELECT count(*) FROM ledger_accounts WHERE account IN ('refund_due', 'chargeback_loss', 'escrow')
        AND debit_minor <> credit_minor";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&system.db).await.unwrap();
    assert_eq!(left, 0);
    system.finish().await;
}

/// Waits until the gauge stands there.
async fn integrity_holds(system: &TestSystem, wanted: u64) {
    eventually(SOON_SECS, || async {
        let text = system.nobody().get("/metrics").await.text();
        let line = format!("integrity_holds {wanted}");
        if text.lines().any(|found| found == line) { Ok(()) } else { Err(format!("no line {line}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_that_stand_still_are_counted_until_two_have_agreed() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    integrity_holds(&system, 0).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let payment = customer.pay(customer.place(scenario_dish(11), 1).await).await;
        customer.complete_at_bank(payment).await;
        system.payment_gets(payment, "payment_integrity_violated").await;
        held.push(payment);
    }
    integrity_holds(&system, 2).await;
    for (payment, left) in held.into_iter().zip([1, 0]) {
        decide(&system.admin(), payment, "REFUND_ALL").await;
        decide(&system.another_admin(), payment, "REFUND_ALL").await;
        integrity_holds(&system, left).await;
    }
    system.finish().await;
}
