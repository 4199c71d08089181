//! Every metric, declared once, with a sentence.

mod labels;

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        exemplar::HistogramWithExemplars,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};
use std::sync::{Arc, atomic::AtomicU64};

pub use labels::*;

/// A gauge of seconds or of a ratio.
pub type FloatGauge = Gauge<f64, AtomicU64>;
/// A histogram whose buckets remember the trace of a request that fell into them.
pub type Latency = HistogramWithExemplars<TraceLabel>;
/// One latency histogram per label set.
pub type Latencies<L> = Family<L, Latency, fn() -> Latency>;
/// One plain histogram per label set.
pub type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// From 0.2 ms to 26 s: a command without a wait to a request that timed out.
fn latency() -> Latency {
    Latency::new(exponential_buckets(0.0002, 2.0, 18))
}

/// From 1 ms to 2 hours: how late something is.
fn lateness() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 3.0, 16))
}

/// From 1 to 8,192 items.
fn batch() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 14))
}

macro_rules! metrics {
    ($($field:ident: $type:ty = $make:expr, $name:literal, $help:literal;)*) => {
        /// Every metric of the program. Clone a handle out of a family where a label set is used often.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $(#[doc = concat!($help, ".")] pub $field: $type,)*
        }

        impl Metrics {
            /// The names as they are registered; in a scrape counters and histograms have endings besides.
            pub const NAMES: &[&str] = &[$($name),*];

            fn register_all(mut registry: Registry) -> Self {
                $(
                    let $field: $type = $make;
                    registry.register($name, $help, $field.clone());
                )*
                Self { registry, $($field,)* }
            }
        }
    };
}

metrics! {
    api_requests: Family<Request, Counter> = Family::default(),
        "api_requests", "Requests answered, by method, route template and status";
    api_request_duration: Latencies<Route> = Family::new_with_constructor(latency),
        "api_request_duration_seconds", "From the head of a request to the head of its answer";
    business_events: Family<BusinessEvent, Counter> = Family::default(),
        "business_events", "Events recorded in the log";
    active_orders: Family<Status, Gauge> = Family::default(),
        "active_orders_total", "Orders that are not at their end, by status";

    append_duration: Latency = latency(),
        "eventstore_append_duration_seconds", "From a decision to its durable events";
    append_batch_size: Histogram = batch(),
        "eventstore_append_batch_size", "Decisions made durable by one commit";
    head_position: Gauge = Gauge::default(),
        "eventstore_head_position", "Position of the newest event in the log";
    concurrency_conflicts: Family<Aggregate, Counter> = Family::default(),
        "concurrency_conflicts", "Decisions that lost a race and were made again";
    idempotent_replays: Family<RouteName, Counter> = Family::default(),
        "idempotent_replays", "Commands answered from their receipt";

    relay_position: Gauge = Gauge::default(),
        "relay_position", "Position of the newest event mirrored to JetStream";
    relay_lag_events: Gauge = Gauge::default(),
        "relay_lag_events", "Events in the log that JetStream does not have yet";
    relay_reseeds: Counter = Counter::default(),
        "relay_reseeds", "Times the stream was filled again from the log";

    projection_position: Family<Projection, Gauge> = Family::default(),
        "projection_position", "Position a projection has reached";
    projection_lag_events: Family<Projection, Gauge> = Family::default(),
        "projection_lag_events", "Events a projection has not seen yet";
    projection_lag_seconds: Family<Projection, FloatGauge> = Family::default(),
        "projection_lag_seconds", "Age of the oldest event a projection has not seen yet";
    projection_batch_size: Histograms<Projection> = Family::new_with_constructor(batch),
        "projection_batch_size", "Events a projection took in one commit";
    projection_rebuild_progress: Family<Projection, FloatGauge> = Family::default(),
        "projection_rebuild_progress_ratio", "How far a rebuild has come, 0 to 1";
    projection_drift: Family<Projection, Counter> = Family::default(),
        "projection_drift", "Rows found that are not what their events add up to; alarm when above 0";

    dead_letters: Family<DeadLetter, Gauge> = Family::default(),
        "dead_letters", "Events that a handler gave up, by what became of them";
    dlq_entries: Family<QueueEntry, Gauge> = Family::default(),
        "dlq_entries", "Messages in a dead-letter queue, by what became of them";
    dlq_oldest: Family<Queue, FloatGauge> = Family::default(),
        "dlq_oldest_seconds", "Age of the oldest waiting message of a dead-letter queue";

    provider_calls: Family<ProviderCall, Counter> = Family::default(),
        "payment_provider_calls", "Calls to a payment provider, by class of the answer";
    provider_call_duration: Latencies<ProviderOperation> = Family::new_with_constructor(latency),
        "payment_provider_call_duration_seconds", "How long a call to a payment provider took";
    breaker_state: Family<Breaker, Gauge> = Family::default(),
        "circuit_breaker_state", "A circuit breaker: 0 closed, 1 half open, 2 open";
    retry_attempts: Family<Operation, Counter> = Family::default(),
        "retry_attempts", "Tries after the first, by operation";
    webhooks: Family<Webhook, Counter> = Family::default(),
        "webhook", "Notifications received from a payment provider, by what was done with them";

    payment_cases_open: Family<CaseLabel, Gauge> = Family::default(),
        "payment_cases_open", "Payments that wait for a person, by what is wrong; alarm when above 0";

    process_commands: Family<ProcessCommand, Counter> = Family::default(),
        "saga_commands", "Commands sent by process managers, by result";
    timer_lag: Histogram = lateness(),
        "timer_lag_seconds", "How late a timer fired";
    ledger_balance: Family<Account, Gauge> = Family::default(),
        "ledger_balance_minor", "Balance of a ledger account in minor units";
    integrity_holds: Gauge = Gauge::default(),
        "integrity_holds", "Payments that stand still because the provider contradicts what was asked; alarm when above 0";
    invariant_violations: Family<Invariant, Counter> = Family::default(),
        "invariant_violations", "Violations the auditor found, by number of the invariant; alarm when above 0";

    websocket_connections: Gauge = Gauge::default(),
        "websocket_connections", "Open sockets";
    websocket_resumes: Family<Outcome, Counter> = Family::default(),
        "ws_resume", "Sockets that resumed, by result";
    notification_delay: Histogram = lateness(),
        "notification_delay_seconds", "From the commit of an event to its push to a socket";

    resident_memory_bytes: Gauge = Gauge::default(),
        "process_resident_memory_bytes", "Memory of this process that is in RAM";
}

impl Metrics {
    /// The metrics of one service.
    pub fn new(service_name: &str, version: &str) -> Arc<Self> {
        let mut metrics = Self::register_all(Registry::default());
        let labels = vec![("version".to_owned(), version.to_owned()), ("name".to_owned(), service_name.to_owned())];
        metrics.registry.register("application", "The program that answers", Info::new(labels));
        let sockets = metrics.websocket_connections.clone();
        metrics.registry.register("ws_connections", "The same as websocket_connections, by its shorter name", sockets);
        Arc::new(metrics)
    }

    /// Everything as OpenMetrics text.
    pub fn encode(&self) -> String {
        if let Some(bytes) = resident_memory_bytes() {
            self.resident_memory_bytes.set(bytes);
        }
        let mut text = String::with_capacity(16 * 1024);
        // Writing into a String cannot fail; a scrape that is cut short shows itself by the missing `# EOF`.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// From `/proc`; absent where there is none.
fn resident_memory_bytes() -> Option<i64> {
    const PAGE_BYTES: i64 = 4_096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

#[cfg(test)]
mod tests;
