//! Doing a failed call again while somebody waits for it: at most a few times, at random moments, within a bound.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use backon::Retryable;
use shared::domain::payment::Provider;
use tokio::time::Instant;

use super::{CallCtx, CallError, ErrorClass, Operation, ProviderObserver};

/// How often and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySettings {
    /// Attempts in all.
    pub attempts_max: u32,
    /// The longest wait before the second attempt; doubled before each further one.
    pub base: Duration,
    /// The longest wait of all.
    pub delay_max: Duration,
    /// What all attempts and waits may take together.
    pub total_max: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            base: Duration::from_secs(1),
            delay_max: Duration::from_secs(60),
            total_max: Duration::from_secs(8),
        }
    }
}

/// The call that is repeated.
#[derive(Clone, Copy)]
pub struct Repeated<'a> {
    /// Whose call.
    pub provider: Provider,
    /// Which.
    pub operation: Operation,
    /// Whether doing it twice is harmless: it only asks, or the provider recognises the act by its name.
    pub repeatable: bool,
    /// On whose behalf.
    pub ctx: &'a CallCtx,
    /// Who is told.
    pub observer: &'a dyn ProviderObserver,
}

/// Makes `attempt`s until one succeeds, fails in a way that no repetition mends, or the settings say stop.
///
/// If an attempt may have done its work and the last one certainly did not, the error is that of the former: what is
/// uncertain stays uncertain.
pub async fn retry<T, Attempt>(
    settings: &RetrySettings,
    call: Repeated<'_>,
    attempt: impl Fn(CallCtx) -> Attempt,
) -> Result<T, CallError>
where
    Attempt: Future<Output = Result<T, CallError>>,
{
    let ctx = call.ctx.no_later_than(Instant::now() + settings.total_max);
    let attempts = AtomicU32::new(0);
    let doubt = Mutex::new(None);
    let one = || {
        attempts.fetch_add(1, Ordering::Relaxed);
        attempt(ctx.clone())
    };
    let outcome = one
        .retry(FullJitter { settings: *settings, made: 0, deadline: ctx.deadline })
        .when(|error| worth_repeating(call, error))
        .notify(|error, delay| {
            if error.may_have_happened() {
                *doubt.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            }
            announce(call, attempts.load(Ordering::Relaxed) + 1, error, delay);
        })
        .await;
    outcome.map_err(|error| {
        if worth_repeating(call, &error) {
            give_up(call, attempts.load(Ordering::Relaxed), &error);
        }
        let certain = matches!(&error, CallError::Unavailable { .. })
            || matches!(&error, CallError::Provider(error) if error.class == ErrorClass::NotSent);
        let doubt = doubt.into_inner().unwrap_or_else(PoisonError::into_inner);
        doubt.filter(|_| certain).unwrap_or(error)
    })
}

/// A call that moves something is never repeated while nobody knows what became of it; the flows ask first.
fn worth_repeating(call: Repeated<'_>, error: &CallError) -> bool {
    match error {
        CallError::Unavailable { .. } => false,
        CallError::Provider(error) => match error.class {
            ErrorClass::NotSent => true,
            ErrorClass::Transient => call.repeatable,
            ErrorClass::OutcomeUnknown => call.operation.only_asks(),
            ErrorClass::RateLimited { .. }
            | ErrorClass::Declined { .. }
            | ErrorClass::InvalidRequest
            | ErrorClass::Config
            | ErrorClass::StateConflict
            | ErrorClass::Unlisted
            | ErrorClass::RefundDeferred { .. } => false,
        },
    }
}

fn announce(call: Repeated<'_>, attempt: u32, error: &CallError, delay: Duration) {
    call.observer.retried(call.provider, call.operation, attempt);
    tracing::warn!(
        event = "retry_attempt",
        provider = call.provider.as_str(),
        op = call.operation.as_str(),
        operation_id = %call.ctx.operation_id,
        attempt,
        delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        class = error.as_str(),
        "the provider did not do it; asking again"
    );
}

fn give_up(call: Repeated<'_>, attempts: u32, error: &CallError) {
    tracing::warn!(
        event = "retry_max_attempts_reached",
        provider = call.provider.as_str(),
        op = call.operation.as_str(),
        operation_id = %call.ctx.operation_id,
        attempt = attempts,
        class = error.as_str(),
        "the provider did not do it; not asking again for now"
    );
}

/// Waits of a random length up to `base`·2ⁿ, so that callers who failed together do not come back together. (backon's
/// own jitter adds to the full wait instead of drawing from it.) Ends when the next attempt would start too late.
struct FullJitter {
    settings: RetrySettings,
    made: u32,
    deadline: Instant,
}

impl Iterator for FullJitter {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.made += 1;
        if self.made >= self.settings.attempts_max {
            return None;
        }
        let doubled = 2_u32.saturating_pow(self.made - 1);
        let longest = self.settings.base.saturating_mul(doubled).min(self.settings.delay_max);
        let delay = rand::random_range(Duration::ZERO..=longest);
        (Instant::now() + delay < self.deadline).then_some(delay)
    }
}
