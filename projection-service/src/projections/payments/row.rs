//! Everything that is known of one payment attempt.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        GiftId, Money, OrderId, PaymentId, RefundId, UserId,
        payment::{
            CaptureMode, FailureReason, IntegrityDecision, PaymentFailed, PaymentInitiated, PaymentRefundFailed,
            PaymentRefundRequested, PaymentRefundSource, PaymentStatus, Provider, Purpose, RefundFinding,
            UnappliedCause,
        },
    },
    log::RecordedEvent,
};
use utoipa::ToSchema;

/// One payment attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the events")]
pub struct PaymentRow {
    pub id: PaymentId,
    pub purpose: Purpose,
    pub amount: Money,
    pub provider: Provider,
    pub capture_mode: CaptureMode,
    pub status: PaymentStatus,
    pub payment_url: Option<String>,
    pub return_url: String,
    pub provider_order_ref: String,
    pub provider_payment_id: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub capture_before: Option<DateTime<Utc>>,
    pub captured_amount: Option<Money>,
    pub refunded_amount: Money,
    pub refunds: Vec<PaymentRefundRow>,
    pub failure: Option<PaymentFailureRow>,
    pub used: PaymentUse,
    pub unapplied_cause: Option<UnappliedCause>,
    /// The money came after we had given the attempt up.
    pub late: bool,
    /// The provider contradicted what was asked; a person has to look.
    pub integrity_hold: bool,
    #[serde(default)]
    pub integrity_proposal: Option<IntegrityProposalRow>,
    /// What the bank did without us.
    #[serde(default)]
    pub bank_acts: Vec<BankActRow>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: u64,
}

impl PaymentRow {
    /// The row of an attempt that was just made.
    pub(super) fn new(event: &RecordedEvent, initiated: &PaymentInitiated) -> Self {
        Self {
            id: PaymentId(event.aggregate_id),
            purpose: initiated.purpose,
            amount: initiated.amount,
            provider: initiated.provider,
            capture_mode: initiated.capture_mode,
            status: PaymentStatus::Initiated,
            payment_url: None,
            return_url: initiated.return_url.clone(),
            provider_order_ref: initiated.provider_order_ref.clone(),
            provider_payment_id: None,
            expires_at: initiated.expires_at,
            capture_before: None,
            captured_amount: None,
            refunded_amount: Money::zero(initiated.amount.currency()),
            refunds: Vec::new(),
            failure: None,
            used: PaymentUse::Open,
            unapplied_cause: None,
            late: false,
            integrity_hold: false,
            integrity_proposal: None,
            bank_acts: Vec::new(),
            created_at: event.occurred_at,
            updated_at: event.occurred_at,
            version: event.sequence,
        }
    }

    /// The order it pays, if it pays one.
    pub fn order_id(&self) -> Option<OrderId> {
        match self.purpose {
            Purpose::Order { order_id } => Some(order_id),
            Purpose::Gift { .. } => None,
        }
    }
}

impl PaymentRow {
    /// The gift it buys, if it buys one.
    pub fn gift_id(&self) -> Option<GiftId> {
        match self.purpose {
            Purpose::Gift { gift_id } => Some(gift_id),
            Purpose::Order { .. } => None,
        }
    }
}

/// What became of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentUse {
    /// Nothing yet.
    Open,
    /// It bought what it was for.
    Applied,
    /// There was nothing to buy; it goes back.
    Unapplied,
}

/// Why an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PaymentFailureRow {
    /// Why.
    pub reason: FailureReason,
    /// The provider's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub provider_error_code: Option<String>,
    /// Whether the same card may be tried again.
    pub customer_retryable: bool,
}

impl PaymentFailureRow {
    pub(super) fn new(failed: &PaymentFailed) -> Self {
        let PaymentFailed { reason, provider_error_code, customer_retryable } = failed.clone();
        Self { reason, provider_error_code, customer_retryable }
    }
}

/// Money on its way back through the provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PaymentRefundRow {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Who asked.
    pub source: PaymentRefundSource,
    /// How far it is.
    pub status: PaymentRefundStatus,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it is tried again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_at: Option<DateTime<Utc>>,
    /// The provider's code of the last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// For administrators: what one of them says became of it, where nobody else knows; another has to say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub proposal: Option<RefundProposalRow>,
}

/// What an administrator says became of a refund in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundProposalRow {
    /// What the bank's books say.
    pub finding: RefundFinding,
    /// Who says so.
    pub proposed_by: UserId,
}

impl PaymentRefundRow {
    pub(super) fn new(requested: &PaymentRefundRequested, requested_at: DateTime<Utc>) -> Self {
        let PaymentRefundRequested { refund_id, amount, source } = requested.clone();
        let status = PaymentRefundStatus::Requested;
        Self { refund_id, amount, source, status, requested_at, retry_at: None, code: None, proposal: None }
    }

    pub(super) fn set(&mut self, status: PaymentRefundStatus) {
        (self.status, self.retry_at, self.code) = (status, None, None);
        if status == PaymentRefundStatus::Succeeded {
            self.proposal = None;
        }
    }

    pub(super) fn failed(&mut self, failed: &PaymentRefundFailed) {
        self.status = PaymentRefundStatus::Failed;
        self.retry_at = failed.retry_at;
        self.code.clone_from(&failed.code);
        self.proposal = None;
    }
}

/// How far a refund is at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentRefundStatus {
    /// Asked for.
    Requested,
    /// The provider has it in hand.
    Submitted,
    /// The money went back.
    Succeeded,
    /// The provider refused.
    Failed,
    /// Nobody knows yet.
    Unknown,
    /// The customer has it from the bank, which took or gave it back itself.
    BackAlready,
}

/// What one administrator would do about the provider's contradiction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IntegrityProposalRow {
    /// What.
    pub decision: IntegrityDecision,
    /// Who says so; another has to say the same.
    pub proposed_by: UserId,
}

/// What a bank did without us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BankActRow {
    /// What it was.
    pub kind: BankActKind,
    /// How much.
    pub amount: Money,
    /// Names it in the bank's registry, or says how we learnt of it.
    pub registry_ref: String,
    /// When it was written down.
    pub recorded_at: DateTime<Utc>,
}

impl BankActRow {
    pub(super) fn new(kind: BankActKind, amount: Money, registry_ref: &str, recorded_at: DateTime<Utc>) -> Self {
        Self { kind, amount, registry_ref: registry_ref.to_owned(), recorded_at }
    }
}

/// What a bank may do without us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BankActKind {
    /// It took money back for the customer.
    Chargeback,
    /// It gave money back for us.
    Refund,
}
