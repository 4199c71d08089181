//! One test per row of the table of scenarios.

use super::*;
use crate::providers::{ConfirmRequest, ErrorClass};

#[test]
fn production_has_no_imitation_bank() {
    let (notifications, _heard) = mpsc::channel(1);
    let bank = DevFake::in_memory(DevFakeOptions::new(true, "http://bank"), Clock::system(), notifications);
    assert!(matches!(bank, Err(RefusedInProduction)));
}

#[test]
fn scenarios_are_chosen_by_kopecks_and_by_name() {
    for scenario in Scenario::ALL.iter().copied() {
        assert_eq!(Scenario::of_amount(Money::rub(45_000 + scenario.kopecks())), scenario);
        assert_eq!(Scenario::from_name(scenario.as_str()), Some(scenario));
        assert_eq!(Scenario::from_name(&format!(".{:02}", scenario.kopecks())), Some(scenario));
    }
    assert_eq!(Scenario::of_amount(Money::rub(45_050)), Scenario::Success);
    assert_eq!(Scenario::from_name("no_such_thing"), None);
}

#[tokio::test]
async fn a_named_scenario_outranks_the_amount() {
    let bank = bank();
    let payment_id = payment();
    let mut request = request(payment_id, 1, 50_000);
    request.metadata.insert(SCENARIO_KEY.to_owned(), "declined".to_owned());
    bank.fake.init(&ctx(), &request).await.unwrap();
    assert_eq!(bank.pay(payment_id).await.status, Some(ProviderStatus::Declined));

    request.metadata.insert(SCENARIO_KEY.to_owned(), "no_such_thing".to_owned());
    assert_eq!(bank.fake.init(&ctx(), &request).await.unwrap_err().class, ErrorClass::InvalidRequest);
}

#[tokio::test]
async fn s00_the_money_is_taken() {
    let mut bank = bank();
    let payment_id = bank.opened(50_000).await;
    assert_eq!(bank.status(payment_id).await, ProviderStatus::New);
    bank.pay(payment_id).await;
    assert_eq!(bank.status(payment_id).await, ProviderStatus::Confirmed);
    assert_eq!(bank.news(), ["CONFIRMED"]);
    let again = bank.fake.complete(payment_id, Delivery::default()).await;
    assert_eq!(again, Err(ControlError::IllegalState { word: "CONFIRMED" }));
}

#[tokio::test]
async fn s00_held_money_is_taken_later() {
    let mut bank = bank();
    let payment_id = payment();
    let held = InitRequest { capture_mode: CaptureMode::OnAccept, ..request(payment_id, 1, 50_000) };
    bank.fake.init(&ctx(), &held).await.unwrap();
    assert_eq!(bank.pay(payment_id).await.status, Some(ProviderStatus::Authorized));
    let confirm =
        |minor| ConfirmRequest { provider_payment_id: provider_payment_id(payment_id, 1), amount: Money::rub(minor) };
    assert_eq!(bank.fake.confirm(&ctx(), &confirm(50_001)).await.unwrap_err().class, ErrorClass::InvalidRequest);
    let taken = bank.fake.confirm(&ctx(), &confirm(40_000)).await.unwrap();
    assert_eq!((taken.status, taken.amount), (Some(ProviderStatus::Confirmed), Some(Money::rub(40_000))));
    assert_eq!(bank.fake.confirm(&ctx(), &confirm(40_000)).await.unwrap_err().class, ErrorClass::StateConflict);
    assert_eq!(bank.news(), ["AUTHORIZED", "CONFIRMED"]);
}

#[tokio::test]
async fn s01_and_s02_the_bank_says_no() {
    let mut bank = bank();
    for (kopecks, code) in [(50_001, "1005"), (50_002, "1051")] {
        let payment_id = bank.opened(kopecks).await;
        let state = bank.pay(payment_id).await;
        assert_eq!((state.status, state.error_code.as_deref()), (Some(ProviderStatus::Declined), Some(code)));
        assert_eq!(bank.news(), ["REJECTED"]);
    }
}

#[tokio::test]
async fn s03_the_customer_is_checked_first() {
    let mut bank = bank();
    let payment_id = bank.opened(50_003).await;
    assert_eq!(bank.pay(payment_id).await.status, Some(ProviderStatus::Processing));
    assert_eq!(bank.cancel(payment_id, None, "x").await.unwrap_err().class, ErrorClass::StateConflict);
    assert_eq!(bank.pay(payment_id).await.status, Some(ProviderStatus::Confirmed));
    assert_eq!(bank.news(), ["3DS_CHECKING", "CONFIRMED"]);
}

#[tokio::test]
async fn s04_the_first_init_does_nothing() {
    let bank = bank();
    let payment_id = payment();
    assert_eq!(bank.init(payment_id, 50_004).await.unwrap_err().class, ErrorClass::OutcomeUnknown);
    let made = bank.fake.check_order(&ctx(), &payment_id.provider_order_ref(1)).await.unwrap();
    assert_eq!(made, []);
    bank.init(payment_id, 50_004).await.unwrap();
}

#[tokio::test]
async fn s05_the_first_init_makes_a_page_and_says_nothing() {
    let bank = bank();
    let payment_id = payment();
    assert_eq!(bank.init(payment_id, 50_005).await.unwrap_err().class, ErrorClass::OutcomeUnknown);
    let made = bank.fake.check_order(&ctx(), &payment_id.provider_order_ref(1)).await.unwrap();
    assert_eq!(made.len(), 1);
    bank.fake.init(&ctx(), &request(payment_id, 2, 50_005)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s06_the_webhook_is_faster_than_init() {
    let mut bank = bank();
    let payment_id = payment();
    let init = request(payment_id, 1, 50_006);
    let call_ctx = ctx();
    let mut answer = std::pin::pin!(bank.fake.init(&call_ctx, &init));
    let first = tokio::select! {
        biased;
        notification = bank.heard.recv() => notification.unwrap().word,
        _ = &mut answer => "the answer",
    };
    assert_eq!(first, "CONFIRMED");
    assert_eq!(answer.await.unwrap().status, ProviderStatus::New);
    assert_eq!(bank.status(payment_id).await, ProviderStatus::Confirmed);
}

#[tokio::test]
async fn s07_everything_is_told_three_times() {
    let mut bank = bank();
    let payment_id = bank.opened(50_007).await;
    bank.pay(payment_id).await;
    let heard = bank.notifications();
    assert_eq!(heard.iter().map(|news| news.delivery_no).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(heard.iter().all(|news| news.word == "CONFIRMED" && news.genuine));
}

#[tokio::test]
async fn s08_the_later_news_comes_first() {
    let mut bank = bank();
    let payment_id = bank.opened(50_008).await;
    bank.pay(payment_id).await;
    assert_eq!(bank.news(), ["CONFIRMED", "AUTHORIZED"]);

    let payment_id = bank.opened(50_000).await;
    bank.fake.complete(payment_id, Delivery { reorder: true, ..Delivery::default() }).await.unwrap();
    assert_eq!(bank.news(), ["CONFIRMED", "AUTHORIZED"]);
}

#[tokio::test]
async fn s09_the_first_refund_is_refused() {
    let mut bank = bank();
    let payment_id = bank.paid(50_009).await;
    let until = Some(start_of_time() + TimeDelta::hours(1));
    let refused = bank.cancel(payment_id, Some(50_009), "r-1").await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::RefundDeferred { until });
    assert_eq!(bank.returned(payment_id).await, 0);
    let done = bank.cancel(payment_id, Some(50_009), "r-2").await.unwrap();
    assert_eq!(done.status, Some(ProviderStatus::Refunded));
}

#[tokio::test]
async fn s10_the_first_refund_is_done_and_says_nothing() {
    let mut bank = bank();
    let payment_id = bank.paid(50_010).await;
    assert_eq!(bank.cancel(payment_id, Some(10_000), "r-1").await.unwrap_err().class, ErrorClass::OutcomeUnknown);
    assert_eq!(bank.returned(payment_id).await, 10_000);
    let state = bank.cancel(payment_id, Some(10_000), "r-1").await.unwrap();
    assert_eq!((state.status, state.new_minor), (Some(ProviderStatus::PartiallyRefunded), 40_010));
    assert_eq!(bank.returned(payment_id).await, 10_000);
}

#[tokio::test]
async fn s11_another_amount_is_taken() {
    let mut bank = bank();
    let payment_id = bank.opened(50_011).await;
    let state = bank.pay(payment_id).await;
    assert_eq!(state.amount, Some(Money::rub(49_911)));
    assert_eq!(bank.notifications()[0].amount, Money::rub(49_911));
}

#[tokio::test]
async fn s12_the_customer_never_finishes() {
    let mut bank = bank();
    let payment_id = bank.opened(50_012).await;
    assert_eq!(bank.pay(payment_id).await.status, Some(ProviderStatus::FormShown));
    assert_eq!(bank.pay(payment_id).await.status, Some(ProviderStatus::FormShown));
    bank.clock.advance(TimeDelta::minutes(31));
    assert_eq!(bank.status(payment_id).await, ProviderStatus::Expired);
    assert_eq!(bank.news(), [""; 0]);
}

#[tokio::test]
async fn s13_the_money_comes_after_the_end() {
    let mut bank = bank();
    let payment_id = bank.opened(50_013).await;
    bank.fake.expire(payment_id, Delivery::default()).await.unwrap();
    assert_eq!(bank.pay(payment_id).await.status, Some(ProviderStatus::Confirmed));
    assert_eq!(bank.news(), ["DEADLINE_EXPIRED", "CONFIRMED"]);

    let withdrawn = bank.opened(50_013).await;
    assert_eq!(bank.cancel(withdrawn, None, "x").await.unwrap().status, Some(ProviderStatus::Cancelled));
    assert_eq!(bank.pay(withdrawn).await.status, Some(ProviderStatus::Confirmed));
}

#[tokio::test]
async fn s14_the_bank_breaks_down_five_times() {
    let bank = bank();
    let payment_id = payment();
    for _ in 0..5 {
        assert_eq!(bank.init(payment_id, 50_014).await.unwrap_err().class, ErrorClass::OutcomeUnknown);
    }
    bank.init(payment_id, 50_014).await.unwrap();
}

#[tokio::test]
async fn s15_a_stranger_writes_first() {
    let mut bank = bank();
    let payment_id = bank.opened(50_015).await;
    bank.pay(payment_id).await;
    let forged = bank.notifications();
    assert_eq!((forged.len(), forged[0].genuine, forged[0].word), (1, false, "CONFIRMED"));
    assert_eq!(bank.status(payment_id).await, ProviderStatus::FormShown);
    bank.pay(payment_id).await;
    assert!(bank.notifications()[0].genuine);
    assert_eq!(bank.status(payment_id).await, ProviderStatus::Confirmed);
}

#[tokio::test]
async fn s16_a_clerk_gives_the_money_back_once_we_saw_it() {
    let mut bank = bank();
    let payment_id = bank.paid(50_016).await;
    assert_eq!(bank.status(payment_id).await, ProviderStatus::Confirmed);
    assert_eq!(bank.news(), ["REFUNDED"]);
    assert_eq!(bank.status(payment_id).await, ProviderStatus::Refunded);
    assert_eq!(bank.returned(payment_id).await, 50_016);
}
