//! What the providers tell without being asked: a hint to look, believed only after asking back where it matters.
//!
//! Every provider's news goes through [`Inbox::take_in`]. DEV_FAKE's comes over a channel of this process
//! ([`imitation`]); T-Bank's is written to a table before it is answered ([`table`]) and worked on from there
//! ([`worker`]).

mod imitation;
mod table;
mod worker;

use std::sync::Arc;

use shared::{
    domain::{
        Actor, Intent, Money, PaymentId,
        payment::{EvidenceSource, Payment, PaymentCommand, Provider, ProviderReport, ProviderStatus},
    },
    runtime::{Clock, Metrics, metrics::Webhook},
};
use uuid::Uuid;

use crate::{
    command_handler::{CommandError, CommandHandler, NoAnswer, Submission},
    payment_desk::PaymentDesk,
};

pub use table::{InboxTable, Waiting};
pub use worker::InboxWorker;

/// News of a provider, before anybody believes it.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// Who says it.
    pub provider: Provider,
    /// The provider's own id of the payment.
    pub provider_payment_id: String,
    /// What we called it.
    pub order_ref: String,
    /// Where the payment stands, as far as it knows; none if its word means nothing.
    pub status: Option<ProviderStatus>,
    /// The provider's own word.
    pub word: String,
    /// The amount that it names.
    pub amount: Option<Money>,
    /// The provider's code, if something failed.
    pub error_code: Option<String>,
    /// Names the news: the same news has the same.
    pub name: Vec<u8>,
}

/// What was done with news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is done with.
    Done(&'static str),
    /// It may go better later.
    Later(&'static str),
    /// A person has to look.
    Parked(&'static str),
}

impl Taken {
    /// The stable name of what was done, for metrics and the table.
    pub fn result(self) -> &'static str {
        match self {
            Self::Done(result) | Self::Later(result) | Self::Parked(result) => result,
        }
    }
}

/// Takes news in. Cheap to clone.
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
    /// Takes news in once and says what was done with it.
    pub async fn take_in(&self, news: News) -> Taken {
        let taken = self.judge(&news).await;
        self.count(news.provider, taken.result());
        taken
    }

    /// Counts a notification by what was done with it.
    pub fn count(&self, provider: Provider, result: &'static str) {
        self.metrics.webhooks.get_or_create(&Webhook { provider: provider.as_str(), result }).inc();
    }

    async fn judge(&self, news: &News) -> Taken {
        let Some((payment_id, init_try)) = PaymentId::parse_provider_order_ref(&news.order_ref) else {
            return Taken::Parked("unknown_reference");
        };
        let loaded = match self.payments.load(payment_id.0).await {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return Taken::Parked("unknown_reference"),
            Err(error) => {
                tracing::warn!(payment.id = %payment_id, %error, "notification not taken in");
                return Taken::Later("failed");
            }
        };
        if loaded.aggregate.terms().is_none_or(|terms| terms.provider != news.provider) {
            return Taken::Parked("foreign");
        }
        let contradiction = contradiction(&loaded.aggregate, news, init_try);
        if let Some(field) = contradiction {
            tracing::error!(
                event = "notification_contradicts",
                payment.id = %payment_id,
                field,
                word = news.word,
                "a notification with a right signature does not fit what was asked; only the provider's own answer counts"
            );
        }
        let source_id = Uuid::new_v5(&payment_id.0, &news.name);
        let report = if contradiction.is_some() || news.status.is_none_or(matters) {
            match self.desk.confirm(news.provider, &news.provider_payment_id, source_id).await {
                Ok(Some(report)) if !is_about(&report, payment_id) => return Taken::Parked("contradicted"),
                Ok(Some(report)) => report,
                Ok(None) => return Taken::Done("meaningless"),
                Err(error) => {
                    tracing::warn!(payment.id = %payment_id, %error, "notification not confirmed");
                    return Taken::Later("not_confirmed");
                }
            }
        } else {
            match heard(news) {
                Some(report) => report,
                None => return Taken::Done("meaningless"),
            }
        };
        let taken = self.record(payment_id, loaded.correlation_id, source_id, self.desk.told(report), news).await;
        match taken {
            Taken::Done(_) if contradiction.is_some() => Taken::Done("contradicted"),
            taken => taken,
        }
    }

    async fn record(
        &self,
        id: PaymentId,
        correlation_id: Uuid,
        source_id: Uuid,
        command: PaymentCommand,
        news: &News,
    ) -> Taken {
        let actor = Actor::Provider(news.provider.as_str().to_owned());
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
            intent: Intent { actor, now: self.clock.now(), command },
        };
        match self.payments.execute(submission, &NoAnswer).await {
            Ok(_) => Taken::Done("accepted"),
            Err(CommandError::Refused(error)) => {
                tracing::info!(payment.id = %id, %error, "notification refused");
                Taken::Done("refused")
            }
            Err(error) => {
                tracing::warn!(payment.id = %id, %error, "notification not taken in");
                Taken::Later("failed")
            }
        }
    }
}

/// What in the news cannot be so. Its signature does not say where one value ends and the next begins.
fn contradiction(payment: &Payment, news: &News, init_try: u32) -> Option<&'static str> {
    let is_shown_page = payment.session().is_none_or(|session| session.init_try == init_try);
    let known = payment.provider_payment_id().filter(|_| is_shown_page);
    if known.is_some_and(|known| known != news.provider_payment_id) {
        return Some("provider_payment_id");
    }
    let asked = payment.amount();
    let fits = match news.status {
        Some(ProviderStatus::Authorized) => news.amount == asked,
        Some(ProviderStatus::Confirmed) => {
            let taken = payment.captured().or(payment.in_flight_capture().map(|(amount, _)| amount));
            news.amount == taken.or(asked)
        }
        Some(
            ProviderStatus::New
            | ProviderStatus::FormShown
            | ProviderStatus::Processing
            | ProviderStatus::Confirming
            | ProviderStatus::Refunding
            | ProviderStatus::PartiallyRefunded
            | ProviderStatus::Refunded
            | ProviderStatus::Cancelled
            | ProviderStatus::Expired
            | ProviderStatus::AuthFailed
            | ProviderStatus::Declined
            | ProviderStatus::Voided,
        )
        | None => true,
    };
    if fits { None } else { Some("amount") }
}

/// Whether a report in this status would change our books, so that the provider is asked whether it is so.
fn matters(status: ProviderStatus) -> bool {
    match status {
        ProviderStatus::Authorized
        | ProviderStatus::Confirming
        | ProviderStatus::Confirmed
        | ProviderStatus::Refunding
        | ProviderStatus::PartiallyRefunded
        | ProviderStatus::Refunded
        | ProviderStatus::Cancelled
        | ProviderStatus::Expired
        | ProviderStatus::AuthFailed
        | ProviderStatus::Declined
        | ProviderStatus::Voided => true,
        ProviderStatus::New | ProviderStatus::FormShown | ProviderStatus::Processing => false,
    }
}

fn is_about(report: &ProviderReport, payment_id: PaymentId) -> bool {
    PaymentId::parse_provider_order_ref(&report.order_ref).is_some_and(|(reported, _)| reported == payment_id)
}

fn heard(news: &News) -> Option<ProviderReport> {
    Some(ProviderReport {
        provider_payment_id: news.provider_payment_id.clone(),
        order_ref: news.order_ref.clone(),
        status: news.status?,
        provider_word: news.word.clone(),
        amount: news.amount,
        source: EvidenceSource::Webhook,
        error_code: news.error_code.clone(),
        customer_retryable: true,
    })
}
