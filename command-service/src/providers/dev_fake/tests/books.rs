//! Books are right, bounded, and outlive the process.

use std::str::FromStr;

use dev_servers::TestServers;
use shared::runtime::postgres::migrate;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::providers::ErrorClass;

#[tokio::test]
async fn the_same_init_twice_is_one_page() {
    let bank = bank();
    let payment_id = payment();
    let first = bank.init(payment_id, 50_000).await.unwrap();
    assert_eq!(bank.init(payment_id, 50_000).await.unwrap(), first);
    assert_eq!(bank.init(payment_id, 60_000).await.unwrap_err().class, ErrorClass::InvalidRequest);
    let made = bank.fake.check_order(&ctx(), &payment_id.provider_order_ref(1)).await.unwrap();
    assert_eq!(made.len(), 1);
}

#[tokio::test]
async fn twenty_twins_give_the_money_back_once() {
    let mut bank = bank();
    let payment_id = bank.paid(50_000).await;
    let twins = (0..20).map(|_| bank.cancel(payment_id, Some(20_000), "r-1"));
    for answer in futures::future::join_all(twins).await {
        assert_eq!(answer.unwrap().status, Some(ProviderStatus::PartiallyRefunded));
    }
    let balance = bank.fake.balance(payment_id).await.unwrap();
    assert_eq!(balance, BankBalance { taken_minor: 50_000, returned_minor: 20_000, acts: 1 });
}

#[tokio::test]
async fn twenty_strangers_never_get_more_than_was_taken() {
    let mut bank = bank();
    let payment_id = bank.paid(50_000).await;
    let names: Vec<String> = (0..20).map(|n| format!("r{n}-1")).collect();
    let strangers = names.iter().map(|name| bank.cancel(payment_id, Some(20_000), name));
    let answers = futures::future::join_all(strangers).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    assert_eq!(bank.returned(payment_id).await, 40_000);
}

#[tokio::test]
async fn a_route_without_names_gives_back_twice() {
    let options = DevFakeOptions { idempotent_refund: false, ..DevFakeOptions::new(false, "http://bank") };
    let mut bank = bank_with(options);
    let payment_id = bank.paid(50_000).await;
    bank.cancel(payment_id, Some(20_000), "r-1").await.unwrap();
    bank.cancel(payment_id, Some(20_000), "r-1").await.unwrap();
    assert_eq!(bank.returned(payment_id).await, 40_000);
}

#[tokio::test(start_paused = true)]
async fn notifications_are_counted_and_delayed_as_asked() {
    let mut bank = bank();
    let payment_id = bank.opened(50_000).await;
    let delivery = Delivery { webhooks: Some(2), delay: Duration::from_secs(3), reorder: false };
    bank.fake.complete(payment_id, delivery).await.unwrap();
    assert_eq!(bank.news(), [""; 0]);
    bank.heard.recv().await.unwrap();
    assert_eq!(bank.heard.recv().await.unwrap().delivery_no, 2);

    let silent = bank.opened(50_000).await;
    bank.fake.complete(silent, Delivery { webhooks: Some(0), ..Delivery::default() }).await.unwrap();
    assert_eq!(bank.news(), [""; 0]);
}

#[tokio::test]
async fn what_the_bank_never_heard_of_is_refused() {
    let bank = bank();
    let unknown = provider_payment_id(payment(), 1);
    assert_eq!(bank.fake.get_state(&ctx(), &unknown).await.unwrap_err().class, ErrorClass::InvalidRequest);
    assert_eq!(bank.fake.get_state(&ctx(), "nonsense").await.unwrap_err().class, ErrorClass::InvalidRequest);
    let answer = bank.fake.complete(payment(), Delivery::default()).await;
    assert_eq!(answer, Err(ControlError::UnknownPayment));
}

#[tokio::test]
async fn memory_is_bounded_and_keeps_what_is_open() {
    let options = DevFakeOptions { accounts_max: 64, ..DevFakeOptions::new(false, "http://bank") };
    let mut bank = bank_with(options);
    let open = bank.opened(50_000).await;
    for _ in 0..1_000 {
        bank.paid(50_000).await;
    }
    assert!(bank.fake.payments_in_memory() <= 2 * 64);
    assert_eq!(bank.status(open).await, ProviderStatus::New);
}

async fn database() -> (PgConnectOptions, PgPool) {
    let servers = TestServers::shared().await;
    let template = servers
        .template("dev_fake", |url| async move {
            let db = PgPool::connect(&url).await?;
            migrate(&db).await?;
            db.close().await;
            Ok(())
        })
        .await
        .unwrap();
    let name = servers.create_database(Some(&template)).await.unwrap();
    let options = PgConnectOptions::from_str(&servers.postgres_url(&name)).unwrap();
    (options.clone(), PgPool::connect_with(options).await.unwrap())
}

/// A bank over the table; its writer dies with the token, unasked, as by kill -9.
fn durable_bank(database: &PgConnectOptions, options: DevFakeOptions) -> (Bank, tokio::task::JoinHandle<()>) {
    let clock = Clock::stopped_at(start_of_time());
    let (notifications, heard) = mpsc::channel(4_096);
    let (fake, writer) = DevFake::with_books(options, clock.clone(), notifications, database.clone()).unwrap();
    (Bank { fake, clock, heard }, tokio::spawn(writer.run(CancellationToken::new())))
}

fn options() -> DevFakeOptions {
    DevFakeOptions::new(false, "http://bank")
}

#[tokio::test]
async fn a_killed_bank_forgets_nothing_it_answered() {
    let (database, _db) = database().await;
    let (mut bank, writer) = durable_bank(&database, options());
    let (open, paid, lost) = (bank.opened(50_000).await, bank.paid(50_010).await, payment());
    bank.init(lost, 50_005).await.unwrap_err();
    bank.cancel(paid, Some(10_000), "r-1").await.unwrap_err();
    writer.abort();
    drop(bank);

    let (bank, _writer) = durable_bank(&database, options());
    assert_eq!(bank.status(open).await, ProviderStatus::New);
    assert_eq!(bank.status(paid).await, ProviderStatus::PartiallyRefunded);
    assert_eq!(bank.cancel(paid, Some(10_000), "r-1").await.unwrap().new_minor, 40_010);
    assert_eq!(bank.returned(paid).await, 10_000);
    assert_eq!(bank.fake.check_order(&ctx(), &lost.provider_order_ref(1)).await.unwrap().len(), 1);
    assert_eq!(bank.pay(open).await.status, Some(ProviderStatus::Confirmed));
}

#[tokio::test]
async fn an_init_repeated_after_the_restart_finds_its_page() {
    let (database, _db) = database().await;
    let (mut bank, _writer) = durable_bank(&database, options());
    let paid = bank.paid(50_000).await;

    let (bank, _writer) = durable_bank(&database, options());
    assert_eq!(bank.init(paid, 50_000).await.unwrap().status, ProviderStatus::Confirmed);
    assert_eq!(bank.status(paid).await, ProviderStatus::Confirmed);
}

#[tokio::test]
async fn a_second_bank_over_the_table_learns_of_changes() {
    let (database, _db) = database().await;
    let (one, _writer) = durable_bank(&database, options());
    let (other, _other_writer) = durable_bank(&database, options());
    let payment_id = one.opened(50_000).await;
    other.pay(payment_id).await;
    // The copy of the first is old: its change is made again over what the table says.
    let answer = one.cancel(payment_id, None, "x").await.unwrap();
    assert_eq!(answer.status, Some(ProviderStatus::Refunded));
    assert_eq!(one.returned(payment_id).await, 50_000);
}

#[tokio::test]
async fn dropped_payments_are_looked_up_again() {
    let (database, db) = database().await;
    let (bank, _writer) = durable_bank(&database, DevFakeOptions { accounts_max: 64, ..options() });
    let payments: Vec<PaymentId> = (0..500).map(|_| payment()).collect();
    let opened = futures::future::join_all(payments.iter().map(|id| bank.init(*id, 50_000))).await;
    assert!(opened.iter().all(Result::is_ok));
    for _ in 0..500 {
        bank.opened(50_000).await;
    }
    for id in payments.iter().copied() {
        assert_eq!(bank.pay(id).await.status, Some(ProviderStatus::Confirmed));
    }
    assert!(bank.fake.payments_in_memory() <= 2 * 64);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM dev_fake_payments").fetch_one(&db).await.unwrap();
    assert_eq!(rows, 1_000);
}

#[tokio::test]
async fn a_bank_that_cannot_write_says_so_in_time() {
    let (database, _db) = database().await;
    let (bank, writer) = durable_bank(&database, options());
    writer.abort();
    let _ = writer.await;
    let error = bank.init(payment(), 50_000).await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::NotSent | ErrorClass::OutcomeUnknown));
}
