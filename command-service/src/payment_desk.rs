//! Between the payments and their providers: does what a payment needs done, and puts into commands what came of it.

mod refunds;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use shared::{
    domain::{
        PaymentId,
        payment::{
            AbortOutcome, EvidenceSource, Payment, PaymentCommand, PaymentPolicy, PaymentStatus, Provider,
            ProviderReport, ProviderStatus, RecordProviderStatus,
        },
    },
    runtime::Clock,
};
use uuid::Uuid;

use crate::{
    cases::{CaseKind, Cases},
    process_managers::{Cause, Effect, EffectRun, Effects},
    providers::{
        AbortAttempt, Aborted, CallCtx, CallError, Captured, ConfirmRequest, GuardedProvider, OpenSession, Opened,
        OperationGroup, PaymentState, abort, capture, open_session,
    },
};

/// How long one effect may talk to the provider: what an interactive caller bears.
const CALL_LIMIT: Duration = Duration::from_secs(8);
/// The rest before a provider that did not answer is asked again, unless the settings say otherwise.
const REST: Duration = Duration::from_secs(5);
/// How often opening a page is tried in one go; then it rests.
const OPENS_MAX: u32 = 5;
/// How often calling off is tried in one go; then it rests.
const ABORTS_MAX: u32 = 5;
/// How often held money is asked for in one go; then it rests.
const CAPTURES_MAX: u32 = 3;
/// How often a provider is asked in one go what it says now.
const ASKS_MAX: u32 = 5;

/// The providers that may be used. Cheap to clone.
#[derive(Clone)]
pub struct PaymentDesk {
    providers: Vec<Arc<GuardedProvider>>,
    clock: Clock,
    policy: PaymentPolicy,
    cases: Option<Cases>,
    rest: Duration,
}

impl PaymentDesk {
    /// A desk with these providers.
    pub fn new(providers: Vec<Arc<GuardedProvider>>, clock: Clock, policy: PaymentPolicy) -> Self {
        Self { providers, clock, policy, cases: None, rest: REST }
    }

    /// The same desk, which writes down what a person has to look at.
    #[must_use]
    pub fn with_cases(mut self, cases: Cases) -> Self {
        self.cases = Some(cases);
        self
    }

    /// The same desk, which rests so long before it asks again a provider that did not answer.
    #[must_use]
    pub fn resting(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// The provider of that name, if it may be used.
    pub fn provider(&self, provider: Provider) -> Option<&Arc<GuardedProvider>> {
        self.providers.iter().find(|candidate| candidate.provider() == provider)
    }

    /// All of them.
    pub fn providers(&self) -> &[Arc<GuardedProvider>] {
        &self.providers
    }

    /// How long a provider opens no pages because it does not answer; `None` if it does.
    pub fn closed_for(&self, provider: Provider) -> Option<Duration> {
        self.provider(provider)?.breaker(OperationGroup::Init).retry_after()
    }

    /// Who is to move the money of a new attempt: whom the customer chose, else the first of those `enabled` that takes
    /// calls. The imitation steps in for nobody, and where nobody takes calls the first one says so.
    pub fn choose(&self, wanted: Option<Provider>, enabled: &[Provider]) -> Option<Provider> {
        wanted.or_else(|| fallback(enabled, |provider| self.closed_for(provider).is_some()))
    }

    /// Asks the provider where a payment stands; `None` if it has nothing to tell that matters.
    pub async fn ask(&self, payment: &Payment, operation_id: Uuid) -> Result<Option<PaymentCommand>, CallError> {
        let (Some(terms), Some(id)) = (payment.terms(), payment.provider_payment_id()) else { return Ok(None) };
        let Some(provider) = self.provider(terms.provider) else { return Ok(None) };
        let state = provider.get_state(&CallCtx::within(CALL_LIMIT, operation_id), id).await?;
        Ok(state.report(EvidenceSource::Poll).map(|report| self.told(report)))
    }

    /// Asks a provider whether what it told is so.
    pub async fn confirm(
        &self,
        provider: Provider,
        provider_payment_id: &str,
        operation_id: Uuid,
    ) -> Result<Option<ProviderReport>, CallError> {
        let Some(provider) = self.provider(provider) else { return Ok(None) };
        let state = provider.get_state(&CallCtx::within(CALL_LIMIT, operation_id), provider_payment_id).await?;
        Ok(state.report(EvidenceSource::Webhook))
    }

    /// Writes down what a provider says.
    pub fn told(&self, report: ProviderReport) -> PaymentCommand {
        PaymentCommand::RecordProviderStatus(RecordProviderStatus { report, policy: self.policy })
    }

    async fn open(&self, id: PaymentId, payment: &Payment, ctx: &CallCtx, run: &mut EffectRun) -> Done {
        let wanted = payment.status() == Some(PaymentStatus::Initiated) && !payment.is_aborting();
        let (Some(terms), true) = (payment.terms(), wanted) else { return Ok(Vec::new()) };
        let Some(provider) = self.provider(terms.provider) else { return Ok(Vec::new()) };
        let request = OpenSession {
            payment_id: id,
            amount: terms.amount,
            description: "HomeFood order".to_owned(),
            return_url: terms.return_url.clone(),
            expires_at: terms.expires_at,
            capture_mode: terms.capture_mode,
            customer_key: None,
            metadata: BTreeMap::new(),
            init_try: run.init_try,
            sent_before: run.may_be_repeated,
        };
        match open_session(provider, ctx, request).await {
            Opened::Opened { session, init_try } => Ok(vec![PaymentCommand::RecordSession {
                provider_payment_id: session.provider_payment_id,
                payment_url: session.payment_url,
                init_try,
            }]),
            Opened::Found { state, .. } => {
                Ok(state.report(EvidenceSource::Poll).map(|report| self.told(report)).into_iter().collect())
            }
            Opened::Failed { reason, code, .. } => Ok(vec![PaymentCommand::FailInit { reason, code }]),
            Opened::Unknown { init_try } if run.has_another_of(OPENS_MAX) => {
                run.init_try = init_try;
                Err(self.rest)
            }
            // Whoever polls goes on with it.
            Opened::Unknown { .. } => Ok(Vec::new()),
        }
    }

    async fn call_off(&self, id: PaymentId, payment: &Payment, ctx: &CallCtx, run: &EffectRun) -> Done {
        if !payment.is_aborting() {
            return Ok(Vec::new());
        }
        match self.abort(id, payment, ctx).await {
            Some(Aborted::Ended(outcome)) => Ok(vec![PaymentCommand::RecordAbortOutcome(outcome)]),
            Some(Aborted::Reported(report)) => Ok(vec![self.told(report)]),
            Some(Aborted::Nothing { because }) if run.has_another_of(ABORTS_MAX) => {
                tracing::warn!(payment.id = %id, because, "payment not called off yet");
                Err(self.rest)
            }
            Some(Aborted::Nothing { because }) => Ok(vec![not_yet(because)]),
            None => Ok(vec![not_yet("the provider is switched off".to_owned())]),
        }
    }

    /// What it says now; a provider that does not answer is asked again by whoever polls.
    async fn ask_now(&self, payment: &Payment, ctx: &CallCtx, run: &EffectRun) -> Done {
        match self.ask(payment, ctx.operation_id).await {
            Ok(told) => Ok(told.into_iter().collect()),
            Err(_) if run.has_another_of(ASKS_MAX) => Err(self.rest),
            Err(_) => Ok(Vec::new()),
        }
    }

    async fn abort(&self, payment_id: PaymentId, payment: &Payment, ctx: &CallCtx) -> Option<Aborted> {
        let terms = payment.terms()?;
        let attempt = AbortAttempt {
            payment_id,
            amount: terms.amount,
            provider_payment_id: payment.provider_payment_id().map(str::to_owned),
            init_try: payment.session().map_or(1, |session| session.init_try),
        };
        Some(abort(self.provider(terms.provider)?, ctx, &attempt).await)
    }

    async fn take(&self, id: PaymentId, payment: &Payment, ctx: &CallCtx, run: &EffectRun) -> Done {
        let wanted = (payment.terms(), payment.in_flight_capture(), payment.provider_payment_id());
        let (Some(terms), Some((amount, _)), Some(provider_payment_id)) = wanted else { return Ok(Vec::new()) };
        let Some(provider) = self.provider(terms.provider) else { return Ok(Vec::new()) };
        let request = ConfirmRequest { provider_payment_id: provider_payment_id.to_owned(), amount };
        match capture(provider, ctx, &request).await {
            Captured::Reported(report) => Ok(vec![self.told(report)]),
            Captured::Unknown => self.not_taken("the provider did not say that it was taken", run),
            Captured::Failed { code } => {
                tracing::warn!(payment.id = %id, code, "the held money was not given; the hold is lifted");
                match self.abort(id, payment, ctx).await {
                    Some(Aborted::Reported(report)) => Ok(vec![self.told(report)]),
                    Some(Aborted::Ended(_)) => Ok(vec![self.told(ProviderReport {
                        provider_payment_id: provider_payment_id.to_owned(),
                        // Of the page that the customer paid on: an earlier one says nothing about it.
                        order_ref: id.provider_order_ref(payment.session().map_or(1, |session| session.init_try)),
                        status: ProviderStatus::Voided,
                        provider_word: "CAPTURE_REFUSED".to_owned(),
                        amount: None,
                        source: EvidenceSource::Response,
                        error_code: code,
                        customer_retryable: true,
                    })]),
                    Some(Aborted::Nothing { because }) => self.not_taken(&because, run),
                    None => self.not_taken("the provider is switched off", run),
                }
            }
        }
    }

    /// The flow does not wait for ever: whoever calls the order off meanwhile is heard, and a timer goes on.
    fn not_taken(&self, because: &str, run: &EffectRun) -> Done {
        if run.has_another_of(CAPTURES_MAX) {
            return Err(self.rest);
        }
        Ok(vec![PaymentCommand::PostponeCapture { because: because.to_owned() }])
    }

    /// Asks where a payment stands; nobody waits for it, so an answer that does not come is left to the next time.
    async fn look(&self, id: PaymentId, payment: &Payment, ctx: &CallCtx) -> Done {
        let Some(terms) = payment.terms() else { return Ok(Vec::new()) };
        let Some(provider) = self.provider(terms.provider) else { return Ok(Vec::new()) };
        let state = match payment.provider_payment_id() {
            Some(provider_payment_id) => provider.get_state(ctx, provider_payment_id).await.map(Some),
            // Nothing was heard since the first Init was sent.
            None => furthest(provider, ctx, &terms.provider_order_ref).await,
        };
        match state {
            Ok(state) => Ok(state
                .and_then(|state| state.report(EvidenceSource::Poll))
                .map(|it| self.told(it))
                .into_iter()
                .collect()),
            Err(error) => {
                tracing::warn!(payment.id = %id, %error, "the provider was asked about a payment and did not answer");
                Ok(Vec::new())
            }
        }
    }

    async fn give_up(&self, id: PaymentId, payment: &Payment) -> Done {
        if let Some(cases) = &self.cases {
            let status = payment.status().map_or_else(String::new, |status| format!("{status:?}"));
            // Nothing else remembers the payment from here on.
            if !cases.open(id, CaseKind::NeverEnded, &format!("{status} after three days of asking")).await {
                return Err(self.rest);
            }
        }
        Ok(Vec::new())
    }
}

fn fallback(enabled: &[Provider], is_closed: impl Fn(Provider) -> bool) -> Option<Provider> {
    let first = *enabled.first()?;
    let may_step_in = |provider: &&Provider| **provider == first || **provider != Provider::DevFake;
    let open = enabled.iter().filter(may_step_in).find(|provider| !is_closed(**provider));
    Some(open.copied().unwrap_or(first))
}

/// The payment under a reference that is furthest along; side exits rank below everything.
async fn furthest(
    provider: &GuardedProvider,
    ctx: &CallCtx,
    order_ref: &str,
) -> Result<Option<PaymentState>, CallError> {
    let states = provider.check_order(ctx, order_ref).await?;
    Ok(states.into_iter().max_by_key(|state| state.status.and_then(ProviderStatus::rank)))
}

/// What became of an effect, or how long to rest before trying again.
type Done = Result<Vec<PaymentCommand>, Duration>;

fn not_yet(because: String) -> PaymentCommand {
    PaymentCommand::RecordAbortOutcome(AbortOutcome::NotYet { because })
}

#[async_trait]
impl Effects for PaymentDesk {
    async fn perform(&self, effect: Effect, payment: &Payment, cause: &Cause, run: &mut EffectRun) -> Done {
        let mut ctx = CallCtx::within(CALL_LIMIT, Uuid::new_v5(&cause.source_id, cause.manager.as_bytes()));
        ctx.traceparent.clone_from(&cause.traceparent);
        match effect {
            Effect::OpenSession(id) => self.open(id, payment, &ctx, run).await,
            Effect::ResumeSession(id) => {
                run.may_be_repeated = true;
                self.open(id, payment, &ctx, run).await
            }
            Effect::Abort(id) => self.call_off(id, payment, &ctx, run).await,
            Effect::Capture(id) => self.take(id, payment, &ctx, run).await,
            Effect::Ask(_) => self.ask_now(payment, &ctx, run).await,
            Effect::Refund(id) => self.give_back(id, payment, &ctx, run).await,
            Effect::Look(id) => self.look(id, payment, &ctx).await,
            Effect::GiveUp(id) => self.give_up(id, payment).await,
        }
    }
}

#[cfg(test)]
mod tests;
