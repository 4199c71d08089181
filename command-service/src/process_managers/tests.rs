//! Process managers and timers on a real Postgres, killed at any point, with a provider that counts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use shared::{
    domain::{
        Actor, Money, OrderId, PaymentId,
        order::{CancelReason, OrderCommand, OrderPolicy, OrderStatus},
        payment::{
            EvidenceSource, Payment, PaymentCommand, PaymentPolicy, PaymentStatus, Provider, ProviderReport,
            ProviderStatus, RecordProviderStatus, RefundOutcome,
        },
    },
    runtime::Clock,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::{
    leader::{Candidate, Office},
    testing::{CUSTOMER, PRICE_KOPECKS, Process, TestDatabase, cook, create, now, pay, run_until, submission},
    timers::Scheduler,
};

/// A provider that answers at once and remembers by which name it was asked for what, and how often.
#[derive(Clone, Default)]
struct Bank {
    acts: Arc<Mutex<HashMap<String, u32>>>,
    /// Payments that it is silent about.
    silent: Arc<Mutex<Vec<PaymentId>>>,
    /// Payments at which it panics.
    poisonous: Arc<Mutex<Vec<PaymentId>>>,
}

impl Bank {
    fn act(&self, name: String) {
        *self.acts.lock().entry(name).or_default() += 1;
    }

    fn acts(&self, prefix: &str) -> usize {
        self.acts.lock().keys().filter(|name| name.starts_with(prefix)).count()
    }
}

fn report(payment_id: PaymentId, status: ProviderStatus) -> PaymentCommand {
    PaymentCommand::RecordProviderStatus(RecordProviderStatus {
        report: ProviderReport {
            provider_payment_id: format!("bank-{payment_id}"),
            order_ref: payment_id.provider_order_ref(1),
            status,
            provider_word: format!("{status:?}"),
            amount: Some(Money::rub(PRICE_KOPECKS)),
            source: EvidenceSource::Poll,
            error_code: None,
            customer_retryable: true,
        },
        policy: PaymentPolicy::default(),
    })
}

#[async_trait]
impl Effects for Bank {
    async fn perform(
        &self,
        effect: Effect,
        payment: &Payment,
        _: &Cause,
        _: &mut EffectRun,
    ) -> Result<Vec<PaymentCommand>, Duration> {
        let id = effect.payment_id();
        if self.silent.lock().contains(&id) {
            return Err(Duration::from_millis(50));
        }
        assert!(!self.poisonous.lock().contains(&id), "the bank is on fire");
        match effect {
            Effect::OpenSession(_) if payment.status() == Some(PaymentStatus::Initiated) => {
                self.act(format!("open {id}"));
                Ok(vec![PaymentCommand::RecordSession {
                    provider_payment_id: format!("bank-{id}"),
                    payment_url: format!("http://bank/{id}"),
                    init_try: 1,
                }])
            }
            Effect::Abort(_) if payment.is_aborting() => {
                self.act(format!("abort {id}"));
                Ok(vec![report(id, ProviderStatus::Cancelled)])
            }
            Effect::Refund(_) => {
                let Some(next) = payment.next_refund(now()) else { return Ok(Vec::new()) };
                self.act(format!("refund {} {}", next.refund_id, next.epoch));
                let (refund_id, epoch) = (next.refund_id, next.epoch);
                Ok(vec![PaymentCommand::RecordRefundResult { refund_id, epoch, outcome: RefundOutcome::Succeeded }])
            }
            Effect::OpenSession(_) | Effect::Abort(_) | Effect::Capture(_) => Ok(Vec::new()),
        }
    }
}

fn policies() -> Policies {
    Policies {
        order: OrderPolicy::default(),
        payment: PaymentPolicy::default(),
        default_provider: Provider::DevFake,
        enabled_providers: vec![Provider::DevFake],
        payment_grace: TimeDelta::minutes(10),
    }
}

/// A command-service with process managers and timers. Dropping it is killing it.
struct Service {
    process: Process,
    clock: Clock,
    late: Arc<Mutex<Vec<Duration>>>,
}

impl Service {
    async fn start(database: &TestDatabase, bank: &Bank) -> Self {
        Self::start_at(database, bank, now()).await
    }

    async fn start_at(database: &TestDatabase, bank: &Bank, at: DateTime<Utc>) -> Self {
        let process = Process::start(database).await;
        let clock = Clock::stopped_at(at);
        let executor = executor(&process, &clock, bank);
        let (candidate, leadership) = Candidate::new(database.options.clone(), Office::ProcessManagers);
        run_until(&process.killed, async move { candidate.run(CancellationToken::new()).await });
        let runner = Runner::new(executor.clone(), process.feed.clone(), database.db.clone(), leadership.clone());
        run_until(&process.killed, async move { runner.run(CancellationToken::new()).await.unwrap() });
        let late = Arc::<Mutex<Vec<Duration>>>::default();
        let seen = Arc::clone(&late);
        let observer = Arc::new(move |lateness| seen.lock().push(lateness));
        let scheduler = Scheduler::new(executor, database.db.clone(), leadership, observer);
        run_until(&process.killed, async move { scheduler.run(CancellationToken::new()).await.unwrap() });
        Self { process, clock, late }
    }

    async fn status(&self, order_id: OrderId) -> Option<OrderStatus> {
        self.process.orders.load(order_id.0).await.unwrap()?.aggregate.status()
    }

    async fn order(&self, order_id: OrderId, actor: Actor, command: OrderCommand) {
        let mut submission = submission(order_id.0, actor, command);
        submission.intent.now = self.clock.now();
        self.process.order(submission).await.unwrap();
    }

    async fn tell(&self, order_id: OrderId, payment_id: PaymentId, status: ProviderStatus) {
        let mut submission = submission(payment_id.0, Actor::Provider("bank".to_owned()), report(payment_id, status));
        submission.correlation_id = order_id.0;
        self.process.payments.execute(submission, &crate::command_handler::NoAnswer).await.unwrap();
    }
}

async fn events(db: &PgPool, name: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = $1").bind(name).fetch_one(db).await.unwrap()
}

/// Waits for a condition, with a deadline.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let met = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), met).await.is_ok(), "not in time: {what}");
}

fn order(n: u128) -> (OrderId, PaymentId) {
    let order_id = OrderId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n));
    (order_id, PaymentId::of_order_attempt(order_id, 1))
}

/// The whole life of orders: placed, paid, called off by the cook, paid back. Whoever is killed on the way is followed
/// by another, and everything happens once.
#[tokio::test]
async fn killed_at_any_point_every_consequence_is_drawn_once() {
    const ORDERS: u128 = 24;
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let customer = Process::start(&database).await;
    for n in 0..ORDERS {
        let (order_id, _) = order(n);
        for command in [create(order_id), pay(order_id)] {
            customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
        }
    }
    let driver = async {
        for n in 0..ORDERS {
            let (order_id, payment_id) = order(n);
            until("the page is open", async || {
                let payment = customer.payments.load(payment_id.0).await.unwrap();
                payment.is_some_and(|payment| payment.aggregate.session().is_some())
            })
            .await;
            let told = submission(
                payment_id.0,
                Actor::Provider("bank".to_owned()),
                report(payment_id, ProviderStatus::Confirmed),
            );
            customer.payments.execute(told, &crate::command_handler::NoAnswer).await.unwrap();
            until("the order is paid", async || {
                let order = customer.orders.load(order_id.0).await.unwrap().unwrap();
                order.aggregate.status() == Some(OrderStatus::Paid)
            })
            .await;
            let reject =
                OrderCommand::Reject { reason_code: shared::domain::order::RejectReason::TooBusy, comment: None };
            customer.order(submission(order_id.0, cook(), reject)).await.unwrap();
        }
        until("all the money is back", async || {
            events(&database.db, "order_refund_settled").await == i64::try_from(ORDERS).unwrap()
        })
        .await;
    };
    let killer = async {
        for n in 0_u64.. {
            let service = Service::start(&database, &bank).await;
            // Long enough to lead and to begin with something, and then at no particular point.
            tokio::time::sleep(Duration::from_millis(550 + (n * 37) % 300)).await;
            drop(service);
        }
    };
    tokio::select! {
        () = driver => {}
        () = killer => {}
    }
    let orders = i64::try_from(ORDERS).unwrap();
    for name in [
        "payment_initiated",
        "payment_session_opened",
        "payment_succeeded",
        "order_paid",
        "payment_applied",
        "order_cancelled",
        "order_refund_authorized",
        "payment_refund_requested",
        "payment_refund_succeeded",
        "order_refund_settled",
    ] {
        assert_eq!(events(&database.db, name).await, orders, "{name}");
    }
    assert_eq!((bank.acts("open"), bank.acts("refund")), (ORDERS as usize, ORDERS as usize));
    let flows: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT correlation_id) FROM events").fetch_one(&database.db).await.unwrap();
    assert_eq!(flows, orders);
}

#[tokio::test]
async fn the_other_process_draws_consequences_though_it_looked_too_early() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let customer = Process::start(&database).await;
    let (order_id, payment_id) = order(1);
    let service = Service::start(&database, &bank).await;
    assert!(service.process.payments.load(payment_id.0).await.unwrap().is_none());
    assert!(customer.payments.load(payment_id.0).await.unwrap().is_none());
    for command in [create(order_id), pay(order_id)] {
        customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
    }
    until("the page is open", async || {
        let payment = customer.payments.load(payment_id.0).await.unwrap();
        payment.is_some_and(|payment| payment.aggregate.session().is_some())
    })
    .await;
    let told =
        submission(payment_id.0, Actor::Provider("bank".to_owned()), report(payment_id, ProviderStatus::Confirmed));
    customer.payments.execute(told, &crate::command_handler::NoAnswer).await.unwrap();
    until("the order is paid", async || service.status(order_id).await == Some(OrderStatus::Paid)).await;
}

#[tokio::test]
async fn a_deadline_that_was_cut_short_half_way_still_calls_the_order_off() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let (order_id, payment_id) = order(1);
    let customer = Process::start(&database).await;
    for command in [create(order_id), pay(order_id)] {
        customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
    }
    let timer: Uuid = sqlx::query_scalar("SELECT timer_id FROM timers").fetch_one(&database.db).await.unwrap();
    let service = Service::start(&database, &bank).await;
    until("the page is open", async || bank.acts("open") == 1).await;
    // The first firing got as far as calling the attempt off, and the attempt is over by now.
    let cause = Cause {
        manager: "deadlines",
        source_id: timer,
        causation_id: timer,
        correlation_id: order_id.0,
        traceparent: None,
        may_be_repeated: true,
    };
    let first = vec![order_payment::abort(payment_id, "late")];
    executor(&service.process, &service.clock, &bank).perform(&cause, order_id.0, first).await.unwrap();
    until("the attempt is over", async || events(&database.db, "order_payment_attempt_failed").await == 1).await;
    service.clock.advance(TimeDelta::minutes(31));
    until("the order is called off", async || service.status(order_id).await == Some(OrderStatus::Cancelled)).await;
}

fn executor(process: &Process, clock: &Clock, bank: &Bank) -> Executor {
    Executor {
        orders: process.orders.clone(),
        payments: process.payments.clone(),
        effects: Arc::new(bank.clone()),
        queue: process.queue.clone(),
        clock: clock.clone(),
        policies: Arc::new(policies()),
        observer: Arc::new(|_, _| {}),
        turns: Arc::default(),
    }
}

#[tokio::test]
async fn timers_that_came_due_during_a_stop_fire_in_due_order() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let customer = Process::start(&database).await;
    for n in 0..20_u128 {
        let (order_id, _) = order(n);
        let mut placed = submission(order_id.0, Actor::Customer(CUSTOMER), create(order_id));
        placed.intent.now = now() - TimeDelta::minutes(i64::try_from((n * 7) % 20).unwrap());
        customer.order(placed).await.unwrap();
    }
    // One of a kind that only a later program knows: it stays, and holds nobody up.
    sqlx::query("INSERT INTO timers VALUES ($1, 'from_the_future', $1, $1, $1, $2)")
        .bind(Uuid::now_v7())
        .bind(now() - TimeDelta::hours(1))
        .execute(&database.db)
        .await
        .unwrap();
    let service = Service::start_at(&database, &bank, now() + TimeDelta::hours(2)).await;
    until("all orders are called off", async || events(&database.db, "order_cancelled").await == 20).await;
    let lateness = service.late.lock().clone();
    assert!(lateness.is_sorted_by(|before, after| before >= after), "{lateness:?}");
    until("only the strange timer is left", async || {
        let left: Vec<(String, DateTime<Utc>)> =
            sqlx::query_as("SELECT kind, due_at FROM timers").fetch_all(&database.db).await.unwrap();
        left == [("from_the_future".to_owned(), service.clock.now() + TimeDelta::hours(1))]
    })
    .await;
}

#[tokio::test]
async fn a_customer_under_check_gets_one_grace_and_no_more() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let (order_id, payment_id) = order(1);
    let service = Service::start(&database, &bank).await;
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts("open") == 1).await;
    service.tell(order_id, payment_id, ProviderStatus::Processing).await;
    service.clock.advance(TimeDelta::minutes(30));
    let due = now() + TimeDelta::minutes(40);
    until("the deadline is put off", async || {
        let timers: Vec<DateTime<Utc>> =
            sqlx::query_scalar("SELECT due_at FROM timers").fetch_all(&database.db).await.unwrap();
        timers == [due]
    })
    .await;
    assert_eq!(service.status(order_id).await, Some(OrderStatus::WaitingForPayment));
    service.clock.advance(TimeDelta::minutes(10));
    until("the order is called off", async || service.status(order_id).await == Some(OrderStatus::Cancelled)).await;
    until("the attempt is called off", async || bank.acts("abort") == 1).await;
}

/// What stands in the table of dead letters, in order.
async fn letters(db: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT message_type, status FROM dead_letters WHERE queue_name = 'process_managers' ORDER BY position",
    )
    .fetch_all(db)
    .await
    .unwrap()
}

fn stand(letters: &[(&str, &str)]) -> Vec<(String, String)> {
    letters.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn poison_stops_its_own_flow_and_no_other_until_it_is_redriven() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let ((sick, sick_payment), (well, _)) = (order(1), order(2));
    bank.poisonous.lock().push(sick_payment);
    let customer = Process::start(&database).await;
    for order_id in [sick, well] {
        for command in [create(order_id), pay(order_id)] {
            customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
        }
    }
    let service = Service::start(&database, &bank).await;
    until("the other flow goes on", async || bank.acts("open") == 1).await;
    until("the poison is parked", async || letters(&database.db).await == stand(&[("payment_initiated", "PARKED")]))
        .await;
    // Another process learns from the table which flows are held up.
    drop(service);
    let service = Service::start(&database, &bank).await;
    let cancel = OrderCommand::Cancel { reason_code: Some(CancelReason::CustomerRequest), reason_text: None };
    for order_id in [sick, well] {
        service.order(order_id, Actor::Customer(CUSTOMER), cancel.clone()).await;
    }
    until("what follows waits behind it", async || {
        letters(&database.db).await == stand(&[("payment_initiated", "PARKED"), ("order_cancelled", "BLOCKED")])
    })
    .await;
    until("the other attempt is called off", async || bank.acts("abort") == 1).await;
    // The cause is mended and somebody asks for another try: both letters are followed, in order.
    bank.poisonous.lock().clear();
    let redrive = "UPDATE dead_letters SET status = 'PENDING', next_retry_at = '2000-01-01' WHERE status = 'PARKED'";
    sqlx::query(redrive).execute(&database.db).await.unwrap();
    until("the flow has caught up", async || {
        letters(&database.db).await == stand(&[("payment_initiated", "REDRIVEN"), ("order_cancelled", "REDRIVEN")])
    })
    .await;
    until("the attempt is called off", async || bank.acts("abort") == 2).await;
    assert_eq!(bank.acts("open"), 2);
    until("the failure of the attempt is drawn too", async || {
        events(&database.db, "order_payment_attempt_failed").await == 2
    })
    .await;
}

#[tokio::test]
async fn payments_that_wait_for_a_silent_provider_do_not_take_the_hands_of_others() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let customer = Process::start(&database).await;
    let all: Vec<_> = (0..300_u128).map(order).collect();
    bank.silent.lock().extend(all[..299].iter().map(|(_, payment_id)| *payment_id));
    for (order_id, _) in &all {
        for command in [create(*order_id), pay(*order_id)] {
            customer.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
        }
    }
    let _service = Service::start(&database, &bank).await;
    until("the last one is served", async || bank.acts("open") == 1).await;
    bank.silent.lock().clear();
    until("all are served", async || bank.acts("open") == 300).await;
    assert!(bank.acts.lock().values().all(|times| *times == 1));
}

#[tokio::test]
async fn two_who_want_to_deal_with_one_payment_do_so_one_after_the_other() {
    let busy = Arc::new(Mutex::new(0));
    let turns = Arc::new(Turns::default());
    let id = Uuid::now_v7();
    let dealings = (0..20).map(|_| {
        let (turns, busy) = (Arc::clone(&turns), Arc::clone(&busy));
        tokio::spawn(async move {
            let _turn = turns.take(id).await;
            *busy.lock() += 1;
            assert_eq!(*busy.lock(), 1);
            tokio::task::yield_now().await;
            *busy.lock() -= 1;
        })
    });
    for dealing in futures::future::join_all(dealings).await {
        dealing.unwrap();
    }
}
