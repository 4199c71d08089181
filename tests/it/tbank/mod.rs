//! The whole system with T-Bank's adapter, over the wire, in front of a bank that misbehaves.

mod cabinet;
mod cases;
mod holds;
mod hostile;
mod outages;
mod races;
mod refunds;
mod registry;
mod sbp;
mod soak;

use fake_bank::Telling;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{SOON_SECS, TestSystem, eventually};

async fn with_bank() -> TestSystem {
    TestSystem::builder().fake_tbank().start().await
}

/// An order that waits for its payment, and the payment whose page is open.
async fn open_page(system: &TestSystem, dish: Uuid) -> (Uuid, Uuid) {
    let customer = system.customer();
    let order = customer.place(dish, 1).await;
    let payment = customer.pay(order).await;
    system.payment_gets(payment, "payment_session_opened").await;
    (order, payment)
}

/// The customer pays on the bank's page.
async fn pay(system: &TestSystem, payment: Uuid, telling: Telling) {
    system.bank().pay(&payment.to_string(), telling).await.unwrap();
}

/// Waits until the bank keeps so many notifications to itself.
async fn holds_back(system: &TestSystem, notifications: u32) {
    eventually(SOON_SECS, || async {
        let held = system.bank().mischief().get("notification_held_back").copied().unwrap_or(0);
        if held == notifications { Ok(()) } else { Err(held) }
    })
    .await;
}

/// A paid order and its payment, which knows that it paid for it.
async fn paid(system: &TestSystem, dish: Uuid) -> (Uuid, Uuid) {
    let (order, payment) = open_page(system, dish).await;
    pay(system, payment, Telling::default()).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.payment_gets(payment, "payment_applied").await;
    (order, payment)
}
