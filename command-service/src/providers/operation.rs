//! The calls of the port by name, and who is told about them.

use std::time::Duration;

use shared::domain::payment::Provider;

use super::BreakerState;

/// A call of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Opens a page to pay on.
    Init,
    /// Asks where a payment stands.
    GetState,
    /// Asks what was opened under a reference.
    CheckOrder,
    /// Takes held money.
    Confirm,
    /// Calls off or gives back.
    Cancel,
    /// Asks where refunds stand.
    RefundState,
    /// Asks whether anybody is there.
    Health,
}

impl Operation {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::GetState => "get_state",
            Self::CheckOrder => "check_order",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::RefundState => "refund_state",
            Self::Health => "health",
        }
    }

    /// Whose breaker it runs under.
    pub fn group(self) -> OperationGroup {
        match self {
            Self::Init => OperationGroup::Init,
            Self::GetState | Self::CheckOrder | Self::RefundState | Self::Health => OperationGroup::Query,
            Self::Confirm | Self::Cancel => OperationGroup::Money,
        }
    }

    /// Whether it only asks, so that doing it twice is harmless whatever became of the first.
    pub fn only_asks(self) -> bool {
        self.group() == OperationGroup::Query
    }
}

/// Calls that fail together share a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationGroup {
    /// Opening pages.
    Init,
    /// Asking.
    Query,
    /// Moving money.
    Money,
}

impl OperationGroup {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Init, Self::Query, Self::Money];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Query => "query",
            Self::Money => "money",
        }
    }
}

/// Told about every call: the metrics.
pub trait ProviderObserver: Send + Sync {
    /// One attempt ended; `class` is `ok`, the class of the error, or `unavailable` if the breaker let nothing out.
    fn called(&self, provider: Provider, operation: Operation, class: &'static str, took: Duration);

    /// The attempt `attempt` (2, 3, …) is about to be made.
    fn retried(&self, provider: Provider, operation: Operation, attempt: u32);

    /// A breaker changed its state.
    fn circuit_changed(&self, provider: Provider, group: OperationGroup, state: BreakerState);
}

/// Nobody is told.
impl ProviderObserver for () {
    fn called(&self, _: Provider, _: Operation, _: &'static str, _: Duration) {}
    fn retried(&self, _: Provider, _: Operation, _: u32) {}
    fn circuit_changed(&self, _: Provider, _: OperationGroup, _: BreakerState) {}
}
