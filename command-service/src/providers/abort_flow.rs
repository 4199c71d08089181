//! Calling a payment off while its customer may be paying it this very moment.

use shared::domain::{
    Money, PaymentId,
    payment::{AbortOutcome, EvidenceSource, ProviderReport, ProviderStatus},
};

use super::{CallCtx, CallError, CancelRequest, Cancelled, ErrorClass, GuardedProvider, PaymentState, ProviderError};

/// A payment to be called off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbortAttempt {
    /// The payment.
    pub payment_id: PaymentId,
    /// What it is about.
    pub amount: Money,
    /// The provider's own id, if anything told it.
    pub provider_payment_id: Option<String>,
    /// The newest Init try that may have been sent, to find the payment by if its id is not known.
    pub init_try: u32,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Aborted {
    /// Write this down: it is over.
    Ended(AbortOutcome),
    /// Write this down: the provider knows better. Money that was taken before we asked is here too: it goes back as a
    /// refund of its own.
    Reported(ProviderReport),
    /// Nothing became of it: the provider refused or could not be reached. The page dies by itself; ask again later.
    Nothing {
        /// The class of the error, or the provider's word.
        because: String,
    },
}

/// Asks first, then calls off, and tells whatever came of it: a page withdrawn, a hold lifted, or, if the customer was
/// faster, all the money given back.
pub async fn abort(provider: &GuardedProvider, ctx: &CallCtx, attempt: &AbortAttempt) -> Aborted {
    let state = match find(provider, ctx, attempt).await {
        Ok(Some(state)) => state,
        Ok(None) => return Aborted::Ended(AbortOutcome::Cancelled),
        Err(error) => return nothing(error.as_str()),
    };
    if let Some(over) = already_over(&state) {
        return over;
    }
    let request = CancelRequest {
        provider_payment_id: state.provider_payment_id.clone(),
        amount: None,
        // A name of its own: a page that was withdrawn under the name of a refund would make the bank take that refund
        // for a repetition. Should the money have come meanwhile, all of it goes back, and nothing is left to go back
        // twice.
        external_request_id: format!("{}-abort", ctx.operation_id),
        // All of it at once: whoever does not recognise the name finds nothing left to move.
        repeatable: true,
    };
    match provider.cancel(ctx, &request).await {
        Ok(cancelled) => called_off(attempt, state, &cancelled),
        Err(error) => after_failure(provider, ctx, attempt, &state.provider_payment_id, &error).await,
    }
}

async fn find(
    provider: &GuardedProvider,
    ctx: &CallCtx,
    attempt: &AbortAttempt,
) -> Result<Option<PaymentState>, CallError> {
    if let Some(provider_payment_id) = &attempt.provider_payment_id {
        return provider.get_state(ctx, provider_payment_id).await.map(Some);
    }
    let order_ref = attempt.payment_id.provider_order_ref(attempt.init_try);
    let mut states = provider.check_order(ctx, &order_ref).await?;
    // The one furthest along decides; side exits rank below everything.
    states.sort_by_key(|state| state.status.and_then(ProviderStatus::rank));
    Ok(states.pop())
}

fn already_over(state: &PaymentState) -> Option<Aborted> {
    match state.status {
        Some(ProviderStatus::Cancelled) => Some(Aborted::Ended(AbortOutcome::Cancelled)),
        Some(ProviderStatus::Voided) => Some(Aborted::Ended(AbortOutcome::Voided)),
        Some(
            ProviderStatus::Confirming
            | ProviderStatus::Confirmed
            | ProviderStatus::Refunding
            | ProviderStatus::PartiallyRefunded
            | ProviderStatus::Refunded
            | ProviderStatus::Expired
            | ProviderStatus::AuthFailed
            | ProviderStatus::Declined,
        ) => Some(reported(state.clone(), EvidenceSource::Poll)),
        Some(
            ProviderStatus::New | ProviderStatus::FormShown | ProviderStatus::Processing | ProviderStatus::Authorized,
        ) => None,
        None => Some(nothing(&state.word)),
    }
}

fn called_off(attempt: &AbortAttempt, before: PaymentState, cancelled: &Cancelled) -> Aborted {
    match cancelled.status {
        Some(ProviderStatus::Cancelled) => Aborted::Ended(AbortOutcome::Cancelled),
        Some(ProviderStatus::Voided) => Aborted::Ended(AbortOutcome::Voided),
        Some(ProviderStatus::Refunded) => {
            match Money::from_minor(cancelled.original_minor, attempt.amount.currency()) {
                Ok(amount) => Aborted::Ended(AbortOutcome::Returned {
                    provider_payment_id: before.provider_payment_id,
                    amount,
                    source: EvidenceSource::Response,
                }),
                Err(_) => nothing("the provider names an amount that is none"),
            }
        }
        status => reported(
            PaymentState { status, word: cancelled.word.clone(), amount: None, ..before },
            EvidenceSource::Response,
        ),
    }
}

async fn after_failure(
    provider: &GuardedProvider,
    ctx: &CallCtx,
    attempt: &AbortAttempt,
    provider_payment_id: &str,
    error: &CallError,
) -> Aborted {
    let worth_asking = matches!(
        error,
        CallError::Provider(ProviderError {
            class: ErrorClass::OutcomeUnknown | ErrorClass::StateConflict | ErrorClass::Unlisted,
            ..
        })
    );
    if !worth_asking {
        return nothing(error.as_str());
    }
    let Ok(state) = provider.get_state(ctx, provider_payment_id).await else { return nothing(error.as_str()) };
    match (state.status, state.amount) {
        // It was ours: nobody else had asked for it when we looked.
        (Some(ProviderStatus::Refunded), amount) => Aborted::Ended(AbortOutcome::Returned {
            provider_payment_id: state.provider_payment_id,
            amount: amount.unwrap_or(attempt.amount),
            source: EvidenceSource::Poll,
        }),
        _ => already_over(&state).unwrap_or_else(|| nothing(error.as_str())),
    }
}

fn reported(state: PaymentState, source: EvidenceSource) -> Aborted {
    let word = state.word.clone();
    state.report(source).map_or_else(|| nothing(&word), Aborted::Reported)
}

fn nothing(because: &str) -> Aborted {
    Aborted::Nothing { because: because.to_owned() }
}
