//! Why a provider's call brought no answer, or the wrong one, in nobody's dialect.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, Utc};

/// What a failed call means for whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// It never left: the connection was refused, the name not found. Doing it again is safe.
    NotSent,
    /// It left, and no answer that can be read came back: ask what became of it before doing it again.
    OutcomeUnknown,
    /// The provider answered that it cannot just now. Doing the very same thing again is safe.
    Transient,
    /// The provider takes no more calls for this long; it did nothing.
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The bank said no.
    Declined {
        /// Whether the customer may try the same card again.
        customer_retryable: bool,
    },
    /// The request itself is wrong: a mistake of ours.
    InvalidRequest,
    /// Our account or its credentials are wrong; no call will work until a person acts.
    Config,
    /// The payment is not where the call supposed: ask for its state.
    StateConflict,
    /// The provider said something that we have no meaning for: only asking tells what became of the call.
    Unlisted,
    /// The refund was refused for now.
    RefundDeferred {
        /// When it may be tried again; none means that a person has to look.
        until: Option<DateTime<Utc>>,
    },
}

impl ErrorClass {
    /// The stable name, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Transient => "transient",
            Self::RateLimited { .. } => "rate_limited",
            Self::Declined { .. } => "declined",
            Self::InvalidRequest => "invalid_request",
            Self::Config => "config",
            Self::StateConflict => "state_conflict",
            Self::Unlisted => "unlisted",
            Self::RefundDeferred { .. } => "refund_deferred",
        }
    }

    /// Whether the call may have done its work although it failed.
    pub fn may_have_happened(self) -> bool {
        match self {
            Self::OutcomeUnknown | Self::Transient | Self::Unlisted => true,
            Self::NotSent
            | Self::RateLimited { .. }
            | Self::Declined { .. }
            | Self::InvalidRequest
            | Self::Config
            | Self::StateConflict
            | Self::RefundDeferred { .. } => false,
        }
    }
}

/// A failed call. It is logged and stored, so it holds neither secrets nor personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", class.as_str())]
pub struct ProviderError {
    /// What it means.
    pub class: ErrorClass,
    /// The provider's own code, if it gave one.
    pub code: Option<String>,
    /// For people; redacted by the adapter.
    pub message: Cow<'static, str>,
}

impl ProviderError {
    /// An error without a code of the provider.
    pub fn new(class: ErrorClass, message: impl Into<Cow<'static, str>>) -> Self {
        Self { class, code: None, message: message.into() }
    }

    /// The same error with the provider's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

/// Why a guarded call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The circuit breaker is open: nothing was sent.
    #[error("the provider is not asked just now; try again in {} s", retry_after.as_secs())]
    Unavailable {
        /// When the next call may pass.
        retry_after: Duration,
    },
    /// The call failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl CallError {
    /// Whether the call may have done its work although it failed.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Unavailable { .. } => false,
            Self::Provider(error) => error.class.may_have_happened(),
        }
    }

    /// The stable name, for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Provider(error) => error.class.as_str(),
        }
    }
}
