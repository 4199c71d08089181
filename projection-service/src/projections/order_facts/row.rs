//! What is counted of one order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        DishId, Money, MoneyError, OrderId, ProducerId, UserId,
        order::{DishRating, OrderCreated, OrderRated},
    },
    log::RecordedEvent,
};

/// How an order ended, as far as it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// It has not.
    Open,
    /// Delivered, and everybody is content.
    Completed,
    /// Called off.
    Cancelled,
}

impl Outcome {
    /// The stable name, as in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The outcome of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Completed, Self::Cancelled].into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// What reports count of one order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the events")]
pub struct OrderFact {
    pub order_id: OrderId,
    pub customer_id: UserId,
    pub producer_id: ProducerId,
    pub outcome: Outcome,
    pub total_price: Money,
    /// Decided to go back, whether it has arrived or not.
    pub refunded: Money,
    pub rating: Option<u8>,
    pub lines: Vec<LineFact>,
    pub created_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The version of the order's stream that changed the fact last.
    pub version: u64,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the events")]
pub struct LineFact {
    pub line_no: u32,
    pub dish_id: DishId,
    pub dish_name: String,
    pub quantity: u32,
    pub unit_price: Money,
    pub line_total: Money,
    /// The mark for this dish.
    pub rating: Option<u8>,
}

impl OrderFact {
    /// The fact of an order that was just placed.
    pub(super) fn new(event: &RecordedEvent, created: &OrderCreated) -> Self {
        let lines = created.items.iter().map(|item| LineFact {
            line_no: item.line_no,
            dish_id: item.dish_id,
            dish_name: item.dish_name.clone(),
            quantity: item.quantity,
            unit_price: item.unit_price,
            line_total: item.line_total,
            rating: None,
        });
        Self {
            order_id: OrderId(event.aggregate_id),
            customer_id: created.customer_id,
            producer_id: created.producer_id,
            outcome: Outcome::Open,
            total_price: created.total_price,
            refunded: Money::zero(created.total_price.currency()),
            rating: None,
            lines: lines.collect(),
            created_at: event.occurred_at,
            paid_at: None,
            delivered_at: None,
            completed_at: None,
            cancelled_at: None,
            version: event.sequence,
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome, at: DateTime<Utc>) {
        self.outcome = outcome;
        self.completed_at = (outcome == Outcome::Completed).then_some(at);
        self.cancelled_at = (outcome == Outcome::Cancelled).then_some(at);
    }

    pub(super) fn give_back(&mut self, card: Money, gift: Money) -> Result<(), MoneyError> {
        self.refunded = self.refunded.add(card)?.add(gift)?;
        Ok(())
    }

    pub(super) fn rate(&mut self, rated: &OrderRated) {
        self.rating = Some(rated.rating);
        for line in &mut self.lines {
            let mark = |mark: &&DishRating| mark.dish_id == line.dish_id;
            line.rating = rated.per_item.iter().find(mark).map(|mark| mark.rating);
        }
    }
}
