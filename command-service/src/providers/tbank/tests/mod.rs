//! The adapter by the bank's published examples, and over the wire against a bank of our own.

mod calls;
mod codes;
mod faults;
mod notifications;
mod secrets;
mod token;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fake_bank::{BankOptions, FakeBank};
use shared::{
    domain::{Money, PaymentId, payment::CaptureMode},
    runtime::{Clock, Secret},
};
use uuid::Uuid;

use super::*;
use crate::providers::{CallCtx, InitRequest, PaymentProvider, Session};

const PASSWORD: &str = "p4ssw0rd-of-the-terminal";
const PREVIOUS: &str = "the-password-before";
const TERMINAL: &str = "TerminalOfTests";

fn options(api_url: &str) -> TbankOptions {
    TbankOptions {
        terminal_key: Secret::new(TERMINAL),
        password: Secret::new(PASSWORD),
        password_previous: Some(Secret::new(PREVIOUS)),
        api_url: api_url.to_owned(),
        notification_url: "http://127.0.0.1:9/nobody".to_owned(),
        networks: vec!["91.194.226.0/23".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        call_limit: Duration::from_secs(20),
    }
}

/// Both ends of the wire, at one time.
struct Wired {
    bank: FakeBank,
    tbank: Arc<Tbank>,
    clock: Clock,
}

async fn wired() -> Wired {
    let clock = Clock::stopped_at("2026-01-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap());
    let banks = clock.clone();
    let bank = FakeBank::start(BankOptions {
        terminal_key: TERMINAL.to_owned(),
        password: PASSWORD.to_owned(),
        now: Arc::new(move || banks.now()),
        ..BankOptions::default()
    });
    let bank = bank.await.unwrap();
    let tbank = Arc::new(Tbank::new(options(&bank.api_url()), clock.clone()).unwrap());
    Wired { bank, tbank, clock }
}

fn ctx() -> CallCtx {
    CallCtx::within(Duration::from_secs(20), Uuid::now_v7())
}

impl Wired {
    /// The same, and it waits no longer for an answer than this: for a bank that does not answer.
    fn waiting(&self, call_limit: Duration) -> Arc<Tbank> {
        let options = TbankOptions { call_limit, ..options(&self.bank.api_url()) };
        Arc::new(Tbank::new(options, self.clock.clone()).unwrap())
    }

    fn request(&self, payment_id: PaymentId, minor: i64, capture_mode: CaptureMode) -> InitRequest {
        InitRequest {
            provider_order_ref: payment_id.provider_order_ref(1),
            amount: Money::rub(minor),
            description: "Подарочная карта".to_owned(),
            return_url: "http://localhost/paid".to_owned(),
            expires_at: self.clock.now() + TimeDelta::minutes(30),
            capture_mode,
            customer_key: None,
            metadata: [("order".to_owned(), "7".to_owned())].into(),
        }
    }

    async fn opened(&self, minor: i64, capture_mode: CaptureMode) -> (PaymentId, Session) {
        let payment_id = PaymentId(Uuid::now_v7());
        let request = self.request(payment_id, minor, capture_mode);
        (payment_id, self.tbank.init(&ctx(), &request).await.unwrap())
    }

    async fn paid(&self, minor: i64) -> (PaymentId, String) {
        let (payment_id, session) = self.opened(minor, CaptureMode::OnPayment).await;
        self.bank.pay(&payment_id.0.to_string(), fake_bank::Telling::nothing()).await.unwrap();
        (payment_id, session.provider_payment_id)
    }
}
