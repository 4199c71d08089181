//! Deadlines: late, cut short, put off.

use super::*;

#[tokio::test]
async fn a_deadline_that_was_cut_short_half_way_still_calls_the_order_off() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let (order_id, payment_id) = order(1);
    let customer = Process::start(&database).await;
    for command in [create(order_id), pay(order_id)] {
        customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
    }
    let timer: Uuid = sqlx::query_scalar("SELECT timer_id FROM timers").fetch_one(&database.db).await.unwrap();
    let service = Service::start(&database, &bank).await;
    until("the page is open", async || bank.acts("open") == 1).await;
    // The first firing got as far as calling the attempt off, and the attempt is over by now.
    let cause = Cause {
        manager: "deadlines",
        source_id: timer,
        causation_id: timer,
        correlation_id: order_id.0,
        traceparent: None,
        may_be_repeated: true,
        is_timer: true,
    };
    let first = vec![order_payment::abort(payment_id, "late")];
    executor(&service.process, &service.clock, &bank).perform(&cause, order_id.0, first).await.unwrap();
    until("the attempt is over", async || events(&database.db, "order_payment_attempt_failed").await == 1).await;
    service.clock.advance(TimeDelta::minutes(31));
    until("the order is called off", async || service.status(order_id).await == Some(OrderStatus::Cancelled)).await;
}

#[tokio::test]
async fn timers_that_came_due_during_a_stop_fire_in_due_order() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let customer = Process::start(&database).await;
    for n in 0..20_u128 {
        let (order_id, _) = order(n);
        let mut placed = submission(order_id.0, Actor::Customer(CUSTOMER), create(order_id));
        placed.intent.now = now() - TimeDelta::minutes(i64::try_from((n * 7) % 20).unwrap());
        customer.order(placed).await.unwrap();
    }
    // One of a kind that only a later program knows: it stays, and holds nobody up.
    sqlx::query("INSERT INTO timers VALUES ($1, 'from_the_future', $1, $1, $1, $2)")
        .bind(Uuid::now_v7())
        .bind(now() - TimeDelta::hours(1))
        .execute(&database.db)
        .await
        .unwrap();
    let service = Service::start_at(&database, &bank, now() + TimeDelta::hours(2)).await;
    until("all orders are called off", async || events(&database.db, "order_cancelled").await == 20).await;
    let lateness = service.late.lock().clone();
    assert!(lateness.is_sorted_by(|before, after| before >= after), "{lateness:?}");
    until("only the strange timer is left", async || {
        let left: Vec<(String, DateTime<Utc>)> =
            sqlx::query_as("SELECT kind, due_at FROM timers").fetch_all(&database.db).await.unwrap();
        left == [("from_the_future".to_owned(), service.clock.now() + TimeDelta::hours(1))]
    })
    .await;
}

#[tokio::test]
async fn a_customer_under_check_gets_one_grace_and_no_more() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let (order_id, payment_id) = order(1);
    let service = Service::start(&database, &bank).await;
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts("open") == 1).await;
    service.tell(order_id, payment_id, ProviderStatus::Processing).await;
    service.clock.advance(TimeDelta::minutes(30));
    let due = now() + TimeDelta::minutes(40);
    until("the deadline is put off", async || {
        let deadlines = "SELECT due_at FROM timers WHERE kind = 'order_payment_deadline'";
        let timers: Vec<DateTime<Utc>> = sqlx::query_scalar(deadlines).fetch_all(&database.db).await.unwrap();
        timers == [due]
    })
    .await;
    assert_eq!(service.status(order_id).await, Some(OrderStatus::WaitingForPayment));
    service.clock.advance(TimeDelta::minutes(10));
    until("the order is called off", async || service.status(order_id).await == Some(OrderStatus::Cancelled)).await;
    until("the attempt is called off", async || bank.acts("abort") == 1).await;
}

/// Fifty payments about which the bank says nothing, and an order beside them that nobody pays.
#[tokio::test]
async fn deadlines_come_on_time_while_a_bank_keeps_other_timers_waiting() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    for n in 0..50_u128 {
        for command in [create(order(n).0), pay(order(n).0)] {
            service.order(order(n).0, Actor::Customer(CUSTOMER), command).await;
        }
    }
    until("the pages are open", async || bank.acts("open") == 50).await;
    bank.silent.lock().extend((0..50).map(|n| order(n).1));
    let (untouched, _) = order(50);
    service.order(untouched, Actor::Customer(CUSTOMER), create(untouched)).await;
    service.clock.advance(TimeDelta::seconds(61));
    until("the bank is asked", async || service.late.lock().len() >= 32).await;
    service.clock.advance(TimeDelta::minutes(29));
    until("the order is called off", async || service.status(untouched).await == Some(OrderStatus::Cancelled)).await;
    // The bank speaks again, and what waited for it goes on.
    bank.silent.lock().clear();
    until("all are called off", async || events(&database.db, "order_cancelled").await == 51).await;
}

/// A poll that came due before a deadline of the same flow is answered before it.
#[tokio::test]
async fn what_a_bank_is_asked_first_is_answered_before_the_deadline_of_its_own_flow() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, payment_id) = order(1);
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts("open") == 1).await;
    bank.silent.lock().push(payment_id);
    // Long after both, the bank is asked first, and only it.
    service.clock.advance(TimeDelta::minutes(31));
    until("the bank is asked", async || service.late.lock().len() == 1).await;
    tokio::time::timeout(Duration::from_millis(700), until("both fire", async || service.late.lock().len() > 1))
        .await
        .expect_err("the deadline waits");
    bank.silent.lock().clear();
    until("the order is called off", async || service.status(order_id).await == Some(OrderStatus::Cancelled)).await;
}
