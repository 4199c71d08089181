//! What happens when time passes: deadlines fire once, and the customer's money is safe on either side of them.

use chrono::TimeDelta;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{Leftovers, Parts, TestSystem, scenario_dish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_nobody_pays_is_called_off() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let untouched = customer.place(scenario_dish(0), 1).await;
    let opened = customer.place(scenario_dish(0), 1).await;
    let payment = customer.pay(opened).await;
    system.advance(TimeDelta::minutes(29));
    system.audit().await;
    assert_eq!(customer.order(untouched).await.data()["status"], "WAITING_FOR_PAYMENT");
    customer.ask_to_pay(untouched).await.expect_rule("payment_deadline_passed");
    system.advance(TimeDelta::minutes(1));
    for order in [untouched, opened] {
        system.order_reaches(order, OrderStatus::Cancelled).await;
        assert_eq!(system.payload(order, "order_cancelled").await["reason_code"], "PAYMENT_TIMEOUT");
    }
    system.payment_gets(payment, "payment_failed").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_that_races_the_money_books_it_there_and_back() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let payment = customer.pay(order).await;
    // The bank was asked a moment ago and will not be asked again before the deadline.
    system.advance(TimeDelta::minutes(29));
    system.come_to_rest(&Leftovers::default()).await;
    // The customer pays, and the bank's news of it gets lost.
    customer.at_bank(payment, "complete?webhooks=0").await.expect(200);
    system.advance(TimeDelta::minutes(1));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    system.payment_gets(payment, "payment_refund_succeeded").await;
    let events = system.events().await;
    let together = ["payment_unapplied", "payment_succeeded", "payment_refund_requested"];
    let first = events.iter().position(|event| event.event_type == together[0]).unwrap();
    let found: Vec<&str> = events[first..first + 3].iter().map(|event| event.event_type.as_ref()).collect();
    assert_eq!(found, together);
    let command = events[first].metadata.command_id;
    assert!(events[first..first + 3].iter().all(|event| event.metadata.command_id == command), "one append");
    assert!(!system.order_events(order).await.contains(&"order_paid".to_owned()));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_whom_the_bank_is_checking_gets_ten_minutes_more() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(3), 1).await;
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.payment_gets(payment, "payment_processing").await;
    // The bank takes the money in time and tells of it late.
    customer.at_bank(payment, "complete?delay_ms=1500").await.expect(200);
    system.advance(TimeDelta::minutes(30));
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_by_the_bank_that_ends_in_the_ten_minutes_after_the_deadline_pays_the_order() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(3), 1).await;
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.payment_gets(payment, "payment_processing").await;
    system.advance(TimeDelta::minutes(30) + TimeDelta::seconds(1));
    system.come_to_rest(&Leftovers::default()).await;
    system.advance(TimeDelta::minutes(9));
    assert_eq!(customer.order(order).await.data()["status"], "WAITING_FOR_PAYMENT");
    customer.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_by_the_bank_that_outlasts_the_ten_minutes_pays_nothing() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(3), 1).await;
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.payment_gets(payment, "payment_processing").await;
    for minutes in [31, 11] {
        system.advance(TimeDelta::minutes(minutes));
        system.come_to_rest(&Leftovers::default()).await;
    }
    system.order_reaches(order, OrderStatus::Cancelled).await;
    // A check cannot be called off at the bank; what it brings afterwards goes back.
    customer.complete_at_bank(payment).await;
    system.payment_gets(payment, "payment_refund_succeeded").await;
    assert!(!system.order_events(order).await.contains(&"order_paid".to_owned()));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reminder_as_late_as_the_acceptance_deadline_reminds_nobody() {
    let system = TestSystem::start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.advance(TimeDelta::seconds(902));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    assert!(!system.order_events(order).await.contains(&"order_producer_reminded".to_owned()));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_the_customer_never_finishes_dies_with_the_order() {
    let system = TestSystem::start().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(12), 1).await;
    let payment = customer.pay(order).await;
    customer.complete_at_bank(payment).await;
    system.advance(TimeDelta::minutes(31));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    system.payment_gets(payment, "payment_failed").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_that_no_cook_takes_on_is_called_off_and_refunded() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    system.advance(TimeDelta::minutes(15));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    assert_eq!(system.payload(order, "order_cancelled").await["reason_code"], "PRODUCER_TIMEOUT");
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.order_gets(order, "order_refund_settled").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_that_passed_while_nothing_ran_are_made_up_for() {
    let mut system = TestSystem::start().await;
    let (taken, _) = system.paid_order(scenario_dish(0), 1).await;
    system.producer().act(taken, "accept").await.expect(200);
    let (forgotten, _) = system.paid_order(scenario_dish(0), 1).await;
    let unpaid = system.customer().place(scenario_dish(0), 1).await;
    system.instances.remove(0).stop().await.unwrap();
    system.advance(TimeDelta::hours(2));
    system.add_instance(Parts::ALL).await;
    for order in [forgotten, unpaid] {
        system.order_reaches(order, OrderStatus::Cancelled).await;
    }
    system.order_reaches(taken, OrderStatus::Accepted).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_that_passed_while_nothing_ran_come_in_their_order() {
    let mut system = TestSystem::start().await;
    let (mut paid, mut unpaid) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        // Fifteen minutes for the cook, thirty for the customer.
        unpaid.push(system.customer().place(scenario_dish(0), 1).await);
        paid.push(system.paid_order(scenario_dish(0), 1).await.0);
        system.advance(TimeDelta::seconds(20));
    }
    system.instances.remove(0).stop().await.unwrap();
    system.advance(TimeDelta::hours(2));
    system.add_instance(Parts::ALL).await;
    let due: Vec<Uuid> = paid.into_iter().chain(unpaid).collect();
    for order in &due {
        system.order_reaches(*order, OrderStatus::Cancelled).await;
    }
    let events = system.events().await;
    let cancelled = events.iter().filter(|event| event.event_type == "order_cancelled");
    assert_eq!(cancelled.map(|event| event.aggregate_id).collect::<Vec<_>>(), due);
    system.finish().await;
}
