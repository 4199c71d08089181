//! The imitation bank keeps to its table of scenarios, and to its books.

mod books;
mod scenarios;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use shared::domain::{
    Money, PaymentId,
    payment::{CaptureMode, ProviderStatus},
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::*;
use crate::providers::{
    CallCtx, CancelRequest, Cancelled, InitRequest, PaymentProvider, PaymentState, ProviderError, Session,
};

struct Bank {
    fake: DevFake,
    clock: Clock,
    heard: mpsc::Receiver<DevFakeNotification>,
}

fn start_of_time() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn bank() -> Bank {
    bank_with(DevFakeOptions::new(false, "http://bank"))
}

fn bank_with(options: DevFakeOptions) -> Bank {
    let clock = Clock::stopped_at(start_of_time());
    let (notifications, heard) = mpsc::channel(64);
    Bank { fake: DevFake::in_memory(options, clock.clone(), notifications).unwrap(), clock, heard }
}

fn ctx() -> CallCtx {
    CallCtx::within(Duration::from_secs(5), Uuid::now_v7())
}

fn payment() -> PaymentId {
    PaymentId(Uuid::new_v4())
}

fn request(payment_id: PaymentId, init_try: u32, kopecks: i64) -> InitRequest {
    InitRequest {
        provider_order_ref: payment_id.provider_order_ref(init_try),
        amount: Money::rub(kopecks),
        description: "an order".to_owned(),
        return_url: "http://shop".to_owned(),
        expires_at: start_of_time() + TimeDelta::minutes(30),
        capture_mode: CaptureMode::OnPayment,
        customer_key: None,
        metadata: BTreeMap::new(),
    }
}

fn provider_payment_id(payment_id: PaymentId, init_try: u32) -> String {
    format!("fake-{}", payment_id.provider_order_ref(init_try))
}

impl Bank {
    async fn init(&self, payment_id: PaymentId, kopecks: i64) -> Result<Session, ProviderError> {
        self.fake.init(&ctx(), &request(payment_id, 1, kopecks)).await
    }

    /// A payment with a page.
    async fn opened(&self, kopecks: i64) -> PaymentId {
        let payment_id = payment();
        self.init(payment_id, kopecks).await.unwrap();
        payment_id
    }

    /// A payment whose money was taken.
    async fn paid(&mut self, kopecks: i64) -> PaymentId {
        let payment_id = self.opened(kopecks).await;
        self.pay(payment_id).await;
        self.news();
        payment_id
    }

    async fn pay(&self, payment_id: PaymentId) -> PaymentState {
        self.fake.complete(payment_id, Delivery::default()).await.unwrap()
    }

    async fn status(&self, payment_id: PaymentId) -> ProviderStatus {
        let state = self.fake.get_state(&ctx(), &provider_payment_id(payment_id, 1)).await.unwrap();
        state.status.unwrap()
    }

    async fn cancel(&self, payment_id: PaymentId, minor: Option<i64>, name: &str) -> Result<Cancelled, ProviderError> {
        let request = CancelRequest {
            provider_payment_id: provider_payment_id(payment_id, 1),
            amount: minor.map(Money::rub),
            external_request_id: name.to_owned(),
            repeatable: true,
        };
        self.fake.cancel(&ctx(), &request).await
    }

    async fn returned(&self, payment_id: PaymentId) -> i64 {
        self.fake.balance(payment_id).await.unwrap().returned_minor
    }

    /// The words of all notifications so far.
    fn news(&mut self) -> Vec<&'static str> {
        self.notifications().into_iter().map(|notification| notification.word).collect()
    }

    fn notifications(&mut self) -> Vec<DevFakeNotification> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}
