//! Throw-away servers, the marketplace on them, and the service under load.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use dev_servers::{NatsBinary, NatsOptions, NatsServer, Postgres, PostgresBinaries, PostgresOptions, Profile, Storage};
use shared::{
    runtime::{
        Secret,
        postgres::{PoolOptions, connect_pool, migrate},
        settings,
    },
    web::token::DevIssuer,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    processes::{self, CpuTime},
    report::{Machine, MemoryRow},
    serve::Role,
    service::{Service, Surroundings},
    world::World,
};

const DATABASE: &str = "bench";
const VANILLA_DATABASE: &str = "vanilla";
const SETTINGS: &[&str] = &["fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"];

/// Everything that a measurement needs.
pub struct Stage {
    /// Whom the bench plays.
    pub world: World,
    /// The database of the services.
    pub db: PgPool,
    /// What services are told.
    pub surroundings: Surroundings,
    /// pgbench, where it comes with the Postgres.
    pub pgbench: Option<PathBuf>,
    services: Vec<Service>,
    postgres: Postgres,
    nats: NatsServer,
    _scratch: Scratch,
}

/// A directory that goes away.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

impl Stage {
    /// Starts the servers and fills the catalogue. `trial` holds statements to run after the migrations,
    /// `log_filter` says which lines the services write to their logs.
    pub async fn build(trial: Option<&Path>, log_filter: &str) -> Result<Self> {
        let servers_dir = dev_servers::servers_dir();
        let binaries = PostgresBinaries::locate(&servers_dir).await?;
        let nats_binary = NatsBinary::locate(&servers_dir).await?;
        let postgres = Postgres::start(&binaries, PostgresOptions::new(Storage::ThrowAway, Profile::Bench)).await?;
        let nats = NatsServer::start(&nats_binary, NatsOptions::new(Storage::ThrowAway)).await?;
        for database in [DATABASE, VANILLA_DATABASE] {
            postgres.ensure_database(database).await?;
        }
        let scratch = Scratch(std::env::temp_dir().join(format!("homefood-bench-{}", Uuid::now_v7().simple())));
        fs::create_dir(&scratch.0)?;
        let surroundings = Surroundings {
            database_url: postgres.url(DATABASE),
            nats_url: nats.url(),
            dir: scratch.0.clone(),
            log_filter: log_filter.to_owned(),
        };
        let database_url = Secret::new(surroundings.database_url.clone());
        let db = connect_pool(&database_url, PoolOptions::new("homefood bench", 4)).await?;
        migrate(&db).await?;
        if let Some(trial) = trial {
            sqlx::raw_sql(&fs::read_to_string(trial)?).execute(&db).await.context("the trial statements")?;
        }
        let world = World::invent(&issuer(&surroundings)?)?;
        world.settle(&db).await?;
        let pgbench = binaries.pgbench();
        Ok(Self { world, db, surroundings, pgbench, services: Vec::new(), postgres, nats, _scratch: scratch })
    }

    /// The database of cqrs-es and postgres-es.
    pub fn vanilla_url(&self) -> String {
        self.postgres.url(VANILLA_DATABASE)
    }

    /// Where the bench may write.
    pub fn dir(&self) -> &Path {
        &self.surroundings.dir
    }

    /// Starts a service.
    pub async fn start(&mut self, role: Role) -> Result<std::net::SocketAddr> {
        let service = Service::start(role, &self.surroundings).await?;
        let address = service.address;
        self.services.push(service);
        Ok(address)
    }

    /// Stops a service in an orderly way.
    pub async fn stop(&mut self, role: Role) -> Result<()> {
        let index = self.services.iter().position(|service| service.role == role);
        match index {
            Some(index) => self.services.swap_remove(index).stop().await,
            None => Ok(()),
        }
    }

    /// The process of a service, if it runs.
    pub fn pid(&self, role: Role) -> Option<u32> {
        self.services.iter().find(|service| service.role == role).map(|service| service.pid)
    }

    /// Where a service listens, if it runs.
    pub fn address(&self, role: Role) -> Option<std::net::SocketAddr> {
        self.services.iter().find(|service| service.role == role).map(|service| service.address)
    }

    /// The last words of every service, for an error that came over the wire.
    pub fn last_words(&self) -> String {
        let words = self.services.iter().map(|service| format!("--- {}\n{}", service.role, service.last_words()));
        words.collect::<Vec<_>>().join("\n")
    }

    /// Copies the logs of every service there was.
    pub fn keep_logs(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        for entry in fs::read_dir(self.dir())?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                fs::copy(entry.path(), dir.join(entry.file_name()))?;
            }
        }
        Ok(())
    }

    /// Stops everything.
    pub async fn tear_down(mut self) -> Result<()> {
        for service in std::mem::take(&mut self.services) {
            service.stop().await?;
        }
        self.db.close().await;
        self.nats.stop().await?;
        self.postgres.stop().await
    }

    fn roles(&self) -> BTreeMap<u32, String> {
        self.services.iter().map(|service| (service.pid, service.role.program().to_owned())).collect()
    }

    /// Processor time until now.
    pub fn cpu(&self) -> CpuTime {
        CpuTime::now(&self.roles())
    }

    /// Memory now.
    pub async fn memory(&self, when: &'static str) -> Result<MemoryRow> {
        Ok(MemoryRow { when, events: self.head().await?, bytes: processes::memory(&self.roles()) })
    }

    /// The position of the newest event.
    pub async fn head(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&self.db).await?)
    }

    /// Commands behind the events after `from` up to `to`.
    pub async fn commands_between(&self, from: i64, to: i64) -> Result<i64> {
        let query = sqlx::query_scalar(
            "SELECT count(DISTINCT metadata->>'command_id') FROM events WHERE position > $1 AND position <= $2",
        );
        Ok(query.bind(from).bind(to).fetch_one(&self.db).await?)
    }

    /// Fails unless each of these orders was created once.
    pub async fn check_created(&self, orders: &[Uuid]) -> Result<()> {
        for orders in orders.chunks(10_000) {
            let ids: Vec<String> = orders.iter().map(Uuid::to_string).collect();
            let query = sqlx::query_as(
                "
                SELECT count(*), count(DISTINCT aggregate_id)
                FROM events
                WHERE aggregate_type = 'order' AND aggregate_id = ANY($1) AND event_type = 'order_created'
                ",
            );
            let (events, streams): (i64, i64) = query.bind(&ids).fetch_one(&self.db).await?;
            let acknowledged = orders.len() as i64;
            ensure!(
                (events, streams) == (acknowledged, acknowledged),
                "{acknowledged} orders were acknowledged; the log has {events} of them in {streams} streams"
            );
        }
        Ok(())
    }

    /// Fails unless positions are 1, 2, 3, … up to the head.
    pub async fn check_gapless(&self) -> Result<i64> {
        let query = sqlx::query_as("SELECT count(*), count(DISTINCT position), max(position) FROM events");
        let (events, positions, newest): (i64, i64, Option<i64>) = query.fetch_one(&self.db).await?;
        let head = self.head().await?;
        ensure!(
            events == head && positions == head && newest.unwrap_or(0) == head,
            "the log has {events} events at {positions} positions up to {newest:?}, and its head is {head}"
        );
        Ok(head)
    }

    /// What all this runs on.
    pub async fn machine(&self) -> Result<Machine> {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = info.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&self.db).await?;
        let mut settings = Vec::new();
        for name in SETTINGS {
            let value: String = sqlx::query_scalar(&format!("SHOW {name}")).fetch_one(&self.db).await?;
            settings.push(format!("{name} {value}"));
        }
        Ok(Machine {
            processor: processor.unwrap_or("unknown processor").trim().to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            postgres: format!("Postgres {version}"),
            postgres_settings: settings.join(", "),
            release_build: !cfg!(debug_assertions),
        })
    }
}

/// The issuer that the services will believe: they read the same key file.
fn issuer(surroundings: &Surroundings) -> Result<DevIssuer> {
    let jwt = settings::JwtSettings {
        algorithm: settings::JwtAlgorithm::EdDsa,
        issuer: "homefood".to_owned(),
        audience: "homefood".to_owned(),
        jwks: None,
        public_key: None,
        dev_key_file: surroundings.key_file(),
    };
    DevIssuer::load_or_create(&jwt).context("the key of the tokens")
}
