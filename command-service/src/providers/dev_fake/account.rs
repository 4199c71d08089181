//! The books of one payment, as the bank keeps them.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::domain::{
    Money,
    payment::{CaptureMode, ProviderStatus},
};
use uuid::Uuid;

use super::Scenario;
use crate::providers::{ErrorClass, PaymentState, ProviderError, Route};

/// How long after the page's own end a check of the customer that was begun on it may take.
const CHECK_LIFETIME: TimeDelta = TimeDelta::hours(36);

/// Everything the bank knows of one payment of ours: one page per Init try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Account {
    pub payment_id: Uuid,
    /// Counts the changes.
    pub revision: i64,
    /// Init calls that the scenario made fail.
    pub init_faults: u32,
    /// Refunds that the scenario made fail.
    pub refund_faults: u32,
    pub pages: Vec<Page>,
}

/// One page to pay on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Page {
    pub order_ref: String,
    pub amount: Money,
    pub capture_mode: CaptureMode,
    pub scenario: Scenario,
    pub expires_at: DateTime<Utc>,
    pub word: Word,
    /// What was held or taken, in minor units.
    pub taken_minor: i64,
    /// Everything that was called off or given back.
    pub acts: Vec<Act>,
    /// How often the customer pressed "pay".
    pub visits: u32,
    /// Whether the merchant has asked after the money came.
    pub asked_after: bool,
    pub error_code: Option<String>,
}

/// One thing called off or given back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Act {
    /// None if a clerk did it.
    pub external_request_id: Option<String>,
    pub minor: i64,
}

/// The bank's words; those of T-Bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    New,
    FormShowed,
    ThreeDsChecking,
    Authorized,
    Confirmed,
    PartialRefunded,
    Refunded,
    Canceled,
    DeadlineExpired,
    AuthFail,
    Rejected,
    Reversed,
}

impl Word {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::FormShowed => "FORM_SHOWED",
            Self::ThreeDsChecking => "3DS_CHECKING",
            Self::Authorized => "AUTHORIZED",
            Self::Confirmed => "CONFIRMED",
            Self::PartialRefunded => "PARTIAL_REFUNDED",
            Self::Refunded => "REFUNDED",
            Self::Canceled => "CANCELED",
            Self::DeadlineExpired => "DEADLINE_EXPIRED",
            Self::AuthFail => "AUTH_FAIL",
            Self::Rejected => "REJECTED",
            Self::Reversed => "REVERSED",
        }
    }

    pub fn status(self) -> ProviderStatus {
        match self {
            Self::New => ProviderStatus::New,
            Self::FormShowed => ProviderStatus::FormShown,
            Self::ThreeDsChecking => ProviderStatus::Processing,
            Self::Authorized => ProviderStatus::Authorized,
            Self::Confirmed => ProviderStatus::Confirmed,
            Self::PartialRefunded => ProviderStatus::PartiallyRefunded,
            Self::Refunded => ProviderStatus::Refunded,
            Self::Canceled => ProviderStatus::Cancelled,
            Self::DeadlineExpired => ProviderStatus::Expired,
            Self::AuthFail => ProviderStatus::AuthFailed,
            Self::Rejected => ProviderStatus::Declined,
            Self::Reversed => ProviderStatus::Voided,
        }
    }

    /// Whether the customer may still do something.
    pub fn is_open(self) -> bool {
        matches!(self, Self::New | Self::FormShowed | Self::ThreeDsChecking)
    }
}

impl Account {
    pub fn new(payment_id: Uuid) -> Self {
        Self { payment_id, revision: 0, init_faults: 0, refund_faults: 0, pages: Vec::new() }
    }

    pub fn page(&self, order_ref: &str) -> Result<&Page, ProviderError> {
        self.pages.iter().find(|page| page.order_ref == order_ref).ok_or_else(no_such_payment)
    }

    pub fn page_mut(&mut self, order_ref: &str) -> Result<&mut Page, ProviderError> {
        self.pages.iter_mut().find(|page| page.order_ref == order_ref).ok_or_else(no_such_payment)
    }

    /// Whether the customer and the merchant have most likely done with it.
    pub fn is_settled(&self, now: DateTime<Utc>) -> bool {
        self.pages.iter().all(|page| {
            let word = page.word_at(now);
            !word.is_open() && word != Word::Authorized
        })
    }
}

impl Page {
    /// The bank's own id of the payment.
    pub fn provider_payment_id(&self) -> String {
        format!("{ID_PREFIX}{}", self.order_ref)
    }

    /// The word now: an open page dies by itself. Whom the bank is checking is not thrown out: as at T-Bank, the check
    /// has its own time.
    pub fn word_at(&self, now: DateTime<Utc>) -> Word {
        let dies_at = match self.word {
            Word::New | Word::FormShowed => self.expires_at,
            Word::ThreeDsChecking => self.expires_at + CHECK_LIFETIME,
            Word::Authorized
            | Word::Confirmed
            | Word::PartialRefunded
            | Word::Refunded
            | Word::Canceled
            | Word::DeadlineExpired
            | Word::AuthFail
            | Word::Rejected
            | Word::Reversed => return self.word,
        };
        if now > dies_at { Word::DeadlineExpired } else { self.word }
    }

    /// What is left after refunds, in minor units.
    pub fn left_minor(&self) -> i64 {
        self.taken_minor - self.acts.iter().map(|act| act.minor).sum::<i64>()
    }

    pub fn state(&self, now: DateTime<Utc>) -> PaymentState {
        let word = self.word_at(now);
        PaymentState {
            provider_payment_id: self.provider_payment_id(),
            order_ref: self.order_ref.clone(),
            status: Some(word.status()),
            word: Cow::Borrowed(word.as_str()),
            amount: Some(self.named_amount()),
            error_code: self.error_code.clone(),
            customer_retryable: true,
            route: Route::Card,
        }
    }

    /// The amount that the bank names: what came, or else what was asked for.
    pub fn named_amount(&self) -> Money {
        if self.taken_minor == 0 {
            return self.amount;
        }
        Money::from_minor(self.taken_minor, self.amount.currency()).unwrap_or(self.amount)
    }
}

const ID_PREFIX: &str = "fake-";

/// Our reference in the bank's own id.
pub(super) fn order_ref_of(provider_payment_id: &str) -> Result<&str, ProviderError> {
    provider_payment_id.strip_prefix(ID_PREFIX).ok_or_else(no_such_payment)
}

/// Our payment in our reference: its first 32 digits.
pub(super) fn payment_of(order_ref: &str) -> Result<Uuid, ProviderError> {
    let (id, _) = order_ref.split_once('-').ok_or_else(no_such_payment)?;
    Uuid::try_parse(id).map_err(|_| no_such_payment())
}

pub(super) fn no_such_payment() -> ProviderError {
    ProviderError::new(ErrorClass::InvalidRequest, "the bank knows no such payment")
}
