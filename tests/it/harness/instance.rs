//! One process of the installation, as far as one process of ours can hold several.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use command_service::{
    app::{CommandService, Connections as WriteConnections},
    settings::CommandSettings,
};
use projection_service::{
    app::{Connections as ReadConnections, ProjectionService},
    engine::Failpoints,
    settings::ReadSideSettings,
};
use shared::{
    runtime::{Clock, Platform, jetstream, settings},
    subjects::Names,
    web,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// How long everything may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(60);

/// What all instances of one installation share.
#[derive(Debug, Clone)]
pub struct Setup {
    pub database_url: String,
    pub nats_url: String,
    pub names: Names,
    pub key_file: PathBuf,
    pub clock: Clock,
    pub read_side: ReadSideSettings,
    /// Settings of the write side, as on its command line.
    pub arguments: Vec<String>,
}

/// Which parts an instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub commands: bool,
    pub queries: bool,
    pub relay: bool,
}

impl Parts {
    /// Both services on one port, as `homefood dev` has them.
    pub const ALL: Self = Self { commands: true, queries: true, relay: true };
    /// A command-service alone.
    pub const WRITE: Self = Self { commands: true, queries: false, relay: true };
    /// A projection-service alone.
    pub const READ: Self = Self { commands: false, queries: true, relay: false };
}

/// A running instance.
pub struct Instance {
    pub url: String,
    pub parts: Parts,
    pub platform: Platform,
    pub failpoints: Failpoints,
    served: JoinHandle<std::io::Result<()>>,
}

impl Instance {
    pub async fn start(setup: &Setup, parts: Parts) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let settings = parse(setup, &url)?;
        let mut platform = Platform::new("homefood", settings.shared.clone()).await?;
        platform.clock = setup.clock.clone();
        let nats = jetstream::connect(&settings.shared.nats_url, "homefood").await?;
        jetstream::watch_health(&platform.health, &nats);
        let mut router = web::ops::routes(platform.metrics.clone(), platform.health.clone());
        if parts.commands {
            let connections =
                WriteConnections { nats: nats.clone(), names: setup.names.clone(), with_relay: parts.relay };
            let commands = CommandService::start(&platform, &settings.write_side, connections).await?;
            router = router.merge(commands.router);
        }
        let mut failpoints = Failpoints::none();
        if parts.queries {
            let connections = ReadConnections { nats: Some(nats), names: setup.names.clone(), feed: None };
            let queries = ProjectionService::start(&platform, &setup.read_side, connections).await?;
            router = router.merge(queries.router);
            failpoints = queries.failpoints;
        }
        let (router, _) = router.split_for_parts();
        let stopping = platform.supervisor.token();
        let served = tokio::spawn(web::serve(listener, router, platform.metrics.clone(), stopping));
        Ok(Self { url, parts, platform, failpoints, served })
    }

    /// Ends in an orderly way; every task must end in time.
    pub async fn stop(self) -> Result<()> {
        self.platform.supervisor.token().cancel();
        tokio::time::timeout(SHUTDOWN_DEADLINE, self.served).await.context("the server does not end")???;
        let late = self.platform.supervisor.shutdown(SHUTDOWN_DEADLINE).await;
        ensure!(late.is_empty(), "tasks that did not end: {late:?}");
        Ok(())
    }
}

fn parse(setup: &Setup, url: &str) -> Result<CommandSettings> {
    let flags: [(&str, OsString); 5] = [
        ("--database-url", setup.database_url.clone().into()),
        ("--nats-url", setup.nats_url.clone().into()),
        ("--environment", "development".into()),
        ("--jwt-dev-key-file", setup.key_file.clone().into()),
        ("--public-url", url.into()),
    ];
    let flags = flags.into_iter().flat_map(|(name, value)| [OsString::from(name), value]);
    let extra = setup.arguments.iter().map(OsString::from);
    Ok(settings::parse_from(std::iter::once(OsString::from("homefood")).chain(flags).chain(extra))?)
}
