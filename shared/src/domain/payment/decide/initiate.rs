//! The start: the attempt, its page to pay on, or the failure to open one.

use super::Decision;
use crate::domain::payment::{
    FailureReason, InitiatePayment, Initiated, PaymentError, PaymentEvent, PaymentFailed, PaymentInitiated,
    PaymentSessionOpened, Stage,
};

pub(super) fn open(request: &InitiatePayment) -> Decision {
    if !request.provider_enabled {
        return Err(PaymentError::ProviderDisabled);
    }
    if !request.provider.takes(request.amount.currency()) {
        return Err(PaymentError::CurrencyUnsupported);
    }
    if !request.amount.is_positive() || request.amount.minor() < request.policy.amount_min_minor {
        return Err(PaymentError::AmountBelowMinimum);
    }
    let initiated = PaymentInitiated {
        purpose: request.purpose,
        amount: request.amount,
        provider: request.provider,
        provider_order_ref: request.payment_id.provider_order_ref(1),
        return_url: request.return_url.clone(),
        capture_mode: request.capture_mode,
        expires_at: request.expires_at,
    };
    Ok(vec![initiated.into()])
}

impl Initiated {
    pub(super) fn open_session(&self, provider_payment_id: &str, url: &str, init_try: u32) -> Vec<PaymentEvent> {
        match self.stage {
            Stage::Initiated => {
                let (provider_payment_id, payment_url) = (provider_payment_id.to_owned(), url.to_owned());
                vec![PaymentSessionOpened { provider_payment_id, payment_url, init_try }.into()]
            }
            // The provider's news was faster than its own answer, or the answer came twice.
            Stage::AwaitingCustomer
            | Stage::Processing
            | Stage::Authorized { .. }
            | Stage::Succeeded { .. }
            | Stage::Failed { .. } => vec![],
        }
    }

    pub(super) fn fail_init(&self, reason: FailureReason, code: Option<&String>) -> Vec<PaymentEvent> {
        match self.stage {
            Stage::Initiated => {
                vec![PaymentFailed { reason, provider_error_code: code.cloned(), customer_retryable: true }.into()]
            }
            // There was a page after all.
            Stage::AwaitingCustomer
            | Stage::Processing
            | Stage::Authorized { .. }
            | Stage::Succeeded { .. }
            | Stage::Failed { .. } => vec![],
        }
    }
}
