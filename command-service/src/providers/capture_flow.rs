//! Taking held money, once.

use shared::domain::payment::{EvidenceSource, ProviderReport, ProviderStatus};

use super::{CallCtx, CallError, ConfirmRequest, ErrorClass, GuardedProvider, PaymentState, ProviderError};

/// What became of taking it.
#[derive(Debug, Clone, PartialEq)]
pub enum Captured {
    /// Write this down: that the money was taken, or what else the provider says.
    Reported(ProviderReport),
    /// The bank does not give the money. The hold is still to be lifted.
    Failed {
        /// The provider's code.
        code: Option<String>,
    },
    /// Nothing is known to have happened; ask for it again later.
    Unknown,
}

/// Takes held money. Whoever lost the answer asks where the payment stands before anything else.
pub async fn capture(provider: &GuardedProvider, ctx: &CallCtx, request: &ConfirmRequest) -> Captured {
    let error = match provider.confirm(ctx, request).await {
        Ok(state) => return reported(state, EvidenceSource::Response),
        Err(CallError::Unavailable { .. }) => return Captured::Unknown,
        Err(CallError::Provider(error)) => error,
    };
    match error.class {
        ErrorClass::OutcomeUnknown | ErrorClass::StateConflict | ErrorClass::Transient | ErrorClass::Unlisted => {
            after_doubt(provider, ctx, &request.provider_payment_id, error).await
        }
        ErrorClass::NotSent | ErrorClass::RateLimited { .. } | ErrorClass::Config => Captured::Unknown,
        ErrorClass::Declined { .. } | ErrorClass::InvalidRequest | ErrorClass::RefundDeferred { .. } => {
            Captured::Failed { code: error.code }
        }
    }
}

async fn after_doubt(
    provider: &GuardedProvider,
    ctx: &CallCtx,
    provider_payment_id: &str,
    error: ProviderError,
) -> Captured {
    match provider.get_state(ctx, provider_payment_id).await {
        // Still only held: it did not happen, or not yet. If the provider spoke of a conflict, it never will.
        Ok(state) if state.status == Some(ProviderStatus::Authorized) => match error.class {
            ErrorClass::StateConflict => Captured::Failed { code: error.code },
            _ => Captured::Unknown,
        },
        Ok(state) => reported(state, EvidenceSource::Poll),
        Err(_) => Captured::Unknown,
    }
}

fn reported(state: PaymentState, source: EvidenceSource) -> Captured {
    state.report(source).map_or(Captured::Unknown, Captured::Reported)
}
