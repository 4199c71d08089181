//! The payment itself: what the provider is known to have done, and what is asked of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    CaptureMode, FailureReason, IntegrityDecision, PaymentCommand, PaymentError, PaymentEvent, PaymentRefundSource,
    Provider, Purpose, RefundFinding, UnappliedCause, decide,
};
use crate::domain::{
    Money,
    aggregate::event_sourced,
    ids::{PaymentId, RefundId, UserId},
};

/// A payment: one attempt to move money through a provider.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Payment {
    /// Nobody asked for it.
    #[default]
    NotInitiated,
    /// It exists.
    Initiated(Initiated),
}

/// A payment that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Initiated {
    /// What was asked for; shared, so that a copy of the payment costs little.
    pub(super) terms: Arc<Terms>,
    pub(super) stage: Stage,
    /// The highest rank that the provider was known to reach, as far as it changed anything.
    pub(super) rank: u8,
    /// The provider's own id: from the session, or from the first report if that was faster.
    pub(super) provider_payment_id: Option<String>,
    pub(super) session: Option<Box<Session>>,
    /// The capture or abort that is under way; refunds have their own queue.
    pub(super) operation: Option<Operation>,
    pub(super) used: Use,
    pub(super) integrity: Integrity,
    /// How often the provider could not be brought to call it off.
    pub(super) aborts_postponed: u32,
    /// How often it could not be brought to give the held money.
    #[serde(default)]
    pub(super) captures_postponed: u32,
    /// What the bank did without us; bounded, see `decide::bank`.
    pub(super) bank_acts: Vec<KnownBankAct>,
    /// At most one is in flight, the others wait; bounded by the refunds of the order.
    pub(super) refunds: Vec<Refund>,
}

/// What was asked for; it never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The payment itself, as its provider's reference says.
    pub payment_id: PaymentId,
    /// What the money is for.
    pub purpose: Purpose,
    /// How much.
    pub amount: Money,
    /// Who moves it.
    pub provider: Provider,
    /// What the provider knows it by at the first Init try.
    pub provider_order_ref: String,
    /// Where the customer's browser goes afterwards.
    pub return_url: String,
    /// When the money is taken.
    pub capture_mode: CaptureMode,
    /// When the page to pay on dies.
    pub expires_at: DateTime<Utc>,
}

/// A page to pay on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// The page.
    pub payment_url: String,
    /// Which Init try opened it, from 1.
    pub init_try: u32,
}

/// Where a payment stands, with what only matters there. What went back is counted in the refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing is known of the provider yet.
    Initiated,
    /// There is a page to pay on.
    AwaitingCustomer,
    /// The bank checks the customer.
    Processing,
    /// The money is held.
    Authorized {
        /// How much.
        amount: Money,
        /// When it must have been taken or let go.
        capture_before: DateTime<Utc>,
    },
    /// The money was taken.
    Succeeded {
        /// How much.
        captured: Money,
    },
    /// The attempt came to nothing; its money may still come late.
    Failed {
        /// Why.
        reason: FailureReason,
    },
}

/// An act towards the provider that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// The held money is being taken.
    Capture {
        /// How much.
        amount: Money,
        /// Names the act towards the provider.
        operation_id: Uuid,
    },
    /// The attempt is being called off. It comes before a capture: only a person or a saga that knows better asks.
    Abort,
}

/// What the money was good for. Once said, it stays said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Use {
    /// Not known yet.
    Open,
    /// It bought what it was for.
    Applied,
    /// It came for nothing and goes back.
    Unapplied(UnappliedCause),
}

/// Whether the provider's word fits what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Integrity {
    /// It does, as far as is known.
    Sound,
    /// It does not: no money moves until two administrators have agreed what to do.
    OnHold(Box<Hold>),
    /// They agreed; from here on amounts are what the provider says.
    Resolved(IntegrityDecision),
}

/// A contradiction that nobody has decided about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What did not fit: `amount`, `order_ref`, `provider_payment_id` or `terminal`.
    pub field: String,
    /// What the provider says of it.
    pub actual: String,
    /// What one of them proposed.
    pub proposal: Option<(IntegrityDecision, UserId)>,
}

/// What a bank did without us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBankAct {
    /// What it was.
    pub kind: BankActKind,
    /// How much.
    pub amount: Money,
    /// Names it in the bank's registry.
    pub registry_ref: String,
}

/// What a bank may do without us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BankActKind {
    /// It took money back for the customer.
    Chargeback,
    /// It gave money back for us.
    Refund,
}

/// Money that goes back through the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Who asked.
    pub source: PaymentRefundSource,
    /// How far it is.
    pub state: RefundState,
    /// What one administrator says became of it, where nobody else knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<RefundProposal>,
}

/// What an administrator says became of an epoch of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundProposal {
    /// The epoch that it is about: word of another one is no second opinion.
    pub epoch: u32,
    /// What the bank's books say.
    pub finding: RefundFinding,
    /// Who says so.
    pub proposed_by: UserId,
}

/// How far a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefundState {
    /// It waits for its turn.
    Requested,
    /// The provider has it in hand.
    Submitted {
        /// Under which epoch.
        epoch: u32,
    },
    /// Nobody knows what became of it; ask before doing it again, under the same epoch.
    Unknown {
        /// Under which epoch.
        epoch: u32,
    },
    /// The money went back.
    Succeeded,
    /// The customer has it from the bank, which took or gave it back without us: it is not sent any more.
    BackAlready,
    /// The provider refused it; the next try is a new epoch.
    Failed {
        /// Under which epoch.
        epoch: u32,
        /// When it is tried again by itself; none means that a person has to look.
        retry_at: Option<DateTime<Utc>>,
    },
}

impl RefundState {
    /// Whether it goes on only when a person has looked, or the bank was asked what it did.
    pub fn waits_for_people(self) -> bool {
        match self {
            Self::Unknown { .. } | Self::Submitted { .. } | Self::Failed { retry_at: None, .. } => true,
            Self::Requested | Self::Succeeded | Self::BackAlready | Self::Failed { retry_at: Some(_), .. } => false,
        }
    }
}

event_sourced!(Payment, "payment", PaymentCommand, PaymentEvent, PaymentError, {});
