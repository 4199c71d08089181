//! Money goes back once, whatever gets lost.

use chrono::TimeDelta;
use shared::domain::{
    RefundId,
    payment::{ProviderStatus, RefundOutcome},
};

use super::{
    flows::{shop, shop_with},
    scripted::{Answer, Fails, Says, Scripted},
    *,
};

fn attempt(provider_payment_id: &str, minor: i64) -> RefundAttempt {
    RefundAttempt {
        provider_payment_id: provider_payment_id.to_owned(),
        refund_id: RefundId(Uuid::from_u128(7)),
        epoch: 1,
        amount: Money::rub(minor),
        takes_the_rest: false,
        sent_before: false,
    }
}

#[tokio::test]
async fn s10_a_lost_answer_is_repeated_under_the_same_name() {
    let shop = shop();
    let (payment_id, id) = shop.paid(50_010).await;
    let outcome = refund(&shop.provider, &ctx(), &attempt(&id, 20_000)).await;
    assert_eq!(outcome, RefundOutcome::Succeeded);
    let balance = shop.bank.balance(payment_id).await.unwrap();
    assert_eq!((balance.returned_minor, balance.acts), (20_000, 1));
    assert_eq!(shop.witness.count(Operation::RefundState), 1);
}

#[tokio::test]
async fn s10_without_names_the_difference_tells() {
    let shop = shop_with(patient(), false);
    let (payment_id, id) = shop.paid(50_010).await;
    let outcome = refund(&shop.provider, &ctx(), &attempt(&id, 20_000)).await;
    assert_eq!(outcome, RefundOutcome::Succeeded);
    assert_eq!(shop.bank.balance(payment_id).await.unwrap().acts, 1);
}

#[tokio::test]
async fn s09_a_refusal_is_tried_again_under_a_new_name_when_its_time_has_come() {
    let shop = shop();
    let (payment_id, id) = shop.paid(50_009).await;
    let outcome = refund(&shop.provider, &ctx(), &attempt(&id, 50_009)).await;
    let retry_at = Some(shop.clock.now() + TimeDelta::hours(1));
    assert_eq!(outcome, RefundOutcome::Failed { code: Some("3029".to_owned()), retry_at });
    let next = RefundAttempt { epoch: 2, ..attempt(&id, 50_009) };
    assert_eq!(refund(&shop.provider, &ctx(), &next).await, RefundOutcome::Succeeded);
    assert_eq!(shop.bank.balance(payment_id).await.unwrap().returned_minor, 50_009);
}

#[tokio::test]
async fn a_refund_cleared_up_twice_goes_back_once() {
    let shop = shop();
    let (payment_id, id) = shop.paid(50_000).await;
    let again = RefundAttempt { sent_before: true, ..attempt(&id, 20_000) };
    for _ in 0..3 {
        assert_eq!(refund(&shop.provider, &ctx(), &again).await, RefundOutcome::Succeeded);
    }
    assert_eq!(shop.bank.balance(payment_id).await.unwrap().returned_minor, 20_000);
}

async fn refund_against(bank: Arc<Scripted>, attempt: RefundAttempt) -> (RefundOutcome, Vec<String>) {
    let (provider, _) = guarded(Arc::clone(&bank) as _, patient(), &clock());
    let outcome = refund(&provider, &ctx(), &attempt).await;
    let names = bank.cancelled_as.lock().clone();
    (outcome, names)
}

#[tokio::test]
async fn without_names_an_ambiguous_refund_is_left_to_a_person() {
    let lost: &[Answer] = &[Fails(ErrorClass::OutcomeUnknown)];
    for states in [
        // It may still come.
        [Says(ProviderStatus::Confirmed), Says(ProviderStatus::Confirmed)],
        // An earlier part may be all there is.
        [Says(ProviderStatus::PartiallyRefunded), Says(ProviderStatus::PartiallyRefunded)],
    ] {
        let bank = Scripted::without_names(&[(Operation::Cancel, lost), (Operation::RefundState, &states)]);
        let (outcome, names) = refund_against(bank, attempt("p-1", 20_000)).await;
        assert_eq!(outcome, RefundOutcome::Unknown);
        assert_eq!(names.len(), 1);
    }
}

#[tokio::test]
async fn while_nobody_answers_nothing_is_sent_again() {
    let lost: &[Answer] = &[Fails(ErrorClass::OutcomeUnknown)];
    let (outcome, names) = refund_against(Scripted::new(&[(Operation::Cancel, lost)]), attempt("p-1", 20_000)).await;
    assert_eq!(outcome, RefundOutcome::Unknown);
    assert_eq!(names.len(), 1);
}

#[tokio::test]
async fn a_repetition_keeps_its_name_and_ends() {
    let lost: Vec<Answer> = vec![Fails(ErrorClass::OutcomeUnknown); 10];
    let states: Vec<Answer> = vec![Says(ProviderStatus::Confirmed); 10];
    let bank = Scripted::new(&[(Operation::Cancel, &lost), (Operation::RefundState, &states)]);
    let (outcome, names) = refund_against(bank, attempt("p-1", 20_000)).await;
    assert_eq!(outcome, RefundOutcome::Unknown);
    assert_eq!(names, vec![refund_request_id(RefundId(Uuid::from_u128(7)), 1); 3]);
}

#[tokio::test]
async fn a_refusal_of_the_repetition_does_not_settle_the_first() {
    let cancels: &[Answer] = &[
        Fails(ErrorClass::OutcomeUnknown),
        Fails(ErrorClass::NotSent),
        Fails(ErrorClass::NotSent),
        Fails(ErrorClass::NotSent),
    ];
    let states: &[Answer] = &[Says(ProviderStatus::Confirmed)];
    let bank = Scripted::new(&[(Operation::Cancel, cancels), (Operation::RefundState, states)]);
    let (outcome, _) = refund_against(bank, attempt("p-1", 20_000)).await;
    assert_eq!(outcome, RefundOutcome::Unknown);
}

#[tokio::test]
async fn definite_noes_say_when_to_try_again() {
    let now = clock().now();
    let until = now + TimeDelta::hours(6);
    for (class, retry_at) in [
        (ErrorClass::RefundDeferred { until: Some(until) }, Some(until)),
        (ErrorClass::RefundDeferred { until: None }, None),
        (ErrorClass::RateLimited { retry_after: Duration::from_secs(90) }, Some(now + TimeDelta::seconds(90))),
        (ErrorClass::NotSent, Some(now + TimeDelta::seconds(60))),
        (ErrorClass::Config, Some(now + TimeDelta::hours(1))),
        (ErrorClass::StateConflict, Some(now + TimeDelta::seconds(60))),
        (ErrorClass::Declined { customer_retryable: true }, None),
        (ErrorClass::InvalidRequest, None),
    ] {
        let answers: Vec<Answer> = vec![Fails(class); 3];
        let bank = Scripted::new(&[(Operation::Cancel, &answers)]);
        let (outcome, _) = refund_against(bank, attempt("p-1", 20_000)).await;
        assert_eq!(outcome, RefundOutcome::Failed { code: Some(class.as_str().to_owned()), retry_at });
    }
}

#[tokio::test]
async fn what_a_clerk_gave_back_already_is_not_owed_any_more() {
    let refused: &[Answer] = &[Fails(ErrorClass::StateConflict)];
    let states: &[Answer] = &[Says(ProviderStatus::Refunded)];
    let bank = Scripted::new(&[(Operation::Cancel, refused), (Operation::RefundState, states)]);
    let whole = RefundAttempt { takes_the_rest: true, ..attempt("p-1", 50_000) };
    assert_eq!(refund_against(bank, whole).await.0, RefundOutcome::Succeeded);
}
