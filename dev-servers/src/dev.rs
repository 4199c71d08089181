//! The servers of `cargo dev`: named in the environment, or ours and kept between runs.

use std::path::PathBuf;

use anyhow::Result;

use crate::binaries::{NatsBinary, PostgresBinaries, servers_dir, workspace_dir};
use crate::nats::{NatsOptions, NatsServer};
use crate::postgres::{Postgres, PostgresOptions, Profile};
use crate::storage::Storage;

/// Which servers to use, and where to keep those we run ourselves.
#[derive(Debug, Clone)]
pub struct ServersConfig {
    /// A Postgres to use instead of our own.
    pub database_url: Option<String>,
    /// A nats-server to use instead of our own.
    pub nats_url: Option<String>,
    /// Holds the data of our own servers.
    pub data_dir: PathBuf,
    /// Holds the programs of our own servers.
    pub servers_dir: PathBuf,
}

impl ServersConfig {
    /// Reads `DATABASE_URL`, `NATS_URL` and `HOMEFOOD_SERVERS_DIR`; data is kept in `.dev`.
    pub fn from_env() -> ServersConfig {
        let read = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        ServersConfig {
            database_url: read("DATABASE_URL"),
            nats_url: read("NATS_URL"),
            data_dir: workspace_dir().join(".dev"),
            servers_dir: servers_dir(),
        }
    }
}

/// A Postgres and a nats-server to develop against.
pub struct DevServers {
    /// Where the services find their database.
    pub database_url: String,
    /// Where the services find JetStream.
    pub nats_url: String,
    /// Our own Postgres, unless the environment named one.
    pub postgres: Option<Postgres>,
    /// Our own nats-server, unless the environment named one.
    pub nats: Option<NatsServer>,
}

impl DevServers {
    /// Starts what the environment does not name; `database` is created if it is not there.
    pub async fn start(config: &ServersConfig, profile: Profile, database: &str) -> Result<DevServers> {
        let (postgres, nats) = tokio::try_join!(own_postgres(config, profile, database), own_nats(config))?;
        let url = |postgres: &Postgres| postgres.url(database);
        Ok(DevServers {
            database_url: config.database_url.clone().or(postgres.as_ref().map(url)).unwrap_or_default(),
            nats_url: config.nats_url.clone().or(nats.as_ref().map(NatsServer::url)).unwrap_or_default(),
            postgres,
            nats,
        })
    }

    /// Stops our own servers and waits until they are gone.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(nats) = &mut self.nats {
            nats.stop().await?;
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.stop().await?;
        }
        Ok(())
    }
}

async fn own_postgres(config: &ServersConfig, profile: Profile, database: &str) -> Result<Option<Postgres>> {
    if config.database_url.is_some() {
        return Ok(None);
    }
    let binaries = PostgresBinaries::locate(&config.servers_dir).await?;
    let storage = Storage::Keep(config.data_dir.join("postgres"));
    let postgres = Postgres::start(&binaries, PostgresOptions::new(storage, profile)).await?;
    postgres.ensure_database(database).await?;
    Ok(Some(postgres))
}

async fn own_nats(config: &ServersConfig) -> Result<Option<NatsServer>> {
    if config.nats_url.is_some() {
        return Ok(None);
    }
    let binary = NatsBinary::locate(&config.servers_dir).await?;
    let storage = Storage::Keep(config.data_dir.join("nats"));
    Ok(Some(NatsServer::start(&binary, NatsOptions::new(storage)).await?))
}
