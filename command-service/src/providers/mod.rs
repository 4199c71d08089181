//! Whoever moves the money: the port, what guards a call, and the adapters.

mod breaker;
mod error;
mod guarded;
mod operation;
mod port;
mod retry;
mod status;

pub use breaker::{Breaker, BreakerSettings, BreakerState, Permit, Transition, Verdict};
pub use error::{CallError, ErrorClass, ProviderError};
pub use guarded::{GuardSettings, GuardedProvider};
pub use operation::{Operation, OperationGroup, ProviderObserver};
pub use port::{
    CallCtx, CancelRequest, Cancelled, Capabilities, ConfirmRequest, InitRequest, PaymentProvider, PaymentState,
    Session,
};
pub use retry::RetrySettings;
pub use status::ProviderStatus;
