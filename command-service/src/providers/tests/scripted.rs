//! A provider whose answers are written down beforehand.

use std::collections::VecDeque;

use async_trait::async_trait;
use shared::domain::{Currency, payment::ProviderStatus};

use super::*;

/// What it answers next, per operation; when the script is over, it is down.
pub struct Scripted {
    answers: Mutex<Vec<(Operation, VecDeque<Answer>)>>,
    /// Every cancel's name, in order.
    pub cancelled_as: Mutex<Vec<String>>,
    /// Every Init's reference, in order.
    pub inits: Mutex<Vec<String>>,
    capabilities: Capabilities,
    /// How long each call takes.
    takes: Duration,
}

#[derive(Clone)]
pub enum Answer {
    Says(ProviderStatus),
    HasNothing,
    Fails(ErrorClass),
}

pub use Answer::{Fails, HasNothing, Says};

impl Scripted {
    pub fn new(script: &[(Operation, &[Answer])]) -> Arc<Self> {
        Arc::new(Self::build(script, true, Duration::ZERO))
    }

    pub fn without_names(script: &[(Operation, &[Answer])]) -> Arc<Self> {
        Arc::new(Self::build(script, false, Duration::ZERO))
    }

    pub fn slow(script: &[(Operation, &[Answer])], takes: Duration) -> Arc<Self> {
        Arc::new(Self::build(script, true, takes))
    }

    fn build(script: &[(Operation, &[Answer])], idempotent_refund: bool, takes: Duration) -> Self {
        let answers = script.iter().map(|(operation, answers)| (*operation, answers.iter().cloned().collect()));
        Self {
            answers: Mutex::new(answers.collect()),
            cancelled_as: Mutex::default(),
            inits: Mutex::default(),
            capabilities: Capabilities {
                void: true,
                partial_refund: true,
                idempotent_refund: if idempotent_refund { RefundNames::Recognised } else { RefundNames::Ignored },
                two_stage: true,
                currencies: vec![Currency::RUB],
                amount_min_minor: 1,
                amount_max_minor: 1_000_000,
            },
            takes,
        }
    }

    async fn answer(&self, operation: Operation) -> Result<Option<ProviderStatus>, ProviderError> {
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        let mut answers = self.answers.lock();
        let script = answers.iter_mut().find(|(scripted, _)| *scripted == operation);
        match script.and_then(|(_, script)| script.pop_front()) {
            Some(Says(status)) => Ok(Some(status)),
            Some(HasNothing) => Ok(None),
            Some(Fails(class)) => Err(error(class)),
            None => Err(ProviderError::new(ErrorClass::NotSent, "the script is over")),
        }
    }

    async fn state(&self, operation: Operation) -> Result<PaymentState, ProviderError> {
        Ok(state(self.answer(operation).await?))
    }
}

pub fn state(status: Option<ProviderStatus>) -> PaymentState {
    PaymentState {
        provider_payment_id: "p-1".to_owned(),
        order_ref: "ref".to_owned(),
        status,
        word: "A_WORD".into(),
        amount: Some(Money::rub(50_000)),
        error_code: None,
        customer_retryable: true,
        route: Route::Unknown,
    }
}

#[async_trait]
impl PaymentProvider for Scripted {
    fn provider(&self) -> Provider {
        Provider::Tbank
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn init(&self, _: &CallCtx, request: &InitRequest) -> Result<Session, ProviderError> {
        self.inits.lock().push(request.provider_order_ref.clone());
        let status = self.answer(Operation::Init).await?.unwrap_or(ProviderStatus::New);
        Ok(Session { provider_payment_id: "p-1".to_owned(), payment_url: "http://page".to_owned(), status })
    }

    async fn get_state(&self, _: &CallCtx, _: &str) -> Result<PaymentState, ProviderError> {
        self.state(Operation::GetState).await
    }

    async fn check_order(&self, _: &CallCtx, _: &str) -> Result<Vec<PaymentState>, ProviderError> {
        Ok(self.answer(Operation::CheckOrder).await?.map(|status| state(Some(status))).into_iter().collect())
    }

    async fn confirm(&self, _: &CallCtx, _: &ConfirmRequest) -> Result<PaymentState, ProviderError> {
        self.state(Operation::Confirm).await
    }

    async fn cancel(&self, _: &CallCtx, request: &CancelRequest) -> Result<Cancelled, ProviderError> {
        self.cancelled_as.lock().push(request.external_request_id.clone());
        let status = self.answer(Operation::Cancel).await?;
        Ok(Cancelled { status, word: "A_WORD".into(), original_minor: 50_000, new_minor: 0 })
    }

    async fn refund_state(&self, _: &CallCtx, _: &str) -> Result<PaymentState, ProviderError> {
        self.state(Operation::RefundState).await
    }

    async fn health(&self, _: &CallCtx) -> Result<(), ProviderError> {
        self.answer(Operation::Health).await.map(drop)
    }
}
