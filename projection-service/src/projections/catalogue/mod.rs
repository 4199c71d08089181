//! The catalogue as it is shown. Reference data, not folded: the command side writes these tables, this side reads them
//! and counts who looked at what.

mod dishes;
mod producers;
mod views;

pub use dishes::{DishFilter, DishView, find_dish, list_dishes};
pub use producers::{CategoryView, ProducerFilter, ProducerView, find_producer, list_categories, list_producers};
pub use views::DishViews;

use shared::domain::{Currency, Money};
use uuid::Uuid;

/// Where a page by name ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePlace {
    /// The name of its last entry, as it was then.
    pub name: String,
    /// Its last entry.
    pub id: Uuid,
}

/// An amount of the catalogue; its tables check the currency's form only.
fn money(minor: i64, currency: &str) -> Result<Money, sqlx::Error> {
    let unreadable = |what: String| sqlx::Error::Decode(what.into());
    let currency = Currency::from_code(currency).ok_or_else(|| unreadable(format!("no currency: {currency}")))?;
    Money::from_minor(minor, currency).map_err(|error| unreadable(error.to_string()))
}
