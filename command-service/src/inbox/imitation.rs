//! The imitation bank's notifications: they come over a channel and nobody sends them again.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use shared::{domain::payment::Provider, runtime::BoxError};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Inbox, News, Taken};
use crate::providers::dev_fake::DevFakeNotification;

/// Notifications worked on side by side.
const SIDE_BY_SIDE: usize = 64;
/// How often a notification is tried again, and the rests in between: about a minute in all.
const TRIES_MAX: u32 = 9;
const REST_MIN: Duration = Duration::from_millis(100);
const REST_MAX: Duration = Duration::from_secs(15);

impl Inbox {
    /// Takes the imitation bank's notifications in until `shutdown`.
    pub async fn run(
        self,
        notifications: Arc<Mutex<mpsc::Receiver<DevFakeNotification>>>,
        shutdown: CancellationToken,
    ) -> Result<(), BoxError> {
        let mut notifications = notifications.lock().await;
        let incoming = stream::poll_fn(|context| notifications.poll_recv(context));
        let work = incoming.for_each_concurrent(SIDE_BY_SIDE, |notification| self.hold_on_to(notification));
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
        Ok(())
    }

    /// It is not let go while the log or the provider cannot be reached for a moment.
    async fn hold_on_to(&self, notification: DevFakeNotification) {
        if !notification.genuine {
            return self.count(Provider::DevFake, "bad_signature");
        }
        let news = News::from(notification);
        let mut rest = REST_MIN;
        for _ in 0..TRIES_MAX {
            match self.take_in(news.clone()).await {
                Taken::Later(_) => tokio::time::sleep(rest).await,
                Taken::Done(_) | Taken::Parked(_) => return,
            }
            rest = (rest * 2).min(REST_MAX);
        }
        self.take_in(news).await;
    }
}

impl From<DevFakeNotification> for News {
    fn from(told: DevFakeNotification) -> Self {
        let name = format!("{}:{}:{}", told.provider_payment_id, told.word, told.delivery_no);
        Self {
            provider: Provider::DevFake,
            provider_payment_id: told.provider_payment_id,
            order_ref: told.order_ref,
            status: Some(told.status),
            word: told.word.to_owned(),
            amount: Some(told.amount),
            error_code: told.error_code,
            name: name.into_bytes(),
        }
    }
}
