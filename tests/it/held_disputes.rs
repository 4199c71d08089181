//! Disputes about orders whose money is only held: every end has the right money, and none of it went twice or for nothing.

use fake_bank::{Fault, FaultRule, Operation, Telling};
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{TestSystem, complaint, id_of, scenario_dish};

/// What became of the money: of the payment, and of what the order owes.
struct Ends<'a> {
    system: &'a TestSystem,
    order: Uuid,
    payment: Uuid,
    dispute: Uuid,
}

fn rub(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "RUB" })
}

/// An order of 500.00 whose money is held.
async fn held(system: &TestSystem) -> (Uuid, Uuid) {
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 5).await;
    let body = json!({ "return_url": "http://localhost/paid", "capture_mode": "ON_ACCEPT" });
    let answer = customer.post_answered(&format!("/api/v1/orders/{order}/payments"), &body, &order.to_string()).await;
    let payment = id_of(&answer.expect(201).data()["payment_id"]);
    match &system.bank {
        Some(bank) => {
            bank.pay(&payment.to_string(), Telling::default()).await.unwrap();
        }
        None => customer.complete_at_bank(payment).await,
    }
    let shown = system.order_reaches(order, OrderStatus::Paid).await;
    let customers = customer.order(order).await.data();
    assert!(customers["allowed_actions"].as_array().unwrap().contains(&json!("dispute")), "{shown}");
    (order, payment)
}

/// The same order, disputed while no cook has taken it on.
async fn disputed<'a>(system: &'a TestSystem, claimed: Option<&str>) -> Ends<'a> {
    let (order, payment) = held(system).await;
    let most = complaint(Some("500.01"));
    system.customer().dispute(order, &most).await.expect_rule("claim_exceeds_refundable");
    let answer = system.customer().dispute(order, &complaint(claimed)).await.expect(201);
    Ends { system, order, payment, dispute: id_of(&answer.data()["id"]) }
}

impl Ends<'_> {
    async fn decided(&self, decision: &Value) {
        let answer = self.system.producer().in_dispute(self.dispute, "respond", json!({ "message": "No." })).await;
        let version = answer.expect(200).version();
        self.system.admin().decide(self.dispute, "resolve", decision, version).await.expect(200);
        self.system.order_gets(self.order, "order_payout_unfrozen").await;
    }

    /// The order goes on: its money is taken and shared.
    async fn goes_on(&self, net: &str) {
        self.system.deliver(self.order).await;
        self.system.payment_gets(self.payment, "payment_succeeded").await;
        self.system.customer().act(self.order, "complete").await.expect(200);
        self.system.advance(chrono::TimeDelta::hours(49));
        self.system.order_gets(self.order, "order_payout_released").await;
        let released = self.system.payload(self.order, "order_payout_released").await;
        assert_eq!(released["producer_net"], rub(net));
    }

    /// The hold was lifted: nothing came, so nothing went back.
    async fn took_nothing(&self) {
        self.system.payment_gets(self.payment, "payment_failed").await;
        self.system.come_to_rest(&Default::default()).await;
        let events = self.system.payment_events(self.payment).await;
        for never in ["payment_succeeded", "payment_refund_requested"] {
            assert!(!events.contains(&never.to_owned()), "{never}: {events:?}");
        }
        let posted: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger_postings WHERE flow_id = $1")
            .bind(self.order)
            .fetch_one(&self.system.db)
            .await
            .unwrap();
        assert_eq!(posted, 0, "the books know nothing of it");
    }

    async fn is_over(&self, reason: &str, decided_by: &str) {
        self.system.order_reaches(self.order, OrderStatus::Cancelled).await;
        assert_eq!(self.system.payload(self.order, "order_cancelled").await["reason_code"], reason);
        self.system.order_gets(self.order, "order_payout_unfrozen").await;
        assert_eq!(self.system.payload(self.dispute, "dispute_resolved").await["decided_by"], decided_by);
    }

    async fn went_back(&self) -> Vec<Value> {
        let events = self.system.events().await;
        let back = events
            .iter()
            .filter(|event| event.aggregate_id == self.payment && event.event_type == "payment_refund_succeeded");
        back.map(|event| serde_json::from_str::<Value>(&event.payload).unwrap()["amount"]["amount"].clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_that_grants_nothing_leaves_the_held_order_as_it_was() {
    for is_withdrawn in [false, true] {
        let system = TestSystem::start().await;
        let ends = disputed(&system, Some("500.00")).await;
        if is_withdrawn {
            system.customer().in_dispute(ends.dispute, "withdraw", json!({})).await.expect(200);
            system.order_gets(ends.order, "order_payout_unfrozen").await;
        } else {
            ends.decided(&json!({ "outcome": "REJECTED", "fault": "PLATFORM" })).await;
        }
        assert!(!system.order_events(ends.order).await.contains(&"order_refund_authorized".to_owned()));
        ends.goes_on("450.00").await;
        system.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_granted_of_held_money_goes_back_once_the_money_was_taken() {
    let system = TestSystem::start().await;
    let ends = disputed(&system, Some("300.00")).await;
    let offer = json!({ "amount": rub("100.00"), "message": "I am sorry." });
    let made = system.producer().in_dispute(ends.dispute, "offers", offer).await.expect(201);
    let accept = format!("offers/{}/accept", id_of(&made.data()["offer_id"]));
    system.customer().in_dispute(ends.dispute, &accept, json!({})).await.expect(200);
    system.order_gets(ends.order, "order_payout_unfrozen").await;
    system.come_to_rest(&Default::default()).await;
    let waiting = system.payment_events(ends.payment).await;
    assert!(!waiting.contains(&"payment_refund_requested".to_owned()), "nothing was taken yet: {waiting:?}");
    system.audit().await;
    ends.goes_on("360.00").await;
    assert_eq!(ends.went_back().await, ["100.00"]);
    let events = system.order_events(ends.order).await;
    assert!(!events.contains(&"order_refund_failed".to_owned()), "{events:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_granted_of_held_money_is_forgotten_if_the_hold_is_lifted() {
    let system = TestSystem::start().await;
    let ends = disputed(&system, Some("500.00")).await;
    ends.decided(&json!({ "outcome": "REFUND_PARTIAL", "refund_amount": rub("50.00"), "fault": "PRODUCER" })).await;
    system.producer().act(ends.order, "reject").await.expect(200);
    ends.took_nothing().await;
    ends.is_over("PRODUCER_REJECTED", "ADMIN").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_granted_of_held_money_calls_the_order_off_and_lifts_the_hold() {
    let system = TestSystem::start().await;
    let by_admin = disputed(&system, None).await;
    by_admin.decided(&json!({ "outcome": "REFUND_FULL", "fault": "PRODUCER" })).await;
    by_admin.took_nothing().await;
    by_admin.is_over("DISPUTE", "ADMIN").await;
    let by_cook = disputed(&system, None).await;
    system.producer().in_dispute(by_cook.dispute, "accept-claim", json!({})).await.expect(200);
    by_cook.took_nothing().await;
    by_cook.is_over("DISPUTE", "PRODUCER").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn called_off_under_a_dispute_the_hold_is_lifted_and_the_dispute_over() {
    let system = TestSystem::start().await;
    let ends = disputed(&system, None).await;
    system.customer().act(ends.order, "cancel").await.expect(200);
    ends.took_nothing().await;
    ends.is_over("CUSTOMER_REQUEST", "ORDER_CANCELLED").await;
    let silent = disputed(&system, None).await;
    system.advance(chrono::TimeDelta::minutes(16));
    silent.took_nothing().await;
    silent.is_over("PRODUCER_TIMEOUT", "ORDER_CANCELLED").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_under_a_dispute_what_is_granted_is_given_back() {
    let system = TestSystem::start().await;
    let ends = disputed(&system, None).await;
    system.producer().act(ends.order, "accept").await.expect(200);
    system.payment_gets(ends.payment, "payment_succeeded").await;
    ends.decided(&json!({ "outcome": "REFUND_FULL", "fault": "PRODUCER" })).await;
    ends.is_over("DISPUTE", "ADMIN").await;
    system.payment_gets(ends.payment, "payment_refund_succeeded").await;
    system.come_to_rest(&Default::default()).await;
    assert_eq!(ends.went_back().await, ["500.00"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn granting_all_and_accepting_at_the_same_moment_gives_the_customer_everything() {
    let system = TestSystem::start().await;
    for _ in 0..4 {
        let ends = disputed(&system, None).await;
        let cook = system.producer();
        let (granted, accepted) =
            tokio::join!(cook.in_dispute(ends.dispute, "accept-claim", json!({})), cook.act(ends.order, "accept"));
        granted.expect(200);
        assert!(matches!(accepted.status, 200 | 422), "{}", accepted.text());
        system.order_reaches(ends.order, OrderStatus::Cancelled).await;
        system.come_to_rest(&Default::default()).await;
        let was_taken = system.payment_events(ends.payment).await.contains(&"payment_succeeded".to_owned());
        let back = ends.went_back().await;
        assert_eq!(back, if was_taken { vec![json!("500.00")] } else { vec![] });
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_cannot_be_taken_ends_the_order_and_its_dispute() {
    let system = TestSystem::builder().fake_tbank().start().await;
    let open = disputed(&system, None).await;
    let refuse = || {
        let code =
            Fault::Code { code: "1051".to_owned(), message: "Недостаточно средств".to_owned() };
        system.bank().misbehave(FaultRule::next(Operation::Confirm, code));
    };
    refuse();
    system.producer().act(open.order, "accept").await.expect(200);
    open.took_nothing().await;
    open.is_over("PAYMENT_FAILED", "ORDER_CANCELLED").await;
    // What was granted before is not owed of money that never came.
    let granted = disputed(&system, Some("500.00")).await;
    granted.decided(&json!({ "outcome": "REFUND_PARTIAL", "refund_amount": rub("50.00"), "fault": "PRODUCER" })).await;
    refuse();
    system.producer().act(granted.order, "accept").await.expect(200);
    granted.took_nothing().await;
    granted.is_over("PAYMENT_FAILED", "ADMIN").await;
    system.finish().await;
}
