//! Killed at any point, watched by two, kept waiting by the bank: every consequence is drawn once.

use shared::domain::order::RejectReason;

use super::*;
use crate::command_handler::NoAnswer;

/// The whole life of orders: placed, paid, called off by the cook, paid back. Whoever is killed on the way is followed
/// by another, and everything happens once.
#[tokio::test]
async fn killed_at_any_point_every_consequence_is_drawn_once() {
    const ORDERS: u128 = 24;
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let customer = Process::start(&database).await;
    for n in 0..ORDERS {
        let (order_id, _) = order(n);
        for command in [create(order_id), pay(order_id)] {
            customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
        }
    }
    let driver = async {
        for n in 0..ORDERS {
            let (order_id, payment_id) = order(n);
            until("the page is open", async || {
                let payment = customer.payments.load(payment_id.0).await.unwrap();
                payment.is_some_and(|payment| payment.aggregate.session().is_some())
            })
            .await;
            let told = submission(
                payment_id.0,
                Actor::Provider("bank".to_owned()),
                report(payment_id, ProviderStatus::Confirmed),
            );
            customer.payments.execute(told, &NoAnswer).await.unwrap();
            until("the order is paid", async || {
                let order = customer.orders.load(order_id.0).await.unwrap().unwrap();
                order.aggregate.status() == Some(OrderStatus::Paid)
            })
            .await;
            let reject = OrderCommand::Reject { reason_code: RejectReason::TooBusy, comment: None };
            customer.order(submission(order_id.0, cook(), reject)).await.unwrap();
        }
        until("all the money is back", async || {
            events(&database.db, "order_refund_settled").await == i64::try_from(ORDERS).unwrap()
        })
        .await;
    };
    tokio::select! {
        () = driver => {}
        () = kill_one_after_the_other(&database, &bank) => {}
    }
    let orders = i64::try_from(ORDERS).unwrap();
    for name in [
        "payment_initiated",
        "payment_session_opened",
        "payment_succeeded",
        "order_paid",
        "payment_applied",
        "order_cancelled",
        "order_refund_authorized",
        "payment_refund_requested",
        "payment_refund_succeeded",
        "order_refund_settled",
    ] {
        assert_eq!(events(&database.db, name).await, orders, "{name}");
    }
    assert_eq!((bank.acts("open"), bank.acts("refund")), (ORDERS as usize, ORDERS as usize));
    let flows: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT correlation_id) FROM events").fetch_one(&database.db).await.unwrap();
    assert_eq!(flows, orders);
}

#[tokio::test]
async fn the_other_process_draws_consequences_though_it_looked_too_early() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let customer = Process::start(&database).await;
    let (order_id, payment_id) = order(1);
    let service = Service::start(&database, &bank).await;
    assert!(service.process.payments.load(payment_id.0).await.unwrap().is_none());
    assert!(customer.payments.load(payment_id.0).await.unwrap().is_none());
    for command in [create(order_id), pay(order_id)] {
        customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
    }
    until("the page is open", async || {
        let payment = customer.payments.load(payment_id.0).await.unwrap();
        payment.is_some_and(|payment| payment.aggregate.session().is_some())
    })
    .await;
    let told =
        submission(payment_id.0, Actor::Provider("bank".to_owned()), report(payment_id, ProviderStatus::Confirmed));
    customer.payments.execute(told, &NoAnswer).await.unwrap();
    until("the order is paid", async || service.status(order_id).await == Some(OrderStatus::Paid)).await;
}

#[tokio::test]
async fn payments_that_wait_for_a_silent_provider_do_not_take_the_hands_of_others() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let customer = Process::start(&database).await;
    let all: Vec<_> = (0..300_u128).map(order).collect();
    bank.silent.lock().extend(all[..299].iter().map(|(_, payment_id)| *payment_id));
    for (order_id, _) in &all {
        for command in [create(*order_id), pay(*order_id)] {
            customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
        }
    }
    let _service = Service::start(&database, &bank).await;
    until("the last one is served", async || bank.acts("open") == 1).await;
    bank.silent.lock().clear();
    until("all are served", async || bank.acts("open") == 300).await;
    assert!(bank.acts.lock().values().all(|times| *times == 1));
}

#[tokio::test]
async fn two_who_want_to_deal_with_one_payment_do_so_one_after_the_other() {
    let busy = Arc::new(Mutex::new(0));
    let turns = Arc::new(Turns::default());
    let id = Uuid::now_v7();
    let dealings = (0..20).map(|_| {
        let (turns, busy) = (Arc::clone(&turns), Arc::clone(&busy));
        tokio::spawn(async move {
            let _turn = turns.take(id).await;
            *busy.lock() += 1;
            assert_eq!(*busy.lock(), 1);
            tokio::task::yield_now().await;
            *busy.lock() -= 1;
        })
    });
    for dealing in futures::future::join_all(dealings).await {
        dealing.unwrap();
    }
}
