//! What tests of the write side share: a database of their own, processes on it, and an order to play with.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use dev_servers::TestServers;
use prometheus_client::metrics::counter::Counter;
use shared::{
    domain::{
        Actor, DishId, EventSourced, Intent, Money, OrderId, PaymentId, ProducerId, UserId,
        dispute::Dispute,
        gift::Gift,
        order::{
            CreateOrder, DeliveryType, Funds, MarkPaid, Order, OrderCommand, OrderPolicy, ProducerSnapshot,
            RequestPayment, RequestedLine,
        },
        payment::{Payment, Provider, ProviderChoice},
    },
    follow::LogFeed,
    log::{LOG_CHANNEL, LogReader},
    runtime::postgres::migrate,
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    command_handler::{CommandError, CommandHandler, Handled, NoAnswer, Submission},
    event_log::{AppendQueue, AppendQueueOptions, Snapshots},
};

pub(crate) const CUSTOMER: UserId = UserId(Uuid::from_u128(2));
pub(crate) const COOK: UserId = UserId(Uuid::from_u128(3));
pub(crate) const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(4));
/// What the order costs: amounts on which the imitation bank plays no tricks.
pub(crate) const PRICE_KOPECKS: i64 = 10_000;

/// A migrated database of its own.
pub(crate) struct TestDatabase {
    pub db: PgPool,
    pub options: PgConnectOptions,
}

impl TestDatabase {
    pub async fn new() -> Self {
        let servers = TestServers::shared().await;
        let template = servers
            .template("event_log", |url| async move {
                let db = PgPool::connect(&url).await?;
                migrate(&db).await?;
                db.close().await;
                Ok(())
            })
            .await
            .unwrap();
        let database = servers.create_database(Some(&template)).await.unwrap();
        let options = PgConnectOptions::from_str(&servers.postgres_url(&database)).unwrap();
        let db = PgPoolOptions::new().max_connections(4).connect_with(options.clone()).await.unwrap();
        Self { db, options }
    }
}

/// One command-service as far as commands go. Dropping it is killing it.
pub(crate) struct Process {
    pub orders: CommandHandler<Order>,
    pub payments: CommandHandler<Payment>,
    pub gifts: CommandHandler<Gift>,
    pub disputes: CommandHandler<Dispute>,
    pub queue: AppendQueue,
    pub db: PgPool,
    pub feed: LogFeed,
    pub conflicts: Counter,
    pub killed: CancellationToken,
}

impl Process {
    pub async fn start(database: &TestDatabase) -> Self {
        Self::with(database, 500).await
    }

    /// With a snapshot after every so many events.
    pub async fn with(database: &TestDatabase, snapshot_every: u64) -> Self {
        let killed = CancellationToken::new();
        let feed = LogFeed::new(LogReader::new(database.db.clone()));
        let (queue, mut writer) =
            AppendQueue::new(database.options.clone(), feed.clone(), AppendQueueOptions::default());
        let (snapshots, mut snapshot_writer) = Snapshots::new(database.db.clone(), snapshot_every);
        let conflicts = Counter::default();
        run_until(&killed, async move { writer.run(CancellationToken::new()).await });
        run_until(&killed, async move { snapshot_writer.run(CancellationToken::new()).await });
        let mut listener = PgListener::connect_with(&database.db).await.unwrap();
        listener.listen(LOG_CHANNEL).await.unwrap();
        feed.note_head(feed.reader().head().await.unwrap());
        let heard = feed.clone();
        run_until(&killed, async move {
            while let Ok(notice) = listener.recv().await {
                heard.note_head(notice.payload().parse().unwrap());
            }
        });
        let db = &database.db;
        Self {
            orders: CommandHandler::new(db.clone(), queue.clone(), snapshots.clone(), 1_000, conflicts.clone()),
            payments: CommandHandler::new(db.clone(), queue.clone(), snapshots.clone(), 1_000, conflicts.clone()),
            gifts: CommandHandler::new(db.clone(), queue.clone(), snapshots.clone(), 1_000, conflicts.clone()),
            disputes: CommandHandler::new(db.clone(), queue.clone(), snapshots, 1_000, conflicts.clone()),
            queue,
            db: db.clone(),
            feed,
            conflicts,
            killed,
        }
    }

    pub async fn order(&self, command: Submission<OrderCommand>) -> OrderOutcome {
        self.orders.execute(command, &NoAnswer).await
    }

    /// A paid order that its cook has taken on: it takes any number of promises of when it is ready.
    pub async fn accepted_order(&self) -> OrderId {
        let order_id = OrderId(Uuid::now_v7());
        let payment_id = PaymentId::of_order_attempt(order_id, 1);
        for (actor, command) in [
            (Actor::Customer(CUSTOMER), create(order_id)),
            (Actor::Customer(CUSTOMER), pay(order_id)),
            (Actor::system("test"), paid(payment_id)),
            (cook(), OrderCommand::Accept { eta_minutes: 1 }),
        ] {
            self.order(submission(order_id.0, actor, command)).await.unwrap();
        }
        order_id
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.killed.cancel();
    }
}

pub(crate) type OrderOutcome = Result<Handled<Order>, CommandError<<Order as cqrs_es::Aggregate>::Error>>;

pub(crate) fn run_until(killed: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
    let killed = killed.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = killed.cancelled() => {}
            () = task => {}
        }
    });
}

pub(crate) fn now() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn cook() -> Actor {
    Actor::Producer { producer_id: KITCHEN, user_id: COOK }
}

pub(crate) fn submission<C>(aggregate_id: Uuid, actor: Actor, command: C) -> Submission<C> {
    let command_id = Uuid::now_v7();
    Submission {
        aggregate_id,
        is_new: false,
        command_id,
        fingerprint: None,
        expected_version: None,
        correlation_id: aggregate_id,
        causation_id: command_id,
        request_id: None,
        traceparent: None,
        intent: Intent { actor, now: now(), command },
    }
}

/// The same command under a key.
pub(crate) fn keyed<C>(mut submission: Submission<C>, command_id: Uuid) -> Submission<C> {
    submission.command_id = command_id;
    submission.fingerprint = Some([7; 32]);
    submission
}

pub(crate) fn create(order_id: OrderId) -> OrderCommand {
    OrderCommand::Create(Box::new(CreateOrder {
        order_id,
        customer_id: CUSTOMER,
        producer: ProducerSnapshot {
            producer_id: KITCHEN,
            owner_user_id: COOK,
            active: true,
            open_now: true,
            delivery_types: vec![DeliveryType::Building],
            delivery_fee: Money::rub(0),
            commission_bps: 1_000,
        },
        lines: vec![RequestedLine {
            dish_id: DishId(Uuid::from_u128(5)),
            dish_name: "borscht".to_owned(),
            unit_price: Money::rub(PRICE_KOPECKS),
            quantity: 1,
            price_version: 1,
            available: true,
            producer_id: KITCHEN,
            portions_left: None,
        }],
        delivery_type: DeliveryType::Building,
        requested_for: None,
        expected_total: None,
        pii_sealed: None,
        gift: None,
        policy: OrderPolicy::default(),
    }))
}

pub(crate) fn pay(order_id: OrderId) -> OrderCommand {
    OrderCommand::RequestPayment(RequestPayment {
        order_id,
        provider: ProviderChoice::own(Provider::DevFake),
        return_url: "http://localhost/paid".to_owned(),
        capture_mode: None,
        policy: OrderPolicy::default(),
    })
}

pub(crate) fn paid(payment_id: PaymentId) -> OrderCommand {
    OrderCommand::MarkPaid(MarkPaid {
        payment_id: Some(payment_id),
        card_amount: Money::rub(PRICE_KOPECKS),
        gift_amount: Money::rub(0),
        funds: Funds::Captured,
        policy: OrderPolicy::default(),
    })
}

pub(crate) fn promise_command(eta_minutes: u32) -> OrderCommand {
    OrderCommand::AdjustEta { eta_minutes }
}

/// Another promise of when it is ready: always accepted while the cook is at it.
pub(crate) fn promise(order_id: OrderId, eta_minutes: u32) -> Submission<OrderCommand> {
    submission(order_id.0, cook(), promise_command(eta_minutes))
}

/// The stream's sequences as they lie in the log.
pub(crate) async fn sequences<A: EventSourced>(db: &PgPool, id: Uuid) -> Vec<i64> {
    sqlx::query_scalar("SELECT sequence FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 ORDER BY position")
        .bind(A::AGGREGATE_TYPE.as_str())
        .bind(id.to_string())
        .fetch_all(db)
        .await
        .unwrap()
}
