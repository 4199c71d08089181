//! Opening a page to pay on, such that no customer ever has two and none is lost with money in it.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use shared::domain::{
    Money, PaymentId,
    payment::{CaptureMode, FailureReason, ProviderStatus},
};

use super::{
    CallCtx, CallError, CancelRequest, ErrorClass, GuardedProvider, InitRequest, Operation, PaymentState,
    ProviderError, Session,
};

/// A page to be opened for a payment.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSession {
    /// The payment.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
    /// For the customer.
    pub description: String,
    /// Where the customer's browser goes afterwards.
    pub return_url: String,
    /// When the page dies.
    pub expires_at: DateTime<Utc>,
    /// When the money is taken.
    pub capture_mode: CaptureMode,
    /// Under what the provider may keep the customer's cards.
    pub customer_key: Option<String>,
    /// Further words for the provider.
    pub metadata: BTreeMap<String, String>,
    /// The Init try to go on with, from 1.
    pub init_try: u32,
    /// Whether an earlier run may have sent that try: the provider is asked about it first.
    pub sent_before: bool,
}

/// What became of opening it.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// There is a page.
    Opened {
        /// The page.
        session: Session,
        /// Which try opened it.
        init_try: u32,
    },
    /// There is no page to show, but money or a refusal behind a try whose answer was lost: write down what the
    /// provider says.
    Found {
        /// What it says.
        state: PaymentState,
        /// Which try it was.
        init_try: u32,
    },
    /// There is no page, for sure.
    Failed {
        /// Why.
        reason: FailureReason,
        /// The provider's code, or `circuit_breaker_open`.
        code: Option<String>,
        /// When it makes sense to ask again, where that is known.
        retry_after: Option<Duration>,
    },
    /// Nobody knows. Go on later with this try and `sent_before`.
    Unknown {
        /// The try that is in doubt.
        init_try: u32,
    },
}

/// Init tries of one run; a provider that loses this many answers in a row is not well.
const TRIES_PER_RUN: u32 = 3;

/// Opens a page. A try whose answer got lost is looked up by our reference; its page was never shown to anybody, so it
/// is withdrawn, and the next try has a new reference.
pub async fn open_session(provider: &GuardedProvider, ctx: &CallCtx, request: OpenSession) -> Opened {
    let mut init_try = request.init_try;
    let mut in_doubt = request.sent_before;
    let mut sent = 0;
    loop {
        while in_doubt {
            match withdraw_orphans(provider, ctx, &request, init_try).await {
                // An earlier run may have gone on from there.
                Orphans::Withdrawn => in_doubt = request.sent_before,
                Orphans::None => in_doubt = false,
                Orphans::Found(state) => return Opened::Found { state, init_try },
                Orphans::Unclear => return Opened::Unknown { init_try },
            }
            init_try += 1;
        }
        if init_try > 1 {
            provider.tried_again(Operation::Init, init_try);
        }
        let error = match provider.init(ctx, &request.attempt(init_try)).await {
            Ok(session) => return Opened::Opened { session, init_try },
            Err(error) => error,
        };
        if let Some(failed) = failed_for_sure(&error) {
            return failed;
        }
        sent += 1;
        if sent == TRIES_PER_RUN {
            return Opened::Unknown { init_try };
        }
        in_doubt = true;
    }
}

impl OpenSession {
    fn attempt(&self, init_try: u32) -> InitRequest {
        InitRequest {
            provider_order_ref: self.payment_id.provider_order_ref(init_try),
            amount: self.amount,
            description: self.description.clone(),
            return_url: self.return_url.clone(),
            expires_at: self.expires_at,
            capture_mode: self.capture_mode,
            customer_key: self.customer_key.clone(),
            metadata: self.metadata.clone(),
        }
    }
}

fn failed_for_sure(error: &CallError) -> Option<Opened> {
    let failed =
        |reason, code: &Option<String>, retry_after| Some(Opened::Failed { reason, code: code.clone(), retry_after });
    match error {
        CallError::Unavailable { retry_after } => {
            let code = Some("circuit_breaker_open".to_owned());
            failed(FailureReason::ProviderUnavailable, &code, Some(*retry_after))
        }
        CallError::Provider(ProviderError { class, code, .. }) => match class {
            // A conflict means that the provider already knows the reference.
            ErrorClass::OutcomeUnknown | ErrorClass::StateConflict | ErrorClass::Unlisted => None,
            ErrorClass::NotSent | ErrorClass::Transient => failed(FailureReason::ProviderUnavailable, code, None),
            ErrorClass::RateLimited { retry_after } => {
                failed(FailureReason::ProviderUnavailable, code, Some(*retry_after))
            }
            ErrorClass::Declined { .. } => failed(FailureReason::Declined, code, None),
            ErrorClass::InvalidRequest | ErrorClass::Config | ErrorClass::RefundDeferred { .. } => {
                failed(FailureReason::ProviderRejected, code, None)
            }
        },
    }
}

enum Orphans {
    None,
    /// There was one, and nobody can pay there.
    Withdrawn,
    Found(PaymentState),
    Unclear,
}

async fn withdraw_orphans(provider: &GuardedProvider, ctx: &CallCtx, request: &OpenSession, init_try: u32) -> Orphans {
    let order_ref = request.payment_id.provider_order_ref(init_try);
    let Ok(states) = provider.check_order(ctx, &order_ref).await else { return Orphans::Unclear };
    let found = if states.is_empty() { Orphans::None } else { Orphans::Withdrawn };
    for state in states {
        match state.status {
            Some(ProviderStatus::New | ProviderStatus::FormShown) => {}
            // Nobody can pay there any more.
            Some(ProviderStatus::Cancelled | ProviderStatus::Expired | ProviderStatus::Voided) => continue,
            Some(
                ProviderStatus::Processing
                | ProviderStatus::Authorized
                | ProviderStatus::Confirming
                | ProviderStatus::Confirmed
                | ProviderStatus::Refunding
                | ProviderStatus::PartiallyRefunded
                | ProviderStatus::Refunded
                | ProviderStatus::AuthFailed
                | ProviderStatus::Declined,
            ) => return Orphans::Found(state),
            None => return Orphans::Unclear,
        }
        let cancel = CancelRequest {
            provider_payment_id: state.provider_payment_id,
            amount: None,
            external_request_id: format!("{order_ref}-orphan"),
            repeatable: true,
        };
        match provider.cancel(ctx, &cancel).await {
            Ok(cancelled) if cancelled.status == Some(ProviderStatus::Cancelled) => {}
            Ok(_) | Err(_) => return Orphans::Unclear,
        }
    }
    found
}
