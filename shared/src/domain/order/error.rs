//! Why an order says no.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::domain::{Money, MoneyError, Rejection, RejectionKind};

/// Why an order said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message and the rule's name say it")]
pub enum OrderError {
    #[error("there is no such order")]
    NotFound,
    #[error("you may not do this to an order")]
    PermissionDenied,
    #[error("give a value from {min} to {max}")]
    OutOfRange { pointer: &'static str, min: u32, max: u32 },
    #[error("shorten the text to at most {max} characters")]
    TooLong { pointer: &'static str, max: usize },
    #[error("this value cannot be used here")]
    InvalidValue { pointer: &'static str },
    #[error("mark each dish of the order once, from 1 to 5")]
    InvalidMark { index: usize, field: &'static str },
    #[error("this claim cannot be used; mind the limits of its fields")]
    InvalidClaim { pointer: String },

    #[error("a dish is not available now; take it out of the order")]
    DishUnavailable,
    #[error("this kitchen does not sell at present; choose another")]
    ProducerInactive,
    #[error("this kitchen is closed at that time; choose another time")]
    ProducerClosed,
    #[error("an order takes dishes of one kitchen; place one order for each kitchen")]
    MixedProducers,
    #[error("a cook cannot buy from their own kitchen")]
    SelfPurchase,
    #[error("fewer portions are left than you want; order fewer")]
    InsufficientPortions,
    #[error("this kitchen does not hand over in that way; choose another")]
    DeliveryTypeUnsupported,
    #[error("the total is {current_total} now; order again to agree to it")]
    PriceChanged { current_total: Money },
    #[error("all prices of an order must be in one currency")]
    CurrencyMismatch,
    #[error("the order exceeds the largest total; split it")]
    LimitExceeded,
    #[error("the total is below the least amount that can be paid; add a dish")]
    AmountBelowMinimum,
    #[error("the gift's share is not held long enough; place the order again")]
    GiftReservationOver,

    #[error("only an order that waits for its payment can be paid")]
    NotPayable,
    #[error("the time to pay this order is over; place a new one")]
    PaymentDeadlinePassed,
    #[error("too many attempts to pay this order failed; place a new one")]
    PaymentAttemptsExhausted,
    #[error("this provider takes no payments here; leave the choice to the marketplace")]
    ProviderDisabled,
    #[error("this provider does not take the order's currency; choose another")]
    CurrencyUnsupported,
    #[error("nothing is left to pay for this order")]
    NothingToPay,
    #[error("the order takes no money any more")]
    MoneyNotWanted,
    #[error("the money is not what the order costs")]
    PaidAmountMismatch,
    #[error("the payment belongs to another order")]
    ForeignPayment,

    #[error("the order is not in a state that allows this")]
    InvalidTransition,
    #[error("the time to accept this order is over")]
    AcceptanceDeadlinePassed,
    #[error("the time for this has not come yet")]
    TooEarly,
    #[error("the order can no longer be cancelled; open a dispute instead")]
    CancellationWindowClosed,
    #[error("the order was cancelled already")]
    AlreadyCancelled,
    #[error("a completed order cannot be cancelled; open a dispute instead")]
    AlreadyCompleted,

    #[error("more would go back than was paid; lower the amount")]
    RefundExceedsPaid,
    #[error("this order has too many refunds; give the rest back at once")]
    RefundLimitReached,
    #[error("the order has no such refund")]
    RefundNotFound,

    #[error("only a paid order that was not called off can be disputed")]
    NotDisputable,
    #[error("the time to dispute this order is over")]
    DisputeWindowClosed,
    #[error("a dispute about this order is open already; add to it")]
    DisputeAlreadyOpen,
    #[error("a decided dispute can be appealed once; there is nothing above that")]
    DisputeLimitReached,
    #[error("the meal may still come; open the dispute an hour after its time")]
    TooEarlyToMiss,
    #[error("more is claimed than can go back; lower the amount")]
    ClaimExceedsRefundable,
    #[error("add evidence: a photo or a description of what was wrong")]
    EvidenceRequired,
    #[error("the dispute has no claim on this order")]
    DisputeNotClaimed,
    #[error("a dispute about this order is open; its decision comes first")]
    PaymentUnderDispute,
    #[error("a dispute about this order is open; it completes after the decision")]
    DisputeOpen,
    #[error("a dispute holds the cook's share")]
    PayoutFrozen,

    #[error("you have rated this order already")]
    AlreadyRated,
    #[error("the time to rate this order is over")]
    RatingWindowClosed,
}

impl From<MoneyError> for OrderError {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::CurrencyMismatch(..) | MoneyError::UnknownCurrency => Self::CurrencyMismatch,
            MoneyError::OutOfRange | MoneyError::Precision(_) | MoneyError::NobodyToShare => Self::LimitExceeded,
        }
    }
}

impl Rejection for OrderError {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::PermissionDenied => RejectionKind::PermissionDenied,
            Self::OutOfRange { .. }
            | Self::TooLong { .. }
            | Self::InvalidValue { .. }
            | Self::InvalidMark { .. }
            | Self::InvalidClaim { .. } => RejectionKind::Validation,
            _ => RejectionKind::Rule,
        }
    }

    fn rule(&self) -> &'static str {
        match self {
            Self::NotFound => "order_not_found",
            Self::PermissionDenied => "permission_denied",
            Self::OutOfRange { .. } => "out_of_range",
            Self::TooLong { .. } => "too_long",
            Self::InvalidMark { field: "rating", .. } => "out_of_range",
            Self::InvalidValue { .. } | Self::InvalidMark { .. } | Self::InvalidClaim { .. } => "invalid_value",
            Self::DishUnavailable => "dish_unavailable",
            Self::ProducerInactive => "producer_inactive",
            Self::ProducerClosed => "producer_closed",
            Self::MixedProducers => "mixed_producers",
            Self::SelfPurchase => "self_purchase",
            Self::InsufficientPortions => "insufficient_portions",
            Self::DeliveryTypeUnsupported => "delivery_type_unsupported",
            Self::PriceChanged { .. } => "price_changed",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::LimitExceeded => "order_limit_exceeded",
            Self::AmountBelowMinimum => "amount_below_minimum",
            Self::GiftReservationOver => "gift_reservation_over",
            Self::NotPayable => "order_not_payable",
            Self::PaymentDeadlinePassed => "payment_deadline_passed",
            Self::PaymentAttemptsExhausted => "payment_attempts_exhausted",
            Self::NothingToPay => "nothing_to_pay",
            Self::ProviderDisabled => "provider_disabled",
            Self::CurrencyUnsupported => "currency_unsupported",
            Self::MoneyNotWanted => "not_payable",
            Self::PaidAmountMismatch => "paid_amount_mismatch",
            Self::ForeignPayment => "foreign_payment",
            Self::InvalidTransition => "invalid_transition",
            Self::AcceptanceDeadlinePassed => "acceptance_deadline_passed",
            Self::TooEarly => "too_early",
            Self::CancellationWindowClosed => "cancellation_window_closed",
            Self::AlreadyCancelled => "order_already_cancelled",
            Self::AlreadyCompleted => "order_already_completed",
            Self::RefundExceedsPaid => "refund_exceeds_paid",
            Self::RefundLimitReached => "refund_limit_reached",
            Self::RefundNotFound => "refund_not_found",
            Self::NotDisputable => "order_not_disputable",
            Self::DisputeWindowClosed => "dispute_window_closed",
            Self::DisputeAlreadyOpen => "dispute_already_open",
            Self::DisputeLimitReached => "dispute_limit_reached",
            Self::TooEarlyToMiss => "too_early",
            Self::ClaimExceedsRefundable => "claim_exceeds_refundable",
            Self::EvidenceRequired => "evidence_required",
            Self::DisputeNotClaimed => "dispute_not_claimed",
            Self::PaymentUnderDispute => "payment_under_dispute",
            Self::DisputeOpen => "dispute_open",
            Self::PayoutFrozen => "payout_frozen",
            Self::AlreadyRated => "already_rated",
            Self::RatingWindowClosed => "rating_window_closed",
        }
    }

    fn pointer(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::OutOfRange { pointer, .. } | Self::TooLong { pointer, .. } | Self::InvalidValue { pointer } => {
                Some(Cow::Borrowed(pointer))
            }
            Self::InvalidMark { index, field } => Some(Cow::Owned(format!("/per_item/{index}/{field}"))),
            Self::InvalidClaim { pointer } => Some(Cow::Owned(pointer.clone())),
            _ => None,
        }
    }

    fn extension(&self) -> Option<(&'static str, Value)> {
        match self {
            Self::PriceChanged { current_total } => Some(("current_total", json!(current_total))),
            _ => None,
        }
    }
}
