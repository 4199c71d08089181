//! The guards and the flows, against a provider that does as the test says and against the imitation bank.

mod breaker;
mod flows;
mod refunds;
mod retry;
mod scripted;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use shared::{
    domain::{
        Money,
        payment::{Provider, RefundOutcome},
    },
    runtime::Clock,
};
use uuid::Uuid;

use super::*;

fn clock() -> Clock {
    Clock::stopped_at("2026-01-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap())
}

fn ctx() -> CallCtx {
    CallCtx::within(Duration::from_secs(60), Uuid::now_v7())
}

fn error(class: ErrorClass) -> ProviderError {
    ProviderError::new(class, "as the test says")
}

/// How a refund ends.
async fn refund(provider: &GuardedProvider, ctx: &CallCtx, attempt: &RefundAttempt) -> RefundOutcome {
    super::refund(provider, ctx, attempt).await.outcome
}

/// No waits, and a breaker that stays out of the way.
fn patient() -> GuardSettings {
    GuardSettings {
        retry: RetrySettings { base: Duration::ZERO, ..RetrySettings::default() },
        breaker: BreakerSettings { failures_to_open: 1_000, ..BreakerSettings::default() },
    }
}

/// Remembers what it was told.
#[derive(Default)]
struct Witness {
    calls: Mutex<Vec<(Operation, &'static str)>>,
    retries: Mutex<Vec<u32>>,
    circuits: Mutex<Vec<(OperationGroup, BreakerState)>>,
}

impl ProviderObserver for Witness {
    fn called(&self, _: Provider, operation: Operation, class: &'static str, _: Duration) {
        self.calls.lock().push((operation, class));
    }

    fn retried(&self, _: Provider, _: Operation, attempt: u32) {
        self.retries.lock().push(attempt);
    }

    fn circuit_changed(&self, _: Provider, group: OperationGroup, state: BreakerState) {
        self.circuits.lock().push((group, state));
    }
}

impl Witness {
    fn count(&self, operation: Operation) -> usize {
        self.calls.lock().iter().filter(|(called, _)| *called == operation).count()
    }
}

fn guarded(
    provider: Arc<dyn PaymentProvider>,
    settings: GuardSettings,
    clock: &Clock,
) -> (GuardedProvider, Arc<Witness>) {
    let witness = Arc::new(Witness::default());
    (GuardedProvider::new(provider, settings, clock.clone(), Arc::clone(&witness) as _), witness)
}
