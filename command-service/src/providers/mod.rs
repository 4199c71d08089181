//! Whoever moves the money: the port, what guards a call, and the adapters.

mod error;
mod port;
mod status;

pub use error::{ErrorClass, ProviderError};
pub use port::{
    CallCtx, CancelRequest, Cancelled, Capabilities, ConfirmRequest, InitRequest, PaymentProvider, PaymentState,
    Session,
};
pub use status::ProviderStatus;
