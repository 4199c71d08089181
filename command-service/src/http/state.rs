//! What handlers work with.

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::extract::FromRef;
use shared::{
    domain::{dispute::Dispute, gift::Gift, order::Order, payment::Payment},
    runtime::{Clock, Metrics},
    sealing::Sealer,
    web::{Authenticator, OpaqueKey, TrustedProxies},
};
use sqlx::PgPool;

use super::sessions::SessionWatch;
use crate::{
    cases::Cases, catalogue::Catalogue, command_handler::CommandHandler, event_log::AppendQueue, gift_vault::GiftVault,
    guesses::Guesses, payment_desk::PaymentDesk, payment_providers::TbankDoor, process_managers::Policies,
    providers::dev_fake::DevFake, registry::Registry,
};

/// The parts of the state.
pub struct AppParts {
    /// Verifies tokens.
    pub authenticator: Authenticator,
    /// Orders.
    pub orders: CommandHandler<Order>,
    /// Payments.
    pub payments: CommandHandler<Payment>,
    /// Gifts.
    pub gifts: CommandHandler<Gift>,
    /// Their codes.
    pub vault: GiftVault,
    /// Who gives wrong ones.
    pub guesses: Guesses,
    /// Whose word is taken for where a request comes from.
    pub proxies: TrustedProxies,
    /// Disputes.
    pub disputes: CommandHandler<Dispute>,
    /// The log.
    pub queue: AppendQueue,
    /// Dishes and kitchens.
    pub catalogue: Catalogue,
    /// Personal data.
    pub sealer: Sealer,
    /// The time.
    pub clock: Clock,
    /// Seals positions.
    pub opaque: OpaqueKey,
    /// Tells when a payment's page is open.
    pub sessions: SessionWatch,
    /// How long a caller waits for that; then the answer is 202.
    pub page_wait: Duration,
    /// The payment providers.
    pub desk: PaymentDesk,
    /// The imitation bank, for its development routes.
    pub dev_fake: Option<Arc<DevFake>>,
    /// Takes T-Bank's notifications; none where T-Bank is switched off.
    pub tbank: Option<TbankDoor>,
    /// The bank's registries beside our books.
    pub registry: Registry,
    /// Payments that wait for a person.
    pub cases: Cases,
    /// The settings of the business.
    pub policies: Arc<Policies>,
    /// Where a customer's browser may be sent after paying: prefixes.
    pub return_urls: Vec<String>,
    /// Whether development routes are served.
    pub is_development: bool,
    /// The database.
    pub db: PgPool,
    /// Metrics.
    pub metrics: Arc<Metrics>,
}

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<AppParts>);

impl AppState {
    /// Shares the parts.
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Whether development routes are served.
    pub fn is_development(&self) -> bool {
        self.0.is_development
    }
}

impl Deref for AppState {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl FromRef<AppState> for Authenticator {
    fn from_ref(state: &AppState) -> Self {
        state.authenticator.clone()
    }
}
