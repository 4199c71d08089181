//! What can be asked of a payment.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    CaptureMode, EvidenceSource, FailureReason, IntegrityDecision, PaymentPolicy, PaymentRefundSource, Provider,
    Purpose, RefundFinding, UnappliedCause,
};
use crate::domain::{
    Money,
    ids::{PaymentId, RefundId},
};

/// A command for a payment.
#[derive(Debug, Clone, PartialEq)]
pub enum PaymentCommand {
    /// Opens the attempt, before anything is sent to the provider.
    Initiate(Box<InitiatePayment>),
    /// The provider opened a page to pay on.
    RecordSession {
        /// The provider's own id.
        provider_payment_id: String,
        /// The page to pay on.
        payment_url: String,
        /// Which Init try opened it, from 1.
        init_try: u32,
    },
    /// The provider said where the payment stands.
    RecordProviderStatus(RecordProviderStatus),
    /// The provider definitely opened nothing to pay on.
    FailInit {
        /// Why.
        reason: FailureReason,
        /// The provider's code.
        code: Option<String>,
    },
    /// Takes the held money.
    Capture {
        /// How much, at most what is held.
        amount: Money,
        /// Names the act towards the provider.
        operation_id: Uuid,
    },
    /// The provider could not be brought to give the held money, however often it was asked. It is asked again later,
    /// until the hold ends.
    PostponeCapture {
        /// What stood in the way.
        because: String,
    },
    /// Calls the attempt off. From here on its money buys nothing any more, whenever it comes.
    Abort {
        /// Why, for people.
        cause: String,
    },
    /// What became of calling it off.
    RecordAbortOutcome(AbortOutcome),
    /// The money bought what it was for.
    MarkApplied,
    /// The money came, but there was nothing to buy with it any more.
    MarkUnapplied {
        /// Why.
        cause: UnappliedCause,
    },
    /// Sends money back; refunds wait for each other.
    RequestRefund {
        /// The refund.
        refund_id: RefundId,
        /// How much.
        amount: Money,
        /// Who asks.
        source: PaymentRefundSource,
    },
    /// The customer's bank took money back.
    RecordChargeback(BankAct),
    /// Money was given back at the bank, without us.
    RecordExternalRefund(BankAct),
    /// An administrator decides about the provider's contradiction; it takes effect when another says the same.
    ResolveIntegrity {
        /// What.
        decision: IntegrityDecision,
    },
    /// An administrator says what the bank's own books say of a refund that nobody knows the outcome of, or that the
    /// provider leaves to people; it takes effect when another says the same.
    ResolveRefund {
        /// The refund.
        refund_id: RefundId,
        /// What.
        finding: RefundFinding,
        /// How the administrator knows, for people.
        reason: String,
    },
    /// What became of a refund.
    RecordRefundResult {
        /// The refund.
        refund_id: RefundId,
        /// Rises only after a definitive failure; names the act towards the provider together with the refund id.
        epoch: u32,
        /// What became of it.
        outcome: RefundOutcome,
    },
}

/// What a bank did without being asked by us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankAct {
    /// How much.
    pub amount: Money,
    /// Names the act in the bank's registry: it is written down once.
    pub registry_ref: String,
}

/// Everything that an attempt to move money starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct InitiatePayment {
    /// The new payment.
    pub payment_id: PaymentId,
    /// What the money is for.
    pub purpose: Purpose,
    /// How much.
    pub amount: Money,
    /// Who moves it.
    pub provider: Provider,
    /// Whether the settings allow this provider now.
    pub provider_enabled: bool,
    /// Where the customer's browser goes afterwards.
    pub return_url: String,
    /// When the money is taken.
    pub capture_mode: CaptureMode,
    /// When the page to pay on dies.
    pub expires_at: DateTime<Utc>,
    /// The limits in force.
    pub policy: PaymentPolicy,
}

/// A provider's report and the durations in force.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordProviderStatus {
    /// What the provider says.
    pub report: ProviderReport,
    /// The durations in force.
    pub policy: PaymentPolicy,
}

/// What a provider says about a payment, in nobody's dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderReport {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// What the provider knows the payment by: `PaymentId::provider_order_ref`.
    pub order_ref: String,
    /// Where it stands.
    pub status: ProviderStatus,
    /// The provider's own word for it, for people.
    pub provider_word: String,
    /// The amount that the provider names.
    pub amount: Option<Money>,
    /// How we know.
    pub source: EvidenceSource,
    /// The provider's code, if something failed.
    pub error_code: Option<String>,
    /// If it failed: whether the customer may try the same card again.
    pub customer_retryable: bool,
}

/// Where a provider says that a payment stands. Reports come late, twice and in any order: only one that ranks above
/// everything known so far changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderStatus {
    /// The page to pay on exists.
    New,
    /// The customer looks at it.
    FormShown,
    /// The bank checks the customer.
    Processing,
    /// The money is held.
    Authorized,
    /// The money is being taken.
    Confirming,
    /// The money was taken.
    Confirmed,
    /// Money is on its way back.
    Refunding,
    /// A part went back.
    PartiallyRefunded,
    /// Everything went back.
    Refunded,
    /// The page was withdrawn before anybody paid.
    Cancelled,
    /// Nobody paid in time.
    Expired,
    /// The customer did not pass the bank's check.
    AuthFailed,
    /// The bank said no.
    Declined,
    /// The hold was lifted.
    Voided,
}

impl ProviderStatus {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::New,
        Self::FormShown,
        Self::Processing,
        Self::Authorized,
        Self::Confirming,
        Self::Confirmed,
        Self::Refunding,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Cancelled,
        Self::Expired,
        Self::AuthFailed,
        Self::Declined,
        Self::Voided,
    ];

    /// How far along it is; `None` for the side exits, which end an attempt that brought no money.
    pub fn rank(self) -> Option<u8> {
        match self {
            Self::New => Some(0),
            Self::FormShown => Some(1),
            Self::Processing => Some(2),
            Self::Authorized => Some(3),
            Self::Confirming => Some(4),
            Self::Confirmed => Some(5),
            Self::Refunding => Some(6),
            Self::PartiallyRefunded => Some(7),
            Self::Refunded => Some(8),
            Self::Cancelled | Self::Expired | Self::AuthFailed | Self::Declined | Self::Voided => None,
        }
    }

    /// Why the attempt came to nothing, for the side exits.
    pub fn failure(self) -> Option<FailureReason> {
        match self {
            Self::Cancelled => Some(FailureReason::Cancelled),
            Self::Expired => Some(FailureReason::Expired),
            Self::AuthFailed => Some(FailureReason::AuthFailed),
            Self::Declined => Some(FailureReason::Declined),
            Self::Voided => Some(FailureReason::Voided),
            Self::New
            | Self::FormShown
            | Self::Processing
            | Self::Authorized
            | Self::Confirming
            | Self::Confirmed
            | Self::Refunding
            | Self::PartiallyRefunded
            | Self::Refunded => None,
        }
    }
}

/// What became of calling an attempt off.
#[derive(Debug, Clone, PartialEq)]
pub enum AbortOutcome {
    /// The provider refused or could not be reached, however often it was asked. It is asked again later, until the page
    /// must have died by itself; money that still comes is late.
    NotYet {
        /// What stood in the way.
        because: String,
    },
    /// Nobody can pay on the page any more.
    Cancelled,
    /// The hold was lifted.
    Voided,
    /// The money had been taken, and calling it off sent all of it back.
    Returned {
        /// The provider's own id.
        provider_payment_id: String,
        /// How much came and went back.
        amount: Money,
        /// How we know.
        source: EvidenceSource,
    },
}

/// What became of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    /// The provider has it in hand.
    Submitted,
    /// The money went back.
    Succeeded,
    /// The provider refused it, definitely.
    Failed {
        /// The provider's code.
        code: Option<String>,
        /// When it is tried again by itself; none means that a person has to look.
        retry_at: Option<DateTime<Utc>>,
    },
    /// Nobody knows; ask before doing it again.
    Unknown,
}
