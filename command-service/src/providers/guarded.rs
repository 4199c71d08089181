//! What process managers call: a provider behind its circuit breakers and retries, with every call counted.

use std::{sync::Arc, time::Duration};

use shared::{domain::payment::Provider, runtime::Clock};
use tokio::time::{Instant, timeout_at};

use super::{
    Breaker, BreakerSettings, BreakerState, CallCtx, CallError, CancelRequest, Cancelled, Capabilities, ConfirmRequest,
    ErrorClass, InitRequest, Operation, OperationGroup, PaymentProvider, PaymentState, ProviderError, ProviderObserver,
    RefundNames, Session, Transition, Verdict,
    retry::{Repeated, RetrySettings, retry},
};

/// A provider that may be called without further care. Cheap to share.
pub struct GuardedProvider {
    provider: Arc<dyn PaymentProvider>,
    breakers: [Arc<Breaker>; 3],
    retry: RetrySettings,
    observer: Arc<dyn ProviderObserver>,
    clock: Clock,
}

/// Retries and breakers of one provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuardSettings {
    /// When a call is repeated.
    pub retry: RetrySettings,
    /// When calls stop for a while.
    pub breaker: BreakerSettings,
}

impl GuardedProvider {
    /// Puts the guards before `provider`.
    pub fn new(
        provider: Arc<dyn PaymentProvider>,
        settings: GuardSettings,
        clock: Clock,
        observer: Arc<dyn ProviderObserver>,
    ) -> Self {
        let name = provider.provider();
        let breakers = OperationGroup::ALL.map(|group| {
            let observer = Arc::clone(&observer);
            let tell = move |transition| circuit_changed(&*observer, name, group, transition);
            Breaker::new(settings.breaker, clock.clone(), Box::new(tell))
        });
        Self { provider, breakers, retry: settings.retry, observer, clock }
    }

    /// Which provider this is.
    pub fn provider(&self) -> Provider {
        self.provider.provider()
    }

    /// Counts a try that a flow makes after asking what became of the one before.
    pub(super) fn tried_again(&self, operation: Operation, attempt: u32) {
        self.observer.retried(self.provider(), operation, attempt);
    }

    /// What it can do.
    pub fn capabilities(&self) -> &Capabilities {
        self.provider.capabilities()
    }

    /// The clock that the guards go by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The breaker of a group.
    pub fn breaker(&self, group: OperationGroup) -> &Breaker {
        self.breaker_of(group)
    }

    /// The state of every breaker, for health and metrics.
    pub fn circuits(&self) -> [(OperationGroup, BreakerState); 3] {
        OperationGroup::ALL.map(|group| (group, self.breaker_of(group).state()))
    }

    /// Opens a page to pay on.
    pub async fn init(&self, ctx: &CallCtx, request: &InitRequest) -> Result<Session, CallError> {
        self.call(Operation::Init, ctx, |ctx| async move { self.provider.init(&ctx, request).await }).await
    }

    /// Where a payment stands.
    pub async fn get_state(&self, ctx: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, CallError> {
        let ask = |ctx| async move { self.provider.get_state(&ctx, provider_payment_id).await };
        self.call(Operation::GetState, ctx, ask).await
    }

    /// Everything that was opened under one reference of ours.
    pub async fn check_order(&self, ctx: &CallCtx, order_ref: &str) -> Result<Vec<PaymentState>, CallError> {
        let ask = |ctx| async move { self.provider.check_order(&ctx, order_ref).await };
        self.call(Operation::CheckOrder, ctx, ask).await
    }

    /// Takes held money.
    pub async fn confirm(&self, ctx: &CallCtx, request: &ConfirmRequest) -> Result<PaymentState, CallError> {
        self.call(Operation::Confirm, ctx, |ctx| async move { self.provider.confirm(&ctx, request).await }).await
    }

    /// Calls off or gives back.
    pub async fn cancel(&self, ctx: &CallCtx, request: &CancelRequest) -> Result<Cancelled, CallError> {
        let cancel = |ctx| async move { self.provider.cancel(&ctx, request).await };
        let repeatable = request.repeatable && self.capabilities().idempotent_refund != RefundNames::Ignored;
        self.call_repeatedly(Operation::Cancel, ctx, repeatable, cancel).await
    }

    /// Where the refunds of a payment stand.
    pub async fn refund_state(&self, ctx: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, CallError> {
        let ask = |ctx| async move { self.provider.refund_state(&ctx, provider_payment_id).await };
        self.call(Operation::RefundState, ctx, ask).await
    }

    /// Whether the provider can be reached. It passes by the breaker: asking is how one learns that it is back.
    pub async fn health(&self, ctx: &CallCtx) -> Result<(), ProviderError> {
        self.timed(Operation::Health, ctx, self.provider.health(ctx)).await
    }

    async fn call<T, Call>(
        &self,
        operation: Operation,
        ctx: &CallCtx,
        call: impl Fn(CallCtx) -> Call,
    ) -> Result<T, CallError>
    where
        Call: Future<Output = Result<T, ProviderError>>,
    {
        self.call_repeatedly(operation, ctx, true, call).await
    }

    async fn call_repeatedly<T, Call>(
        &self,
        operation: Operation,
        ctx: &CallCtx,
        repeatable: bool,
        call: impl Fn(CallCtx) -> Call,
    ) -> Result<T, CallError>
    where
        Call: Future<Output = Result<T, ProviderError>>,
    {
        let repeated = Repeated { provider: self.provider(), operation, repeatable, ctx, observer: &*self.observer };
        retry(&self.retry, repeated, |ctx| {
            let one = call(ctx.clone());
            async move { self.attempt(operation, &ctx, one).await }
        })
        .await
    }

    async fn attempt<T>(
        &self,
        operation: Operation,
        ctx: &CallCtx,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, CallError> {
        // Our own lateness says nothing about the provider, so the breaker does not hear of it.
        if Instant::now() >= ctx.deadline {
            return Err(ProviderError::new(ErrorClass::NotSent, "no time was left to ask").into());
        }
        let permit = self.breaker_of(operation.group()).acquire().inspect_err(|error| {
            self.observer.called(self.provider(), operation, error.as_str(), Duration::ZERO);
        })?;
        let outcome = self.timed(operation, ctx, call).await;
        permit.settle(outcome.as_ref().map_or_else(|error| Verdict::of(error.class), |_| Verdict::Works));
        Ok(outcome?)
    }

    /// Ends a call at its deadline, even if the adapter forgets to.
    async fn timed<T>(
        &self,
        operation: Operation,
        ctx: &CallCtx,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let started = Instant::now();
        let outcome = timeout_at(ctx.deadline, call)
            .await
            .unwrap_or_else(|_| Err(ProviderError::new(ErrorClass::OutcomeUnknown, "no answer in time")));
        let class = outcome.as_ref().map_or_else(|error| error.class.as_str(), |_| "ok");
        self.observer.called(self.provider(), operation, class, started.elapsed());
        outcome
    }

    fn breaker_of(&self, group: OperationGroup) -> &Arc<Breaker> {
        let [init, query, money] = &self.breakers;
        match group {
            OperationGroup::Init => init,
            OperationGroup::Query => query,
            OperationGroup::Money => money,
        }
    }
}

fn circuit_changed(observer: &dyn ProviderObserver, provider: Provider, group: OperationGroup, transition: Transition) {
    observer.circuit_changed(provider, group, transition.state());
    let (provider, group) = (provider.as_str(), group.as_str());
    match transition {
        Transition::Opened => {
            tracing::error!(event = "circuit_breaker_open", provider, group, "the provider is not asked for a while");
        }
        Transition::OpenedAfterHalfOpen => tracing::error!(
            event = "circuit_breaker_open_after_half_open",
            provider,
            group,
            "the provider still fails; it is not asked for a while"
        ),
        Transition::HalfOpened => {
            tracing::info!(event = "circuit_breaker_half_open", provider, group, "trying whether the provider is back");
        }
        Transition::Closed => {
            tracing::info!(event = "circuit_breaker_closed", provider, group, "the provider is back");
        }
    }
}
