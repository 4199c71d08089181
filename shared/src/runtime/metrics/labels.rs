//! The labels of the metrics: few values each, never an id.

use axum::extract::MatchedPath;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use std::{
    fmt::{self, Write},
    hash::{Hash, Hasher},
};

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        #[allow(missing_docs, reason = "a label says by its name what it is")]
        pub struct $name { $(pub $field: $type,)* }
    )*};
}

labels! {
    /// One kind of answered request.
    Request { method: MethodLabel, endpoint: Endpoint, status: u16 }
    /// A method of a route.
    Route { method: MethodLabel, endpoint: Endpoint }
    /// A route by its name.
    RouteName { route: Endpoint }
    /// A kind of event.
    BusinessEvent { event_type: &'static str, aggregate_type: &'static str }
    /// A kind of aggregate.
    Aggregate { aggregate_type: &'static str }
    /// A status of orders.
    Status { status: &'static str }
    /// A projection by its name.
    Projection { projection: &'static str }
    /// Dead letters of one handler in one status.
    DeadLetter { handler: &'static str, status: &'static str }
    /// Messages of one queue in one status.
    QueueEntry { queue: &'static str, status: &'static str }
    /// A queue.
    Queue { queue: &'static str }
    /// A call to a payment provider and the class of its answer.
    ProviderCall { provider: &'static str, op: &'static str, class: &'static str }
    /// An operation of a payment provider.
    ProviderOperation { provider: &'static str, op: &'static str }
    /// A circuit breaker.
    Breaker { name: &'static str }
    /// An operation that is retried.
    Operation { op: &'static str }
    /// A notification from a payment provider.
    Webhook { provider: &'static str, result: &'static str }
    /// A kind of case that a person has to look at.
    CaseLabel { kind: &'static str }
    /// A command of a process manager.
    ProcessCommand { pm: &'static str, result: &'static str }
    /// A ledger account.
    Account { account: &'static str }
    /// An invariant by its number.
    Invariant { n: u32 }
    /// How it ended.
    Outcome { result: &'static str }
    /// The trace a measurement was taken in.
    TraceLabel { trace_id: TraceId }
}

/// A trace id, written as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub u128);

impl EncodeLabelValue for TraceId {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        write!(encoder, "{:032x}", self.0)
    }
}

/// An HTTP method; whatever a client invents counts as `OTHER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MethodLabel(&'static str);

impl MethodLabel {
    /// The method.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&http::Method> for MethodLabel {
    fn from(method: &http::Method) -> Self {
        const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
        Self(KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER"))
    }
}

impl EncodeLabelValue for MethodLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        encoder.write_str(self.0)
    }
}

/// A route template, never a raw path. Shares the router's own text, so that counting allocates nothing.
#[derive(Debug, Clone)]
pub struct Endpoint(Option<MatchedPath>);

impl Endpoint {
    /// What the router matched; a path nobody serves counts as `unmatched`.
    pub fn new(matched: Option<MatchedPath>) -> Self {
        Self(matched)
    }

    /// The template.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("unmatched", MatchedPath::as_str)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Endpoint {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}
