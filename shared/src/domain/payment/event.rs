//! What can happen to a payment.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    CaptureMode, EvidenceSource, FailureReason, IntegrityDecision, PaymentRefundSource, Provider, Purpose,
    RefundFinding, UnappliedCause,
};
use crate::domain::{
    Money,
    events::aggregate_events,
    ids::{RefundId, UserId},
};

aggregate_events! {
    /// An event of a payment.
    PaymentEvent {
        /// The attempt exists; nothing was sent to the provider yet.
        PaymentInitiated => "payment_initiated" v 1,
        /// The provider opened a page to pay on.
        PaymentSessionOpened => "payment_session_opened" v 1,
        /// The customer is being checked by the bank.
        PaymentProcessing => "payment_processing" v 1,
        /// The money is held on the card.
        PaymentAuthorized => "payment_authorized" v 1,
        /// The held money was asked for.
        PaymentCaptureRequested => "payment_capture_requested" v 1,
        /// The provider could not be brought to give the held money; it is asked again later.
        PaymentCapturePostponed => "payment_capture_postponed" v 1,
        /// The money was taken.
        PaymentSucceeded => "payment_succeeded" v 1,
        /// The attempt came to nothing.
        PaymentFailed => "payment_failed" v 1,
        /// The attempt is being called off.
        PaymentAbortRequested => "payment_abort_requested" v 1,
        /// The provider could not be brought to call it off; it is asked again later.
        PaymentAbortPostponed => "payment_abort_postponed" v 1,
        /// The money bought what it was for.
        PaymentApplied => "payment_applied" v 1,
        /// The money came, but there was nothing to buy with it any more.
        PaymentUnapplied => "payment_unapplied" v 1,
        /// Money has to go back through the provider.
        PaymentRefundRequested => "payment_refund_requested" v 1,
        /// The provider has the refund in hand.
        PaymentRefundSubmitted => "payment_refund_submitted" v 1,
        /// The money went back.
        PaymentRefundSucceeded => "payment_refund_succeeded" v 1,
        /// The provider refused the refund.
        PaymentRefundFailed => "payment_refund_failed" v 1,
        /// Nobody knows whether the money went back; ask before doing it again.
        PaymentRefundUnknown => "payment_refund_unknown" v 1,
        /// An administrator said what the bank's books say of a refund in doubt; another has to say the same.
        PaymentRefundResolutionProposed => "payment_refund_resolution_proposed" v 1,
        /// Two administrators agreed on what became of it.
        PaymentRefundResolved => "payment_refund_resolved" v 2,
        /// What the provider says does not fit what was asked.
        PaymentIntegrityViolated => "payment_integrity_violated" v 1,
        /// An administrator said what to do about it; another has to say the same.
        PaymentIntegrityResolutionProposed => "payment_integrity_resolution_proposed" v 1,
        /// Two administrators agreed on what to do about it.
        PaymentIntegrityResolved => "payment_integrity_resolved" v 1,
        /// The customer's bank took money back.
        PaymentChargebackRecorded => "payment_chargeback_recorded" v 1,
        /// Money was given back at the bank, without us.
        PaymentExternalRefundRecorded => "payment_external_refund_recorded" v 2,
    }
}

/// `payment_initiated`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentInitiated {
    /// What the money is for.
    pub purpose: Purpose,
    /// How much.
    pub amount: Money,
    /// Who moves it.
    pub provider: Provider,
    /// What the provider will know it by at the first try.
    pub provider_order_ref: String,
    /// Where the customer's browser goes afterwards.
    pub return_url: String,
    /// When the money is taken.
    pub capture_mode: CaptureMode,
    /// When the page to pay on dies.
    pub expires_at: DateTime<Utc>,
}

/// `payment_session_opened`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentSessionOpened {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// The page to pay on.
    pub payment_url: String,
    /// Which Init try opened it, from 1.
    pub init_try: u32,
}

/// `payment_processing`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentProcessing {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// The provider's word.
    pub provider_status: String,
}

/// `payment_authorized`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentAuthorized {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// How much is held.
    pub amount: Money,
    /// How we know.
    pub source: EvidenceSource,
    /// When the hold must have been taken or lifted.
    pub capture_before: DateTime<Utc>,
    /// It came after we had given the attempt up.
    pub late: bool,
}

/// `payment_capture_requested`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentCaptureRequested {
    /// How much.
    pub amount: Money,
    /// Names the act towards the provider.
    pub operation_id: Uuid,
}

/// `payment_capture_postponed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentCapturePostponed {
    /// What stood in the way.
    pub because: String,
    /// When it is tried again.
    pub retry_at: DateTime<Utc>,
}

/// `payment_succeeded`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentSucceeded {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// How much was taken.
    pub amount: Money,
    /// How we know.
    pub source: EvidenceSource,
    /// It came after we had given the attempt up.
    pub late: bool,
}

/// `payment_failed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentFailed {
    /// Why.
    pub reason: FailureReason,
    /// The provider's code, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_error_code: Option<String>,
    /// Whether the customer may try the same card again.
    pub customer_retryable: bool,
}

/// `payment_abort_requested`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentAbortRequested {
    /// Why, for people.
    pub cause: String,
}

/// `payment_abort_postponed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentAbortPostponed {
    /// What stood in the way.
    pub because: String,
    /// When it is tried again.
    pub retry_at: DateTime<Utc>,
}

/// `payment_applied`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentApplied {
    /// What it bought.
    pub target: Purpose,
}

/// `payment_unapplied`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentUnapplied {
    /// Why.
    pub cause: UnappliedCause,
}

/// `payment_refund_requested`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRefundRequested {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Who asked.
    pub source: PaymentRefundSource,
}

/// `payment_refund_submitted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRefundSubmitted {
    /// The refund.
    pub refund_id: RefundId,
    /// Rises only after a definitive failure; names the act towards the provider together with the refund id.
    pub epoch: u32,
}

/// `payment_refund_succeeded`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRefundSucceeded {
    /// The refund.
    pub refund_id: RefundId,
    /// How much went back.
    pub amount: Money,
    /// The epoch that did it.
    pub epoch: u32,
}

/// `payment_refund_failed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRefundFailed {
    /// The refund.
    pub refund_id: RefundId,
    /// The epoch that failed.
    pub epoch: u32,
    /// The provider's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether it is tried again by itself, and when; none means a person has to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
}

/// `payment_refund_unknown`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRefundUnknown {
    /// The refund.
    pub refund_id: RefundId,
    /// The epoch whose outcome is not known.
    pub epoch: u32,
}

/// `payment_refund_resolution_proposed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRefundResolutionProposed {
    /// The refund.
    pub refund_id: RefundId,
    /// The epoch that it is about.
    pub epoch: u32,
    /// What the bank's books say.
    pub finding: RefundFinding,
    /// How the administrator knows.
    pub reason: String,
    /// The administrator who says so.
    pub proposed_by: UserId,
}

/// `payment_refund_resolved`, version 2. Version 1 knew no `back_already`: who said that the money went back said that we
/// had sent it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRefundResolved {
    /// The refund.
    pub refund_id: RefundId,
    /// The epoch that it is about.
    pub epoch: u32,
    /// What the bank's books say.
    pub finding: RefundFinding,
    /// How the second administrator knows.
    pub reason: String,
    /// The administrator who said so first.
    pub proposed_by: UserId,
    /// The other one, who agreed.
    pub approved_by: UserId,
    /// How much of what the bank took or gave back without us this refund stands for: it is settled and never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_already: Option<Money>,
}

/// `payment_integrity_violated`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentIntegrityViolated {
    /// What did not fit: `amount`, `order_ref`, `provider_payment_id` or `terminal`.
    pub field: String,
    /// What was asked.
    pub expected: String,
    /// What the provider says.
    pub actual: String,
}

/// `payment_integrity_resolution_proposed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentIntegrityResolutionProposed {
    /// What is to be done.
    pub decision: IntegrityDecision,
    /// The administrator who says so.
    pub proposed_by: UserId,
}

/// `payment_integrity_resolved`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentIntegrityResolved {
    /// What is done.
    pub decision: IntegrityDecision,
    /// The administrator who proposed it.
    pub proposed_by: UserId,
    /// The other one, who agreed.
    pub approved_by: UserId,
}

/// `payment_chargeback_recorded`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentChargebackRecorded {
    /// How much.
    pub amount: Money,
    /// Names it in the bank's registry.
    pub registry_ref: String,
}

/// `payment_external_refund_recorded`, version 2. Version 1 knew no `stands_for`: every one was a refund of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentExternalRefundRecorded {
    /// How much.
    pub amount: Money,
    /// Names it in the bank's registry, or says how we learnt of it.
    pub registry_ref: String,
    /// The refused refund of ours of the same amount that it stands for: that one is settled and never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<RefundId>,
}
