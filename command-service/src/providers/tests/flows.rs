//! Opening, calling off and taking, under lost answers.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use shared::domain::{
    PaymentId,
    payment::{AbortOutcome, CaptureMode, EvidenceSource, FailureReason, ProviderStatus},
};
use tokio::sync::mpsc;

use super::{
    scripted::{Answer, Fails, HasNothing, Says, Scripted},
    *,
};
use crate::providers::dev_fake::{Delivery, DevFake, DevFakeNotification, DevFakeOptions};

pub struct Shop {
    pub bank: Arc<DevFake>,
    pub provider: GuardedProvider,
    pub witness: Arc<Witness>,
    pub clock: Clock,
    _heard: mpsc::Receiver<DevFakeNotification>,
}

pub fn shop() -> Shop {
    shop_with(patient(), true)
}

pub fn shop_with(settings: GuardSettings, idempotent_refund: bool) -> Shop {
    let clock = clock();
    let (notifications, heard) = mpsc::channel(64);
    let options = DevFakeOptions { idempotent_refund, ..DevFakeOptions::new(false, "http://bank") };
    let bank = Arc::new(DevFake::in_memory(options, clock.clone(), notifications).unwrap());
    let (provider, witness) = guarded(Arc::clone(&bank) as _, settings, &clock);
    Shop { bank, provider, witness, clock, _heard: heard }
}

impl Shop {
    async fn open(&self, kopecks: i64) -> (PaymentId, Opened) {
        let payment_id = PaymentId(Uuid::new_v4());
        let opened = open_session(&self.provider, &ctx(), request(payment_id, kopecks, &self.clock)).await;
        (payment_id, opened)
    }

    pub async fn paid(&self, kopecks: i64) -> (PaymentId, String) {
        let (payment_id, opened) = self.open(kopecks).await;
        let Opened::Opened { session, .. } = opened else { panic!("{opened:?}") };
        self.bank.complete(payment_id, Delivery::default()).await.unwrap();
        (payment_id, session.provider_payment_id)
    }
}

fn request(payment_id: PaymentId, kopecks: i64, clock: &Clock) -> OpenSession {
    OpenSession {
        payment_id,
        amount: Money::rub(kopecks),
        description: "an order".to_owned(),
        return_url: "http://shop".to_owned(),
        expires_at: clock.now() + TimeDelta::minutes(30),
        capture_mode: CaptureMode::OnPayment,
        customer_key: None,
        metadata: BTreeMap::new(),
        init_try: 1,
        sent_before: false,
    }
}

async fn open_against(script: &[(Operation, &[Answer])]) -> (Opened, Vec<String>) {
    let bank = Scripted::new(script);
    let clock = clock();
    let (provider, _) = guarded(Arc::clone(&bank) as _, patient(), &clock);
    let opened = open_session(&provider, &ctx(), request(PaymentId(Uuid::nil()), 50_000, &clock)).await;
    let inits = bank.inits.lock().iter().map(|order_ref| order_ref[32..].to_owned()).collect();
    (opened, inits)
}

#[tokio::test]
async fn a_page_is_opened() {
    let (payment_id, opened) = shop().open(50_000).await;
    let Opened::Opened { session, init_try: 1 } = opened else { panic!("{opened:?}") };
    assert_eq!(session.provider_payment_id, format!("fake-{}", payment_id.provider_order_ref(1)));
}

#[tokio::test]
async fn s04_nothing_was_made_so_the_next_try_has_a_new_reference() {
    let (_, opened) = shop().open(50_004).await;
    assert!(matches!(opened, Opened::Opened { init_try: 2, .. }), "{opened:?}");
}

#[tokio::test]
async fn s05_the_orphan_is_withdrawn_before_the_next_try() {
    let shop = shop();
    let (payment_id, opened) = shop.open(50_005).await;
    assert!(matches!(opened, Opened::Opened { init_try: 2, .. }), "{opened:?}");
    let orphan = shop.provider.check_order(&ctx(), &payment_id.provider_order_ref(1)).await.unwrap();
    assert_eq!(orphan[0].status, Some(ProviderStatus::Cancelled));
}

#[tokio::test]
async fn s14_a_broken_bank_opens_the_breaker_and_the_attempt_fails() {
    let shop = shop_with(GuardSettings { breaker: BreakerSettings::default(), ..patient() }, true);
    let (payment_id, opened) = shop.open(50_014).await;
    assert_eq!(opened, Opened::Unknown { init_try: 3 });

    let again = OpenSession { init_try: 3, sent_before: true, ..request(payment_id, 50_014, &shop.clock) };
    let opened = open_session(&shop.provider, &ctx(), again.clone()).await;
    let Opened::Failed { reason: FailureReason::ProviderUnavailable, code, retry_after } = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(code.as_deref(), Some("circuit_breaker_open"));
    assert_eq!(retry_after, Some(Duration::from_secs(60)));
    assert_eq!(*shop.witness.circuits.lock(), [(OperationGroup::Init, BreakerState::Open)]);

    shop.clock.advance(TimeDelta::seconds(60));
    let opened = open_session(&shop.provider, &ctx(), again).await;
    assert!(matches!(opened, Opened::Opened { .. }), "{opened:?}");
}

#[tokio::test]
async fn money_behind_a_lost_answer_is_found() {
    let unknown: &[Answer] = &[Fails(ErrorClass::OutcomeUnknown)];
    let paid: &[Answer] = &[Says(ProviderStatus::Confirmed)];
    let (opened, inits) = open_against(&[(Operation::Init, unknown), (Operation::CheckOrder, paid)]).await;
    assert!(matches!(opened, Opened::Found { init_try: 1, .. }), "{opened:?}");
    assert_eq!(inits, ["-01"]);
}

#[tokio::test]
async fn nobody_tries_again_while_the_first_try_is_in_doubt() {
    let unknown: &[Answer] = &[Fails(ErrorClass::OutcomeUnknown)];
    let made: &[Answer] = &[Says(ProviderStatus::New)];
    let cancel: &[Answer] = &[Fails(ErrorClass::OutcomeUnknown)];
    let script = [(Operation::Init, unknown), (Operation::CheckOrder, made), (Operation::Cancel, cancel)];
    let (opened, inits) = open_against(&script).await;
    assert_eq!(opened, Opened::Unknown { init_try: 1 });
    assert_eq!(inits, ["-01"]);
}

#[tokio::test]
async fn definite_noes_fail_the_attempt() {
    for (class, reason) in [
        (ErrorClass::NotSent, FailureReason::ProviderUnavailable),
        (ErrorClass::Transient, FailureReason::ProviderUnavailable),
        (ErrorClass::Declined { customer_retryable: false }, FailureReason::Declined),
        (ErrorClass::InvalidRequest, FailureReason::ProviderRejected),
        (ErrorClass::Config, FailureReason::ProviderRejected),
    ] {
        let script: Vec<Answer> = vec![Fails(class); 3];
        let (opened, _) = open_against(&[(Operation::Init, &script)]).await;
        assert_eq!(opened, Opened::Failed { reason, code: None, retry_after: None }, "{class:?}");
    }
}

fn attempt(payment_id: PaymentId, provider_payment_id: Option<String>) -> AbortAttempt {
    AbortAttempt { payment_id, amount: Money::rub(50_000), provider_payment_id, init_try: 1 }
}

#[tokio::test]
async fn an_open_page_is_withdrawn_and_one_that_never_was_needs_nothing() {
    let shop = shop();
    let (payment_id, _) = shop.open(50_000).await;
    let over = Aborted::Ended(AbortOutcome::Cancelled);
    assert_eq!(abort(&shop.provider, &ctx(), &attempt(payment_id, None)).await, over);
    assert_eq!(abort(&shop.provider, &ctx(), &attempt(payment_id, None)).await, over);
    assert_eq!(abort(&shop.provider, &ctx(), &attempt(PaymentId(Uuid::new_v4()), None)).await, over);
}

#[tokio::test]
async fn money_that_is_there_already_is_reported_and_stays() {
    let shop = shop();
    let (payment_id, provider_payment_id) = shop.paid(50_000).await;
    let aborted = abort(&shop.provider, &ctx(), &attempt(payment_id, Some(provider_payment_id))).await;
    let Aborted::Reported(report) = aborted else { panic!("{aborted:?}") };
    assert_eq!((report.status, report.source), (ProviderStatus::Confirmed, EvidenceSource::Poll));
    assert_eq!(shop.bank.balance(payment_id).await.unwrap().returned_minor, 0);
}

async fn abort_against(script: &[(Operation, &[Answer])]) -> (Aborted, Vec<String>) {
    let bank = Scripted::new(script);
    let (provider, _) = guarded(Arc::clone(&bank) as _, patient(), &clock());
    let aborted = abort(&provider, &ctx(), &attempt(PaymentId(Uuid::nil()), Some("p-1".to_owned()))).await;
    let names = bank.cancelled_as.lock().clone();
    (aborted, names)
}

fn returned(source: EvidenceSource) -> Aborted {
    Aborted::Ended(AbortOutcome::Returned { provider_payment_id: "p-1".to_owned(), amount: Money::rub(50_000), source })
}

#[tokio::test]
async fn a_customer_who_was_faster_gets_the_money_back() {
    let open: &[Answer] = &[Says(ProviderStatus::New)];
    let refunded: &[Answer] = &[Says(ProviderStatus::Refunded)];
    let (aborted, names) = abort_against(&[(Operation::GetState, open), (Operation::Cancel, refunded)]).await;
    assert_eq!(aborted, returned(EvidenceSource::Response));
    // Not under the name of the refund that follows if the money comes after all: the bank would take that refund for a
    // repetition of the withdrawal.
    let refund_id = shared::domain::RefundId::of_unapplied(PaymentId(Uuid::nil()));
    assert_ne!(names, [refund_request_id(refund_id, 1)]);

    let held: &[Answer] = &[Says(ProviderStatus::Authorized)];
    let voided: &[Answer] = &[Says(ProviderStatus::Voided)];
    let (aborted, _) = abort_against(&[(Operation::GetState, held), (Operation::Cancel, voided)]).await;
    assert_eq!(aborted, Aborted::Ended(AbortOutcome::Voided));
}

#[tokio::test]
async fn a_lost_answer_to_calling_off_is_looked_up() {
    let lost: &[Answer] = &[Fails(ErrorClass::OutcomeUnknown)];
    for (after, expected) in [
        (ProviderStatus::Cancelled, Aborted::Ended(AbortOutcome::Cancelled)),
        (ProviderStatus::Refunded, returned(EvidenceSource::Poll)),
        (ProviderStatus::New, Aborted::Nothing { because: "outcome_unknown".to_owned() }),
    ] {
        let states: &[Answer] = &[Says(ProviderStatus::New), Says(after)];
        let (aborted, names) = abort_against(&[(Operation::GetState, states), (Operation::Cancel, lost)]).await;
        assert_eq!(aborted, expected);
        assert_eq!(names.len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_to_call_off_leaves_the_page_to_its_deadline() {
    let shop = shop();
    let (payment_id, _) = shop.open(50_003).await;
    shop.bank.complete(payment_id, Delivery::default()).await.unwrap();
    let aborted = abort(&shop.provider, &ctx(), &attempt(payment_id, None)).await;
    assert_eq!(aborted, Aborted::Nothing { because: "state_conflict".to_owned() });
}

type Expected = fn(&Captured) -> bool;

#[tokio::test]
async fn a_lost_answer_to_taking_is_looked_up() {
    let held = ConfirmRequest { provider_payment_id: "p-1".to_owned(), amount: Money::rub(50_000) };
    let cases: [(ErrorClass, Answer, Expected); 5] = [
        (
            ErrorClass::OutcomeUnknown,
            Says(ProviderStatus::Confirmed),
            |captured| matches!(captured, Captured::Reported(report) if report.status == ProviderStatus::Confirmed),
        ),
        (ErrorClass::OutcomeUnknown, Says(ProviderStatus::Authorized), |captured| *captured == Captured::Unknown),
        (ErrorClass::OutcomeUnknown, HasNothing, |captured| *captured == Captured::Unknown),
        (
            ErrorClass::StateConflict,
            Says(ProviderStatus::Voided),
            |captured| matches!(captured, Captured::Reported(report) if report.status == ProviderStatus::Voided),
        ),
        (ErrorClass::Declined { customer_retryable: true }, HasNothing, |captured| {
            *captured == Captured::Failed { code: None }
        }),
    ];
    for (class, after, expected) in cases {
        let script: [(Operation, &[Answer]); 2] =
            [(Operation::Confirm, &[Fails(class)]), (Operation::GetState, &[after])];
        let (provider, witness) = guarded(Scripted::new(&script), patient(), &clock());
        let captured = capture(&provider, &ctx(), &held).await;
        assert!(expected(&captured), "{class:?} {captured:?}");
        assert_eq!(witness.count(Operation::Confirm), 1);
    }
}
