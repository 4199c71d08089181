//! Why a gift says no.

use std::borrow::Cow;

use crate::domain::{MoneyError, Rejection, RejectionKind};

/// Why a gift said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message and the rule's name say it")]
pub enum GiftError {
    #[error("there is no such gift")]
    NotFound,
    #[error("you may not do this to a gift")]
    PermissionDenied,
    #[error("give a value from {min} to {max}")]
    OutOfRange { pointer: &'static str, min: u32, max: u32 },
    #[error("shorten the text to at most {max} characters")]
    TooLong { pointer: &'static str, max: usize },
    #[error("this value cannot be used here")]
    InvalidValue { pointer: &'static str },

    #[error("the value of a gift lies between 100 and 50 000 roubles; choose another")]
    ValueOutOfRange,
    #[error("the dish is not available now; choose another")]
    DishUnavailable,

    #[error("only a gift that waits for its payment can be paid")]
    NotPayable,
    #[error("the time to pay this gift is over; buy a new one")]
    PaymentDeadlinePassed,
    #[error("too many attempts to pay this gift failed; buy a new one")]
    PaymentAttemptsExhausted,
    #[error("this provider takes no payments here; leave the choice to the marketplace")]
    ProviderDisabled,
    #[error("this provider does not take the gift's currency; choose another")]
    CurrencyUnsupported,
    #[error("the gift takes no money any more")]
    MoneyNotWanted,
    #[error("the money is not what the gift costs")]
    PaidAmountMismatch,
    #[error("the payment belongs to another gift")]
    ForeignPayment,

    #[error("the gift is not in a state that allows this")]
    InvalidTransition,
    #[error("the time for this has not come yet")]
    TooEarly,
    #[error("the gift was activated already")]
    AlreadyActivated,
    #[error("the gift was cancelled already")]
    AlreadyCancelled,
    #[error("the gift has expired; what was left goes back to its buyer")]
    Expired,
    #[error("the gift is blocked; ask the support")]
    Blocked,
    #[error("this gift cannot be used in this way")]
    Restricted,
    #[error("the dish of this gift is gone; convert the gift into its value")]
    GiftDishUnavailable,
    #[error("the dish of this gift can be ordered; activate the gift")]
    GiftDishAvailable,
    #[error("the kitchen is closed now; activate the gift when it is open")]
    ProducerClosed,
    #[error("this kitchen does not hand over in that way; choose another")]
    DeliveryTypeUnsupported,

    #[error("less is left on the gift than you want to use")]
    InsufficientBalance,
    #[error("the gift is in another currency than the order")]
    CurrencyMismatch,
    #[error("this gift was used for too many orders; what is left goes back to its buyer when it expires")]
    UseLimitReached,
    #[error("the gift has no such reservation")]
    ReservationNotFound,
    #[error("the reservation is over; place a new order")]
    ReservationOver,
    #[error("more would come back than the order took from the gift")]
    CreditExceedsRedeemed,
    #[error("an order holds a part of this gift; wait for it")]
    InUse,
    #[error("nothing is left that could go back to the buyer")]
    NothingToRefund,
    #[error("the gift has no such refund")]
    RefundNotFound,
    #[error("this gift has too many refunds; give the rest back at once")]
    RefundLimitReached,
}

impl From<MoneyError> for GiftError {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::CurrencyMismatch(..) | MoneyError::UnknownCurrency => Self::CurrencyMismatch,
            MoneyError::OutOfRange | MoneyError::Precision(_) | MoneyError::NobodyToShare => Self::ValueOutOfRange,
        }
    }
}

impl Rejection for GiftError {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::PermissionDenied => RejectionKind::PermissionDenied,
            Self::OutOfRange { .. } | Self::TooLong { .. } | Self::InvalidValue { .. } => RejectionKind::Validation,
            _ => RejectionKind::Rule,
        }
    }

    fn rule(&self) -> &'static str {
        match self {
            Self::NotFound => "gift_not_found",
            Self::PermissionDenied => "permission_denied",
            Self::OutOfRange { .. } => "out_of_range",
            Self::TooLong { .. } => "too_long",
            Self::InvalidValue { .. } => "invalid_value",
            Self::ValueOutOfRange => "gift_value_out_of_range",
            Self::DishUnavailable => "dish_unavailable",
            Self::NotPayable => "gift_not_payable",
            Self::PaymentDeadlinePassed => "payment_deadline_passed",
            Self::PaymentAttemptsExhausted => "payment_attempts_exhausted",
            Self::ProviderDisabled => "provider_disabled",
            Self::CurrencyUnsupported => "currency_unsupported",
            Self::MoneyNotWanted => "not_payable",
            Self::PaidAmountMismatch => "paid_amount_mismatch",
            Self::ForeignPayment => "foreign_payment",
            Self::InvalidTransition => "invalid_transition",
            Self::TooEarly => "too_early",
            Self::AlreadyActivated => "gift_already_activated",
            Self::AlreadyCancelled => "gift_already_cancelled",
            Self::Expired => "gift_expired",
            Self::Blocked => "gift_blocked",
            Self::Restricted => "gift_restricted",
            Self::GiftDishUnavailable => "gift_dish_unavailable",
            Self::GiftDishAvailable => "gift_dish_available",
            Self::ProducerClosed => "producer_closed",
            Self::DeliveryTypeUnsupported => "delivery_type_unsupported",
            Self::InsufficientBalance => "gift_insufficient_balance",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::UseLimitReached => "gift_use_limit_reached",
            Self::ReservationNotFound => "gift_reservation_not_found",
            Self::ReservationOver => "gift_reservation_over",
            Self::CreditExceedsRedeemed => "gift_credit_exceeds_redeemed",
            Self::InUse => "gift_in_use",
            Self::NothingToRefund => "gift_nothing_to_refund",
            Self::RefundNotFound => "gift_refund_not_found",
            Self::RefundLimitReached => "refund_limit_reached",
        }
    }

    fn pointer(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::OutOfRange { pointer, .. } | Self::TooLong { pointer, .. } | Self::InvalidValue { pointer } => {
                Some(Cow::Borrowed(pointer))
            }
            _ => None,
        }
    }
}
