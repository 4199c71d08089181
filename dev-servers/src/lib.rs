//! Private Postgres and nats-server for `cargo dev` (kept) and `cargo test` (thrown away).
//!
//! Nothing here outlives its process: every server runs under a watchdog that holds the other end of
//! a pipe, and stops the server when the pipe closes, however the process died.

mod account;
mod binaries;
mod dev;
mod nats;
mod postgres;
mod probe;
mod storage;
mod test_servers;
mod watchdog;
mod wheels;

pub use account::Account;
pub use binaries::{Binaries, NatsBinary, PostgresBinaries, servers_dir, workspace_dir};
pub use dev::{DevServers, ServersConfig};
pub use nats::{NatsOptions, NatsServer};
pub use postgres::{Postgres, PostgresOptions, Profile};
pub use storage::Storage;
pub use test_servers::{TestServers, with_database};

use anyhow::{Context, Result};

/// Runs blocking work on a thread of its own, so that no server is tied to one runtime.
async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("dev-servers".into())
        .spawn(move || drop(sender.send(work())))
        .context("no thread to start a server on")?;
    receiver.await.context("the thread that handles a server panicked")?
}
