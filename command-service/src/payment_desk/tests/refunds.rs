//! Refunds where the bank knows no names: what was not written down was not sent.

use shared::domain::{
    RefundId,
    payment::{PaymentRefundFailed, PaymentRefundRequested, PaymentRefundSource, PaymentSucceeded, RefundState},
};

use super::*;

const REFUND: RefundId = RefundId(Uuid::from_u128(11));

fn by_faster_payments(keeps_as: Option<ErrorClass>) -> Arc<Refusing> {
    let mut bank = Refusing::standing_at(ProviderStatus::Confirmed);
    bank.capabilities.idempotent_refund = RefundNames::OnCards;
    (bank.route, bank.keeps_as) = (Route::Sbp, keeps_as);
    Arc::new(bank)
}

/// A payment of which all is to go back, and what became of that so far.
fn owing(so_far: &[PaymentEvent]) -> Payment {
    let amount = Money::rub(10_000);
    let succeeded = PaymentSucceeded {
        provider_payment_id: "bank-7".to_owned(),
        amount,
        source: EvidenceSource::Webhook,
        late: false,
    };
    let source = PaymentRefundSource::OrderRefund;
    let requested = PaymentRefundRequested { refund_id: REFUND, amount, source };
    of([initiated(), succeeded.into(), requested.into()].into_iter().chain(so_far.iter().cloned()))
}

/// Does the refund as the executor would; says what the payment heard.
async fn give_back(bank: &Arc<Refusing>, payment: &mut Payment, cause: &Cause) -> Vec<&'static str> {
    let (desk, mut run, mut heard) = (bank.desk(), EffectRun::of(cause), Vec::new());
    loop {
        let announced = run.announced;
        let news = desk.perform(Effect::Refund(PAYMENT), payment, cause, &mut run).await.unwrap();
        heard.extend(hear(payment, news).iter().map(PaymentEvent::type_name));
        if run.announced == announced {
            return heard;
        }
    }
}

#[tokio::test]
async fn a_refund_that_was_put_off_is_sent_again_by_its_timer() {
    let put_off = PaymentRefundFailed {
        refund_id: REFUND,
        epoch: 1,
        code: Some("3029".to_owned()),
        retry_at: Some(crate::testing::now()),
    };
    let bank = by_faster_payments(None);
    let heard = give_back(&bank, &mut owing(&[put_off.into()]), &cause(true)).await;
    assert_eq!(heard, ["payment_refund_submitted", "payment_refund_succeeded"]);
    assert_eq!(*bank.cancelled_as.lock(), [format!("{REFUND}-2")]);
}

#[tokio::test]
async fn a_refund_that_a_leader_inherits_is_sent() {
    let bank = by_faster_payments(None);
    let heard = give_back(&bank, &mut owing(&[]), &cause(false)).await;
    assert_eq!(heard, ["payment_refund_submitted", "payment_refund_succeeded"]);
}

#[tokio::test]
async fn a_refund_that_never_reached_the_bank_is_put_off_and_not_in_doubt() {
    let bank = by_faster_payments(Some(ErrorClass::NotSent));
    let mut payment = owing(&[]);
    let heard = give_back(&bank, &mut payment, &cause(true)).await;
    assert_eq!(heard, ["payment_refund_submitted", "payment_refund_failed"]);
    assert!(matches!(payment.refunds()[0].state, RefundState::Failed { epoch: 1, retry_at: Some(_) }));
}

#[tokio::test]
async fn whoever_was_killed_after_the_announcement_leaves_a_doubt_and_nobody_sends_it_again() {
    let bank = by_faster_payments(None);
    let mut payment = owing(&[]);
    let mut killed = EffectRun::of(&cause(false));
    let news = bank.desk().perform(Effect::Refund(PAYMENT), &payment, &cause(false), &mut killed).await.unwrap();
    hear(&mut payment, news);
    let heard = give_back(&bank, &mut payment, &cause(false)).await;
    assert_eq!(heard, ["payment_refund_unknown"]);
    assert!(bank.cancelled_as.lock().is_empty());
}
