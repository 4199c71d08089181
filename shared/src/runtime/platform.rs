//! What a service stands on, whether it runs alone or beside the other one in one process.

use std::sync::Arc;

use rustix::process::{Resource, getrlimit, setrlimit};

use super::{Clock, Health, Metrics, SettingsError, SharedSettings, Supervisor};
use crate::web::{Authenticator, OpaqueKey, RateLimits};

/// The parts that every service needs and that two services in one process share.
#[derive(Clone)]
pub struct Platform {
    /// The settings both services share.
    pub settings: SharedSettings,
    /// The time of the business.
    pub clock: Clock,
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// How well the process is.
    pub health: Health,
    /// Keeps tasks running.
    pub supervisor: Supervisor,
    /// Whose tokens are believed.
    pub authenticator: Authenticator,
    /// Seals positions and cursors.
    pub opaque: OpaqueKey,
    /// Counts what callers ask, if anything is limited.
    pub limits: Option<RateLimits>,
}

impl Platform {
    /// The platform of the program `name`.
    pub async fn new(name: &str, settings: SharedSettings) -> Result<Self, SettingsError> {
        raise_open_files();
        let health = Health::new();
        let authenticator = Authenticator::from_settings(&settings).await?;
        let limits = settings.rates().map(|rates| RateLimits::new(rates, authenticator.clone(), settings.proxies()));
        Ok(Self {
            limits,
            clock: Clock::system(),
            metrics: Metrics::new(name, env!("CARGO_PKG_VERSION")),
            supervisor: Supervisor::new(health.clone()),
            opaque: OpaqueKey::new(&settings.token_mac_key()),
            health,
            authenticator,
            settings,
        })
    }
}

/// Every socket is an open file, and the usual first limit of 1,024 of them is far below what a service can hold.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
