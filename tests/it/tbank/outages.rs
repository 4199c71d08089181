//! T-Bank, our database or our own process away at the worst moment.

use chrono::TimeDelta;
use fake_bank::{Fault, FaultRule, Operation, Telling};
use shared::domain::order::OrderStatus;

use super::{open_page, pay, with_bank};
use crate::harness::{Parts, ServiceProcess, TestSystem, eventually, scenario_dish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s25_five_failures_open_the_circuit_and_two_successes_after_a_minute_close_it() {
    let system = with_bank().await;
    let customer = system.customer();
    let metrics = system.nobody().get("/metrics").await.text();
    for name in ["tbank_init", "tbank_query", "tbank_money"] {
        let closed = format!("circuit_breaker_state{{name=\"{name}\"}} 0");
        assert!(metrics.contains(&closed), "known before the first call: {closed}");
    }
    for _ in 0..6 {
        let (order, payment) = open_page(&system, scenario_dish(0)).await;
        system.bank().decline(&payment.to_string(), "1051", Telling::default()).await.unwrap();
        system.order_is_free_to_pay(order).await;
    }
    let breaker = |state: u64| system.metric_reaches("circuit_breaker_state{", "tbank_init", state);
    system.bank().misbehave(FaultRule::next(Operation::Init, Fault::StatusBefore { status: 500 }).times(5));
    let (one, other) = (customer.place(scenario_dish(0), 1).await, customer.place(scenario_dish(0), 1).await);
    // One after the other, so that no success comes between the failures.
    for order in [one, other] {
        customer.ask_to_pay(order).await;
    }
    breaker(2).await;
    let waiting = customer.place(scenario_dish(0), 1).await;
    let refused = customer.ask_to_pay(waiting).await.expect_problem(503, "SERVICE_UNAVAILABLE");
    assert_eq!(refused.json()["rule_name"], "circuit_breaker_open");
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    eventually(20, || async {
        let health = system.nobody().get("/health/").await.json();
        if health["status"] == "degraded" { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    system.order_reaches(waiting, OrderStatus::WaitingForPayment).await;
    system.advance(TimeDelta::seconds(61));
    for order in [waiting, customer.place(scenario_dish(0), 1).await] {
        let payment = customer.pay(order).await;
        system.payment_gets(payment, "payment_session_opened").await;
        pay(&system, payment, Telling::default()).await;
        system.order_reaches(order, OrderStatus::Paid).await;
    }
    // The report looks every few seconds.
    eventually(20, || async {
        let health = system.nobody().get("/health/").await.json();
        if health["status"] == "healthy" { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s26_a_process_killed_while_the_bank_opens_the_page_leaves_one_page_to_pay_on() {
    let mut system = TestSystem::builder().fake_tbank().instances(&[Parts::READ]).start().await;
    let mut process = ServiceProcess::start(&system).await;
    let customer = system.customer().at(&process.url);
    let order = customer.place(scenario_dish(0), 1).await;
    system.bank().misbehave(FaultRule::next(Operation::Init, Fault::StallAfter { ms: 60_000 }));
    let asking = tokio::spawn(async move { customer.ask_to_pay(order).await.status });
    eventually(20, || async { system.bank().payments().first().map(|_| ()).ok_or("no page yet") }).await;
    process.kill().await;
    assert!(asking.await.is_err(), "nobody answers any more");
    let payment = system.bank().payments()[0].order_id.clone();
    let url = system.add_instance(Parts::ALL).await;
    let customer = system.customer().at(&url);
    let payment = eventually(20, || async {
        let answer = customer.ask_to_pay(order).await;
        let data = if answer.status == 201 { answer.data() } else { answer.json() };
        if data["payment_url"].is_string() {
            Ok(crate::harness::id_of(&data["payment_id"]))
        } else {
            Err(format!("{payment}: {data}"))
        }
    })
    .await;
    let pages = system.bank().payments_of(&payment.to_string());
    let open = pages.iter().filter(|page| page.status == "NEW").count();
    assert_eq!(open, 1, "{pages:?}");
    pay(&system, payment, Telling::nothing()).await;
    system.advance(TimeDelta::minutes(2));
    system.payment_gets(payment, "payment_applied").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s27_a_notification_that_cannot_be_written_down_is_asked_for_again() {
    let mut system = TestSystem::builder().fake_tbank().own_postgres().start().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    let about = payment.to_string();
    system.own_postgres.as_mut().unwrap().stop().await.unwrap();
    pay(&system, payment, Telling::default()).await;
    eventually(30, || async {
        let page = system.bank().payments_of(&about)[0].clone();
        if page.unheard_count() == 1 { Ok(()) } else { Err("the bank has not been refused yet") }
    })
    .await;
    system.own_postgres.as_mut().unwrap().restart().await.unwrap();
    system.reconnect().await;
    eventually(30, || async {
        system.bank().redeliver(&about).await;
        let page = system.bank().payments_of(&about)[0].clone();
        if page.unheard_count() == 0 { Ok(()) } else { Err("still not heard") }
    })
    .await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}
