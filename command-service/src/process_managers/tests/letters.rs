//! Poison and what waits behind it.

use shared::domain::order::CancelReason;

use super::*;

/// What stands in the table of dead letters, in order.
async fn letters(db: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT message_type, status FROM dead_letters WHERE queue_name = 'process_managers' ORDER BY position",
    )
    .fetch_all(db)
    .await
    .unwrap()
}

fn stand(letters: &[(&str, &str)]) -> Vec<(String, String)> {
    letters.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn poison_stops_its_own_flow_and_no_other_until_it_is_redriven() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let ((sick, sick_payment), (well, _)) = (order(1), order(2));
    bank.poisonous.lock().push(sick_payment);
    let customer = Process::start(&database).await;
    for order_id in [sick, well] {
        for command in [create(order_id), pay(order_id)] {
            customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
        }
    }
    let service = Service::start(&database, &bank).await;
    until("the other flow goes on", async || bank.acts("open") == 1).await;
    until("the poison is written down", async || {
        letters(&database.db).await == stand(&[("payment_initiated", "PENDING")])
    })
    .await;
    // Another process learns from the table which flows are held up.
    drop(service);
    let service = Service::start(&database, &bank).await;
    let cancel = OrderCommand::Cancel { reason_code: Some(CancelReason::CustomerRequest), reason_text: None };
    for order_id in [sick, well] {
        service.order(order_id, Actor::Customer(CUSTOMER), cancel.clone()).await;
    }
    until("what follows waits behind it", async || {
        letters(&database.db).await == stand(&[("payment_initiated", "PENDING"), ("order_cancelled", "BLOCKED")])
    })
    .await;
    until("the other attempt is called off", async || bank.acts("abort") == 1).await;
    // It is tried again by itself, three times, less and less often; then a person has to look.
    for (tries, seconds) in (1..).zip([60, 120, 240]) {
        assert_eq!(letters(&database.db).await[0].1, "PENDING", "before try {tries}");
        service.clock.advance(TimeDelta::seconds(seconds - 1));
        let count = "SELECT retry_count FROM dead_letters WHERE message_type = 'payment_initiated'";
        let count = async || sqlx::query_scalar::<_, i32>(count).fetch_one(&database.db).await.unwrap();
        assert_eq!(count().await, tries - 1);
        service.clock.advance(TimeDelta::seconds(1));
        until("it is tried again", async || count().await == tries).await;
    }
    assert_eq!(letters(&database.db).await, stand(&[("payment_initiated", "PARKED"), ("order_cancelled", "BLOCKED")]));
    // The cause is mended and somebody asks for another try: both letters are followed, in order.
    bank.poisonous.lock().clear();
    let redrive = "UPDATE dead_letters SET status = 'PENDING', next_retry_at = '2000-01-01' WHERE status = 'PARKED'";
    sqlx::query(redrive).execute(&database.db).await.unwrap();
    until("the flow has caught up", async || {
        letters(&database.db).await == stand(&[("payment_initiated", "REDRIVEN"), ("order_cancelled", "REDRIVEN")])
    })
    .await;
    until("the attempt is called off", async || bank.acts("abort") == 2).await;
    assert_eq!(bank.acts("open"), 2);
    until("the failure of the attempt is drawn too", async || {
        events(&database.db, "order_payment_attempt_failed").await == 2
    })
    .await;
}

#[tokio::test]
async fn what_was_passed_over_stays_so_though_the_checkpoint_is_behind_it() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let ((passed, passed_payment), (well, _)) = (order(1), order(2));
    bank.poisonous.lock().push(passed_payment);
    let service = Service::start(&database, &bank).await;
    for command in [create(passed), pay(passed)] {
        service.order(passed, Actor::Customer(CUSTOMER), command).await;
    }
    until("it is written down", async || letters(&database.db).await.len() == 1).await;
    drop(service);
    sqlx::query("UPDATE dead_letters SET status = 'DISCARDED', next_retry_at = NULL")
        .execute(&database.db)
        .await
        .unwrap();
    // As if something older had kept the checkpoint back.
    let back = concat!("UPDATE ", "process_manager_checkpoints SET position = 0");
    sqlx::query(back).execute(&database.db).await.unwrap();
    bank.poisonous.lock().clear();
    let service = Service::start(&database, &bank).await;
    for command in [create(well), pay(well)] {
        service.order(well, Actor::Customer(CUSTOMER), command).await;
    }
    until("what comes later is drawn", async || bank.acts("open") > 0).await;
    assert_eq!(letters(&database.db).await, stand(&[("payment_initiated", "DISCARDED")]));
    assert_eq!(bank.acts("open"), 1, "the page of the other order");
}

#[tokio::test]
async fn poison_whose_cause_has_gone_is_followed_by_itself() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let (order_id, payment_id) = order(1);
    bank.poisonous.lock().push(payment_id);
    let service = Service::start(&database, &bank).await;
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("it is written down", async || letters(&database.db).await.len() == 1).await;
    bank.poisonous.lock().clear();
    service.clock.advance(TimeDelta::seconds(60));
    until("the page is open", async || bank.acts("open") == 1).await;
    until("nothing is left", async || letters(&database.db).await == stand(&[("payment_initiated", "REDRIVEN")])).await;
}
