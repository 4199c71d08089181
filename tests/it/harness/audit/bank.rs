//! The bank's own books beside ours. The bank is the outside world; only an audit looks into its table.

use std::{collections::HashMap, sync::Arc};

use fake_bank::FakeBank;
use serde_json::Value;
use shared::{
    domain::{DomainEvent, PaymentId, payment::PaymentEvent},
    log::RecordedEvent,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::Leftovers;

/// What came and what went back, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Books {
    came: i64,
    back: i64,
}

/// Whether both sides have the same books.
pub async fn compare(
    db: &PgPool,
    tbank: Option<&FakeBank>,
    events: &[Arc<RecordedEvent>],
    leftovers: &Leftovers,
) -> Result<(), String> {
    let mut bank = books_of_the_bank(db).await.map_err(|error| error.to_string())?;
    for page in tbank.iter().flat_map(|bank| bank.payments()) {
        let Some((id, _)) = PaymentId::parse_provider_order_ref(&page.order_id) else { continue };
        let books = bank.entry(id.0).or_default();
        *books = Books { came: books.came + page.captured, back: books.back + page.refunded };
    }
    let mut ours = HashMap::<Uuid, Books>::new();
    for event in events {
        let Ok(DomainEvent::Payment(news)) = &event.event else { continue };
        let books = ours.entry(event.aggregate_id).or_default();
        match news {
            PaymentEvent::PaymentSucceeded(succeeded) => books.came += succeeded.amount.minor(),
            PaymentEvent::PaymentRefundSucceeded(succeeded) => books.back += succeeded.amount.minor(),
            PaymentEvent::PaymentExternalRefundRecorded(refund) => books.back += refund.amount.minor(),
            _ => {}
        }
    }
    for (id, ours) in &ours {
        let theirs = bank.get(id).copied().unwrap_or_default();
        if *ours != theirs && !leftovers.money_of.contains(id) {
            return Err(format!("payment {id}: our books say {ours:?}, the bank's {theirs:?}"));
        }
    }
    let unknown = bank.iter().find(|(id, books)| books.came != 0 && !ours.contains_key(id));
    unknown.map_or(Ok(()), |(id, books)| Err(format!("the bank has {books:?} of {id}, of which we know nothing")))
}

async fn books_of_the_bank(db: &PgPool) -> Result<HashMap<Uuid, Books>, sqlx::Error> {
    let accounts: Vec<(Uuid, Value)> =
        sqlx::query_as("SELECT payment_id, account FROM dev_fake_payments").fetch_all(db).await?;
    Ok(accounts.into_iter().map(|(id, account)| (id, books_of(&account))).collect())
}

/// Money that was only held did not come.
fn books_of(account: &Value) -> Books {
    let pages = account["pages"].as_array().into_iter().flatten();
    let taken = pages.filter(|page| {
        let word = page["word"].as_str().unwrap_or_default();
        matches!(word, "Confirmed" | "PartialRefunded" | "Refunded")
    });
    taken.fold(Books::default(), |books, page| {
        let acts = page["acts"].as_array().into_iter().flatten();
        let back: i64 = acts.filter_map(|act| act["minor"].as_i64()).sum();
        Books { came: books.came + page["taken_minor"].as_i64().unwrap_or(0), back: books.back + back }
    })
}
