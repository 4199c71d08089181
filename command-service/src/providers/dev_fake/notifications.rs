//! What the bank tells without being asked.

use std::time::Duration;

use shared::domain::{Money, payment::ProviderStatus};
use tokio::sync::mpsc;

/// A notification as it arrives: perhaps late, again, out of order, or from a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevFakeNotification {
    /// The bank's own id of the payment.
    pub provider_payment_id: String,
    /// What we called it.
    pub order_ref: String,
    /// Where the payment stands, as far as this notification knows.
    pub status: ProviderStatus,
    /// The bank's own word for it.
    pub word: &'static str,
    /// The amount it names.
    pub amount: Money,
    /// The bank's code, if something failed.
    pub error_code: Option<String>,
    /// Whether the signature is right.
    pub genuine: bool,
    /// Which delivery of the same news this is, from 1.
    pub delivery_no: u32,
}

/// News before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub order_ref: String,
    pub provider_payment_id: String,
    pub status: ProviderStatus,
    pub word: &'static str,
    pub amount: Money,
    pub error_code: Option<String>,
    pub genuine: bool,
}

/// How news is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// How often; none leaves it to the scenario, and 0 tells nothing.
    pub webhooks: Option<u32>,
    /// How long after the deed.
    pub delay: Duration,
    /// The later news first.
    pub reorder: bool,
}

/// How long the bank tries to get rid of a notification. It does not come back later: who missed it has to ask.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Messenger {
    receiver: mpsc::Sender<DevFakeNotification>,
}

impl Messenger {
    pub fn new(receiver: mpsc::Sender<DevFakeNotification>) -> Self {
        Self { receiver }
    }

    pub async fn tell(&self, notices: Vec<Notice>, deliveries: u32, delay: Duration) {
        if notices.is_empty() || deliveries == 0 {
            return;
        }
        if delay.is_zero() {
            return self.tell_now(&notices, deliveries).await;
        }
        let messenger = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            messenger.tell_now(&notices, deliveries).await;
        });
    }

    async fn tell_now(&self, notices: &[Notice], deliveries: u32) {
        for notice in notices {
            for delivery_no in 1..=deliveries {
                self.send(notice.delivery(delivery_no)).await;
            }
        }
    }

    async fn send(&self, notification: DevFakeNotification) {
        let order_ref = notification.order_ref.clone();
        if self.receiver.send_timeout(notification, PATIENCE).await.is_err() {
            tracing::warn!(order_ref, "nobody took the notification of the imitation bank");
        }
    }
}

impl Notice {
    fn delivery(&self, delivery_no: u32) -> DevFakeNotification {
        DevFakeNotification {
            provider_payment_id: self.provider_payment_id.clone(),
            order_ref: self.order_ref.clone(),
            status: self.status,
            word: self.word,
            amount: self.amount,
            error_code: self.error_code.clone(),
            genuine: self.genuine,
            delivery_no,
        }
    }
}
