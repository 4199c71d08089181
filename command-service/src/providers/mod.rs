//! Whoever moves the money: the port, what guards a call, and the adapters.

mod abort_flow;
mod breaker;
mod capture_flow;
pub mod dev_fake;
mod error;
mod guarded;
mod init_flow;
mod operation;
mod port;
mod refund_flow;
mod retry;
pub mod tbank;

pub use abort_flow::{AbortAttempt, Aborted, abort};
pub use breaker::{Breaker, BreakerSettings, BreakerState, Permit, Transition, Verdict};
pub use capture_flow::{Captured, capture};
pub use error::{CallError, ErrorClass, ProviderError};
pub use guarded::{GuardSettings, GuardedProvider};
pub use init_flow::{OpenSession, Opened, open_session};
pub use operation::{Operation, OperationGroup, ProviderObserver};
pub use port::{
    CallCtx, CancelRequest, Cancelled, Capabilities, ConfirmRequest, InitRequest, PaymentProvider, PaymentState,
    RefundNames, Route, Session,
};
pub use refund_flow::{RefundAttempt, Refunded, refund, refund_request_id};
pub use retry::RetrySettings;

#[cfg(test)]
mod tests;
