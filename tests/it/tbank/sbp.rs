//! Faster payments, whose refunds have no names: never blindly again.

use chrono::TimeDelta;
use fake_bank::{Fault, FaultRule, Operation, Telling};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use super::{open_page, with_bank};
use crate::harness::{Leftovers, TestSystem, scenario_dish};

async fn paid_by_sbp(system: &TestSystem) -> (Uuid, Uuid) {
    let (order, payment) = open_page(system, scenario_dish(0)).await;
    system.bank().pay_by_sbp(&payment.to_string(), Telling::default()).await.unwrap();
    system.order_reaches(order, OrderStatus::Paid).await;
    (order, payment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_cleared_up_by_the_difference() {
    let system = with_bank().await;
    let (order, payment) = paid_by_sbp(&system).await;
    system.bank().misbehave(FaultRule::next(Operation::Cancel, Fault::DropAfter));
    system.producer().act(order, "reject").await.expect(200);
    system.order_gets(order, "order_refund_settled").await;
    assert_eq!(system.bank().payments_of(&payment.to_string())[0].acts.len(), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s33_an_ambiguous_part_is_parked_and_never_asked_for_twice() {
    let system = with_bank().await;
    let (order, payment) = paid_by_sbp(&system).await;
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "10.00", version).await.expect(202);
    system.order_gets(order, "order_refund_settled").await;
    system.bank().misbehave(FaultRule::next(Operation::Cancel, Fault::DropAfter));
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "10.00", version).await.expect(202);
    system.payment_gets(payment, "payment_refund_unknown").await;
    let leftovers = Leftovers { money_of: [payment, order].into(), ..Leftovers::default() };
    for _ in 0..10 {
        system.advance(TimeDelta::hours(24));
        system.come_to_rest(&leftovers).await;
    }
    assert_eq!(system.bank().calls(Operation::Cancel), 2, "no second call");
    let mut kinds: Vec<String> = sqlx::query_scalar("SELECT kind FROM payment_cases WHERE payment_id = $1")
        .bind(payment)
        .fetch_all(&system.db)
        .await
        .unwrap();
    kinds.sort();
    assert_eq!(kinds, ["NEVER_ENDED", "REFUND_AMBIGUOUS"]);
    system.audit_with(&leftovers).await;
    system.stop().await;
}

async fn cases(system: &TestSystem) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM payment_cases").fetch_one(&system.db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s35_a_refund_that_the_bank_puts_off_is_tried_again_in_an_hour_by_itself() {
    let system = with_bank().await;
    let (order, payment) = paid_by_sbp(&system).await;
    let put_off = Fault::Code { code: "3029".to_owned(), message: String::new() };
    system.bank().misbehave(FaultRule::next(Operation::Cancel, put_off));
    system.producer().act(order, "reject").await.expect(200);
    system.payment_gets(payment, "payment_refund_failed").await;
    system.advance(TimeDelta::minutes(61));
    system.order_gets(order, "order_refund_settled").await;
    assert_eq!(system.payload(payment, "payment_refund_succeeded").await["epoch"], 2);
    assert_eq!((system.bank().payments_of(&payment.to_string())[0].acts.len(), cases(&system).await), (1, 0));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_about_which_the_bank_could_not_be_asked_is_tried_again_by_itself() {
    let system = with_bank().await;
    let (order, payment) = paid_by_sbp(&system).await;
    system.come_to_rest(&Leftovers::default()).await;
    let silence = FaultRule { times: 3, ..FaultRule::next(Operation::GetState, Fault::DropBefore) };
    system.bank().misbehave(silence);
    system.producer().act(order, "reject").await.expect(200);
    system.payment_gets(payment, "payment_refund_failed").await;
    assert_eq!(system.bank().calls(Operation::Cancel), 0, "nothing was sent");
    system.advance(TimeDelta::minutes(2));
    system.order_gets(order, "order_refund_settled").await;
    assert_eq!(cases(&system).await, 0);
    system.finish().await;
}
