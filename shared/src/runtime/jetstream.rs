//! The connection to NATS: it outlives the server's absence, and tells how it is.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, connection::State};

use super::{Health, Secret, Verdict, health::Readiness};

/// Between two proofs that the server is still there; the client's own default of 60 s is too long for a live feed.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Connects in the background: the answer comes at once, also while the server is away. `service` is `command` or
/// `projection`: the server lets each read its own inbox only.
pub async fn connect(url: &Secret, service: &str) -> Result<Client, async_nats::ConnectError> {
    ConnectOptions::new()
        .name(format!("homefood {service}"))
        .custom_inbox_prefix(format!("_INBOX_{service}"))
        .retry_on_initial_connect()
        .ping_interval(PING_EVERY)
        .event_callback(|event| async move { tracing::info!(%event, "nats") })
        .connect(url.expose())
        .await
}

/// NATS's part in the health report. Commands and queries go on without it, so its absence is degraded.
pub fn watch_health(health: &Health, client: &Client) {
    let client = client.clone();
    health.register("nats", Readiness::Required, move || {
        let state = client.connection_state();
        async move {
            match state {
                State::Connected => Verdict::healthy(),
                State::Pending | State::Disconnected => Verdict::degraded("not connected"),
            }
        }
    });
}
