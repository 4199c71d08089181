//! Every call over the wire, when all goes well.

use shared::domain::{
    Money, PaymentId,
    payment::{CaptureMode, ProviderStatus},
};
use uuid::Uuid;

use super::*;
use crate::providers::{CancelRequest, ConfirmRequest, ErrorClass, Route};

fn cancel(id: &str, minor: Option<i64>, name: &str) -> CancelRequest {
    CancelRequest {
        provider_payment_id: id.to_owned(),
        amount: minor.map(Money::rub),
        external_request_id: name.to_owned(),
        repeatable: true,
    }
}

#[tokio::test]
async fn a_page_is_opened_paid_and_looked_at() {
    let wired = wired().await;
    let (payment_id, session) = wired.opened(10_000, CaptureMode::OnPayment).await;
    assert_eq!(session.status, ProviderStatus::New);
    assert!(session.payment_url.starts_with(wired.bank.url()));
    let page = &wired.bank.payments()[0];
    assert_eq!((page.amount, page.two_stage), (10_000, false));
    assert_eq!(page.due, wired.clock.now() + TimeDelta::minutes(30));
    assert_eq!(page.order_id.len(), 35);
    wired.bank.pay(&payment_id.0.to_string(), fake_bank::Telling::nothing()).await.unwrap();
    let state = wired.tbank.get_state(&ctx(), &session.provider_payment_id).await.unwrap();
    assert_eq!((state.status, state.amount), (Some(ProviderStatus::Confirmed), Some(Money::rub(10_000))));
    assert_eq!((state.order_ref, state.route), (payment_id.provider_order_ref(1), Route::Card));
}

#[tokio::test]
async fn ids_and_success_are_read_however_they_are_written() {
    let wired = wired().await;
    for minor in [10_000, 20_000] {
        let (_, id) = wired.paid(minor).await;
        let state = wired.tbank.get_state(&ctx(), &id).await.unwrap();
        assert_eq!(state.provider_payment_id, id);
    }
}

#[tokio::test]
async fn held_money_is_taken_or_let_go() {
    let wired = wired().await;
    let (payment_id, session) = wired.opened(50_000, CaptureMode::OnAccept).await;
    let order_ref = payment_id.0.to_string();
    wired.bank.pay(&order_ref, fake_bank::Telling::nothing()).await.unwrap();
    let id = session.provider_payment_id;
    assert_eq!(wired.tbank.get_state(&ctx(), &id).await.unwrap().status, Some(ProviderStatus::Authorized));
    let confirm = ConfirmRequest { provider_payment_id: id.clone(), amount: Money::rub(50_000) };
    let taken = wired.tbank.confirm(&ctx(), &confirm).await.unwrap();
    assert_eq!((taken.status, taken.amount), (Some(ProviderStatus::Confirmed), Some(Money::rub(50_000))));
    assert_eq!(wired.tbank.confirm(&ctx(), &confirm).await.unwrap_err().class, ErrorClass::StateConflict);

    let (payment_id, session) = wired.opened(50_000, CaptureMode::OnAccept).await;
    wired.bank.pay(&payment_id.0.to_string(), fake_bank::Telling::nothing()).await.unwrap();
    let gone = wired.tbank.cancel(&ctx(), &cancel(&session.provider_payment_id, None, "x")).await.unwrap();
    assert_eq!((gone.status, gone.original_minor, gone.new_minor), (Some(ProviderStatus::Voided), 50_000, 0));
}

#[tokio::test]
async fn a_refund_by_card_is_recognised_by_its_name_and_one_by_sbp_is_not() {
    let wired = wired().await;
    let (payment_id, id) = wired.paid(50_000).await;
    for _ in 0..3 {
        let back = wired.tbank.cancel(&ctx(), &cancel(&id, Some(20_000), "r-1")).await.unwrap();
        assert_eq!((back.status, back.new_minor), (Some(ProviderStatus::PartiallyRefunded), 30_000));
    }
    assert_eq!(wired.bank.payments_of(&payment_id.0.to_string())[0].refunded, 20_000);

    let (payment_id, session) = wired.opened(50_000, CaptureMode::OnPayment).await;
    let order_ref = payment_id.0.to_string();
    wired.bank.pay_by_sbp(&order_ref, fake_bank::Telling::nothing()).await.unwrap();
    let id = session.provider_payment_id;
    for _ in 0..2 {
        wired.tbank.cancel(&ctx(), &cancel(&id, Some(20_000), "r-1")).await.unwrap();
    }
    assert_eq!(wired.bank.payments_of(&order_ref)[0].refunded, 40_000);
    let state = wired.tbank.refund_state(&ctx(), &id).await.unwrap();
    assert_eq!((state.route, state.status), (Route::Sbp, Some(ProviderStatus::PartiallyRefunded)));
    assert_eq!(wired.bank.calls(fake_bank::Operation::GetQrState), 1);
}

#[tokio::test]
async fn what_was_opened_under_a_reference_is_found() {
    let wired = wired().await;
    let (payment_id, _) = wired.opened(10_000, CaptureMode::OnPayment).await;
    let found = wired.tbank.check_order(&ctx(), &payment_id.provider_order_ref(1)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].order_ref, payment_id.provider_order_ref(1));
    let nobody = PaymentId(Uuid::now_v7()).provider_order_ref(1);
    assert!(wired.tbank.check_order(&ctx(), &nobody).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_page_that_was_withdrawn_or_died_says_so() {
    let wired = wired().await;
    let (_, session) = wired.opened(10_000, CaptureMode::OnPayment).await;
    let id = session.provider_payment_id;
    let gone = wired.tbank.cancel(&ctx(), &cancel(&id, None, "x")).await.unwrap();
    assert_eq!(gone.status, Some(ProviderStatus::Cancelled));
    let (_, session) = wired.opened(10_000, CaptureMode::OnPayment).await;
    wired.clock.advance(TimeDelta::minutes(31));
    let state = wired.tbank.get_state(&ctx(), &session.provider_payment_id).await.unwrap();
    assert_eq!(state.status, Some(ProviderStatus::Expired));
}

#[tokio::test]
async fn a_refusal_of_the_customer_says_whether_the_card_may_be_tried_again() {
    let wired = wired().await;
    for (code, retryable) in [("1051", true), ("1041", false)] {
        let (payment_id, session) = wired.opened(10_000, CaptureMode::OnPayment).await;
        wired.bank.decline(&payment_id.0.to_string(), code, fake_bank::Telling::nothing()).await.unwrap();
        let state = wired.tbank.get_state(&ctx(), &session.provider_payment_id).await.unwrap();
        assert_eq!((state.status, state.customer_retryable), (Some(ProviderStatus::Declined), retryable));
    }
}

#[tokio::test]
async fn other_money_than_roubles_is_not_asked_for() {
    let wired = wired().await;
    let mut request = wired.request(PaymentId(Uuid::now_v7()), 10_000, CaptureMode::OnPayment);
    request.amount = Money::from_minor(10_000, shared::domain::Currency::USD).unwrap();
    assert_eq!(wired.tbank.init(&ctx(), &request).await.unwrap_err().class, ErrorClass::InvalidRequest);
    assert_eq!(wired.bank.calls(fake_bank::Operation::Init), 0);
}
