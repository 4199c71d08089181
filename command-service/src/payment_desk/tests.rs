//! What is written down when a provider says one thing and did another.

use shared::domain::{
    Actor, Currency, Intent, OrderId,
    payment::{CaptureMode, PaymentAuthorized, PaymentCaptureRequested, PaymentEvent, PaymentInitiated, Purpose},
};

use super::*;
use crate::providers::{
    CancelRequest, Cancelled, Capabilities, ErrorClass, GuardSettings, InitRequest, Operation, PaymentProvider,
    PaymentState, ProviderError, ProviderObserver, RefundNames, Route, Session,
};

/// A bank that refuses to take held money, and where it stands when it is asked.
struct Refusing {
    capabilities: Capabilities,
    stands_at: ProviderStatus,
}

struct Quiet;

impl ProviderObserver for Quiet {
    fn called(&self, _: Provider, _: Operation, _: &'static str, _: Duration) {}
    fn retried(&self, _: Provider, _: Operation, _: u32) {}
    fn circuit_changed(&self, _: Provider, _: OperationGroup, _: crate::providers::BreakerState) {}
}

#[async_trait]
impl PaymentProvider for Refusing {
    fn provider(&self) -> Provider {
        Provider::DevFake
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn init(&self, _: &CallCtx, _: &InitRequest) -> Result<Session, ProviderError> {
        unreachable!("nobody opens a page")
    }

    async fn get_state(&self, _: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, ProviderError> {
        Ok(PaymentState {
            provider_payment_id: provider_payment_id.to_owned(),
            order_ref: PAYMENT.provider_order_ref(1),
            status: Some(self.stands_at),
            word: format!("{:?}", self.stands_at).into(),
            amount: Some(Money::rub(10_000)),
            error_code: None,
            customer_retryable: true,
            route: Route::Card,
        })
    }

    async fn check_order(&self, _: &CallCtx, _: &str) -> Result<Vec<PaymentState>, ProviderError> {
        Ok(Vec::new())
    }

    async fn confirm(&self, _: &CallCtx, _: &ConfirmRequest) -> Result<PaymentState, ProviderError> {
        Err(ProviderError::new(ErrorClass::InvalidRequest, "already done"))
    }

    async fn cancel(&self, _: &CallCtx, _: &CancelRequest) -> Result<Cancelled, ProviderError> {
        Ok(Cancelled {
            status: Some(ProviderStatus::Voided),
            word: "REVERSED".into(),
            original_minor: 10_000,
            new_minor: 0,
        })
    }

    async fn refund_state(&self, _: &CallCtx, id: &str) -> Result<PaymentState, ProviderError> {
        self.get_state(&CallCtx::within(CALL_LIMIT, Uuid::nil()), id).await
    }

    async fn health(&self, _: &CallCtx) -> Result<(), ProviderError> {
        Ok(())
    }
}

const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(7));

fn being_captured() -> Payment {
    let amount = Money::rub(10_000);
    let now = crate::testing::now();
    let operation_id = Uuid::from_u128(8);
    let initiated = PaymentInitiated {
        purpose: Purpose::Order { order_id: OrderId(Uuid::from_u128(1)) },
        amount,
        provider: Provider::DevFake,
        provider_order_ref: PAYMENT.provider_order_ref(1),
        return_url: "http://localhost".to_owned(),
        capture_mode: CaptureMode::OnAccept,
        expires_at: now,
    };
    let authorized = PaymentAuthorized {
        provider_payment_id: "bank-7".to_owned(),
        amount,
        source: EvidenceSource::Webhook,
        capture_before: now + chrono::TimeDelta::days(6),
        late: false,
    };
    let requested = PaymentCaptureRequested { amount, operation_id };
    let events: [PaymentEvent; 3] = [initiated.into(), authorized.into(), requested.into()];
    events.into_iter().fold(Payment::default(), |mut payment, event| {
        cqrs_es::Aggregate::apply(&mut payment, event);
        payment
    })
}

/// What the payment becomes after a refused capture at a bank where it stands at `stands_at`.
async fn after_refusal(stands_at: ProviderStatus) -> PaymentStatus {
    let capabilities = Capabilities {
        void: true,
        partial_refund: true,
        idempotent_refund: RefundNames::Recognised,
        two_stage: true,
        currencies: vec![Currency::RUB],
        amount_min_minor: 1,
        amount_max_minor: 1_000_000,
    };
    let clock = Clock::stopped_at(crate::testing::now());
    let bank = Arc::new(Refusing { capabilities, stands_at });
    let guarded = GuardedProvider::new(bank, GuardSettings::default(), clock.clone(), Arc::new(Quiet));
    let desk = PaymentDesk::new(vec![Arc::new(guarded)], clock.clone(), PaymentPolicy::default());
    let mut payment = being_captured();
    let ctx = CallCtx::within(CALL_LIMIT, Uuid::nil());
    for command in desk.take(PAYMENT, &payment, &ctx).await.unwrap() {
        let intent = Intent { actor: Actor::system("test"), now: clock.now(), command };
        for event in shared::domain::EventSourced::decide(&payment, &intent).unwrap() {
            cqrs_es::Aggregate::apply(&mut payment, event);
        }
    }
    payment.status().unwrap()
}

#[tokio::test]
async fn a_hold_that_the_bank_does_not_give_is_lifted() {
    assert_eq!(after_refusal(ProviderStatus::Authorized).await, PaymentStatus::Failed);
}

#[tokio::test]
async fn money_that_was_taken_is_booked_though_the_bank_refused_to_take_it_again() {
    assert_eq!(after_refusal(ProviderStatus::Confirmed).await, PaymentStatus::Succeeded);
}

#[test]
fn another_provider_steps_in_for_one_that_takes_no_calls_and_the_imitation_for_nobody() {
    let (bank, imitation) = (Provider::Tbank, Provider::DevFake);
    let closed = |names: &'static [Provider]| move |provider: Provider| names.contains(&provider);
    assert_eq!(fallback(&[bank, imitation], closed(&[])), Some(bank));
    assert_eq!(fallback(&[bank, imitation], closed(&[Provider::Tbank])), Some(bank));
    assert_eq!(fallback(&[imitation, bank], closed(&[Provider::DevFake])), Some(bank));
    assert_eq!(fallback(&[imitation, bank], closed(&[Provider::DevFake, Provider::Tbank])), Some(imitation));
    assert_eq!(fallback(&[], closed(&[])), None);
}
