//! What reports say, worked out from sums.

use chrono::NaiveDate;
use serde::Serialize;
use shared::domain::{Currency, DishId, ProducerId};
use utoipa::ToSchema;

use super::{
    measures::{DishMeasures, OrderMeasures},
    total::{Total, divide, mean},
};

/// Microseconds in a minute.
const MINUTE_MICROS: i64 = 60_000_000;

/// The orders that were placed in a range.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OrderReport {
    /// How many.
    pub total_orders: i64,
    /// How many of them are completed.
    pub completed_orders: i64,
    /// How many of them were called off.
    pub cancelled_orders: i64,
    /// The prices of those that are completed.
    pub total_revenue: Total,
    /// `total_revenue` / `completed_orders`; 0 if there are none.
    pub average_order_value: Total,
    /// Completed ones in a hundred; 0 if there are none at all.
    #[schema(example = 87.5)]
    pub completion_rate: f64,
    /// What of `total_revenue` was given back, or is decided to be.
    pub refunded: Total,
    /// `total_revenue` less `refunded`.
    pub net_revenue: Total,
}

impl OrderReport {
    pub(super) fn new(sums: OrderMeasures, currency: Currency) -> Self {
        let total = |minor| Total { minor, currency };
        let average = divide(i128::from(sums.revenue_minor), i128::from(sums.completed));
        Self {
            total_orders: sums.orders,
            completed_orders: sums.completed,
            cancelled_orders: sums.cancelled,
            total_revenue: total(sums.revenue_minor),
            average_order_value: total(i64::try_from(average).unwrap_or(sums.revenue_minor)),
            completion_rate: mean(sums.completed * 100, sums.orders),
            refunded: total(sums.refunded_minor),
            net_revenue: total(sums.revenue_minor - sums.refunded_minor),
        }
    }
}

/// A kitchen, by the orders that were placed with it in a range.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TopProducer {
    /// The kitchen.
    pub producer_id: ProducerId,
    /// Its name today; absent if the catalogue does not have it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Olga's kitchen")]
    pub producer_name: Option<String>,
    /// How many orders.
    pub total_orders: i64,
    /// How many of them are completed.
    pub completed_orders: i64,
    /// The prices of those that are completed.
    pub total_revenue: Total,
    /// The mean of the marks for these orders; 0 without any.
    #[schema(example = 4.75)]
    pub average_rating: f64,
    /// How many marks that is the mean of.
    pub ratings_count: i64,
    /// The mean time from payment to delivery; what the kitchen declares as long as none was delivered.
    #[schema(example = 42.5)]
    pub average_delivery_time_minutes: f64,
}

impl TopProducer {
    pub(super) fn new(
        (producer_id, producer_name): (ProducerId, Option<String>),
        sums: OrderMeasures,
        declared_minutes: Option<i32>,
        currency: Currency,
    ) -> Self {
        let average_delivery_time_minutes = match sums.deliveries {
            0 => declared_minutes.map_or(0.0, f64::from),
            deliveries => mean(sums.delivery_micros, deliveries * MINUTE_MICROS),
        };
        Self {
            producer_id,
            producer_name,
            total_orders: sums.orders,
            completed_orders: sums.completed,
            total_revenue: Total { minor: sums.revenue_minor, currency },
            average_rating: mean(sums.rating_points, sums.ratings),
            ratings_count: sums.ratings,
            average_delivery_time_minutes,
        }
    }
}

/// A dish, by the orders in a range that had it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PopularDish {
    /// The dish.
    pub dish_id: DishId,
    /// Its name today; absent if the catalogue does not have it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Borscht")]
    pub dish_name: Option<String>,
    /// Whose it is.
    pub producer_id: ProducerId,
    /// How many orders had it.
    pub total_orders: i64,
    /// How many portions were ordered.
    pub total_portions: i64,
    /// The lines of completed orders.
    pub total_revenue: Total,
    /// The mean of the marks for this dish in these orders; 0 without any.
    #[schema(example = 4.75)]
    pub average_rating: f64,
    /// How many marks that is the mean of.
    pub ratings_count: i64,
    /// How often it was looked at, at any time: once per viewer and half hour.
    pub views_count: i64,
}

impl PopularDish {
    pub(super) fn new(
        (dish_id, producer_id): (DishId, ProducerId),
        dish_name: Option<String>,
        sums: DishMeasures,
        views_count: i64,
        currency: Currency,
    ) -> Self {
        Self {
            dish_id,
            dish_name,
            producer_id,
            total_orders: sums.orders,
            total_portions: sums.portions,
            total_revenue: Total { minor: sums.revenue_minor, currency },
            average_rating: mean(sums.rating_points, sums.ratings),
            ratings_count: sums.ratings,
            views_count,
        }
    }
}

/// What one day brought.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DayRevenue {
    /// The day, in the time zone that was asked for.
    pub date: NaiveDate,
    /// The prices of the completed orders of that day.
    pub revenue: Total,
    /// How many those are.
    pub orders_count: i64,
}
