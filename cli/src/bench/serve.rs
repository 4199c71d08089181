//! The hidden part of the bench: the programs under load.

use std::{fmt, fs, path::PathBuf, time::Duration};

use anyhow::{Result, anyhow};
use axum::{Json, Router, routing::post, serve::ListenerExt};
use command_service::{
    app::{CommandService, Connections},
    settings::CommandSettings,
};
use projection_service::{app::ProjectionService, settings::ProjectionSettings};
use serde::{Deserialize, Serialize};
use shared::{
    runtime::{Platform, jetstream, settings, telemetry},
    subjects::Names,
    web,
};
use tokio::net::TcpListener;

/// How long tasks may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

/// Which program to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// The write side, without mirroring its log.
    WriteSide,
    /// The write side with everything.
    Command,
    /// The read side.
    Projection,
    /// An endpoint that does nothing.
    Bare,
}

impl Role {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WriteSide => "write-side",
            Self::Command => "command",
            Self::Projection => "projection",
            Self::Bare => "bare",
        }
    }

    /// What it is called in reports.
    pub fn program(self) -> &'static str {
        match self {
            Self::WriteSide | Self::Command => "command-service",
            Self::Projection => "projection-service",
            Self::Bare => "bare axum",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a program under load is told.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Which program to be.
    #[arg(long)]
    role: Role,
    /// Gets the address once it is served.
    #[arg(long)]
    ready_file: PathBuf,
}

/// Serves until standard input ends: that is when the bench does.
pub async fn run(args: ServeArgs) -> Result<()> {
    match args.role {
        Role::WriteSide => command_service(&args, false).await,
        Role::Command => command_service(&args, true).await,
        Role::Projection => projection_service(&args).await,
        Role::Bare => bare(&args).await,
    }
}

async fn command_service(args: &ServeArgs, with_relay: bool) -> Result<()> {
    let settings: CommandSettings = settings::parse_from(["command-service".into()])?;
    let _logs = telemetry::init(settings.shared.log_format, &settings.shared.log_filter).map_err(|e| anyhow!(e))?;
    let platform = Platform::new("command-service", settings.shared.clone()).await?;
    let nats = jetstream::connect(&settings.shared.nats_url, "command").await?;
    let connections = Connections { nats, names: Names::default(), with_relay };
    let service = CommandService::start(&platform, &settings.write_side, connections).await?;
    let ops = web::ops::routes(platform.metrics.clone(), platform.health.clone());
    let (router, _) = service.router.merge(ops).split_for_parts();
    serve(args, &platform, router).await
}

async fn projection_service(args: &ServeArgs) -> Result<()> {
    let settings: ProjectionSettings = settings::parse_from(["projection-service".into()])?;
    let _logs = telemetry::init(settings.shared.log_format, &settings.shared.log_filter).map_err(|e| anyhow!(e))?;
    let platform = Platform::new("projection-service", settings.shared.clone()).await?;
    let nats = jetstream::connect(&settings.shared.nats_url, "projection").await?;
    let connections = projection_service::app::Connections { nats: Some(nats), names: Names::default(), feed: None };
    let service = ProjectionService::start(&platform, &settings.read_side, connections).await?;
    let ops = web::ops::routes(platform.metrics.clone(), platform.health.clone());
    let (router, _) = service.router.merge(ops).split_for_parts();
    serve(args, &platform, router).await
}

/// As the service's own program does it.
async fn serve(args: &ServeArgs, platform: &Platform, router: Router) -> Result<()> {
    let listener = listen(args).await?;
    let stopping = platform.supervisor.token();
    let served = tokio::spawn(web::serve(listener, router, platform.metrics.clone(), stopping.clone()));
    end_of_input().await;
    stopping.cancel();
    served.await??;
    platform.supervisor.shutdown(SHUTDOWN_DEADLINE).await;
    Ok(())
}

async fn listen(args: &ServeArgs) -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let draft = args.ready_file.with_extension("draft");
    fs::write(&draft, listener.local_addr()?.to_string())?;
    fs::rename(draft, &args.ready_file)?;
    Ok(listener)
}

async fn end_of_input() {
    let waiting = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    // However it ended, it ended.
    let _ = waiting.await;
}

/// What an order says, and nothing is done with it.
#[derive(Debug, Deserialize, Serialize)]
struct AnyOrder {
    dish_id: uuid::Uuid,
    quantity: u32,
    delivery_type: String,
    delivery_address_text: String,
    user_name: String,
    phone: String,
    comment: String,
}

async fn bare(args: &ServeArgs) -> Result<()> {
    let router = Router::new().route("/api/v1/orders", post(async |Json(order): Json<AnyOrder>| Json(order)));
    let listener = listen(args).await?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        () = end_of_input() => Ok(()),
    }
}
