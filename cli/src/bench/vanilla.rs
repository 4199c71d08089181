//! What cqrs-es and postgres-es reach as they come, executing the same aggregate in process on the same server.

use std::{str::FromStr, sync::Arc};

use anyhow::{Result, bail, ensure};
use chrono::Utc;
use cqrs_es::AggregateError;
use postgres_es::{PostgresCqrs, postgres_cqrs};
use shared::domain::{
    Actor, DishId, Intent, Money, OrderId, PaymentId, ProducerId, UserId,
    order::{
        CreateOrder, DeliveryType, Funds, MarkPaid, Order, OrderCommand, OrderPolicy, ProducerSnapshot, RequestPayment,
        RequestedLine,
    },
    payment::{Provider, ProviderChoice},
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use super::load::Work;

/// cqrs-es and postgres-es as they come: their own table, no snapshots (theirs are wrong), one connection per worker.
#[derive(Clone)]
pub struct Vanilla {
    framework: Arc<PostgresCqrs<Order>>,
    db: PgPool,
}

impl Vanilla {
    /// In a database of its own, which is empty.
    pub async fn start(database_url: &str, workers: u32) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(workers).test_before_acquire(false);
        let db = pool.connect_with(PgConnectOptions::from_str(database_url)?).await?;
        sqlx::raw_sql(
            "
            CREATE TABLE IF NOT EXISTS events (
                aggregate_type text                         NOT NULL,
                aggregate_id   text                         NOT NULL,
                sequence       bigint CHECK (sequence >= 0) NOT NULL,
                event_type     text                         NOT NULL,
                event_version  text                         NOT NULL,
                payload        json                         NOT NULL,
                metadata       json                         NOT NULL,
                PRIMARY KEY (aggregate_type, aggregate_id, sequence)
            )
            ",
        )
        .execute(&db)
        .await?;
        Ok(Self { framework: Arc::new(postgres_cqrs(db.clone(), Vec::new(), ())), db })
    }

    async fn execute(&self, order_id: OrderId, actor: Actor, command: OrderCommand) -> Result<bool> {
        let intent = Intent { actor, now: Utc::now(), command };
        match self.framework.execute(&order_id.0.to_string(), intent).await {
            Ok(()) => Ok(true),
            Err(AggregateError::AggregateConflict) => Ok(false),
            Err(error) => bail!("postgres-es: {error}"),
        }
    }

    /// An order that a cook took on, with `events` events in its stream.
    pub async fn accepted(&self, events: i64) -> Result<VanillaCook> {
        let order_id = OrderId(Uuid::now_v7());
        let (customer, cook) = (UserId(Uuid::now_v7()), UserId(Uuid::now_v7()));
        let producer_id = ProducerId(Uuid::now_v7());
        let actor = Actor::Producer { producer_id, user_id: cook };
        let payment_id = PaymentId::of_order_attempt(order_id, 1);
        let policy = OrderPolicy::default();
        let total = Money::rub(90_000);
        let request = RequestPayment {
            order_id,
            provider: ProviderChoice::own(Provider::DevFake),
            return_url: "http://localhost/paid".to_owned(),
            capture_mode: None,
            policy,
        };
        let paid = MarkPaid {
            payment_id: Some(payment_id),
            card_amount: total,
            gift_amount: Money::rub(0),
            funds: Funds::Captured,
            policy,
        };
        for (actor, command) in [
            (Actor::Customer(customer), create(order_id, customer, producer_id, cook)),
            (Actor::Customer(customer), OrderCommand::RequestPayment(request)),
            (Actor::system("order_payment"), OrderCommand::MarkPaid(paid)),
            (actor.clone(), OrderCommand::Accept { eta_minutes: 30 }),
            (actor.clone(), OrderCommand::AdjustEta { eta_minutes: 31 }),
        ] {
            ensure!(self.execute(order_id, actor, command).await?, "a lost race without a rival");
        }
        sqlx::query(
            "
            INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
            SELECT aggregate_type, aggregate_id, next, event_type, event_version, payload, metadata
            FROM events, generate_series(sequence + 1, $2) AS next
            WHERE aggregate_id = $1 AND sequence = 5
            ",
        )
        .bind(order_id.0.to_string())
        .bind(events)
        .execute(&self.db)
        .await?;
        Ok(VanillaCook { vanilla: self.clone(), order_id, actor, turn: 0 })
    }
}

/// Places orders.
pub struct VanillaCustomer(pub Vanilla);

impl Work for VanillaCustomer {
    async fn once(&mut self) -> Result<()> {
        let (order_id, customer) = (OrderId(Uuid::now_v7()), UserId(Uuid::now_v7()));
        let command = create(order_id, customer, ProducerId(Uuid::now_v7()), UserId(Uuid::now_v7()));
        ensure!(self.0.execute(order_id, Actor::Customer(customer), command).await?, "a lost race without a rival");
        Ok(())
    }
}

/// Moves the promise of one order; after a lost race it tries again, as our own handler does.
#[derive(Clone)]
pub struct VanillaCook {
    vanilla: Vanilla,
    order_id: OrderId,
    actor: Actor,
    turn: u32,
}

impl Work for VanillaCook {
    async fn once(&mut self) -> Result<()> {
        self.turn += 1;
        let command = OrderCommand::AdjustEta { eta_minutes: self.turn % 600 + 1 };
        while !self.vanilla.execute(self.order_id, self.actor.clone(), command.clone()).await? {}
        Ok(())
    }
}

fn create(order_id: OrderId, customer_id: UserId, producer_id: ProducerId, cook: UserId) -> OrderCommand {
    let line = RequestedLine {
        dish_id: DishId(Uuid::now_v7()),
        dish_name: "Borscht with sour cream".to_owned(),
        unit_price: Money::rub(45_000),
        quantity: 2,
        price_version: 1,
        available: true,
        producer_id,
        portions_left: None,
    };
    OrderCommand::Create(Box::new(CreateOrder {
        order_id,
        customer_id,
        producer: ProducerSnapshot {
            producer_id,
            owner_user_id: cook,
            active: true,
            open_now: true,
            delivery_types: vec![DeliveryType::Building],
            delivery_fee: Money::rub(0),
            commission_bps: 1_000,
        },
        lines: vec![line],
        delivery_type: DeliveryType::Building,
        requested_for: None,
        expected_total: None,
        // As long as ours, so that the events are equal.
        pii_sealed: Some("x".repeat(300)),
        gift: None,
        policy: OrderPolicy::default(),
    }))
}
