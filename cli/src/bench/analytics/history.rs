//! Orders of one month, made up: the same for every run.

use std::{borrow::Cow, sync::Arc};

use anyhow::Result;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use shared::{
    domain::{
        Actor, AggregateType, DishId, DomainEvent, Money, ProducerId, UserId,
        order::{
            CancelReason, DeliveryType, DishRating, Funds, OrderCancelled, OrderCompleted, OrderCreated,
            OrderDelivered, OrderEvent, OrderItem, OrderPaid, OrderRated, OrderStatus, PriceSource,
        },
    },
    log::{Metadata, RecordedEvent},
};
use sqlx::PgPool;
use uuid::Uuid;

/// The month.
pub const DAYS: u64 = 30;
pub const START: DateTime<Utc> =
    NaiveDate::from_ymd_opt(2026, 9, 17).expect("a date").and_time(chrono::NaiveTime::MIN).and_utc();

const KITCHENS: u64 = 20;
const DISHES_PER_KITCHEN: u64 = 5;

/// So many orders, spread evenly over the month.
pub struct History {
    apart: TimeDelta,
    nothing: Arc<str>,
}

/// The kitchens that the orders name.
pub async fn open_kitchens(db: &PgPool) -> Result<()> {
    for n in 0..KITCHENS {
        sqlx::query("INSERT INTO producers (id, user_id, name, city) VALUES ($1, $1, $2, 'Moscow')")
            .bind(kitchen(n).0)
            .bind(format!("kitchen {n}"))
            .execute(db)
            .await?;
        for dish in 0..DISHES_PER_KITCHEN {
            sqlx::query("INSERT INTO dishes (id, producer_id, name, price_minor) VALUES ($1, $2, $3, 45000)")
                .bind(dish_of(n, dish).0)
                .bind(kitchen(n).0)
                .bind(format!("dish {dish} of {n}"))
                .execute(db)
                .await?;
        }
    }
    Ok(())
}

fn kitchen(n: u64) -> ProducerId {
    ProducerId(Uuid::from_u128(0xF000 + u128::from(n)))
}

fn dish_of(kitchen: u64, n: u64) -> DishId {
    DishId(Uuid::from_u128(0xD_0000 + u128::from(kitchen * 16 + n)))
}

/// An even mix of a number's bits.
fn mixed(n: u64) -> u64 {
    let n = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    n ^ (n >> 31)
}

impl History {
    pub fn new(orders: u64) -> Self {
        let micros = TimeDelta::days(DAYS as i64).num_microseconds().unwrap_or_default() / orders.max(1) as i64;
        Self { apart: TimeDelta::microseconds(micros), nothing: Arc::from("{}") }
    }

    /// What happened to one order: seven of ten were completed, one was called off, and some were given marks.
    pub fn events(&self, order: u64) -> Vec<RecordedEvent> {
        let chance = mixed(order);
        let at = START + TimeDelta::microseconds(self.apart.num_microseconds().unwrap_or_default() * order as i64);
        let (created, dishes) = created(chance, at);
        let mut story = vec![(TimeDelta::zero(), OrderEvent::OrderCreated(created))];
        let minutes = |minutes: u64| TimeDelta::minutes(minutes as i64);
        if chance % 10 == 9 {
            story.push((minutes(9), OrderEvent::OrderCancelled(cancelled())));
        } else if chance % 10 > 1 {
            let delivered = minutes(20 + chance % 60);
            story.push((minutes(3), OrderEvent::OrderPaid(paid(at))));
            story.push((
                delivered,
                OrderEvent::OrderDelivered(OrderDelivered { proof_ref: None, auto_complete_at: at }),
            ));
            story.push((delivered + minutes(60), OrderEvent::OrderCompleted(OrderCompleted { payout_due_at: at })));
            if chance.is_multiple_of(3) {
                let mark = |dish_id| DishRating { dish_id, rating: 3 + (chance % 3) as u8 };
                let per_item = dishes.into_iter().map(mark).collect();
                let rated = OrderRated { rating: 3 + (chance % 3) as u8, per_item, comment: None };
                story.push((delivered + minutes(90), OrderEvent::OrderRated(rated)));
            }
        }
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(order));
        let events = story.into_iter().zip(1..);
        events.map(|((after, event), sequence)| self.event(id, sequence, at + after, event)).collect()
    }

    fn event(&self, id: Uuid, sequence: u64, at: DateTime<Utc>, event: OrderEvent) -> RecordedEvent {
        RecordedEvent {
            position: sequence,
            event_id: id,
            aggregate_type: AggregateType::Order,
            aggregate_id: id,
            sequence,
            event_type: Cow::Borrowed(event.type_name()),
            schema_version: event.schema_version(),
            occurred_at: at,
            recorded_at: at,
            correlation_id: id,
            causation_id: id,
            actor: Actor::system("bench"),
            metadata: Metadata::default(),
            payload: Arc::clone(&self.nothing),
            event: Ok(DomainEvent::Order(event)),
        }
    }
}

fn created(chance: u64, at: DateTime<Utc>) -> (OrderCreated, Vec<DishId>) {
    let producer = chance / 10 % KITCHENS;
    let dishes: Vec<DishId> =
        (0..=chance % 2).map(|line| dish_of(producer, (chance / 1_000 + line) % DISHES_PER_KITCHEN)).collect();
    let line = |(dish_id, line_no): (&DishId, u32)| OrderItem {
        line_no,
        dish_id: *dish_id,
        dish_name: "Borscht".to_owned(),
        unit_price: Money::rub(45_000),
        quantity: 2,
        line_total: Money::rub(90_000),
        price_version: 1,
        price_source: PriceSource::Catalog,
    };
    let total_price = Money::rub(90_000 * dishes.len() as i64);
    let created = OrderCreated {
        customer_id: UserId(Uuid::from_u128(u128::from(chance % 200))),
        producer_id: kitchen(producer),
        items: dishes.iter().zip(1..).map(line).collect(),
        delivery_type: DeliveryType::Building,
        delivery_fee: Money::rub(0),
        total_price,
        gift: None,
        amount_due: total_price,
        commission_bps: 1_000,
        payment_deadline: at,
        requested_for: None,
        pii_sealed: None,
        portions_taken: Vec::new(),
    };
    (created, dishes)
}

fn paid(at: DateTime<Utc>) -> OrderPaid {
    OrderPaid {
        payment_id: None,
        card_amount: Money::rub(90_000),
        gift_amount: Money::rub(0),
        funds: Funds::Captured,
        accept_deadline: at,
    }
}

fn cancelled() -> OrderCancelled {
    OrderCancelled {
        reason_code: CancelReason::CustomerRequest,
        reason_text: None,
        cancelled_by: "customer".to_owned(),
        from_status: OrderStatus::WaitingForPayment,
        refund_required: false,
    }
}
