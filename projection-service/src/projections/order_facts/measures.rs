//! What a fact adds to which sums.

use std::collections::{BTreeMap, btree_map::Entry};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::domain::{DishId, ProducerId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    buckets::Width,
    row::{OrderFact, Outcome},
};

/// In the place of a kitchen: all of them together.
pub const EVERYBODY: ProducerId = ProducerId(Uuid::nil());

/// Which instant of an order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// When it was placed.
    Created,
    /// When it was completed.
    Completed,
}

impl Basis {
    /// The stable name, as in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Completed => "COMPLETED",
        }
    }

    fn instant(self, fact: &OrderFact) -> Option<DateTime<Utc>> {
        match self {
            Self::Created => Some(fact.created_at),
            Self::Completed => fact.completed_at,
        }
    }
}

macro_rules! measures {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name { $($(#[$field_doc])* pub $field: i64,)+ }

        impl $name {
            fn add(&mut self, other: Self, sign: i64) {
                $(self.$field += sign * other.$field;)+
            }
        }
    };
}

measures! {
    /// What is summed up of orders.
    OrderMeasures {
        /// How many.
        orders,
        /// How many of them were completed.
        completed,
        /// How many of them were called off.
        cancelled,
        /// The prices of those that were completed, in minor units.
        revenue_minor,
        /// What of that was given back.
        refunded_minor,
        /// How many customers gave a mark.
        ratings,
        /// The marks added up.
        rating_points,
        /// How many were paid and delivered.
        deliveries,
        /// How long that took in all.
        delivery_micros,
    }
}

measures! {
    /// What is summed up of a dish.
    DishMeasures {
        /// How many orders had it.
        orders,
        /// How many portions.
        portions,
        /// The lines of completed orders, in minor units.
        revenue_minor,
        /// How many customers gave it a mark.
        ratings,
        /// The marks added up.
        rating_points,
    }
}

/// Where orders are summed up. Ordered, and so written, by what a report reads together: the sums of one width come to
/// lie beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct OrderBucket {
    pub width: Width,
    pub basis: Basis,
    pub currency: &'static str,
    pub bucket: DateTime<Utc>,
    pub producer_id: ProducerId,
}

/// Where a dish is summed up. Ordered as [`OrderBucket`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct DishBucket {
    pub width: Width,
    pub currency: &'static str,
    pub bucket: DateTime<Utc>,
    pub producer_id: ProducerId,
    pub dish_id: DishId,
}

/// Sums of facts, or differences between sums.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rollups {
    /// Of orders.
    pub orders: BTreeMap<OrderBucket, OrderMeasures>,
    /// Of dishes.
    pub dishes: BTreeMap<DishBucket, DishMeasures>,
}

impl Rollups {
    /// Counts a fact.
    pub fn add(&mut self, fact: &OrderFact) {
        self.change(fact, 1);
    }

    /// Takes a fact back that was counted.
    pub fn remove(&mut self, fact: &OrderFact) {
        self.change(fact, -1);
    }

    /// How many sums there are.
    pub fn count(&self) -> usize {
        self.orders.len() + self.dishes.len()
    }

    fn change(&mut self, fact: &OrderFact, sign: i64) {
        let currency = fact.total_price.currency().code();
        let measures = OrderMeasures::of(fact);
        for basis in [Basis::Created, Basis::Completed] {
            let Some(at) = basis.instant(fact) else { continue };
            for width in Width::ALL {
                for producer_id in [EVERYBODY, fact.producer_id] {
                    let bucket = width.floor(at);
                    let key = OrderBucket { producer_id, basis, width, currency, bucket };
                    add_at(self.orders.entry(key), |sum| sum.add(measures, sign));
                }
            }
        }
        for (dish_id, measures) in dishes_of(fact) {
            for width in Width::ALL {
                let (producer_id, bucket) = (fact.producer_id, width.floor(fact.created_at));
                let key = DishBucket { dish_id, producer_id, width, currency, bucket };
                add_at(self.dishes.entry(key), |sum| sum.add(measures, sign));
            }
        }
    }
}

/// Sums that come to nothing are left out.
fn add_at<K: Ord, M: Default + PartialEq>(entry: Entry<'_, K, M>, add: impl FnOnce(&mut M)) {
    match entry {
        Entry::Vacant(vacant) => {
            let mut sum = M::default();
            add(&mut sum);
            vacant.insert(sum);
        }
        Entry::Occupied(mut occupied) => {
            add(occupied.get_mut());
            if *occupied.get() == M::default() {
                occupied.remove();
            }
        }
    }
}

impl OrderMeasures {
    fn of(fact: &OrderFact) -> Self {
        let is_completed = fact.outcome == Outcome::Completed;
        let way = fact.paid_at.zip(fact.delivered_at).map(|(paid, delivered)| delivered - paid);
        Self {
            orders: 1,
            completed: i64::from(is_completed),
            cancelled: i64::from(fact.outcome == Outcome::Cancelled),
            revenue_minor: if is_completed { fact.total_price.minor() } else { 0 },
            refunded_minor: if is_completed { fact.refunded.minor() } else { 0 },
            ratings: i64::from(fact.rating.is_some()),
            rating_points: fact.rating.map_or(0, i64::from),
            deliveries: i64::from(way.is_some()),
            delivery_micros: way.and_then(|way| way.num_microseconds()).unwrap_or(0),
        }
    }
}

/// Each dish of an order once, whatever the number of its lines.
fn dishes_of(fact: &OrderFact) -> BTreeMap<DishId, DishMeasures> {
    let mut dishes = BTreeMap::<DishId, DishMeasures>::new();
    for line in &fact.lines {
        let dish = dishes.entry(line.dish_id).or_default();
        dish.orders = 1;
        dish.portions += i64::from(line.quantity);
        dish.revenue_minor += if fact.outcome == Outcome::Completed { line.line_total.minor() } else { 0 };
        dish.ratings = i64::from(line.rating.is_some());
        dish.rating_points = line.rating.map_or(0, i64::from);
    }
    dishes
}
