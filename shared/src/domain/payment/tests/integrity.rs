//! Two administrators look at a contradiction of the provider's.

use super::*;
use crate::domain::ids::UserId;

const FIRST: u128 = 71;
const SECOND: u128 = 72;

fn deciding(given: &[PaymentEvent], admin: u128, decision: IntegrityDecision) -> Vec<&'static str> {
    let events = asked(given, admin, decision).unwrap();
    events.iter().map(PaymentEvent::type_name).collect()
}

fn asked(given: &[PaymentEvent], admin: u128, decision: IntegrityDecision) -> Result<Vec<PaymentEvent>, PaymentError> {
    let actor = Actor::Admin(UserId(Uuid::from_u128(admin)));
    replay(given).decide(&Intent { actor, now: minute(9), command: PaymentCommand::ResolveIntegrity { decision } })
}

/// The bank took 198.00 instead of 200.00.
fn contradicted() -> (Vec<PaymentEvent>, PaymentCommand) {
    let mut less = report(ProviderStatus::Confirmed);
    less.amount = Some(Money::rub(19_800));
    let mut history = history(PaymentStatus::AwaitingCustomer);
    happens(&mut history, telling(less.clone()));
    assert!(replay(&history).is_on_hold());
    (history, telling(less))
}

fn agreed(mut history: Vec<PaymentEvent>, decision: IntegrityDecision) -> Vec<PaymentEvent> {
    for admin in [FIRST, SECOND] {
        let events = asked(&history, admin, decision).unwrap();
        history.extend(events);
    }
    history
}

#[test]
fn nobody_is_their_own_second_pair_of_eyes() {
    use IntegrityDecision::*;
    let (mut history, _) = contradicted();
    let proposed = "payment_integrity_resolution_proposed";
    history.extend(asked(&history, FIRST, AcceptAsProvider).unwrap());
    assert_eq!(history.last().unwrap().type_name(), proposed);
    assert_eq!(deciding(&history, FIRST, AcceptAsProvider), Vec::<&str>::new());
    assert_eq!(deciding(&history, SECOND, RefundAll), [proposed], "another opinion is another proposal");
    assert_eq!(deciding(&history, FIRST, RefundAll), [proposed]);
    let expected = PaymentIntegrityResolved {
        decision: AcceptAsProvider,
        proposed_by: UserId(Uuid::from_u128(FIRST)),
        approved_by: UserId(Uuid::from_u128(SECOND)),
    };
    assert_eq!(asked(&history, SECOND, AcceptAsProvider), Ok(vec![expected.into()]));
}

#[test]
fn accepted_the_money_is_what_the_provider_says() {
    let (history, news) = contradicted();
    assert_eq!(names(&history, news.clone()), Ok(vec![]), "on hold nothing is believed");
    let mut history = agreed(history, IntegrityDecision::AcceptAsProvider);
    assert!(!replay(&history).is_on_hold());
    happens(&mut history, news);
    assert_eq!(replay(&history).captured(), Some(Money::rub(19_800)));
    assert_eq!(names(&history, refunds::requesting(1, 19_801)), Err("refund_exceeds_captured"));
}

#[test]
fn refused_the_money_goes_back_whenever_it_comes() {
    let (history, news) = contradicted();
    let mut history = agreed(history, IntegrityDecision::RefundAll);
    assert!(replay(&history).is_unapplied());
    assert_eq!(names(&history, news.clone()), Ok(vec!["payment_succeeded", "payment_refund_requested"]));
    happens(&mut history, news);
    assert_eq!(replay(&history).refunds()[0].amount, Money::rub(19_800));
    // Money that was there before goes back at once.
    let mut more = report(ProviderStatus::Confirmed);
    more.amount = Some(Money::rub(20_100));
    let mut taken = self::history(PaymentStatus::Succeeded);
    happens(&mut taken, telling(more));
    let taken = agreed(taken, IntegrityDecision::RefundAll);
    let last: Vec<_> = taken.iter().rev().take(3).map(PaymentEvent::type_name).collect();
    assert_eq!(last, ["payment_refund_requested", "payment_unapplied", "payment_integrity_resolved"]);
}

#[test]
fn money_under_another_id_is_found_there() {
    let mut other = report(ProviderStatus::Confirmed);
    other.provider_payment_id = "other".into();
    let mut history = history(PaymentStatus::AwaitingCustomer);
    happens(&mut history, telling(other.clone()));
    let mut history = agreed(history, IntegrityDecision::AcceptAsProvider);
    assert_eq!(replay(&history).provider_payment_id(), Some("other"));
    assert_eq!(names(&history, hearing(ProviderStatus::Confirmed)), Ok(vec![]), "the old id is another payment now");
    happens(&mut history, telling(other));
    assert_eq!(replay(&history).captured(), Some(price()));
}

#[test]
fn without_a_contradiction_there_is_nothing_to_decide() {
    let sound = history(PaymentStatus::Succeeded);
    assert_eq!(asked(&sound, FIRST, IntegrityDecision::RefundAll), Err(PaymentError::NotOnHold));
    let (history, _) = contradicted();
    let history = agreed(history, IntegrityDecision::RefundAll);
    assert_eq!(asked(&history, SECOND, IntegrityDecision::RefundAll), Ok(vec![]), "said twice");
    assert_eq!(asked(&history, SECOND, IntegrityDecision::AcceptAsProvider), Err(PaymentError::NotOnHold));
}

#[test]
fn money_on_hold_that_paid_its_order_stays_the_orders_when_all_goes_back() {
    let mut given = [history(PaymentStatus::Succeeded), vec![reports::violation("amount", "1.00 RUB")]].concat();
    happens(&mut given, PaymentCommand::MarkApplied);
    assert!(replay(&given).is_on_hold() && replay(&given).is_applied());
    let resolve = |given: &[PaymentEvent], admin| {
        let command = PaymentCommand::ResolveIntegrity { decision: IntegrityDecision::RefundAll };
        let actor = Actor::Admin(UserId(Uuid::from_u128(admin)));
        replay(given).decide(&Intent { actor, now: minute(9), command }).unwrap()
    };
    given.extend(resolve(&given, 71));
    let agreed: Vec<&str> = resolve(&given, 72).iter().map(PaymentEvent::type_name).collect();
    assert_eq!(agreed, ["payment_integrity_resolved"], "the order owes it");
}
