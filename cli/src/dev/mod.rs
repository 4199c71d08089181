//! `homefood dev`: the whole system on this machine, with servers of its own and demo data.

mod bank;
pub mod demo;
pub mod session;
mod site;
mod time;

use std::{ffi::OsString, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use command_service::{
    app::{CommandService, Connections},
    settings::CommandSettings,
};
use dev_servers::{DevServers, Profile, ServersConfig, workspace_dir};
use projection_service::{
    app::{self as read_side, ProjectionService},
    settings::ProjectionSettings,
};
use shared::{
    runtime::{
        Platform, Secret, jetstream,
        postgres::{PoolOptions, connect_pool, migrate},
        settings::{self, LogFormat},
        shutdown_signal, telemetry,
    },
    subjects::Names,
    web,
};
use tokio::net::TcpListener;

/// The key that tokens of development are signed with, within the data directory.
pub const KEY_FILE: &str = "dev-jwt-key.pem";
/// The database of development.
const DATABASE: &str = "homefood";
/// How long tasks may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub struct DevArgs {
    /// The port that everything is served on.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where servers and keys are kept.
    #[arg(long, default_value_os_t = default_data_dir())]
    data_dir: PathBuf,
    /// Start without dishes and people.
    #[arg(long)]
    no_demo: bool,
    /// Empty everything first.
    #[arg(long)]
    reset: bool,
    /// Who moves the money.
    #[arg(long, value_enum, default_value_t = BankChoice::DevFake)]
    provider: BankChoice,
    /// Which log lines are written to standard error.
    #[arg(long, env = "HOMEFOOD_LOG", default_value = "warn")]
    log: String,
    #[command(subcommand)]
    verb: Option<DevVerb>,
}

/// Who moves the money in development.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum BankChoice {
    /// The imitation within the service; its scenarios are driven by routes of development.
    DevFake,
    /// T-Bank's adapter, over HTTP, in front of a fake bank with a page to pay on.
    FakeTbank,
}

#[derive(Debug, Subcommand)]
enum DevVerb {
    /// Measure, with a release build: the same as `homefood bench`.
    Bench {
        /// See `homefood bench --help`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// Where `cargo dev` keeps its data unless it is told.
pub fn default_data_dir() -> PathBuf {
    workspace_dir().join(".dev")
}

pub async fn run(args: DevArgs) -> Result<()> {
    if let Some(DevVerb::Bench { args }) = args.verb {
        return bench(args);
    }
    let _logs = telemetry::init(LogFormat::Pretty, &args.log).map_err(|error| anyhow::anyhow!("{error}"))?;
    // The port first: nothing is worth starting if somebody else has it.
    let listener = TcpListener::bind(("127.0.0.1", args.port))
        .await
        .with_context(|| format!("port {} cannot be used; choose another with --port", args.port))?;
    if args.reset {
        reset(&args)?;
    }
    std::fs::create_dir_all(&args.data_dir)?;
    // One that was killed leaves its session behind.
    let _ = std::fs::remove_file(args.data_dir.join(session::FILE));
    let config = ServersConfig { data_dir: args.data_dir.clone(), ..ServersConfig::from_env() };
    let servers = DevServers::start(&config, Profile::Dev, DATABASE).await?;
    let outcome = serve(&args, &servers, listener).await;
    eprintln!("stopping");
    servers.stop().await?;
    // A session that has ended misleads whoever reads it.
    let _ = std::fs::remove_file(args.data_dir.join(session::FILE));
    outcome
}

async fn serve(args: &DevArgs, servers: &DevServers, listener: TcpListener) -> Result<()> {
    let port = listener.local_addr()?.port();
    let owner = Secret::new(servers.database_url.as_str());
    let db = connect_pool(&owner, PoolOptions::new("homefood dev", 4)).await?;
    migrate(&db).await.context("the database cannot be migrated")?;
    if !args.no_demo {
        demo::load(&db).await.context("the demo data cannot be loaded")?;
    }
    let mut settings: CommandSettings = parse(args, servers, port, "homefood_command")?;
    let read_settings: ProjectionSettings = parse(args, servers, port, "homefood_projection")?;
    let bank = match args.provider {
        BankChoice::DevFake => None,
        BankChoice::FakeTbank => {
            let folder = args.data_dir.join(bank::FOLDER);
            Some(bank::open(&mut settings.write_side.tbank, args.port, folder).await?)
        }
    };
    let platform = Platform::new("homefood", settings.shared.clone()).await?;
    time::restore(&platform.clock, &args.data_dir)?;
    let (clock, data_dir) = (platform.clock.clone(), args.data_dir.clone());
    platform.supervisor.spawn("dev_clock", move |shutdown| time::keep(clock.clone(), data_dir.clone(), shutdown));
    let router = start(&platform, &settings, &read_settings).await?;
    let url = format!("http://localhost:{port}");
    if let Some(bank) = &bank {
        bank.follow(&platform.clock);
    }
    let session = session::Session::new(&platform, servers, url, !args.no_demo)?;
    let stopping = platform.supervisor.token();
    let served = tokio::spawn(web::serve(listener, router, platform.metrics.clone(), stopping.clone()));
    session.write(&args.data_dir)?;
    session.print();
    if let Some(bank) = &bank {
        println!("\nThe fake bank: {}/control/payments; pay on the page of `payment_url`.", bank.url());
    }
    shutdown_signal().await;
    stopping.cancel();
    served.await??;
    platform.supervisor.shutdown(SHUTDOWN_DEADLINE).await;
    if let Some(bank) = bank {
        bank.close();
    }
    Ok(())
}

/// Builds this program for speed and has it measure.
fn bench(args: Vec<OsString>) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--release", "--package", "homefood", "--bin", "homefood", "--", "bench"])
        .args(args)
        .current_dir(workspace_dir())
        .status()
        .context("cargo cannot be run")?;
    if status.success() { Ok(()) } else { bail!("the benchmark ended with {status}") }
}

/// Both services, joined on one router.
async fn start(platform: &Platform, write: &CommandSettings, read: &ProjectionSettings) -> Result<axum::Router> {
    let shared = &platform.settings;
    let nats = jetstream::connect(&shared.nats_url, "command").await?;
    jetstream::watch_health(&platform.health, &nats);
    let names = Names::default().at(&shared.public_url);
    let connections = Connections { nats: nats.clone(), names: names.clone(), with_relay: true };
    let commands = CommandService::start(platform, &write.write_side, connections).await?;
    let read_platform = Platform { settings: read.shared.clone(), ..platform.clone() };
    // It follows the mirror as it would in a process of its own.
    let connections = read_side::Connections { nats: Some(nats), names, feed: None };
    let queries = ProjectionService::start(&read_platform, &read.read_side, connections).await?;
    let ops = web::ops::routes(platform.metrics.clone(), platform.health.clone());
    let (router, document) = commands.router.merge(queries.router).merge(ops).split_for_parts();
    Ok(router.merge(site::router(crate::openapi::describe(document))))
}

/// The settings of a service, from the environment and from what `dev` has started.
fn parse<T: settings::Settings>(args: &DevArgs, servers: &DevServers, port: u16, role: &str) -> Result<T> {
    let database_url = if servers.postgres.is_some() {
        servers.database_url.replace("://homefood@", &format!("://{role}@"))
    } else {
        servers.database_url.clone()
    };
    let key_file = args.data_dir.join(KEY_FILE);
    let arguments: Vec<OsString> = vec![
        "homefood".into(),
        "--database-url".into(),
        database_url.into(),
        "--nats-url".into(),
        servers.nats_url.clone().into(),
        "--environment".into(),
        "development".into(),
        "--jwt-dev-key-file".into(),
        key_file.into(),
        "--public-url".into(),
        format!("http://localhost:{port}").into(),
    ];
    Ok(settings::parse_from(arguments)?)
}

/// Empties the data directory, but only what `dev` itself puts there.
fn reset(args: &DevArgs) -> Result<()> {
    for name in ["postgres", "nats", bank::FOLDER, KEY_FILE, session::FILE, time::FILE] {
        let path = args.data_dir.join(name);
        let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match gone {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => bail!("{} cannot be removed: {error}", path.display()),
        }
    }
    Ok(())
}
