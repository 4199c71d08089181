//! Disputes against the clock, against the kitchen, and against each other.

use chrono::TimeDelta;
use serde_json::json;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{TestSystem, complaint, id_of, scenario_dish};

fn count(events: &[String], name: &str) -> usize {
    events.iter().filter(|found| *found == name).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_disputes_opened_at_once_one_is_opened() {
    let system = TestSystem::start().await;
    for _ in 0..5 {
        let (order, _) = system.paid_order(scenario_dish(0), 1).await;
        let customer = system.customer();
        let complaint = complaint(None);
        let (one, other) = tokio::join!(customer.dispute(order, &complaint), customer.dispute(order, &complaint));
        let (won, lost) = if one.status == 201 { (one, other) } else { (other, one) };
        won.expect(201);
        lost.expect_rule("dispute_already_open");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_and_the_payout_at_the_same_moment_have_one_winner() {
    let system = TestSystem::start().await;
    for _ in 0..4 {
        let (order, _) = system.paid_order(scenario_dish(0), 1).await;
        system.deliver(order).await;
        system.customer().act(order, "complete").await.expect(200);
        system.advance(TimeDelta::hours(48) - TimeDelta::milliseconds(40));
        let customer = system.customer();
        let complaint = complaint(None);
        let (answer, ()) = tokio::join!(customer.dispute(order, &complaint), async {
            system.advance(TimeDelta::milliseconds(41));
        });
        if answer.status == 201 {
            system.come_to_rest(&Default::default()).await;
            assert_eq!(count(&system.order_events(order).await, "order_payout_released"), 0);
        } else {
            answer.expect_rule("dispute_window_closed");
            system.order_gets(order, "order_payout_released").await;
        }
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_administrators_one_decides() {
    let system = TestSystem::start().await;
    for _ in 0..3 {
        let (_, _, dispute) = system.disputed_order(&complaint(None)).await;
        let version = system.producer().in_dispute(dispute, "escalate", json!({})).await.expect(200).version();
        let (admin, other) = (system.admin(), system.another_admin());
        let (full, none) = (json!({ "outcome": "REFUND_FULL" }), json!({ "outcome": "REJECTED" }));
        let (one, two) = tokio::join!(
            admin.decide(dispute, "resolve", &full, version),
            other.decide(dispute, "resolve", &none, version)
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert!(statuses == [200, 412] || statuses == [200, 422], "{} {}", one.text(), two.text());
        assert_eq!(count(&system.dispute_events(dispute).await, "dispute_resolved"), 1);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agreement_and_a_decision_at_the_same_moment_are_one_decision() {
    let system = TestSystem::start().await;
    for _ in 0..3 {
        let (_, _, dispute) = system.disputed_order(&complaint(None)).await;
        let offer = json!({ "amount": { "amount": "200.00", "currency": "RUB" } });
        let offer = id_of(&system.producer().in_dispute(dispute, "offers", offer).await.expect(201).data()["offer_id"]);
        let version = system.producer().in_dispute(dispute, "escalate", json!({})).await.expect(200).version();
        let (admin, customer) = (system.admin(), system.customer());
        let decision = json!({ "outcome": "REFUND_FULL", "fault": "PRODUCER" });
        let accept = format!("offers/{offer}/accept");
        let (decided, agreed) = tokio::join!(
            admin.decide(dispute, "resolve", &decision, version),
            customer.in_dispute(dispute, &accept, json!({}))
        );
        assert_eq!([decided.status, agreed.status].iter().filter(|status| **status == 200).count(), 1);
        assert_eq!(count(&system.dispute_events(dispute).await, "dispute_resolved"), 1);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cook_who_calls_a_disputed_order_off_pays_once() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 5).await;
    system.producer().act(order, "accept").await.expect(200);
    let dispute = id_of(&system.customer().dispute(order, &complaint(None)).await.expect(201).data()["id"]);
    system.producer().act(order, "cancel").await.expect(200);
    system.dispute_gets(dispute, "dispute_resolved").await;
    let resolved = system.payload(dispute, "dispute_resolved").await;
    assert_eq!(
        (&resolved["decided_by"], &resolved["refund_amount"]["amount"]),
        (&json!("ORDER_CANCELLED"), &json!("500.00"))
    );
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.order_gets(order, "order_payout_unfrozen").await;
    assert_eq!(count(&system.order_events(order).await, "order_refund_authorized"), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_in_and_calling_off_at_the_same_moment_pays_once() {
    let system = TestSystem::start().await;
    for _ in 0..4 {
        let (order, payment) = system.paid_order(scenario_dish(0), 5).await;
        system.producer().act(order, "accept").await.expect(200);
        let dispute = id_of(&system.customer().dispute(order, &complaint(None)).await.expect(201).data()["id"]);
        let producer = system.producer();
        let (_, cancelled) =
            tokio::join!(producer.in_dispute(dispute, "accept-claim", json!({})), producer.act(order, "cancel"));
        assert!([200, 422].contains(&cancelled.status), "{}", cancelled.text());
        system.order_reaches(order, OrderStatus::Cancelled).await;
        system.payment_gets(payment, "payment_refund_succeeded").await;
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_an_old_version_is_refused_with_the_new_one() {
    let system = TestSystem::start().await;
    let (order, _, dispute) = system.disputed_order(&complaint(None)).await;
    system.producer().in_dispute(dispute, "escalate", json!({})).await.expect(200);
    let rejected = json!({ "outcome": "REJECTED" });
    let refused = system.admin().decide(dispute, "resolve", &rejected, 1).await;
    assert_eq!(refused.expect_problem(412, "PRECONDITION_FAILED").json()["current_version"], 2);
    let request = system.customer().request(reqwest::Method::POST, &format!("/api/v1/orders/{order}/complete"));
    let request = request.header("If-Match", "\"v1\"").header("Idempotency-Key", Uuid::now_v7().to_string());
    let refused = system.customer().send(request.json(&json!({}))).await.expect_problem(412, "PRECONDITION_FAILED");
    let version = system.order_events(order).await.len();
    assert_eq!(refused.json()["current_version"], version);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_opened_at_the_moment_of_paying_is_about_what_was_paid() {
    let system = TestSystem::start().await;
    for _ in 0..12 {
        let customer = system.customer();
        let order = customer.place(scenario_dish(0), 1).await;
        let payment = customer.pay(order).await;
        system.payment_gets(payment, "payment_session_opened").await;
        let dispute = async {
            loop {
                let answer = customer.dispute(order, &complaint(None)).await;
                if answer.status == 201 {
                    return id_of(&answer.data()["id"]);
                }
                answer.expect_rule("order_not_disputable");
            }
        };
        let (dispute, ()) = tokio::join!(dispute, customer.complete_at_bank(payment));
        let opened = system.payload(dispute, "dispute_opened").await;
        assert_eq!(opened["refundable"]["amount"], "100.00");
    }
    system.finish().await;
}
