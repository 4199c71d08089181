//! What is written down when a provider says one thing and did another.

mod refunds;

use parking_lot::Mutex;
use shared::domain::{
    Actor, Currency, Intent, Money, OrderId,
    payment::{
        CaptureMode, PaymentAbortRequested, PaymentAuthorized, PaymentCaptureRequested, PaymentEvent, PaymentInitiated,
        PaymentSessionOpened, Purpose,
    },
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
    /// How it refuses to take held money.
    refuses_as: ErrorClass,
    /// How it refuses to let go and to give back, if it does.
    keeps_as: Option<ErrorClass>,
    route: Route,
    /// Whether it finds a page by our reference.
    finds_pages: bool,
    /// The names of what it was asked to let go or to give back.
    cancelled_as: Mutex<Vec<String>>,
}

impl Refusing {
    fn standing_at(stands_at: ProviderStatus) -> Self {
        let capabilities = Capabilities {
            void: true,
            partial_refund: true,
            idempotent_refund: RefundNames::Recognised,
            two_stage: true,
            currencies: vec![Currency::RUB],
            amount_min_minor: 1,
            amount_max_minor: 1_000_000,
        };
        let (refuses_as, route) = (ErrorClass::InvalidRequest, Route::Card);
        Self {
            capabilities,
            stands_at,
            refuses_as,
            keeps_as: None,
            route,
            finds_pages: false,
            cancelled_as: Mutex::default(),
        }
    }

    fn desk(self: &Arc<Self>) -> PaymentDesk {
        let clock = Clock::stopped_at(crate::testing::now());
        let bank: Arc<dyn PaymentProvider> = Arc::clone(self) as _;
        let guarded = GuardedProvider::new(bank, GuardSettings::default(), clock.clone(), Arc::new(Quiet));
        PaymentDesk::new(vec![Arc::new(guarded)], clock, PaymentPolicy::default())
    }
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
            route: self.route,
        })
    }

    async fn check_order(&self, ctx: &CallCtx, _: &str) -> Result<Vec<PaymentState>, ProviderError> {
        if self.finds_pages { Ok(vec![self.get_state(ctx, "bank-7").await?]) } else { Ok(Vec::new()) }
    }

    async fn confirm(&self, _: &CallCtx, _: &ConfirmRequest) -> Result<PaymentState, ProviderError> {
        Err(ProviderError::new(self.refuses_as, "no"))
    }

    async fn cancel(&self, _: &CallCtx, request: &CancelRequest) -> Result<Cancelled, ProviderError> {
        self.cancelled_as.lock().push(request.external_request_id.clone());
        if let Some(class) = self.keeps_as {
            return Err(ProviderError::new(class, "no"));
        }
        let (status, word) = match self.stands_at {
            ProviderStatus::Confirmed => (ProviderStatus::Refunded, "REFUNDED"),
            _ => (ProviderStatus::Voided, "REVERSED"),
        };
        Ok(Cancelled { status: Some(status), word: word.into(), original_minor: 10_000, new_minor: 0 })
    }

    async fn refund_state(&self, _: &CallCtx, id: &str) -> Result<PaymentState, ProviderError> {
        self.get_state(&CallCtx::within(CALL_LIMIT, Uuid::nil()), id).await
    }

    async fn health(&self, _: &CallCtx) -> Result<(), ProviderError> {
        Ok(())
    }
}

const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(7));

fn initiated() -> PaymentEvent {
    let initiated = PaymentInitiated {
        purpose: Purpose::Order { order_id: OrderId(Uuid::from_u128(1)) },
        amount: Money::rub(10_000),
        provider: Provider::DevFake,
        provider_order_ref: PAYMENT.provider_order_ref(1),
        return_url: "http://localhost".to_owned(),
        capture_mode: CaptureMode::OnAccept,
        expires_at: crate::testing::now(),
    };
    initiated.into()
}

/// A payment whose page was opened at that try, and whose held money is being taken.
fn being_captured(init_try: u32) -> Payment {
    let amount = Money::rub(10_000);
    let opened = PaymentSessionOpened {
        provider_payment_id: "bank-7".to_owned(),
        payment_url: "http://localhost".to_owned(),
        init_try,
    };
    let authorized = PaymentAuthorized {
        provider_payment_id: "bank-7".to_owned(),
        amount,
        source: EvidenceSource::Webhook,
        capture_before: crate::testing::now() + chrono::TimeDelta::days(6),
        late: false,
    };
    let requested = PaymentCaptureRequested { amount, operation_id: Uuid::from_u128(8) };
    of([initiated(), opened.into(), authorized.into(), requested.into()])
}

fn of(events: impl IntoIterator<Item = PaymentEvent>) -> Payment {
    events.into_iter().fold(Payment::default(), |mut payment, event| {
        cqrs_es::Aggregate::apply(&mut payment, event);
        payment
    })
}

/// A cause that an earlier process may have begun with: an event or a timer.
fn cause(is_timer: bool) -> Cause {
    Cause {
        manager: "test",
        source_id: Uuid::from_u128(9),
        causation_id: Uuid::from_u128(9),
        correlation_id: Uuid::from_u128(1),
        traceparent: None,
        may_be_repeated: true,
        is_timer,
    }
}

/// What the payment says to the news.
fn hear(payment: &mut Payment, news: Vec<PaymentCommand>) -> Vec<PaymentEvent> {
    let mut heard = Vec::new();
    for command in news {
        let intent = Intent { actor: Actor::system("test"), now: crate::testing::now(), command };
        for event in shared::domain::EventSourced::decide(payment, &intent).unwrap() {
            heard.push(event.clone());
            cqrs_es::Aggregate::apply(payment, event);
        }
    }
    heard
}

/// What the payment becomes after a refused capture at a bank where it stands at `stands_at`.
async fn after_refusal(stands_at: ProviderStatus, init_try: u32) -> PaymentStatus {
    let desk = Arc::new(Refusing::standing_at(stands_at)).desk();
    let mut payment = being_captured(init_try);
    let mut run = EffectRun::of(&cause(false));
    let news = desk.perform(Effect::Capture(PAYMENT), &payment, &cause(false), &mut run).await.unwrap();
    hear(&mut payment, news);
    payment.status().unwrap()
}

#[tokio::test]
async fn a_hold_that_the_bank_does_not_give_is_lifted() {
    assert_eq!(after_refusal(ProviderStatus::Authorized, 1).await, PaymentStatus::Failed);
}

#[tokio::test]
async fn a_hold_on_a_later_page_that_the_bank_does_not_give_is_lifted_too() {
    assert_eq!(after_refusal(ProviderStatus::Authorized, 2).await, PaymentStatus::Failed);
}

#[tokio::test]
async fn money_that_was_taken_is_booked_though_the_bank_refused_to_take_it_again() {
    assert_eq!(after_refusal(ProviderStatus::Confirmed, 1).await, PaymentStatus::Succeeded);
}

/// How often an effect is tried in one go at this bank, and what the payment hears in the end.
async fn until_it_gives_up(bank: Refusing, effect: Effect, cause: &Cause) -> (u32, Vec<PaymentEvent>) {
    let desk = Arc::new(bank).desk();
    let mut payment = match effect {
        Effect::Abort(_) => of([initiated(), PaymentAbortRequested { cause: "late".to_owned() }.into()]),
        _ => being_captured(1),
    };
    let mut run = EffectRun::of(cause);
    for _ in 0..20 {
        match desk.perform(effect, &payment, cause, &mut run).await {
            Ok(news) => return (run.attempt, hear(&mut payment, news)),
            Err(_) => run.attempt += 1,
        }
    }
    panic!("it goes on for ever");
}

#[tokio::test]
async fn held_money_that_cannot_be_had_is_left_to_a_timer_which_tries_once() {
    // The bank does not answer; it refuses to give the money and to let it go.
    for (refuses_as, keeps_as) in
        [(ErrorClass::NotSent, None), (ErrorClass::InvalidRequest, Some(ErrorClass::InvalidRequest))]
    {
        for (is_timer, tries) in [(false, CAPTURES_MAX), (true, 1)] {
            let bank = Refusing { refuses_as, keeps_as, ..Refusing::standing_at(ProviderStatus::Authorized) };
            let (tried, heard) = until_it_gives_up(bank, Effect::Capture(PAYMENT), &cause(is_timer)).await;
            assert_eq!(tried, tries);
            assert!(matches!(heard[..], [PaymentEvent::PaymentCapturePostponed(_)]), "{heard:?}");
        }
    }
}

#[tokio::test]
async fn an_attempt_that_cannot_be_called_off_is_left_to_a_timer_which_tries_once() {
    for (is_timer, tries) in [(false, ABORTS_MAX), (true, 1)] {
        let mut bank = Refusing::standing_at(ProviderStatus::FormShown);
        (bank.keeps_as, bank.finds_pages) = (Some(ErrorClass::InvalidRequest), true);
        let (tried, heard) = until_it_gives_up(bank, Effect::Abort(PAYMENT), &cause(is_timer)).await;
        assert_eq!(tried, tries);
        assert!(matches!(heard[..], [PaymentEvent::PaymentAbortPostponed(_)]), "{heard:?}");
    }
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
