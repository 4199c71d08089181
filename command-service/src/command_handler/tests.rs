//! Commands under races, repetitions and faults, on a real Postgres. Two processes are two handlers on one database.

use std::sync::Arc;

use futures::future::join_all;
use shared::domain::{Actor, OrderId, order::OrderError};

use super::*;
use crate::testing::{
    CUSTOMER, Process, TestDatabase, cook, create, keyed, paid, pay, promise, sequences, submission,
};

fn done<A>(handled: Handled<A>) -> Done<A> {
    match handled {
        Handled::Done(done) => done,
        Handled::Replayed(receipt) => panic!("replayed {receipt:?}"),
    }
}

#[tokio::test]
async fn a_state_is_loaded_as_it_is_now_whoever_appended() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = OrderId(Uuid::now_v7());
    assert!(there.orders.load(order_id.0).await.unwrap().is_none());
    let customer = Actor::Customer(CUSTOMER);
    here.order(submission(order_id.0, customer.clone(), create(order_id))).await.unwrap();
    let loaded = there.orders.load(order_id.0).await.unwrap().expect("the other process placed it");
    assert_eq!(loaded.at.sequence, 1);
    here.order(submission(order_id.0, customer, pay(order_id))).await.unwrap();
    let loaded = there.orders.load(order_id.0).await.unwrap().unwrap();
    assert_eq!(loaded.at.sequence, 2);
    assert!(loaded.aggregate.active_payment().is_some());
    // What was in memory is enough for who needs no more.
    assert_eq!(there.orders.load_since(order_id.0, 2).await.unwrap().unwrap(), loaded);
}

#[tokio::test]
async fn looking_for_a_thing_before_it_exists_does_not_change_the_flow_it_belongs_to() {
    let database = TestDatabase::new().await;
    let process = Process::start(&database).await;
    let order_id = OrderId(Uuid::now_v7());
    let flow = Uuid::now_v7();
    assert!(process.orders.load(order_id.0).await.unwrap().is_none());
    let refused = process.order(submission(order_id.0, cook(), crate::testing::promise_command(5))).await;
    assert!(matches!(refused, Err(CommandError::Refused(OrderError::NotFound))), "{refused:?}");
    let mut first = submission(order_id.0, Actor::Customer(CUSTOMER), create(order_id));
    first.correlation_id = flow;
    assert_eq!(done(process.order(first).await.unwrap()).correlation_id, flow);
    assert_eq!(process.orders.load(order_id.0).await.unwrap().unwrap().correlation_id, flow);
}

#[tokio::test]
async fn a_state_that_fell_stays_forgotten_even_if_reading_it_anew_fails() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = here.accepted_order().await;
    here.orders.load(order_id.0).await.unwrap();
    there.order(promise(order_id, 10)).await.unwrap();
    // A step here on a state that is out of date falls, and nobody has read the order anew when the reading fails.
    let fallen = here.orders.aggregates.entry(order_id.0);
    drop(fallen.take_off());
    let phantom = fallen.state.lock().await.as_ref().unwrap().at;
    sqlx::query("ALTER TABLE events RENAME TO hidden").execute(&database.db).await.unwrap();
    here.order(promise(order_id, 11)).await.unwrap_err();
    sqlx::query("ALTER TABLE hidden RENAME TO events").execute(&database.db).await.unwrap();
    let now = here.orders.load_since(order_id.0, 1).await.unwrap().unwrap().at;
    assert_ne!(now, phantom);
    assert_eq!(now.sequence, 5);
}
