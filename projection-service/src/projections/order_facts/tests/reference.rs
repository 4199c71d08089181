//! The definitions of every report, word for word, as a plain fold of the whole log: slow, and with nothing of the
//! projection in it.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use shared::{
    domain::{
        DomainEvent, ProducerId,
        order::{OrderCreated, OrderEvent, OrderRated},
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::super::Basis;

#[derive(Debug, Clone)]
pub(super) struct Told {
    created: OrderCreated,
    created_at: DateTime<Utc>,
    paid_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    is_cancelled: bool,
    refunded: i64,
    rated: Option<OrderRated>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Sums {
    pub(super) total: i64,
    pub(super) completed: i64,
    pub(super) cancelled: i64,
    pub(super) revenue: i64,
    pub(super) refunded: i64,
    pub(super) marks: Vec<u8>,
    pub(super) ways: Vec<i64>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct DishSums {
    pub(super) orders: i64,
    pub(super) portions: i64,
    pub(super) revenue: i64,
    pub(super) marks: Vec<u8>,
}

/// Every order of a log.
pub(super) fn orders(events: &[Arc<RecordedEvent>]) -> Vec<Told> {
    let mut orders = BTreeMap::<Uuid, Told>::new();
    for event in events {
        let Ok(DomainEvent::Order(order_event)) = &event.event else { continue };
        let at = event.occurred_at;
        if let OrderEvent::OrderCreated(created) = order_event {
            let told = Told {
                created: created.clone(),
                created_at: at,
                paid_at: None,
                delivered_at: None,
                completed_at: None,
                is_cancelled: false,
                refunded: 0,
                rated: None,
            };
            orders.insert(event.aggregate_id, told);
            continue;
        }
        let told = orders.get_mut(&event.aggregate_id).unwrap();
        if let OrderEvent::OrderPaid(_) = order_event {
            told.paid_at = Some(at);
        } else if let OrderEvent::OrderDelivered(_) = order_event {
            told.delivered_at = Some(at);
        } else if let OrderEvent::OrderCompleted(_) = order_event {
            told.completed_at = Some(at);
        } else if let OrderEvent::OrderCancelled(_) = order_event {
            told.is_cancelled = true;
        } else if let OrderEvent::OrderRefundAuthorized(refund) = order_event {
            told.refunded += refund.card_amount.minor() + refund.gift_amount.minor();
        } else if let OrderEvent::OrderRated(rated) = order_event {
            told.rated = Some(rated.clone());
        }
    }
    orders.into_values().collect()
}

/// Those that were placed in a range, by whom they are asked of.
pub(super) fn placed(
    orders: &[Told],
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    kitchen: Option<ProducerId>,
) -> Vec<Told> {
    let asked = |order: &&Told| {
        (from..to).contains(&order.created_at) && kitchen.is_none_or(|kitchen| order.created.producer_id == kitchen)
    };
    orders.iter().filter(asked).cloned().collect()
}

pub(super) fn sums(orders: &[Told]) -> Sums {
    let mut sums = Sums::default();
    for order in orders {
        sums.total += 1;
        sums.cancelled += i64::from(order.is_cancelled);
        if order.completed_at.is_some() {
            sums.completed += 1;
            sums.revenue += order.created.total_price.minor();
            sums.refunded += order.refunded;
        }
        sums.marks.extend(order.rated.iter().map(|rated| rated.rating));
        if let (Some(paid), Some(delivered)) = (order.paid_at, order.delivered_at) {
            sums.ways.push((delivered - paid).num_microseconds().unwrap());
        }
    }
    sums
}

/// By revenue, then by id.
pub(super) fn producers(orders: &[Told]) -> Vec<(ProducerId, Sums)> {
    let mut kitchens = BTreeMap::<ProducerId, Vec<Told>>::new();
    for order in orders {
        kitchens.entry(order.created.producer_id).or_default().push(order.clone());
    }
    let mut kitchens: Vec<_> = kitchens.into_iter().map(|(id, orders)| (id, sums(&orders))).collect();
    kitchens.sort_by_key(|(id, sums)| (-sums.revenue, *id));
    kitchens
}

/// By orders, then by id.
pub(super) fn dishes(orders: &[Told]) -> Vec<(Uuid, DishSums)> {
    let mut dishes = BTreeMap::<Uuid, DishSums>::new();
    for order in orders {
        let mut seen = Vec::new();
        for item in &order.created.items {
            let dish = dishes.entry(item.dish_id.0).or_default();
            dish.portions += i64::from(item.quantity);
            if order.completed_at.is_some() {
                dish.revenue += item.line_total.minor();
            }
            if seen.contains(&item.dish_id) {
                continue;
            }
            seen.push(item.dish_id);
            dish.orders += 1;
            // A dish has one mark of an order, the first.
            let mut marks = order.rated.iter().flat_map(|rated| &rated.per_item);
            dish.marks.extend(marks.find(|mark| mark.dish_id == item.dish_id).map(|mark| mark.rating));
        }
    }
    let mut dishes: Vec<_> = dishes.into_iter().collect();
    dishes.sort_by_key(|(id, sums)| (-sums.orders, *id));
    dishes
}

/// Revenue and number of the completed orders of each day that has some.
pub(super) fn days(orders: &[Told], zone: Tz, basis: Basis) -> BTreeMap<NaiveDate, (i64, i64)> {
    let mut days = BTreeMap::<NaiveDate, (i64, i64)>::new();
    for order in orders {
        let Some(completed_at) = order.completed_at else { continue };
        let at = match basis {
            Basis::Created => order.created_at,
            Basis::Completed => completed_at,
        };
        let day = days.entry(at.with_timezone(&zone).date_naive()).or_default();
        day.0 += order.created.total_price.minor();
        day.1 += 1;
    }
    days
}
