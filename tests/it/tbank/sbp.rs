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
