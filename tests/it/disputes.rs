//! Disputes: who says what by when, who decides, and where the money goes.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{TestSystem, complaint, id_of, scenario_dish, wish};

fn rub(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "RUB" })
}

async fn payout_net(system: &TestSystem, order: Uuid) -> String {
    let released = system.payload(order, "order_payout_released").await;
    released["producer_net"]["amount"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_cook_pays_a_small_claim() {
    let system = TestSystem::start().await;
    let (order, payment, dispute) = system.disputed_order(&complaint(Some("200.00"))).await;
    system.advance(TimeDelta::hours(23));
    system.come_to_rest(&Default::default()).await;
    assert_eq!(system.dispute_events(dispute).await, ["dispute_opened"]);
    system.advance(TimeDelta::hours(1));
    system.dispute_gets(dispute, "dispute_resolved").await;
    let resolved = system.payload(dispute, "dispute_resolved").await;
    assert_eq!(resolved["decided_by"], "SYSTEM_DEADLINE");
    assert_eq!((&resolved["outcome"], &resolved["fault"]), (&json!("REFUND_PARTIAL"), &json!("PRODUCER")));
    system.payment_gets(payment, "payment_refund_succeeded").await;
    assert_eq!(system.payload(payment, "payment_refund_succeeded").await["amount"], rub("200.00"));
    system.order_gets(order, "order_refund_settled").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_cooks_large_claim_goes_to_an_administrator_and_the_alarm_rings_once() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 40).await;
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.deliver(order).await;
    let answer = customer.dispute(order, &complaint(None)).await.expect(201);
    let dispute = id_of(&answer.data()["id"]);
    system.advance(TimeDelta::hours(24));
    system.dispute_gets(dispute, "dispute_escalated").await;
    system.advance(TimeDelta::hours(72));
    system.dispute_gets(dispute, "dispute_sla_breached").await;
    system.advance(TimeDelta::hours(72));
    system.audit().await;
    let events = system.dispute_events(dispute).await;
    assert_eq!(events.iter().filter(|name| *name == "dispute_sla_breached").count(), 1);
    assert_eq!(system.admin().get(&format!("/api/v1/disputes/{dispute}")).await.data()["is_late"], true);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_dispute_frees_the_share_and_the_payout_goes_out() {
    let system = TestSystem::start().await;
    let (order, _, dispute) = system.disputed_order(&complaint(None)).await;
    system.customer().act(order, "complete").await.expect(200);
    let answer = system.producer().in_dispute(dispute, "respond", json!({ "message": "It was in time." })).await;
    let version = answer.expect(200).version();
    system.advance(TimeDelta::hours(49));
    system.audit().await;
    assert!(!system.order_events(order).await.contains(&"order_payout_released".to_owned()), "it is frozen");
    let rejected = json!({ "outcome": "REJECTED", "comment": "the courier's note says so" });
    system.admin().decide(dispute, "resolve", &rejected, version).await.expect(200);
    system.order_gets(order, "order_payout_released").await;
    assert_eq!(payout_net(&system, order).await, "450.00");
    let shown = system.customer().get(&format!("/api/v1/disputes/{dispute}")).await;
    assert_eq!(shown.data()["resolution"]["comment"], "the courier's note says so");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivered_order_completes_a_day_after_its_dispute() {
    let system = TestSystem::start().await;
    let (order, _, dispute) = system.disputed_order(&complaint(Some("100.00"))).await;
    system.producer().in_dispute(dispute, "respond", json!({ "message": "No." })).await.expect(200);
    system.advance(TimeDelta::hours(25));
    system.come_to_rest(&Default::default()).await;
    system.order_reaches(order, OrderStatus::Delivered).await;
    system.customer().in_dispute(dispute, "withdraw", json!({})).await.expect(200);
    system.order_gets(order, "order_payout_unfrozen").await;
    system.advance(TimeDelta::hours(23));
    system.come_to_rest(&Default::default()).await;
    system.order_reaches(order, OrderStatus::Delivered).await;
    system.advance(TimeDelta::hours(1));
    system.order_reaches(order, OrderStatus::Completed).await;
    system.advance(TimeDelta::hours(48));
    system.order_gets(order, "order_payout_released").await;
    assert_eq!(payout_net(&system, order).await, "450.00");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_agree_on_an_offer() {
    let system = TestSystem::start().await;
    let (order, payment, dispute) = system.disputed_order(&complaint(Some("300.00"))).await;
    let (customer, producer) = (system.customer(), system.producer());
    let offer = |amount: &str| json!({ "amount": rub(amount), "message": "I am sorry." });
    producer.in_dispute(dispute, "offers", offer("300.00")).await.expect_rule("offer_not_below_claim");
    let first = producer.in_dispute(dispute, "offers", offer("100.00")).await.expect(201);
    producer.in_dispute(dispute, "offers", offer("150.00")).await.expect_rule("offer_pending");
    let first = id_of(&first.data()["offer_id"]);
    let decline = format!("offers/{first}/decline");
    customer.in_dispute(dispute, &decline, json!({})).await.expect(200);
    customer.in_dispute(dispute, &decline, json!({})).await.expect_rule("offer_not_found");
    customer.in_dispute(dispute, "offers/null/accept", json!({})).await.expect_problem(400, "VALIDATION_ERROR");
    let second = producer.in_dispute(dispute, "offers", offer("150.00")).await.expect(201);
    let accept = format!("offers/{}/accept", id_of(&second.data()["offer_id"]));
    let agreed = customer.in_dispute(dispute, &accept, json!({})).await.expect(200);
    assert_eq!(agreed.data()["refund_amount"], rub("150.00"));
    system.payment_gets(payment, "payment_refund_succeeded").await;
    let shown = customer.after(&format!("/api/v1/disputes/{dispute}"), &agreed.token()).await.data();
    assert_eq!(shown["offers"][1]["message"], "I am sorry.");
    assert_eq!(
        (&shown["offers"][0]["status"], &shown["offers"][1]["status"]),
        (&json!("DECLINED"), &json!("ACCEPTED"))
    );
    system.advance(TimeDelta::hours(72));
    system.order_gets(order, "order_completed").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_closes_two_days_after_completion() {
    let system = TestSystem::start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 5).await;
    system.deliver(order).await;
    system.customer().act(order, "complete").await.expect(200);
    system.advance(TimeDelta::hours(48) + TimeDelta::seconds(1));
    system.customer().dispute(order, &complaint(None)).await.expect_rule("dispute_window_closed");
    system.order_gets(order, "order_payout_released").await;
    let opened = system.admin().dispute(order, &complaint(Some("100.00"))).await.expect(201);
    let dispute = id_of(&opened.data()["id"]);
    system.producer().in_dispute(dispute, "accept-claim", json!({})).await.expect(200);
    system.order_gets(order, "order_refund_settled").await;
    let refund = system.payload(order, "order_refund_authorized").await;
    assert_eq!((&refund["source"], &refund["fault"]), (&json!("DISPUTE"), &json!("PRODUCER")), "a debt of the cook's");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_refunds_beside_an_open_dispute() {
    let system = TestSystem::start().await;
    let (order, _, _) = system.disputed_order(&complaint(None)).await;
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "10.00", version).await.expect_rule("payment_under_dispute");
    system.customer().dispute(order, &complaint(None)).await.expect_rule("dispute_already_open");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_refund_of_a_meal_that_is_not_there_calls_the_order_off() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 5).await;
    system.producer().act(order, "accept").await.expect(200);
    system
        .customer()
        .dispute(order, &json!({ "reason_code": "NOT_RECEIVED", "description": "Where is it?" }))
        .await
        .expect_rule("too_early");
    system.advance(TimeDelta::minutes(91));
    let missing = json!({ "reason_code": "NOT_RECEIVED", "description": "Where is it?" });
    let opened = system.customer().dispute(order, &missing).await.expect(201);
    let dispute = id_of(&opened.data()["id"]);
    system.producer().in_dispute(dispute, "accept-claim", json!({})).await.expect(200);
    system.order_reaches(order, OrderStatus::Cancelled).await;
    assert_eq!(system.payload(order, "order_cancelled").await["reason_code"], "DISPUTE");
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.audit().await;
    let refunds = system.order_events(order).await;
    assert_eq!(refunds.iter().filter(|name| *name == "order_refund_authorized").count(), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_decision_takes_two_administrators_and_what_they_have_seen() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let mut large = wish(scenario_dish(0), 1);
    large.as_object_mut().unwrap().retain(|field, _| field != "dish_id" && field != "quantity");
    large["items"] =
        json!([{ "dish_id": scenario_dish(0), "quantity": 99 }, { "dish_id": scenario_dish(0), "quantity": 60 }]);
    let order = id_of(&customer.post("/api/v1/orders", &large).await.expect(201).data()["id"]);
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    let dispute = id_of(&customer.dispute(order, &complaint(None)).await.expect(201).data()["id"]);
    system.producer().in_dispute(dispute, "escalate", json!({})).await.expect(200);
    let admin = system.admin();
    let all = json!({ "outcome": "REFUND_FULL", "fault": "PLATFORM" });
    admin.in_dispute(dispute, "resolve", all.clone()).await.expect_problem(428, "PRECONDITION_REQUIRED");
    admin.decide(dispute, "resolve", &all, 1).await.expect_problem(412, "PRECONDITION_FAILED");
    let proposed = admin.decide(dispute, "resolve", &all, 2).await.expect(200);
    assert_eq!(
        (&proposed.data()["awaits_approval"], &proposed.data()["status"]),
        (&json!(true), &json!("UNDER_REVIEW"))
    );
    admin.decide(dispute, "resolution/approve", &json!({}), 3).await.expect_rule("approval_required");
    let other = system.another_admin();
    other.decide(dispute, "resolution/approve", &json!({}), 3).await.expect(200);
    system.order_reaches(order, OrderStatus::Cancelled).await;
    system.payment_gets(payment, "payment_refund_succeeded").await;
    assert_eq!(system.payload(payment, "payment_refund_succeeded").await["amount"], rub("15900.00"));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_side_sees_the_others_evidence_after_the_answer_and_nothing_is_in_the_clear() {
    let system = TestSystem::start().await;
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let mut quality = complaint(None);
    quality["reason_code"] = json!("QUALITY");
    let (order, _) = system.paid_order(scenario_dish(0), 5).await;
    system.deliver(order).await;
    system.customer().dispute(order, &quality).await.expect_rule("evidence_required");
    quality["evidence"] = json!([{ "kind": "PHOTO", "text": "the xylophone soup", "file_refs": [hash] }]);
    let opened = system.customer().dispute(order, &quality).await.expect(201);
    let (dispute, token) = (id_of(&opened.data()["id"]), opened.token());
    let path = format!("/api/v1/disputes/{dispute}");
    let after = async |client: crate::harness::Client| client.after(&path, &token).await.expect(200).data();
    let seen = after(system.customer()).await;
    assert_eq!(seen["evidence"][0]["text"], "the xylophone soup");
    let seen = after(system.producer()).await;
    assert_eq!((&seen["description"], &seen["evidence"]), (&json!("It came two hours late."), &json!([])));
    for (client, sees) in [(system.customer(), true), (system.producer(), false)] {
        let history = client.get(&format!("/api/v1/orders/{order}/history")).await.expect(200).text();
        assert_eq!(history.contains(hash), sees, "not by way of the order either: {history}");
    }
    let shown = json!({ "kind": "STATEMENT", "text": "it was hot", "file_refs": [] });
    system.producer().in_dispute(dispute, "evidence", shown).await.expect(201);
    system.producer().in_dispute(dispute, "respond", json!({ "message": "Not mine." })).await.expect(200);
    system.come_to_rest(&Default::default()).await;
    for client in [system.customer(), system.producer(), system.admin()] {
        let seen = client.get(&path).await.expect(200).data();
        assert_eq!(seen["evidence"].as_array().map(Vec::len), Some(2));
        assert_eq!((&seen["evidence"][1]["text"], &seen["response"]), (&json!("it was hot"), &json!("Not mine.")));
    }
    for event in system.events().await {
        assert!(!event.payload.contains("xylophone") && !event.payload.contains("Not mine"), "{}", event.payload);
    }
    let listed = system.producer().get("/api/v1/disputes?status=UNDER_REVIEW").await.expect(200).data();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["description"]), (Some(1), &Value::Null));
    assert_eq!(system.other_producer().get("/api/v1/disputes").await.data(), json!([]));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_is_opened_once_under_its_key_and_appealed_once() {
    let system = TestSystem::start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 5).await;
    system.deliver(order).await;
    let customer = system.customer();
    let path = format!("/api/v1/orders/{order}/disputes");
    customer.post(&path, &complaint(None)).await.expect_problem(400, "IDEMPOTENCY_KEY_MISSING");
    let first = customer.post_once(&path, &complaint(None), "k").await.expect(201);
    let again = customer.post_once(&path, &complaint(None), "k").await.expect(201);
    assert_eq!((first.body.clone(), again.header("idempotent-replayed")), (again.body.clone(), "true"));
    customer.post_once(&path, &complaint(Some("1.00")), "k").await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    let dispute = id_of(&first.data()["id"]);
    customer.in_dispute(dispute, "withdraw", json!({})).await.expect(200);
    system.order_gets(order, "order_payout_unfrozen").await;
    customer.dispute(order, &complaint(None)).await.expect_rule("dispute_limit_reached");
    let mut appeal = complaint(None);
    appeal["appeal_of"] = json!(dispute);
    let second = id_of(&customer.dispute(order, &appeal).await.expect(201).data()["id"]);
    assert_ne!(dispute, second);
    customer.in_dispute(second, "withdraw", json!({})).await.expect(200);
    system.come_to_rest(&Default::default()).await;
    let shown = customer.order(order).await.data();
    assert_eq!(shown["disputes"].as_array().map(Vec::len), Some(2));
    assert!(!shown["allowed_actions"].as_array().unwrap().contains(&json!("dispute")));
    system.finish().await;
}
