//! What the parts of the write side tell the metrics.

use std::{sync::Arc, time::Duration};

use shared::{
    domain::payment::Provider,
    runtime::{
        Health, Metrics, Platform, Verdict,
        health::Readiness,
        metrics::{
            Breaker, CaseLabel, DeadLetter, Operation as OperationLabel, ProcessCommand, ProviderCall,
            ProviderOperation, Queue, QueueEntry,
        },
    },
};
use tokio::sync::watch;

use crate::{
    cases::Cases,
    payment_desk::PaymentDesk,
    process_managers::{self, CommandObserver, LetterObserver, OpenLetters},
    providers::{BreakerState, Operation, OperationGroup, ProviderObserver},
    relay::RelayStatus,
};

/// Counts provider calls.
pub(crate) struct ProviderMetrics(pub Arc<Metrics>);

impl ProviderObserver for ProviderMetrics {
    fn called(&self, provider: Provider, operation: Operation, class: &'static str, took: Duration) {
        let (provider, op) = (provider.as_str(), operation.as_str());
        self.0.provider_calls.get_or_create(&ProviderCall { provider, op, class }).inc();
        self.0.provider_call_duration.get_or_create(&ProviderOperation { provider, op }).observe(
            took.as_secs_f64(),
            None,
            None,
        );
    }

    fn retried(&self, _: Provider, operation: Operation, _: u32) {
        self.0.retry_attempts.get_or_create(&OperationLabel { op: operation.as_str() }).inc();
    }

    fn circuit_changed(&self, provider: Provider, group: OperationGroup, state: BreakerState) {
        let number = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.0.breaker_state.get_or_create(&Breaker { name: breaker_name(provider, group) }).set(number);
    }
}

/// Names a breaker; the imitation's have the names of their groups.
fn breaker_name(provider: Provider, group: OperationGroup) -> &'static str {
    match (provider, group) {
        (Provider::DevFake, group) => group.as_str(),
        (Provider::Tbank, OperationGroup::Init) => "tbank_init",
        (Provider::Tbank, OperationGroup::Query) => "tbank_query",
        (Provider::Tbank, OperationGroup::Money) => "tbank_money",
    }
}

/// Counts the commands of process managers.
pub(crate) fn process_commands(metrics: Arc<Metrics>) -> CommandObserver {
    Arc::new(move |pm, result| {
        metrics.process_commands.get_or_create(&ProcessCommand { pm, result }).inc();
    })
}

/// Counts the events that process managers gave up.
pub(crate) fn dead_letters(metrics: Arc<Metrics>) -> LetterObserver {
    Box::new(move |open| {
        let (handler, queue) = (process_managers::QUEUE, process_managers::QUEUE);
        for OpenLetters { status, letters, .. } in open.iter().copied() {
            metrics.dead_letters.get_or_create(&DeadLetter { handler, status }).set(letters);
            metrics.dlq_entries.get_or_create(&QueueEntry { queue, status }).set(letters);
        }
        let oldest = open.iter().map(|open| open.oldest_secs).fold(0.0, f64::max);
        metrics.dlq_oldest.get_or_create(&Queue { queue }).set(oldest);
    })
}

/// The relay's part in the health report: behind or alone is degraded, never unhealthy, since commands go on.
pub(crate) fn relay_health(health: &Health, metrics: Arc<Metrics>, status: watch::Receiver<RelayStatus>) {
    health.register("relay", Readiness::NotRequired, move || {
        let status = status.borrow().clone();
        let metrics = Arc::clone(&metrics);
        async move {
            if status.leader {
                metrics.relay_position.set(status.position as i64);
                metrics.relay_lag_events.set(status.lag() as i64);
            }
            match status.trouble {
                Some(trouble) => Verdict::degraded(trouble.to_string()),
                None if status.leader && !status.in_step => Verdict::degraded("the mirror is being put in step"),
                None => Verdict::healthy(),
            }
        }
    });
}

/// The providers' part in the health report: an open circuit is degraded.
pub(crate) fn provider_health(health: &Health, desk: PaymentDesk) {
    health.register("payment_provider", Readiness::NotRequired, move || {
        let open: Vec<String> = desk
            .providers()
            .iter()
            .flat_map(|provider| {
                let name = provider.provider().as_str();
                let circuits = provider.circuits().into_iter();
                circuits
                    .filter(|(_, state)| *state != BreakerState::Closed)
                    .map(move |(group, state)| format!("{name} {}: {}", group.as_str(), state.as_str()))
            })
            .collect();
        async move { if open.is_empty() { Verdict::healthy() } else { Verdict::degraded(open.join(", ")) } }
    });
}

/// Between two counts of the cases.
const CASES_LOOK: Duration = Duration::from_secs(5);
const CASES_QUEUE: &str = "payment_cases";

/// Counts the payments that wait for a person; while there is one, the service is degraded.
pub(crate) fn watch_cases(platform: &Platform, cases: Cases) {
    let asked = cases.clone();
    platform.health.register("payment_cases", Readiness::NotRequired, move || {
        let cases = asked.clone();
        async move {
            match cases.open_counts().await.map(|counts| counts.iter().map(|(_, count)| count).sum::<i64>()) {
                Ok(0) => Verdict::healthy(),
                Ok(open) => Verdict::degraded(format!("{open} payments wait for a person")),
                Err(_) => Verdict::degraded("the cases cannot be counted"),
            }
        }
    });
    let metrics = Arc::clone(&platform.metrics);
    platform.supervisor.spawn("payment_cases", move |shutdown| {
        let (cases, metrics) = (cases.clone(), Arc::clone(&metrics));
        async move {
            loop {
                let counts = cases.open_counts().await?;
                let entry = QueueEntry { queue: CASES_QUEUE, status: "PARKED" };
                metrics.dlq_entries.get_or_create(&entry).set(counts.iter().map(|(_, open)| open).sum());
                for (kind, open) in counts {
                    metrics.payment_cases_open.get_or_create(&CaseLabel { kind: kind.as_str() }).set(open);
                }
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    () = tokio::time::sleep(CASES_LOOK) => {}
                }
            }
        }
    });
}
