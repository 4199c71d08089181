//! What the providers tell without being asked: believed only after asking back where money is concerned.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use shared::{
    domain::{
        Actor, Intent, PaymentId,
        payment::{EvidenceSource, Payment, PaymentCommand, Provider, ProviderReport, ProviderStatus},
    },
    runtime::{BoxError, Clock, Metrics, metrics::Webhook},
};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    command_handler::{CommandError, CommandHandler, NoAnswer, Submission},
    payment_desk::PaymentDesk,
    providers::dev_fake::DevFakeNotification,
};

/// Notifications worked on side by side.
const SIDE_BY_SIDE: usize = 64;
const PROVIDER: Provider = Provider::DevFake;
/// How often a notification is tried again, and the rests in between: about a minute in all.
const TRIES_MAX: u32 = 9;
const REST_MIN: Duration = Duration::from_millis(100);
const REST_MAX: Duration = Duration::from_secs(15);
/// Results after which it may go better next time.
const FAILED: &str = "failed";
const NOT_CONFIRMED: &str = "not_confirmed";

/// Takes the notifications of the imitation bank in.
#[derive(Clone)]
pub struct Inbox {
    /// Payments.
    pub payments: CommandHandler<Payment>,
    /// The providers.
    pub desk: PaymentDesk,
    /// The time.
    pub clock: Clock,
    /// Metrics.
    pub metrics: Arc<Metrics>,
}

impl Inbox {
    /// Runs until `shutdown`.
    pub async fn run(
        self,
        notifications: Arc<Mutex<mpsc::Receiver<DevFakeNotification>>>,
        shutdown: CancellationToken,
    ) -> Result<(), BoxError> {
        let mut notifications = notifications.lock().await;
        let incoming = stream::poll_fn(|context| notifications.poll_recv(context));
        let work = incoming.for_each_concurrent(SIDE_BY_SIDE, |notification| async {
            let result = self.take_in(notification).await;
            self.metrics.webhooks.get_or_create(&Webhook { provider: PROVIDER.as_str(), result }).inc();
        });
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
        Ok(())
    }

    /// Takes one notification in; says what was done with it. Nobody sends it again, so it is not let go while the log or
    /// the provider cannot be reached for a moment.
    async fn take_in(&self, notification: DevFakeNotification) -> &'static str {
        let mut rest = REST_MIN;
        for _ in 0..TRIES_MAX {
            match self.try_to_take_in(notification.clone()).await {
                FAILED | NOT_CONFIRMED => tokio::time::sleep(rest).await,
                result => return result,
            }
            rest = (rest * 2).min(REST_MAX);
        }
        self.try_to_take_in(notification).await
    }

    async fn try_to_take_in(&self, notification: DevFakeNotification) -> &'static str {
        if !notification.genuine {
            return "bad_signature";
        }
        let Some((payment_id, _)) = PaymentId::parse_provider_order_ref(&notification.order_ref) else {
            return "unknown_reference";
        };
        let correlation_id = match self.payments.load(payment_id.0).await {
            Ok(Some(loaded)) => loaded.correlation_id,
            Ok(None) => return "unknown_reference",
            Err(error) => {
                tracing::warn!(payment.id = %payment_id, %error, "notification not taken in");
                return FAILED;
            }
        };
        let name = format!("{}:{}:{}", notification.provider_payment_id, notification.word, notification.delivery_no);
        let source_id = Uuid::new_v5(&payment_id.0, name.as_bytes());
        let report = if moves_money(notification.status) {
            match self.desk.confirm(PROVIDER, &notification.provider_payment_id, source_id).await {
                Ok(Some(report)) => report,
                Ok(None) => return "meaningless",
                Err(error) => {
                    tracing::warn!(payment.id = %payment_id, %error, "notification not confirmed");
                    return NOT_CONFIRMED;
                }
            }
        } else {
            heard(notification)
        };
        self.record(payment_id, correlation_id, source_id, self.desk.told(report)).await
    }

    async fn record(
        &self,
        id: PaymentId,
        correlation_id: Uuid,
        source_id: Uuid,
        command: PaymentCommand,
    ) -> &'static str {
        let submission = Submission {
            aggregate_id: id.0,
            is_new: false,
            command_id: source_id,
            fingerprint: None,
            expected_version: None,
            correlation_id,
            causation_id: source_id,
            request_id: None,
            traceparent: None,
            intent: Intent { actor: Actor::Provider(PROVIDER.as_str().to_owned()), now: self.clock.now(), command },
        };
        match self.payments.execute(submission, &NoAnswer).await {
            Ok(_) => "accepted",
            Err(CommandError::Refused(error)) => {
                tracing::info!(payment.id = %id, %error, "notification refused");
                "refused"
            }
            Err(error) => {
                tracing::warn!(payment.id = %id, %error, "notification not taken in");
                FAILED
            }
        }
    }
}

/// Whether a report in this status would move money in our books.
fn moves_money(status: ProviderStatus) -> bool {
    match status {
        ProviderStatus::Authorized
        | ProviderStatus::Confirming
        | ProviderStatus::Confirmed
        | ProviderStatus::Refunding
        | ProviderStatus::PartiallyRefunded
        | ProviderStatus::Refunded => true,
        ProviderStatus::New
        | ProviderStatus::FormShown
        | ProviderStatus::Processing
        | ProviderStatus::Cancelled
        | ProviderStatus::Expired
        | ProviderStatus::AuthFailed
        | ProviderStatus::Declined
        | ProviderStatus::Voided => false,
    }
}

fn heard(notification: DevFakeNotification) -> ProviderReport {
    ProviderReport {
        provider_payment_id: notification.provider_payment_id,
        order_ref: notification.order_ref,
        status: notification.status,
        provider_word: notification.word.to_owned(),
        amount: Some(notification.amount),
        source: EvidenceSource::Webhook,
        error_code: notification.error_code,
        customer_retryable: true,
    }
}
