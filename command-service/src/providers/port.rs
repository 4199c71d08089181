//! The port: what the business asks of whoever moves the money. Adapters translate it into one provider's dialect.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use shared::domain::{
    Currency, Money,
    payment::{CaptureMode, EvidenceSource, Provider, ProviderReport, ProviderStatus},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::ProviderError;

/// A provider of payments. Adapters know nothing of retries and circuit breakers: see [`super::GuardedProvider`].
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Which provider this is.
    fn provider(&self) -> Provider;

    /// What it can do.
    fn capabilities(&self) -> &Capabilities;

    /// Opens a page to pay on.
    async fn init(&self, ctx: &CallCtx, request: &InitRequest) -> Result<Session, ProviderError>;

    /// Where a payment stands.
    async fn get_state(&self, ctx: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, ProviderError>;

    /// Everything that was opened under one reference of ours; empty if nothing was.
    async fn check_order(&self, ctx: &CallCtx, provider_order_ref: &str) -> Result<Vec<PaymentState>, ProviderError>;

    /// Takes held money.
    async fn confirm(&self, ctx: &CallCtx, request: &ConfirmRequest) -> Result<PaymentState, ProviderError>;

    /// Withdraws the page, lifts the hold or gives the money back, whichever fits where the payment stands.
    async fn cancel(&self, ctx: &CallCtx, request: &CancelRequest) -> Result<Cancelled, ProviderError>;

    /// Where the refunds of a payment stand. Some routes have a call of their own for it.
    async fn refund_state(&self, ctx: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, ProviderError>;

    /// Whether it can be reached, without moving anything.
    async fn health(&self, ctx: &CallCtx) -> Result<(), ProviderError>;
}

/// What every call carries.
#[derive(Debug, Clone)]
pub struct CallCtx {
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Names the act, for logs of both sides.
    pub operation_id: Uuid,
    /// The trace that the call belongs to.
    pub traceparent: Option<Arc<str>>,
}

impl CallCtx {
    /// A call that may take this long from now.
    pub fn within(limit: Duration, operation_id: Uuid) -> Self {
        Self { deadline: Instant::now() + limit, operation_id, traceparent: None }
    }

    /// The same call with an earlier end, if this one is earlier.
    #[must_use]
    pub fn no_later_than(&self, deadline: Instant) -> Self {
        Self { deadline: self.deadline.min(deadline), ..self.clone() }
    }
}

/// A page to pay on, to be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct InitRequest {
    /// What the provider will know it by: `PaymentId::provider_order_ref`.
    pub provider_order_ref: String,
    /// How much.
    pub amount: Money,
    /// For the customer, at most 140 characters.
    pub description: String,
    /// Where the customer's browser goes afterwards.
    pub return_url: String,
    /// When the page dies.
    pub expires_at: DateTime<Utc>,
    /// When the money is taken.
    pub capture_mode: CaptureMode,
    /// Under what the provider may keep the customer's cards.
    pub customer_key: Option<String>,
    /// Further words for the provider: few and short, nothing personal. DEV_FAKE reads `fake_scenario`.
    pub metadata: BTreeMap<String, String>,
}

/// A page to pay on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// The page.
    pub payment_url: String,
    /// Where the payment stands.
    pub status: ProviderStatus,
}

/// What a provider says about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentState {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// What we called it.
    pub order_ref: String,
    /// Where it stands; none if the provider's word means nothing to us: look again later, and tell a person.
    pub status: Option<ProviderStatus>,
    /// The provider's own word for it.
    pub word: Cow<'static, str>,
    /// The amount that the provider names.
    pub amount: Option<Money>,
    /// The provider's code, if something failed.
    pub error_code: Option<String>,
    /// If it failed: whether the customer may try the same card again.
    pub customer_retryable: bool,
    /// The way the money came.
    pub route: Route,
}

/// The way money came, as far as it matters for sending it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// By card.
    Card,
    /// By the system of faster payments, whose refunds have no names.
    Sbp,
    /// Nobody said.
    Unknown,
}

impl PaymentState {
    /// What it tells the payment; nothing if the provider's word means nothing to us.
    pub fn report(self, source: EvidenceSource) -> Option<ProviderReport> {
        Some(ProviderReport {
            status: self.status?,
            provider_payment_id: self.provider_payment_id,
            order_ref: self.order_ref,
            provider_word: self.word.into_owned(),
            amount: self.amount,
            source,
            error_code: self.error_code,
            customer_retryable: self.customer_retryable,
        })
    }
}

/// Held money, to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmRequest {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// How much, at most what is held.
    pub amount: Money,
}

/// A payment to call off or to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// The provider's own id.
    pub provider_payment_id: String,
    /// How much; everything if none.
    pub amount: Option<Money>,
    /// Names the act: where [`Capabilities::idempotent_refund`], a repetition tells the state and moves nothing.
    pub external_request_id: String,
    /// Whether the name is recognised on the way this money came, so that the guards may repeat the call.
    pub repeatable: bool,
}

/// What calling off did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// Where the payment stands now; none if the provider's word means nothing to us.
    pub status: Option<ProviderStatus>,
    /// The provider's own word for it.
    pub word: Cow<'static, str>,
    /// What the payment held before, in minor units.
    pub original_minor: i64,
    /// What is left of it, in minor units.
    pub new_minor: i64,
}

/// Where a provider recognises a refund that is asked for again under the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundNames {
    /// Everywhere.
    Recognised,
    /// For money that came by card; who refunds has to ask how it came.
    OnCards,
    /// Nowhere.
    Ignored,
}

impl RefundNames {
    /// Whether a repetition is recognised on that way.
    pub fn on(self, route: Route) -> bool {
        match (self, route) {
            (Self::Recognised, _) | (Self::OnCards, Route::Card) => true,
            (Self::Ignored, _) | (Self::OnCards, Route::Sbp | Route::Unknown) => false,
        }
    }
}

/// What a provider can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Lift a hold.
    pub void: bool,
    /// Give a part back.
    pub partial_refund: bool,
    /// Repeat a refund under one id without a second refund.
    pub idempotent_refund: RefundNames,
    /// Hold first, take later.
    pub two_stage: bool,
    /// What it pays in.
    pub currencies: Vec<Currency>,
    /// The least it takes, in minor units.
    pub amount_min_minor: i64,
    /// The most it takes, in minor units.
    pub amount_max_minor: i64,
}
