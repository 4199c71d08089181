//! What the handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use shared::{
    log::LogReader,
    runtime::{Clock, Metrics, settings::DomainSettings},
    sealing::Sealer,
    web::{Authenticator, OpaqueKey, TrustedProxies},
};
use sqlx::PgPool;

use crate::{
    dead_letters::Desk,
    engine::Positions,
    live::{AllowedOrigins, Live},
    projections::{catalogue::DishViews, order_facts::Reports},
    rebuild::RebuildParts,
};

/// What a handler may use. Cheap to clone.
#[derive(Clone)]
pub struct ReadState(Arc<ReadParts>);

/// See [`ReadState`].
pub struct ReadParts {
    /// The read models.
    pub db: PgPool,
    /// What analytics ask.
    pub reports: Reports,
    /// The log, for histories.
    pub log: LogReader,
    /// How far each projection is.
    pub positions: Positions,
    /// The time.
    pub clock: Clock,
    /// Whose tokens are believed.
    pub authenticator: Authenticator,
    /// Seals and opens consistency tokens and cursors.
    pub opaque: OpaqueKey,
    /// Opens personal data for those who may see it.
    pub sealer: Sealer,
    /// The rules behind `allowed_actions`, and how long things are shown.
    pub domain: DomainSettings,
    /// Whose word on where a request comes from is taken.
    pub proxies: TrustedProxies,
    /// Counts looks at dishes.
    pub views: DishViews,
    /// The sockets.
    pub live: Live,
    /// Whose pages may open a socket.
    pub origins: AllowedOrigins,
    /// The read models by name, and what rebuilds and audits them.
    pub rebuild: RebuildParts,
    /// Single dead letters, for operators.
    pub desk: Desk,
    /// Sockets and delays are counted.
    pub metrics: Arc<Metrics>,
}

impl ReadState {
    /// Shares `parts`.
    pub fn new(parts: ReadParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for ReadState {
    type Target = ReadParts;

    fn deref(&self) -> &ReadParts {
        &self.0
    }
}

impl FromRef<ReadState> for Authenticator {
    fn from_ref(state: &ReadState) -> Self {
        state.authenticator.clone()
    }
}
