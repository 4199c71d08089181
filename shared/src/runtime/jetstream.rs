//! The connection to NATS: it outlives the server's absence, and tells how it is.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr, connection::State};

use super::{Health, Secret, Verdict, health::Readiness};

/// Between two proofs that the server is still there; the client's own default of 60 s is too long for a live feed.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Connects in the background: the answer comes at once, also while the server is away. `service` is `command` or
/// `projection`: the server lets each read its own inbox only.
pub async fn connect(url: &Secret, service: &str) -> Result<Client, async_nats::ConnectError> {
    sign_in(url.expose())
        .name(format!("homefood {service}"))
        .custom_inbox_prefix(format!("_INBOX_{service}"))
        .retry_on_initial_connect()
        .ping_interval(PING_EVERY)
        .event_callback(|event| async move { tracing::info!(%event, "nats") })
        .connect(url.expose())
        .await
}

/// The client passes over what an address says of user and password, so it is told of them apart.
fn sign_in(url: &str) -> ConnectOptions {
    let options = ConnectOptions::new();
    let Ok(address) = url.parse::<ServerAddr>() else { return options };
    match (address.username(), address.password()) {
        (Some(user), Some(password)) => options.user_and_password(plain(user), plain(password)),
        (Some(token), None) => options.token(plain(token)),
        (None, _) => options,
    }
}

/// What stands in an address in place of characters that have a meaning there (`%40` for `@`).
fn plain(escaped: &str) -> String {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;
    use dev_servers::{NatsOptions, NatsServer, Storage};

    #[test]
    fn escaped_characters_of_an_address_are_understood() {
        assert_eq!(plain("p%40ss%3aword"), "p@ss:word");
        assert_eq!(plain("100%"), "100%");
        assert_eq!(plain("%zz"), "%zz");
    }

    #[tokio::test]
    async fn the_address_says_who_signs_in() {
        let binary = dev_servers::NatsBinary::locate(&dev_servers::servers_dir()).await.unwrap();
        let users = "accounts { A { jetstream: enabled, users: [{ user: command, password: \"p@ss\" }] }\n\
                     P { jetstream: enabled, users: [{ user: probe, password: x1 }] } }\nno_auth_user: probe";
        let options = NatsOptions { config: users.to_owned(), ..NatsOptions::new(Storage::ThrowAway) };
        let server = NatsServer::start(&binary, options).await.unwrap();
        let url = |password: &str| Secret::new(server.url().replace("://", &format!("://command:{password}@")));
        let client = connect(&url("p%40ss"), "command").await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), client.flush()).await.unwrap().unwrap();
        assert_eq!(client.connection_state(), State::Connected);
        assert!(sign_in(url("wrong").expose()).connect(url("wrong").expose()).await.is_err());
    }
}
