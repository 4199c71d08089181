//! Giving money back: surely, and never twice.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::domain::{
    Money, RefundId,
    payment::{ProviderStatus, RefundOutcome},
};

use super::{CallCtx, CallError, CancelRequest, ErrorClass, GuardedProvider, ProviderError, RefundNames};

/// A refund to be done, or to be cleared up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAttempt {
    /// The provider's own id of the payment.
    pub provider_payment_id: String,
    /// The refund.
    pub refund_id: RefundId,
    /// Rises only after a definitive failure: a new name after a lost answer would give the money back twice, an old
    /// name after a refusal would never give it back.
    pub epoch: u32,
    /// How much.
    pub amount: Money,
    /// Whether nothing is left of the payment afterwards.
    pub takes_the_rest: bool,
    /// Whether this epoch may have been sent already.
    pub sent_before: bool,
}

/// What the provider knows a refund by.
pub fn refund_request_id(refund_id: RefundId, epoch: u32) -> String {
    format!("{refund_id}-{epoch}")
}

/// When a refund that did not reach anybody, or that our own mistake stopped, is tried again. The rest doubles with
/// each try.
const UNREACHED_REST: Duration = Duration::from_secs(60);
const MISCONFIGURED_REST: Duration = Duration::from_secs(3_600);
const REST_MAX: Duration = Duration::from_secs(6 * 3_600);
/// Tries that reached nobody before a person has to look: about a day.
const UNREACHED_MAX: u32 = 12;
/// Tries that the provider put off before a person has to look.
const DEFERRED_MAX: u32 = 36;

/// Repetitions of one name after lost answers, before it is left to a later run.
const REPETITIONS_MAX: u32 = 2;

/// What became of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// Write this down.
    pub outcome: RefundOutcome,
    /// Whether asking again will not tell either: a person has to look at the provider's own books.
    pub is_parked: bool,
}

/// Gives money back. After a lost answer the provider is asked first; then, only where it recognises the name of an
/// act, the act is repeated under the same name.
pub async fn refund(provider: &GuardedProvider, ctx: &CallCtx, attempt: &RefundAttempt) -> Refunded {
    let names = provider.capabilities().idempotent_refund;
    let told = |outcome| Refunded { outcome, is_parked: false };
    // Without names, only the difference between before and after tells whether it happened.
    let (before, repeatable) = match names {
        RefundNames::Recognised => (None, true),
        RefundNames::Ignored if attempt.sent_before => (None, false),
        RefundNames::Ignored | RefundNames::OnCards => {
            match provider.refund_state(ctx, &attempt.provider_payment_id).await {
                Ok(state) => (state.status.filter(|_| !attempt.sent_before), names.on(state.route)),
                Err(_) if attempt.sent_before => return told(RefundOutcome::Unknown),
                Err(error) => return told(not_tried(provider, attempt, &error)),
            }
        }
    };
    let mut in_doubt = attempt.sent_before;
    for _ in 0..=REPETITIONS_MAX {
        if in_doubt {
            match ask(provider, ctx, attempt, before).await {
                Asked::Happened => return told(RefundOutcome::Succeeded),
                Asked::UnderWay => return told(RefundOutcome::Submitted),
                Asked::Unclear if !repeatable => {
                    return Refunded { outcome: RefundOutcome::Unknown, is_parked: true };
                }
                Asked::Unclear => {}
                Asked::NoAnswer => return told(RefundOutcome::Unknown),
            }
        }
        let error = match provider.cancel(ctx, &attempt.request(repeatable)).await {
            Ok(cancelled) => return told(outcome_of(cancelled.status)),
            Err(error) => error,
        };
        if !error.may_have_happened() {
            return told(match in_doubt {
                false => refused(provider, ctx, attempt, &error).await,
                true => still_in_doubt(provider, ctx, attempt, &error).await,
            });
        }
        in_doubt = true;
    }
    told(RefundOutcome::Unknown)
}

impl RefundAttempt {
    fn request(&self, repeatable: bool) -> CancelRequest {
        CancelRequest {
            provider_payment_id: self.provider_payment_id.clone(),
            amount: Some(self.amount),
            external_request_id: refund_request_id(self.refund_id, self.epoch),
            repeatable,
        }
    }
}

enum Asked {
    Happened,
    UnderWay,
    Unclear,
    NoAnswer,
}

async fn ask(
    provider: &GuardedProvider,
    ctx: &CallCtx,
    attempt: &RefundAttempt,
    before: Option<ProviderStatus>,
) -> Asked {
    let Ok(state) = provider.refund_state(ctx, &attempt.provider_payment_id).await else { return Asked::NoAnswer };
    let was_untouched = before == Some(ProviderStatus::Confirmed);
    match state.status {
        Some(ProviderStatus::Refunded) if attempt.takes_the_rest || was_untouched => Asked::Happened,
        Some(ProviderStatus::PartiallyRefunded) if was_untouched => Asked::Happened,
        Some(ProviderStatus::Refunding) => Asked::UnderWay,
        Some(_) | None => Asked::Unclear,
    }
}

fn outcome_of(status: Option<ProviderStatus>) -> RefundOutcome {
    match status {
        Some(ProviderStatus::Refunded | ProviderStatus::PartiallyRefunded) => RefundOutcome::Succeeded,
        Some(ProviderStatus::Refunding) => RefundOutcome::Submitted,
        // The provider took it and says something else: look again later.
        Some(
            ProviderStatus::New
            | ProviderStatus::FormShown
            | ProviderStatus::Processing
            | ProviderStatus::Authorized
            | ProviderStatus::Confirming
            | ProviderStatus::Confirmed
            | ProviderStatus::Cancelled
            | ProviderStatus::Expired
            | ProviderStatus::AuthFailed
            | ProviderStatus::Declined
            | ProviderStatus::Voided,
        )
        | None => RefundOutcome::Unknown,
    }
}

/// The first word on this epoch is a no.
async fn refused(
    provider: &GuardedProvider,
    ctx: &CallCtx,
    attempt: &RefundAttempt,
    error: &CallError,
) -> RefundOutcome {
    let conflict = matches!(error, CallError::Provider(ProviderError { class: ErrorClass::StateConflict, .. }));
    if conflict && attempt.takes_the_rest {
        // Somebody may have given everything back already.
        match ask(provider, ctx, attempt, None).await {
            Asked::Happened => return RefundOutcome::Succeeded,
            Asked::UnderWay => return RefundOutcome::Submitted,
            Asked::NoAnswer => return RefundOutcome::Unknown,
            Asked::Unclear => {}
        }
    }
    not_tried(provider, attempt, error)
}

/// A no to a repetition says nothing about what was sent before it, unless it is about the refund itself.
async fn still_in_doubt(
    provider: &GuardedProvider,
    ctx: &CallCtx,
    attempt: &RefundAttempt,
    error: &CallError,
) -> RefundOutcome {
    match error {
        CallError::Provider(ProviderError {
            class: ErrorClass::Declined { .. } | ErrorClass::InvalidRequest | ErrorClass::RefundDeferred { .. },
            ..
        }) => not_tried(provider, attempt, error),
        CallError::Provider(ProviderError { class: ErrorClass::StateConflict, .. }) => {
            match ask(provider, ctx, attempt, None).await {
                Asked::Happened => RefundOutcome::Succeeded,
                Asked::UnderWay => RefundOutcome::Submitted,
                Asked::Unclear | Asked::NoAnswer => RefundOutcome::Unknown,
            }
        }
        CallError::Provider(_) | CallError::Unavailable { .. } => RefundOutcome::Unknown,
    }
}

/// No money moved, and the next try has a new name.
fn not_tried(provider: &GuardedProvider, attempt: &RefundAttempt, error: &CallError) -> RefundOutcome {
    let now: DateTime<Utc> = provider.clock().now();
    let rest = |first: Duration| first.saturating_mul(1 << attempt.epoch.saturating_sub(1).min(16)).min(REST_MAX);
    let (code, retry_at, tries_max) = match error {
        CallError::Unavailable { retry_after } => {
            let retry_at = now + (*retry_after).max(rest(UNREACHED_REST));
            (Some("circuit_breaker_open".to_owned()), Some(retry_at), UNREACHED_MAX)
        }
        CallError::Provider(ProviderError { class, code, .. }) => {
            let (retry_at, tries_max) = match class {
                ErrorClass::RefundDeferred { until } => (*until, DEFERRED_MAX),
                ErrorClass::RateLimited { retry_after } => (Some(now + *retry_after), DEFERRED_MAX),
                ErrorClass::NotSent | ErrorClass::OutcomeUnknown | ErrorClass::Transient | ErrorClass::Unlisted => {
                    (Some(now + rest(UNREACHED_REST)), UNREACHED_MAX)
                }
                // The payment is not where it can be given back from, perhaps only just now.
                ErrorClass::StateConflict => (Some(now + rest(UNREACHED_REST)), UNREACHED_MAX),
                ErrorClass::Config => (Some(now + rest(MISCONFIGURED_REST)), UNREACHED_MAX),
                // A person has to look: the same again would be refused again.
                ErrorClass::Declined { .. } | ErrorClass::InvalidRequest => (None, 0),
            };
            (code.clone().or_else(|| Some(class.as_str().to_owned())), retry_at, tries_max)
        }
    };
    RefundOutcome::Failed { code, retry_at: retry_at.filter(|_| attempt.epoch < tries_max) }
}
