//! The books outlive the bank where it was given a folder.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on says so at once")]

use fake_bank::{BankOptions, FakeBank, Payment, Telling, token_of};
use serde_json::{Map, Value, json};
use std::path::Path;
use tempfile::TempDir;

async fn bank_at(folder: &Path) -> FakeBank {
    FakeBank::start(BankOptions { folder: Some(folder.to_owned()), ..BankOptions::default() }).await.unwrap()
}

async fn call(bank: &FakeBank, operation: &str, fields: Value) -> Value {
    let mut body: Map<String, Value> = fields.as_object().cloned().unwrap();
    body.insert("TerminalKey".to_owned(), bank.terminal_key().into());
    let token = token_of(&body, &bank.password());
    body.insert("Token".to_owned(), token.into());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/{operation}", bank.api_url());
    http.post(url).json(&body).send().await.unwrap().json().await.unwrap()
}

async fn open(bank: &FakeBank, order_id: &str) -> Value {
    let nobody = "http://127.0.0.1:9/nobody";
    call(bank, "Init", json!({ "Amount": 10_000, "OrderId": order_id, "NotificationURL": nobody })).await
}

fn file(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("books.jsonl")
}

/// A bank with a paid and half refunded payment and an open one; it was not closed in any orderly way.
async fn killed_bank(folder: &TempDir) -> Vec<Payment> {
    let bank = bank_at(folder.path()).await;
    let paid = open(&bank, "paid-01").await;
    bank.pay("paid-01", Telling::nothing()).await.unwrap();
    let refund = json!({ "PaymentId": paid["PaymentId"], "Amount": 4_000, "ExternalRequestId": "r-1" });
    call(&bank, "Cancel", refund).await;
    open(&bank, "open-01").await;
    bank.stop();
    bank.payments()
}

#[tokio::test]
async fn a_bank_that_is_opened_again_goes_on_with_its_books() {
    let folder = TempDir::new().unwrap();
    let before = killed_bank(&folder).await;
    let bank = bank_at(folder.path()).await;
    assert_eq!(bank.payments(), before);
    assert_eq!((before[0].captured, before[0].refunded, before[0].acts.len()), (10_000, 4_000, 1));
    // The same refund again is still the same refund.
    let again = json!({ "PaymentId": before[0].id, "Amount": 4_000, "ExternalRequestId": "r-1" });
    assert_eq!(call(&bank, "Cancel", again).await["NewAmount"], 6_000);
    let third = open(&bank, "third-01").await;
    assert_eq!(third["PaymentId"].to_string().trim_matches('"'), (before[1].id + 1).to_string());
    assert_eq!(bank.pay("open-01", Telling::nothing()).await.unwrap(), "CONFIRMED");
}

#[tokio::test]
async fn a_line_that_was_being_written_at_the_end_is_lost_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let before = killed_bank(&folder).await;
    let text = std::fs::read_to_string(file(&folder)).unwrap();
    std::fs::write(file(&folder), format!("{text}{{\"id\":8000000003,\"ord")).unwrap();
    let bank = bank_at(folder.path()).await;
    assert_eq!(bank.payments(), before);
    bank.stop();
    // What was left of it is gone, so that the next lines stand alone.
    open(&bank_at(folder.path()).await, "fourth-01").await;
    assert_eq!(bank_at(folder.path()).await.payments().len(), 3);
}

#[tokio::test]
async fn books_that_nobody_can_read_are_not_begun_anew() {
    let folder = TempDir::new().unwrap();
    killed_bank(&folder).await;
    let text = std::fs::read_to_string(file(&folder)).unwrap();
    std::fs::write(file(&folder), format!("nonsense\n{text}")).unwrap();
    let options = BankOptions { folder: Some(folder.path().to_owned()), ..BankOptions::default() };
    assert!(FakeBank::start(options).await.is_err());
}
