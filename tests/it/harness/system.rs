//! An installation of its own for one test: database, names on NATS, instances, people.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use chrono::{TimeDelta, Utc};
use dev_servers::{NatsServer, Postgres, TestServers};
use fake_bank::{BankOptions, FakeBank};
use projection_service::settings::ReadSideSettings;
use shared::{
    runtime::{
        Clock, Secret,
        postgres::{PoolOptions, connect_pool, migrate},
    },
    subjects::Names,
};
use sqlx::PgPool;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    catalogue,
    client::Client,
    instance::{Instance, Parts, Setup},
    people::{People, Person, another_customer},
    wait::SOON_SECS,
};

/// How long whoever wants to pay waits for the page: as long as a request may take, for a busy machine opens it late.
const PAGE_WAIT_MS: u32 = 8_000;
/// How long one call to the bank may take. A test in which the bank does not answer says something shorter.
const BANK_WAIT_MS: u32 = 20_000;

/// Says how a system differs from the usual one.
pub struct Builder {
    parts: Vec<Parts>,
    own_nats: bool,
    own_postgres: bool,
    read_side: ReadSideSettings,
    arguments: Vec<String>,
    fake_tbank: bool,
    clock: Clock,
}

/// A running system. Use it from outside, then `finish` it.
pub struct TestSystem {
    pub setup: Setup,
    /// What its names on NATS are made of.
    pub names_id: String,
    pub db: PgPool,
    pub nats: async_nats::Client,
    pub instances: Vec<Instance>,
    pub people: People,
    /// For tests that stop and kill it.
    pub own_nats: Option<NatsServer>,
    /// For tests that restart it.
    pub own_postgres: Option<Postgres>,
    /// The bank behind T-Bank's adapter, where the test asked for it.
    pub bank: Option<FakeBank>,
    http: reqwest::Client,
    /// Keys, for as long as the system runs.
    _folder: TempDir,
}

impl TestSystem {
    /// One instance with everything, as `homefood dev` has it.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn builder() -> Builder {
        Builder {
            parts: vec![Parts::ALL],
            own_nats: false,
            own_postgres: false,
            read_side: ReadSideSettings::defaults(),
            arguments: Vec::new(),
            fake_tbank: false,
            clock: Clock::system(),
        }
    }

    /// The bank behind T-Bank's adapter.
    #[track_caller]
    pub fn bank(&self) -> &FakeBank {
        self.bank.as_ref().expect("the test asked for no bank")
    }

    fn client_of(&self, person: &Person) -> Client {
        Client::new(self.http.clone(), &self.instances[0].url, Some(&person.token))
    }

    pub fn customer(&self) -> Client {
        self.client_of(&self.people.customer)
    }

    pub fn other_customer(&self) -> Client {
        self.client_of(&self.people.other_customer)
    }

    /// Somebody who has not been here before.
    pub fn new_customer(&self) -> Client {
        self.client_of(&another_customer(&self.instances[0].platform).unwrap())
    }

    pub fn producer(&self) -> Client {
        self.client_of(&self.people.producer)
    }

    pub fn other_producer(&self) -> Client {
        self.client_of(&self.people.other_producer)
    }

    pub fn admin(&self) -> Client {
        self.client_of(&self.people.admin)
    }

    pub fn another_admin(&self) -> Client {
        self.client_of(&self.people.other_admin)
    }

    pub fn analyst(&self) -> Client {
        self.client_of(&self.people.analyst)
    }

    pub fn nobody(&self) -> Client {
        Client::new(self.http.clone(), &self.instances[0].url, None)
    }

    /// Moves the time of the business.
    pub fn advance(&self, by: TimeDelta) {
        self.setup.clock.advance(by);
    }

    /// One more instance; answers its address.
    pub async fn add_instance(&mut self, parts: Parts) -> String {
        let instance = Instance::start(&self.setup, parts).await.unwrap();
        let url = instance.url.clone();
        self.instances.push(instance);
        url
    }

    /// New connections of the test itself, after its database was away.
    pub async fn reconnect(&mut self) {
        self.db = connect(&self.setup.database_url).await.unwrap();
    }

    /// Waits until nothing happens any more, audits everything, and ends every task.
    pub async fn finish(self) {
        self.audit().await;
        self.stop().await;
    }

    /// Ends every task without an audit.
    pub async fn stop(self) {
        for instance in self.instances {
            instance.stop().await.unwrap();
        }
        if let Some(bank) = self.bank {
            bank.stop();
        }
        self.db.close().await;
    }
}

impl Builder {
    /// These instances instead of one with everything.
    pub fn instances(mut self, parts: &[Parts]) -> Self {
        self.parts = parts.to_vec();
        self
    }

    /// A nats-server of its own.
    pub fn own_nats(mut self) -> Self {
        self.own_nats = true;
        self
    }

    /// A Postgres of its own.
    pub fn own_postgres(mut self) -> Self {
        self.own_postgres = true;
        self
    }

    /// Settings of the read side.
    pub fn read_side(mut self, change: impl FnOnce(&mut ReadSideSettings)) -> Self {
        change(&mut self.read_side);
        self
    }

    /// T-Bank's adapter in front of a fake bank moves the money, over the wire.
    pub fn fake_tbank(mut self) -> Self {
        self.fake_tbank = true;
        self
    }

    /// Time stands still until the test moves it, at the bank too.
    pub fn stopped_clock(mut self) -> Self {
        self.clock = Clock::stopped_at(Utc::now());
        self
    }

    /// Settings of the write side, as on its command line.
    pub fn write_side(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    pub async fn start(self) -> TestSystem {
        self.try_start().await.unwrap_or_else(|error| panic!("the system does not start: {error:?}"))
    }

    async fn try_start(self) -> Result<TestSystem> {
        let own_nats = if self.own_nats { Some(TestServers::own_nats().await?) } else { None };
        let (own_postgres, database_url) = database(self.own_postgres).await?;
        let nats_url = match &own_nats {
            Some(nats) => nats.url(),
            None => TestServers::shared().await.nats_url().to_owned(),
        };
        let folder = TempDir::new()?;
        let names_id = Uuid::new_v4().simple().to_string();
        let clock = self.clock;
        let bank = if self.fake_tbank { Some(open_bank(&clock).await?) } else { None };
        let mut arguments = self.arguments;
        let said = arguments.clone();
        let of_bank = bank.iter().flat_map(arguments_for);
        let patience = ("--payment-page-wait-ms".to_owned(), PAGE_WAIT_MS.to_string());
        let unsaid = of_bank.chain([patience]).filter(|(name, _)| !said.contains(name));
        arguments.extend(unsaid.flat_map(|(name, value)| [name, value]));
        let setup = Setup {
            database_url,
            nats_url,
            names: Names::of(&names_id),
            key_file: folder.path().join("key.pem"),
            clock,
            read_side: self.read_side,
            arguments,
        };
        let db = connect(&setup.database_url).await?;
        let nats = async_nats::connect(&setup.nats_url).await?;
        let mut instances = Vec::new();
        for parts in &self.parts {
            instances.push(Instance::start(&setup, *parts).await?);
        }
        let people = People::sign_in(&instances.first().context("a system has an instance")?.platform)?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(SOON_SECS)).build()?;
        Ok(TestSystem {
            setup,
            names_id,
            db,
            nats,
            instances,
            people,
            own_nats,
            own_postgres,
            bank,
            http,
            _folder: folder,
        })
    }
}

/// A bank that goes by the system's time.
async fn open_bank(clock: &Clock) -> Result<FakeBank> {
    let clock = clock.clone();
    Ok(FakeBank::start(BankOptions { now: Arc::new(move || clock.now()), ..BankOptions::default() }).await?)
}

/// What the write side is told of the bank.
fn arguments_for(bank: &FakeBank) -> Vec<(String, String)> {
    let told = [
        ("--tbank-terminal-key", bank.terminal_key().to_owned()),
        ("--tbank-password", bank.password()),
        ("--tbank-api-url", bank.api_url()),
        ("--tbank-networks", "127.0.0.0/8".to_owned()),
        ("--tbank-timeout-ms", BANK_WAIT_MS.to_string()),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into()
}

async fn connect(url: &str) -> Result<PgPool> {
    Ok(connect_pool(&Secret::new(url), PoolOptions::new("system tests", 4)).await?)
}

/// A migrated database with a catalogue, and the Postgres it is in if that is the test's own.
async fn database(own: bool) -> Result<(Option<Postgres>, String)> {
    if own {
        let postgres = TestServers::own_postgres().await?;
        postgres.ensure_database("homefood").await?;
        let url = postgres.url("homefood");
        fill(&url).await?;
        return Ok((Some(postgres), url));
    }
    let servers = TestServers::shared().await;
    let template = servers.template("system_tests", |url| async move { fill(&url).await }).await?;
    let name = servers.create_database(Some(&template)).await?;
    Ok((None, servers.postgres_url(&name)))
}

async fn fill(url: &str) -> Result<()> {
    let db = connect_pool(&Secret::new(url), PoolOptions::new("system tests", 1)).await?;
    migrate(&db).await?;
    catalogue::load(&db).await?;
    db.close().await;
    Ok(())
}
