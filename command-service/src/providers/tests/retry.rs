//! Few repetitions, of the right calls, within the bound; and the breakers behind them.

use shared::domain::payment::ProviderStatus;
use tokio::time::Instant;

use super::{
    scripted::{Answer, Fails, Says, Scripted},
    *,
};

fn confirm_request() -> ConfirmRequest {
    ConfirmRequest { provider_payment_id: "p-1".to_owned(), amount: Money::rub(50_000) }
}

fn cancel_request() -> CancelRequest {
    CancelRequest {
        provider_payment_id: "p-1".to_owned(),
        amount: None,
        external_request_id: "r-1".to_owned(),
        repeatable: true,
    }
}

/// How many attempts it takes until the outcome, when the first one fails with this class.
async fn attempts(operation: Operation, class: ErrorClass) -> usize {
    let script: &[Answer] = &[Fails(class), Says(ProviderStatus::Confirmed)];
    let (provider, witness) = guarded(Scripted::new(&[(operation, script)]), patient(), &clock());
    match operation {
        Operation::Confirm => drop(provider.confirm(&ctx(), &confirm_request()).await),
        Operation::Cancel => drop(provider.cancel(&ctx(), &cancel_request()).await),
        _ => drop(provider.get_state(&ctx(), "p-1").await),
    }
    witness.count(operation)
}

#[tokio::test]
async fn only_what_is_safe_to_repeat_is_repeated() {
    for operation in [Operation::Confirm, Operation::Cancel, Operation::GetState] {
        assert_eq!(attempts(operation, ErrorClass::NotSent).await, 2, "{operation:?}");
        assert_eq!(attempts(operation, ErrorClass::Transient).await, 2, "{operation:?}");
        for class in [
            ErrorClass::RateLimited { retry_after: Duration::ZERO },
            ErrorClass::Declined { customer_retryable: true },
            ErrorClass::InvalidRequest,
            ErrorClass::Config,
            ErrorClass::StateConflict,
            ErrorClass::RefundDeferred { until: None },
        ] {
            assert_eq!(attempts(operation, class).await, 1, "{operation:?} {class:?}");
        }
    }
    assert_eq!(attempts(Operation::Confirm, ErrorClass::OutcomeUnknown).await, 1);
    assert_eq!(attempts(Operation::Cancel, ErrorClass::OutcomeUnknown).await, 1);
    assert_eq!(attempts(Operation::GetState, ErrorClass::OutcomeUnknown).await, 2);
}

#[tokio::test]
async fn a_refund_that_the_route_cannot_recognise_is_not_repeated() {
    let script: &[Answer] = &[Fails(ErrorClass::Transient), Says(ProviderStatus::Refunded)];
    let (provider, witness) = guarded(Scripted::without_names(&[(Operation::Cancel, script)]), patient(), &clock());
    provider.cancel(&ctx(), &cancel_request()).await.unwrap_err();
    assert_eq!(witness.count(Operation::Cancel), 1);
}

#[tokio::test(start_paused = true)]
async fn three_attempts_at_most_with_waits_up_to_one_and_two_seconds() {
    let settings = GuardSettings { breaker: patient().breaker, ..GuardSettings::default() };
    let (provider, witness) = guarded(Scripted::new(&[]), settings, &clock());
    let started = Instant::now();
    provider.get_state(&ctx(), "p-1").await.unwrap_err();
    assert_eq!(witness.count(Operation::GetState), 3);
    assert_eq!(*witness.retries.lock(), [2, 3]);
    // Timers have a resolution of a millisecond.
    assert!(started.elapsed() <= Duration::from_millis(3_005));
}

#[tokio::test(start_paused = true)]
async fn everything_together_takes_eight_seconds_at_most() {
    for takes in [3, 5, 20] {
        let settings = GuardSettings { breaker: patient().breaker, ..GuardSettings::default() };
        let slow = Scripted::slow(&[], Duration::from_secs(takes));
        let (provider, _) = guarded(slow, settings, &clock());
        let started = Instant::now();
        provider.get_state(&ctx(), "p-1").await.unwrap_err();
        assert!(started.elapsed() <= Duration::from_millis(8_005), "{takes}: {:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_unknown() {
    let (provider, _) = guarded(Scripted::slow(&[], Duration::from_secs(600)), patient(), &clock());
    let call = CallCtx::within(Duration::from_secs(2), Uuid::now_v7());
    let started = Instant::now();
    let error = provider.confirm(&call, &confirm_request()).await.unwrap_err();
    assert_eq!(error.as_str(), "outcome_unknown");
    assert!(started.elapsed() <= Duration::from_millis(2_005));
}

#[tokio::test]
async fn what_was_uncertain_stays_uncertain() {
    let script: &[Answer] = &[Fails(ErrorClass::Transient), Fails(ErrorClass::NotSent), Fails(ErrorClass::NotSent)];
    let (provider, _) = guarded(Scripted::new(&[(Operation::Cancel, script)]), patient(), &clock());
    let error = provider.cancel(&ctx(), &cancel_request()).await.unwrap_err();
    assert_eq!(error.as_str(), "transient");
}

#[tokio::test]
async fn an_open_breaker_sends_nothing_and_leaves_the_other_groups_alone() {
    let clock = clock();
    let settings = GuardSettings { breaker: BreakerSettings::default(), ..patient() };
    let script: &[Answer] = &[Says(ProviderStatus::Confirmed)];
    let (provider, witness) = guarded(Scripted::new(&[(Operation::Confirm, script)]), settings, &clock);
    for _ in 0..2 {
        provider.get_state(&ctx(), "p-1").await.unwrap_err();
    }
    let error = provider.get_state(&ctx(), "p-1").await.unwrap_err();
    assert_eq!(error, CallError::Unavailable { retry_after: Duration::from_secs(60) });
    assert_eq!(witness.calls.lock().iter().filter(|(_, class)| *class == "not_sent").count(), 5);
    assert_eq!(*witness.circuits.lock(), [(OperationGroup::Query, BreakerState::Open)]);
    provider.confirm(&ctx(), &confirm_request()).await.unwrap();
    let states = provider.circuits().map(|(_, state)| state);
    assert_eq!(states, [BreakerState::Closed, BreakerState::Open, BreakerState::Closed]);
}

#[tokio::test]
async fn our_own_lateness_is_not_held_against_the_provider() {
    let settings = GuardSettings { breaker: BreakerSettings::default(), ..patient() };
    let (provider, witness) = guarded(Scripted::new(&[]), settings, &clock());
    let late = CallCtx::within(Duration::ZERO, Uuid::now_v7());
    for _ in 0..10 {
        provider.get_state(&late, "p-1").await.unwrap_err();
    }
    assert_eq!(witness.count(Operation::GetState), 0);
    assert_eq!(provider.breaker(OperationGroup::Query).state(), BreakerState::Closed);
}
