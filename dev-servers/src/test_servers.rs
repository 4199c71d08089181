//! One Postgres and one nats-server per test process, started by the first test that asks.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::binaries::{NatsBinary, PostgresBinaries, servers_dir};
use crate::dev::ServersConfig;
use crate::nats::{NatsOptions, NatsServer};
use crate::postgres::{Postgres, PostgresOptions, Profile};
use crate::storage::Storage;

// A failure is remembered, so that a hundred tests do not each wait for it again.
static SHARED: OnceCell<Result<TestServers, String>> = OnceCell::const_new();

/// The servers all tests of one process share; their watchdogs end them with the process.
pub struct TestServers {
    postgres: Option<Postgres>,
    nats: Option<NatsServer>,
    /// Some database of the Postgres, from which others are created.
    admin_url: String,
    nats_url: String,
    templates: Mutex<HashMap<String, Arc<OnceCell<String>>>>,
    databases: AtomicU32,
}

impl TestServers {
    /// The servers of this process, or those that `DATABASE_URL` and `NATS_URL` name.
    ///
    /// # Panics
    /// When they cannot be started: no test could go on.
    pub async fn shared() -> &'static TestServers {
        let started = SHARED.get_or_init(|| async { TestServers::start().await.map_err(|error| format!("{error:#}")) });
        match started.await {
            Ok(servers) => servers,
            Err(reason) => panic!("no servers to test with: {reason}"),
        }
    }

    async fn start() -> Result<TestServers> {
        let config = ServersConfig::from_env();
        let postgres = async {
            match config.database_url {
                Some(_) => Ok(None),
                None => TestServers::own_postgres().await.map(Some),
            }
        };
        let nats = async {
            match config.nats_url {
                Some(_) => Ok(None),
                None => TestServers::own_nats().await.map(Some),
            }
        };
        let (postgres, nats) = tokio::try_join!(postgres, nats)?;
        let own_url = |postgres: &Postgres| postgres.socket_url("postgres");
        Ok(TestServers {
            admin_url: config.database_url.clone().or(postgres.as_ref().map(own_url)).unwrap_or_default(),
            nats_url: config.nats_url.clone().or(nats.as_ref().map(NatsServer::url)).unwrap_or_default(),
            postgres,
            nats,
            templates: Mutex::default(),
            databases: AtomicU32::new(0),
        })
    }

    /// A Postgres for one test alone, which may stop, kill and restart it.
    pub async fn own_postgres() -> Result<Postgres> {
        let binaries = PostgresBinaries::locate(&servers_dir()).await?;
        Postgres::start(&binaries, PostgresOptions::new(Storage::ThrowAway, Profile::Test)).await
    }

    /// A nats-server for one test alone, which may stop, kill, wipe and restart it.
    pub async fn own_nats() -> Result<NatsServer> {
        let binary = NatsBinary::locate(&servers_dir()).await?;
        NatsServer::start(&binary, NatsOptions::new(Storage::ThrowAway)).await
    }

    /// The address of a database; over the Unix socket when the Postgres is ours.
    pub fn postgres_url(&self, database: &str) -> String {
        with_database(&self.admin_url, database)
    }

    /// The address of JetStream; all tests share it, so streams need names of their own.
    pub fn nats_url(&self) -> &str {
        &self.nats_url
    }

    /// The shared Postgres, unless `DATABASE_URL` named one.
    pub fn postgres(&self) -> Option<&Postgres> {
        self.postgres.as_ref()
    }

    /// The shared nats-server, unless `NATS_URL` named one.
    pub fn nats(&self) -> Option<&NatsServer> {
        self.nats.as_ref()
    }

    /// Creates a database, as a copy of the template if one is given, and returns its name.
    pub async fn create_database(&self, template: Option<&str>) -> Result<String> {
        let name = format!("test_{}_{}", run_id(), self.databases.fetch_add(1, Ordering::Relaxed));
        let template = template.unwrap_or("template0");
        // Measured as fast as FILE_COPY, without its checkpoints, which a Postgres with fsync would feel.
        self.admin(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\" STRATEGY WAL_LOG")).await?;
        Ok(name)
    }

    /// The name of the template database that `setup` fills, given its address, once per process.
    ///
    /// `setup` should close its connections; those it leaves open are cut.
    pub async fn template<Setup, Filled>(&self, name: &str, setup: Setup) -> Result<String>
    where
        Setup: FnOnce(String) -> Filled,
        Filled: Future<Output = Result<()>>,
    {
        let cell = {
            let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
            templates.entry(name.to_owned()).or_default().clone()
        };
        let filled = cell.get_or_try_init(|| async {
            let database = format!("template_{}_{name}", run_id());
            // A test that was cancelled here may have left a half of it.
            self.admin(&format!("DROP DATABASE IF EXISTS \"{database}\" WITH (FORCE)")).await?;
            self.admin(&format!("CREATE DATABASE \"{database}\" TEMPLATE template0")).await?;
            setup(self.postgres_url(&database)).await.with_context(|| format!("cannot fill the template {name}"))?;
            // A database with open connections cannot be copied.
            self.admin(&format!("ALTER DATABASE \"{database}\" ALLOW_CONNECTIONS false")).await?;
            self.admin(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"))
                .await?;
            anyhow::Ok(database)
        });
        Ok(filled.await?.clone())
    }

    // One connection per statement: a pool would be tied to the runtime of the first test.
    async fn admin(&self, statement: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.admin_url).await.context("cannot reach the test Postgres")?;
        sqlx::query(statement).execute(&mut connection).await.with_context(|| statement.to_owned())?;
        connection.close().await?;
        Ok(())
    }
}

/// The same address with another database in its path.
pub fn with_database(url: &str, database: &str) -> String {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (url, String::new()),
    };
    let host_start = address.find("://").map_or(0, |scheme_end| scheme_end + 3);
    let host_end = address[host_start..].find('/').map_or(address.len(), |slash| host_start + slash);
    format!("{}/{database}{query}", &address[..host_end])
}

/// Tells apart test processes that share a Postgres.
fn run_id() -> String {
    static RUN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    RUN.get_or_init(|| uuid::Uuid::new_v4().simple().to_string()[..12].to_owned()).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_an_address_changes() {
        let check = |from: &str, to: &str| assert_eq!(with_database(from, "new"), to);
        check("postgres://me@host:5432/old?sslmode=disable", "postgres://me@host:5432/new?sslmode=disable");
        check("postgres://me@host:5432", "postgres://me@host:5432/new");
        check("postgres://localhost/old?host=/tmp/socket", "postgres://localhost/new?host=/tmp/socket");
    }
}
