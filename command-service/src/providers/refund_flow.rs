//! Giving money back: surely, and never twice.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::domain::{
    Money, RefundId,
    payment::{ProviderStatus, RefundOutcome},
};

use super::{CallCtx, CallError, CancelRequest, ErrorClass, GuardedProvider, ProviderError};

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

/// When a refund that did not reach anybody, or that our own mistake stopped, is tried again.
const UNREACHED_REST: Duration = Duration::from_secs(60);
const MISCONFIGURED_REST: Duration = Duration::from_secs(3_600);

/// Repetitions of one name after lost answers, before it is left to a later run.
const REPETITIONS_MAX: u32 = 2;

/// Gives money back. After a lost answer the provider is asked first; then, only where it recognises the name of an
/// act, the act is repeated under the same name.
pub async fn refund(provider: &GuardedProvider, ctx: &CallCtx, attempt: &RefundAttempt) -> RefundOutcome {
    let repeatable = provider.capabilities().idempotent_refund;
    // Without names, only the difference between before and after tells whether it happened.
    let before = if repeatable || attempt.sent_before {
        None
    } else {
        match provider.refund_state(ctx, &attempt.provider_payment_id).await {
            Ok(state) => state.status,
            Err(error) => return not_tried(provider, &error),
        }
    };
    let mut in_doubt = attempt.sent_before;
    for _ in 0..=REPETITIONS_MAX {
        if in_doubt {
            match ask(provider, ctx, attempt, before).await {
                Asked::Happened => return RefundOutcome::Succeeded,
                Asked::UnderWay => return RefundOutcome::Submitted,
                Asked::Unclear if !repeatable => return RefundOutcome::Unknown,
                Asked::Unclear => {}
                Asked::NoAnswer => return RefundOutcome::Unknown,
            }
        }
        let error = match provider.cancel(ctx, &attempt.request()).await {
            Ok(cancelled) => return outcome_of(cancelled.status),
            Err(error) => error,
        };
        if !error.may_have_happened() {
            return match in_doubt {
                false => refused(provider, ctx, attempt, &error).await,
                true => still_in_doubt(provider, ctx, attempt, &error).await,
            };
        }
        in_doubt = true;
    }
    RefundOutcome::Unknown
}

impl RefundAttempt {
    fn request(&self) -> CancelRequest {
        CancelRequest {
            provider_payment_id: self.provider_payment_id.clone(),
            amount: Some(self.amount),
            external_request_id: refund_request_id(self.refund_id, self.epoch),
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
    not_tried(provider, error)
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
        }) => not_tried(provider, error),
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
fn not_tried(provider: &GuardedProvider, error: &CallError) -> RefundOutcome {
    let now: DateTime<Utc> = provider.clock().now();
    let (code, retry_at) = match error {
        CallError::Unavailable { retry_after } => {
            (Some("circuit_breaker_open".to_owned()), Some(now + (*retry_after).max(UNREACHED_REST)))
        }
        CallError::Provider(ProviderError { class, code, .. }) => {
            let retry_at = match class {
                ErrorClass::RefundDeferred { until } => *until,
                ErrorClass::RateLimited { retry_after } => Some(now + *retry_after),
                ErrorClass::NotSent | ErrorClass::OutcomeUnknown | ErrorClass::Transient => Some(now + UNREACHED_REST),
                ErrorClass::Config => Some(now + MISCONFIGURED_REST),
                // A person has to look: the same again would be refused again.
                ErrorClass::Declined { .. } | ErrorClass::InvalidRequest | ErrorClass::StateConflict => None,
            };
            (code.clone().or_else(|| Some(class.as_str().to_owned())), retry_at)
        }
    };
    RefundOutcome::Failed { code, retry_at }
}
