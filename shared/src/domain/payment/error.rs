//! Why a payment says no.

use std::borrow::Cow;

use crate::domain::{MoneyError, Rejection, RejectionKind};

/// Why a payment said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message and the rule's name say it")]
pub enum PaymentError {
    #[error("there is no such payment")]
    NotFound,
    #[error("you may not do this to a payment")]
    PermissionDenied,
    #[error("this value cannot be used here")]
    InvalidValue { pointer: &'static str },
    #[error("shorten the text to at most {max} characters")]
    TooLong { pointer: &'static str, max: usize },

    #[error("the amount is below the least that the provider takes")]
    AmountBelowMinimum,
    #[error("this provider is switched off; choose another")]
    ProviderDisabled,
    #[error("the provider does not take this currency")]
    CurrencyUnsupported,
    #[error("the amounts are in different currencies")]
    CurrencyMismatch,

    #[error("the payment is not in a state that allows this")]
    InvalidTransition,
    #[error("the provider contradicts what was asked; an administrator has to look first")]
    OnHold,
    #[error("the hold on the card has run out; cancel the order")]
    CaptureWindowPassed,
    #[error("more would be taken than is held; lower the amount")]
    CaptureExceedsAuthorized,
    #[error("another operation on this payment is under way; wait for it")]
    OperationInFlight,
    #[error("the money has bought what it was for already")]
    AlreadyApplied,
    #[error("the money is to go back; it can buy nothing any more")]
    AlreadyUnapplied,

    #[error("this act of the bank is written down with another amount; check its reference")]
    RegistryRefUsed,
    #[error("the bank would have taken back more than came; check the amount")]
    ChargebackExceedsCaptured,
    #[error("so many acts of the bank cannot be about one payment")]
    BankActsExhausted,
    #[error("the provider contradicts nothing; there is nothing to decide")]
    NotOnHold,

    #[error("more would go back than was taken; lower the amount")]
    RefundExceedsCaptured,
    #[error("another refund of this payment is under way; it comes first")]
    RefundInFlight,
    #[error("the payment has no such refund")]
    RefundNotFound,
    #[error("nothing about this refund is in doubt; it takes its way by itself")]
    RefundNotInDoubt,
    #[error("a refund is tried under a new epoch only after the last one definitely failed")]
    RefundEpochOutOfOrder,
}

impl From<MoneyError> for PaymentError {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::CurrencyMismatch(..) | MoneyError::UnknownCurrency => Self::CurrencyMismatch,
            MoneyError::OutOfRange | MoneyError::Precision(_) | MoneyError::NobodyToShare => {
                Self::InvalidValue { pointer: "/amount" }
            }
        }
    }
}

impl Rejection for PaymentError {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::PermissionDenied => RejectionKind::PermissionDenied,
            Self::InvalidValue { .. } | Self::TooLong { .. } => RejectionKind::Validation,
            _ => RejectionKind::Rule,
        }
    }

    fn rule(&self) -> &'static str {
        match self {
            Self::NotFound => "payment_not_found",
            Self::PermissionDenied => "permission_denied",
            Self::InvalidValue { .. } => "invalid_value",
            Self::TooLong { .. } => "too_long",
            Self::AmountBelowMinimum => "amount_below_minimum",
            Self::ProviderDisabled => "provider_disabled",
            Self::CurrencyUnsupported => "currency_unsupported",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::InvalidTransition => "invalid_transition",
            Self::OnHold => "payment_on_hold",
            Self::CaptureWindowPassed => "capture_window_passed",
            Self::CaptureExceedsAuthorized => "capture_exceeds_authorized",
            Self::OperationInFlight => "operation_in_flight",
            Self::AlreadyApplied => "payment_already_applied",
            Self::AlreadyUnapplied => "payment_already_unapplied",
            Self::RegistryRefUsed => "registry_ref_used",
            Self::ChargebackExceedsCaptured => "chargeback_exceeds_captured",
            Self::BankActsExhausted => "bank_acts_exhausted",
            Self::NotOnHold => "payment_not_on_hold",
            Self::RefundExceedsCaptured => "refund_exceeds_captured",
            Self::RefundInFlight => "refund_in_flight",
            Self::RefundNotFound => "refund_not_found",
            Self::RefundNotInDoubt => "refund_not_in_doubt",
            Self::RefundEpochOutOfOrder => "refund_epoch_out_of_order",
        }
    }

    fn pointer(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::InvalidValue { pointer } | Self::TooLong { pointer, .. } => Some(Cow::Borrowed(pointer)),
            _ => None,
        }
    }
}
