//! Held money that the bank does not give.

use chrono::TimeDelta;
use fake_bank::{Fault, FaultRule, Operation, Telling};
use serde_json::json;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use super::{pay, with_bank};
use crate::harness::{Leftovers, TestSystem, id_of, scenario_dish};

/// An order that the cook has taken on, and whose held money the bank does not give, however often it is asked.
async fn accepted_and_not_captured(system: &TestSystem) -> (Uuid, Uuid) {
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let body = json!({ "return_url": "http://localhost/paid", "capture_mode": "ON_ACCEPT" });
    let asked = customer.post_once(&format!("/api/v1/orders/{order}/payments"), &body, &order.to_string()).await;
    let payment = id_of(&asked.data()["payment_id"]);
    system.payment_gets(payment, "payment_session_opened").await;
    pay(system, payment, Telling::default()).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    let fault = Fault::Code { code: "501".to_owned(), message: String::new() };
    system.bank().misbehave(FaultRule { times: 1_000, ..FaultRule::next(Operation::Confirm, fault) });
    system.producer().act(order, "accept").await.expect(200);
    (order, payment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_called_off_while_the_bank_does_not_give_its_money_costs_the_customer_nothing() {
    let system = with_bank().await;
    let (order, payment) = accepted_and_not_captured(&system).await;
    system.payment_gets(payment, "payment_capture_requested").await;
    system.customer().act(order, "cancel").await.expect(200);
    // The bank is asked a few times in a row; then the cancellation has its turn.
    system.payment_gets(payment, "payment_abort_requested").await;
    // Who was refused so often asks nothing for a minute.
    system.advance(TimeDelta::seconds(61));
    system.payment_gets(payment, "payment_failed").await;
    let page = &system.bank().payments_of(&payment.to_string())[0];
    assert_eq!((page.captured, page.refunded), (0, 0), "{page:?}");
    system.come_to_rest(&Leftovers::default()).await;
    assert!(!system.payment_events(payment).await.contains(&"payment_succeeded".to_owned()));
    system.finish().await;
}
