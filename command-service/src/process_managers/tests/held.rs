//! Held money that is let go, and attempts that cannot be called off.

use shared::domain::{
    RefundId,
    order::{AuthorizeRefund, Fault, PartState, RefundAmount, RefundSource, RequestPayment},
    payment::{CaptureMode, Provider, ProviderChoice},
};

use super::*;

async fn held_order(service: &Service, bank: &Bank) -> (OrderId, PaymentId) {
    let (order_id, payment_id) = order(1);
    let pay = OrderCommand::RequestPayment(RequestPayment {
        order_id,
        provider: ProviderChoice::own(Provider::DevFake),
        return_url: "http://localhost/paid".to_owned(),
        capture_mode: Some(CaptureMode::OnAccept),
        policy: OrderPolicy::default(),
    });
    for command in [create(order_id), pay] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts("open") == 1).await;
    service.tell(order_id, payment_id, ProviderStatus::Authorized).await;
    until("the order is paid", async || service.status(order_id).await == Some(OrderStatus::Paid)).await;
    (order_id, payment_id)
}

/// Waits until process managers have drawn every consequence of what is in the log.
async fn everything_is_followed(db: &PgPool) {
    until("the log is followed", async || {
        let behind = "SELECT l.position - p.position FROM log_head l, process_manager_checkpoints p";
        sqlx::query_scalar::<_, i64>(behind).fetch_optional(db).await.unwrap() == Some(0)
    })
    .await;
}

async fn payment(service: &Service, payment_id: PaymentId) -> Payment {
    service.process.payments.load(payment_id.0).await.unwrap().unwrap().aggregate
}

/// The bank takes its time with the capture, and meanwhile the customer thinks better of it.
#[tokio::test]
async fn an_order_called_off_before_its_money_was_taken_owes_nothing() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, payment_id) = held_order(&service, &bank).await;
    service.order(order_id, cook(), OrderCommand::Accept { eta_minutes: 5 }).await;
    until("the capture is asked for", async || payment(&service, payment_id).await.in_flight_capture().is_some()).await;
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    service.order(order_id, Actor::Customer(CUSTOMER), cancel).await;
    until("the hold is lifted", async || bank.acts("void") == 1).await;
    until("the attempt is over", async || events(&database.db, "payment_failed").await == 1).await;
    everything_is_followed(&database.db).await;
    for name in ["order_refund_authorized", "order_refund_failed", "payment_refund_requested"] {
        assert_eq!(events(&database.db, name).await, 0, "{name}");
    }
}

#[tokio::test]
async fn an_order_called_off_while_its_money_is_taken_gives_it_back() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, payment_id) = held_order(&service, &bank).await;
    bank.stubborn.lock().push(payment_id);
    service.order(order_id, cook(), OrderCommand::Accept { eta_minutes: 5 }).await;
    until("the capture is asked for", async || payment(&service, payment_id).await.in_flight_capture().is_some()).await;
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    service.order(order_id, Actor::Customer(CUSTOMER), cancel).await;
    until("the bank does not let go", async || events(&database.db, "payment_abort_postponed").await == 1).await;
    service.tell(order_id, payment_id, ProviderStatus::Confirmed).await;
    until("the money is back", async || events(&database.db, "order_refund_settled").await == 1).await;
    let order = service.process.orders.load(order_id.0).await.unwrap().unwrap().aggregate;
    let refunds: Vec<_> = order.refunds().iter().map(|refund| (refund.card.amount, refund.card.state)).collect();
    assert_eq!(refunds, [(Money::rub(PRICE_KOPECKS), PartState::Settled)]);
}

#[tokio::test]
async fn an_order_called_off_after_its_money_was_taken_gives_it_back() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, payment_id) = held_order(&service, &bank).await;
    service.order(order_id, cook(), OrderCommand::Accept { eta_minutes: 5 }).await;
    until("the capture is asked for", async || payment(&service, payment_id).await.in_flight_capture().is_some()).await;
    service.tell(order_id, payment_id, ProviderStatus::Confirmed).await;
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    service.order(order_id, Actor::Customer(CUSTOMER), cancel).await;
    until("the money is back", async || events(&database.db, "order_refund_settled").await == 1).await;
    assert_eq!(events(&database.db, "order_refund_authorized").await, 1);
}

#[tokio::test]
async fn an_attempt_that_the_bank_does_not_let_go_is_tried_until_its_page_is_dead() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, payment_id) = order(1);
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts("open") == 1).await;
    bank.stubborn.lock().push(payment_id);
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    service.order(order_id, Actor::Customer(CUSTOMER), cancel).await;
    for (tries, minutes) in (1..).zip([1, 5, 15]) {
        until("it is put off", async || events(&database.db, "payment_abort_postponed").await == tries).await;
        assert!(payment(&service, payment_id).await.is_aborting());
        service.clock.advance(TimeDelta::minutes(minutes));
    }
    until("it is put off again", async || events(&database.db, "payment_abort_postponed").await == 4).await;
    service.clock.advance(TimeDelta::hours(37));
    until("it is over", async || payment(&service, payment_id).await.status() == Some(PaymentStatus::Failed)).await;
    assert!(!payment(&service, payment_id).await.is_aborting());
    until("the order knows", async || events(&database.db, "order_payment_attempt_failed").await == 1).await;
    // Money that comes all the same goes back.
    service.tell(order_id, payment_id, ProviderStatus::Confirmed).await;
    until("it goes back", async || events(&database.db, "payment_refund_succeeded").await == 1).await;
    let unapplied = events(&database.db, "payment_unapplied").await;
    assert_eq!((unapplied, events(&database.db, "order_paid").await), (1, 0));
}

/// The bank does not give the held money for hours, and meanwhile the customer thinks better of it.
#[tokio::test]
async fn an_order_called_off_between_two_tries_to_take_its_money_has_the_hold_lifted() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, payment_id) = held_order(&service, &bank).await;
    bank.unwilling.lock().push(payment_id);
    service.order(order_id, cook(), OrderCommand::Accept { eta_minutes: 5 }).await;
    for (tries, minutes) in (1..).zip([1, 5, 15]) {
        until("it is put off", async || events(&database.db, "payment_capture_postponed").await == tries).await;
        assert!(payment(&service, payment_id).await.in_flight_capture().is_some());
        service.clock.advance(TimeDelta::minutes(minutes));
    }
    until("it is put off again", async || events(&database.db, "payment_capture_postponed").await == 4).await;
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    service.order(order_id, Actor::Customer(CUSTOMER), cancel).await;
    until("the hold is lifted", async || bank.acts("void") == 1).await;
    until("the attempt is over", async || events(&database.db, "payment_failed").await == 1).await;
    service.clock.advance(TimeDelta::hours(2));
    everything_is_followed(&database.db).await;
    for name in ["payment_succeeded", "order_refund_authorized", "payment_refund_requested"] {
        assert_eq!(events(&database.db, name).await, 0, "{name}");
    }
}

/// The order owed something when the bank gave all of it back, and heard of that later.
#[tokio::test]
async fn what_the_bank_gave_back_in_full_is_not_owed_beside_it() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, payment_id) = order(1);
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts("open") == 1).await;
    service.tell(order_id, payment_id, ProviderStatus::Confirmed).await;
    until("the money is its", async || events(&database.db, "payment_applied").await == 1).await;
    everything_is_followed(&database.db).await;
    drop(service);
    let process = Process::start(&database).await;
    let mut told =
        submission(payment_id.0, Actor::Provider("bank".to_owned()), report(payment_id, ProviderStatus::Refunded));
    told.correlation_id = order_id.0;
    process.payments.execute(told, &crate::command_handler::NoAnswer).await.unwrap();
    let source_id = Uuid::from_u128(77);
    let refund = OrderCommand::AuthorizeRefund(AuthorizeRefund {
        refund_id: RefundId::of_source(order_id, "admin", source_id),
        source: RefundSource::Admin,
        source_id,
        amount: RefundAmount::Exactly(Money::rub(100)),
        fault: Fault::None,
    });
    process.order(submission(order_id.0, Actor::Admin(CUSTOMER), refund)).await.unwrap();
    drop(process);
    let _service = Service::start(&database, &bank).await;
    until("both are booked", async || events(&database.db, "order_refund_authorized").await == 2).await;
    everything_is_followed(&database.db).await;
    assert_eq!(events(&database.db, "order_refund_failed").await, 0);
    assert_eq!(events(&database.db, "order_refund_settled").await, 2);
}
