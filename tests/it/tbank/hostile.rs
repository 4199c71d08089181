//! Notifications from those who are not the bank, and from the bank on a bad day.

use chrono::TimeDelta;
use fake_bank::{Operation, Telling};
use reqwest::Method;
use serde_json::{Map, Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use super::{holds_back, open_page, paid, pay, with_bank};
use crate::harness::{SOON_SECS, TestSystem, eventually, scenario_dish};

const PATH: &str = "/api/v1/webhooks/tbank";

async fn inbox(system: &TestSystem, column: &str) -> Vec<String> {
    let query = format!("SELECT {column}::text FROM provider_inbox ORDER BY received_at");
    sqlx::query_scalar(&query).fetch_all(&system.db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s22_digits_that_moved_within_a_right_signature_are_not_believed() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    pay(&system, payment, Telling { malleated: true, ..Telling::default() }).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.metric_reaches("webhook_total{", "contradicted", 1).await;
    let events = system.payment_gets(payment, "payment_applied").await;
    assert!(!events.contains(&"payment_integrity_violated".to_owned()), "a forger holds nobody up: {events:?}");
    assert_eq!(system.payload(payment, "payment_succeeded").await["amount"]["amount"], "100.00");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_only_a_notification_speaks_of_does_not_exist() {
    let system = with_bank().await;
    let (_, payment) = open_page(&system, scenario_dish(0)).await;
    let page = system.bank().payments()[0].clone();
    let told = json!({
        "OrderId": page.order_id, "PaymentId": page.id, "Status": "CONFIRMED", "Success": true, "ErrorCode": "0",
        "Amount": page.amount,
    });
    let fields = told.as_object().cloned().unwrap();
    assert_eq!(system.bank().tell_anything(&payment.to_string(), fields).await, Some(200));
    eventually(SOON_SECS, || async {
        let states = inbox(&system, "state").await;
        if states == ["DONE"] { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;
    assert_eq!(system.payment_events(payment).await, ["payment_initiated", "payment_session_opened"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s23_whoever_does_not_know_the_password_leaves_no_trace() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(15)).await;
    pay(&system, payment, Telling::default()).await;
    system.metric_reaches("webhook_total{", "bad_signature", 1).await;
    let nobody = system.nobody();
    for body in ["", "null", "{}", "[]", r#"{"Token":"x"}"#, r#"{"TerminalKey":"FakeTerminalDEMO","Token":""}"#] {
        let request = nobody.request(Method::POST, PATH).header("Content-Type", "application/json").body(body);
        nobody.send(request).await.expect_problem(403, "PERMISSION_DENIED");
    }
    let large = nobody.request(Method::POST, PATH).body("x".repeat(64 * 1024 + 1));
    nobody.send(large).await.expect_problem(413, "PAYLOAD_TOO_LARGE");
    assert!(inbox(&system, "word").await.is_empty());
    assert_eq!(system.payment_events(payment).await, ["payment_initiated", "payment_session_opened"]);
    pay(&system, payment, Telling::default()).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_a_genuine_notification_told_again_after_months_is_no_news() {
    let system = with_bank().await;
    let (_, payment) = paid(&system, scenario_dish(0)).await;
    let events = system.payment_gets(payment, "payment_applied").await;
    system.bank().repeat_everything(&payment.to_string()).await;
    system.metric_reaches("webhook_total{", "repeated", 1).await;
    // Even where nobody remembers it.
    sqlx::query("DELETE FROM provider_inbox").execute(&system.db).await.unwrap();
    system.bank().repeat_everything(&payment.to_string()).await;
    eventually(SOON_SECS, || async {
        let states = inbox(&system, "state").await;
        if states == ["DONE"] { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;
    assert_eq!(system.payment_events(payment).await, events);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_nothing_of_ours_is_answered_and_kept_for_a_person() {
    let system = with_bank().await;
    let (_, payment) = open_page(&system, scenario_dish(0)).await;
    let stranger = Uuid::now_v7().simple().to_string();
    let told = [
        json!({ "OrderId": format!("{stranger}-01"), "PaymentId": 7, "Status": "CONFIRMED", "Amount": 1 }),
        json!({ "OrderId": "somebody else's", "PaymentId": 8, "Status": "REFUNDED", "Amount": 1 }),
        json!({ "OrderId": "x", "PaymentId": 9, "Status": "RECEIPT", "FiscalNumber": 1, "Success": true }),
        json!({ "NotificationType": "LINKCARD", "Status": "COMPLETED", "CardId": 1, "Pan": "430000******0777" }),
    ];
    for fields in told {
        let fields: Map<String, Value> = fields.as_object().cloned().unwrap();
        assert_eq!(system.bank().tell_anything(&payment.to_string(), fields).await, Some(200));
    }
    eventually(SOON_SECS, || async {
        let states = inbox(&system, "state").await;
        let expected = ["PARKED", "PARKED", "DONE", "DONE"];
        if states == expected { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;
    assert!(!inbox(&system, "facts").await.concat().contains("430000"), "nothing of the card is kept");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_networks_are_not_listened_to() {
    let system = TestSystem::builder().fake_tbank().write_side(&["--tbank-networks", "91.194.226.0/23"]).start().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    pay(&system, payment, Telling::default()).await;
    system.metric_reaches("webhook_total{", "foreign_network", 1).await;
    // Who is not told asks.
    system.advance(TimeDelta::seconds(61));
    system.order_reaches(order, OrderStatus::Paid).await;
    assert!(inbox(&system, "word").await.is_empty());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_changed_without_losing_a_notification() {
    let system = TestSystem::builder()
        .fake_tbank()
        .write_side(&["--tbank-password-previous", "the password before"])
        .start()
        .await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    let password = system.bank().password();
    // The bank still signs with the old one.
    system.bank().set_password("the password before");
    pay(&system, payment, Telling::default()).await;
    eventually(SOON_SECS, || async {
        let words = inbox(&system, "word").await;
        if words == ["CONFIRMED"] { Ok(()) } else { Err(format!("{words:?}")) }
    })
    .await;
    // Until then our own calls are refused, and the notification waits.
    assert_eq!(system.order_events(order).await.len(), 2);
    system.bank().set_password(&password);
    system.advance(TimeDelta::minutes(2));
    system.order_reaches(order, OrderStatus::Paid).await;
    assert!(system.bank().calls(Operation::GetState) >= 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_amount_that_only_a_signed_notification_names_is_not_believed() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    pay(&system, payment, Telling { wrong_amount: true, ..Telling::default() }).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.metric_reaches("webhook_total{", "contradicted", 1).await;
    assert_eq!(system.payload(payment, "payment_succeeded").await["amount"]["amount"], "100.00");
    assert_eq!(system.bank().mischief()["notification_wrong_amount"], 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_of_many_payments_in_another_order_comes_to_the_same() {
    let system = with_bank().await;
    let held_back = || Telling { held_back: true, ..Telling::default() };
    let mut pages = Vec::new();
    for _ in 0..3 {
        let (order, payment) = open_page(&system, scenario_dish(0)).await;
        pay(&system, payment, held_back()).await;
        pages.push((order, payment));
    }
    // A clerk's refund is told before the payment itself: money that came and went has bought nothing.
    let (_, first) = pages[0];
    system.bank().refund_in_cabinet(&first.to_string(), None, held_back()).await.unwrap();
    holds_back(&system, 4).await;
    assert_eq!(system.bank().release().await, 4);
    for (order, _) in &pages[1..] {
        system.order_reaches(*order, OrderStatus::Paid).await;
    }
    let events = system.payment_gets(first, "payment_refund_succeeded").await;
    assert!(events.contains(&"payment_unapplied".to_owned()), "{events:?}");
    system.finish().await;
}
