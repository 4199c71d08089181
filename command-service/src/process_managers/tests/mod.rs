//! Process managers and timers on a real Postgres, killed at any point, with a provider that counts.

mod alarms;
mod deadlines;
mod disputes;
mod gifts;
mod held;
mod kills;
mod letters;
mod overlap;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use shared::{
    domain::{
        Actor, Money, OrderId, PaymentId,
        dispute::DisputePolicy,
        gift::GiftPolicy,
        order::{OrderCommand, OrderPolicy, OrderStatus},
        payment::{
            AbortOutcome, EvidenceSource, Payment, PaymentCommand, PaymentPolicy, PaymentStatus, Provider,
            ProviderReport, ProviderStatus, RecordProviderStatus, RefundOutcome,
        },
    },
    runtime::{Clock, settings::Key32},
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::{
    catalogue::Catalogue,
    gift_vault::GiftVault,
    leader::{Candidate, Leadership, Office},
    testing::{CUSTOMER, PRICE_KOPECKS, Process, TestDatabase, cook, create, now, pay, run_until, submission},
    timers::Scheduler,
};

/// A provider that answers at once and remembers by which name it was asked for what, and how often.
#[derive(Clone, Default)]
struct Bank {
    acts: Arc<Mutex<HashMap<String, u32>>>,
    /// Payments that it is silent about.
    silent: Arc<Mutex<Vec<PaymentId>>>,
    /// Payments of which it holds money and neither takes nor lets go any, for so long.
    stubborn: Arc<Mutex<Vec<PaymentId>>>,
    /// Payments whose held money it does not give.
    unwilling: Arc<Mutex<Vec<PaymentId>>>,
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
            Effect::OpenSession(_) | Effect::ResumeSession(_) if payment.status() == Some(PaymentStatus::Initiated) => {
                self.act(format!("open {id}"));
                Ok(vec![PaymentCommand::RecordSession {
                    provider_payment_id: format!("bank-{id}"),
                    payment_url: format!("http://bank/{id}"),
                    init_try: 1,
                }])
            }
            Effect::Abort(_) if payment.is_aborting() && self.stubborn.lock().contains(&id) => {
                self.act(format!("refuse {id}"));
                let outcome = AbortOutcome::NotYet { because: "TIMEOUT".to_owned() };
                Ok(vec![PaymentCommand::RecordAbortOutcome(outcome)])
            }
            Effect::Abort(_) if payment.is_aborting() && payment.authorized().is_some() => {
                self.act(format!("void {id}"));
                Ok(vec![PaymentCommand::RecordAbortOutcome(AbortOutcome::Voided)])
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
            Effect::Look(_) => {
                self.act(format!("look {id}"));
                Ok(Vec::new())
            }
            Effect::Capture(_) if payment.in_flight_capture().is_some() && self.unwilling.lock().contains(&id) => {
                Ok(vec![PaymentCommand::PostponeCapture { because: "TIMEOUT".to_owned() }])
            }
            Effect::OpenSession(_)
            | Effect::ResumeSession(_)
            | Effect::Abort(_)
            | Effect::Capture(_)
            | Effect::Ask(_)
            | Effect::GiveUp(_) => Ok(Vec::new()),
        }
    }
}

fn policies() -> Policies {
    Policies {
        order: OrderPolicy::default(),
        dispute: DisputePolicy::default(),
        payment: PaymentPolicy::default(),
        gift: GiftPolicy::default(),
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
    leadership: Leadership,
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
        let scheduler = Scheduler::new(executor, database.db.clone(), leadership.clone(), observer);
        run_until(&process.killed, async move { scheduler.run(CancellationToken::new()).await.unwrap() });
        Self { process, clock, late, leadership }
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

/// One service after another, each killed at no particular point once it leads and has begun with something.
async fn kill_one_after_the_other(database: &TestDatabase, bank: &Bank) {
    for n in 0_u64.. {
        let service = Service::start(database, bank).await;
        service.leadership.gained().await;
        tokio::time::sleep(Duration::from_millis(50 + (n * 37) % 300)).await;
        drop(service);
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
    assert!(tokio::time::timeout(Duration::from_secs(120), met).await.is_ok(), "not in time: {what}");
}

fn order(n: u128) -> (OrderId, PaymentId) {
    let order_id = OrderId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n));
    (order_id, PaymentId::of_order_attempt(order_id, 1))
}

fn executor(process: &Process, clock: &Clock, bank: &Bank) -> Executor {
    Executor {
        orders: process.orders.clone(),
        payments: process.payments.clone(),
        gifts: GiftDesk {
            gifts: process.gifts.clone(),
            vault: GiftVault::new(process.db.clone(), Key32::new([1; 32]), &Key32::new([2; 32])),
            catalogue: Catalogue::new(process.db.clone()),
        },
        disputes: process.disputes.clone(),
        effects: Arc::new(bank.clone()),
        queue: process.queue.clone(),
        clock: clock.clone(),
        policies: Arc::new(policies()),
        observer: Arc::new(|_, _| {}),
        turns: Arc::default(),
    }
}
