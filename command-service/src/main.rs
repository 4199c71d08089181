//! The command-service on its own.

#![allow(missing_docs, reason = "a program, not a library")]

use std::process::ExitCode;

use command_service::{
    app::{CommandService, Connections},
    settings::CommandSettings,
};
use shared::{
    runtime::{
        BoxError, Platform, jetstream,
        program::{program, serve_until_told},
        telemetry,
    },
    subjects::Names,
    web,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The port when none is set.
const PORT: u16 = 8_080;

#[tokio::main]
async fn main() -> ExitCode {
    program("command-service", run).await
}

async fn run(settings: CommandSettings) -> Result<(), BoxError> {
    let _logs = telemetry::init(settings.shared.log_format, &settings.shared.log_filter)?;
    let platform = Platform::new("command-service", settings.shared.clone()).await?;
    let nats = jetstream::connect(&settings.shared.nats_url, "command").await?;
    jetstream::watch_health(&platform.health, &nats);
    let names = Names::default().at(&settings.shared.public_url);
    let connections = Connections { nats, names, with_relay: true };
    let service = CommandService::start(&platform, &settings.write_side, connections).await?;
    let listener = TcpListener::bind(settings.shared.listen_or(PORT)).await?;
    tracing::info!(address = %listener.local_addr()?, "command-service listens");
    let ops = web::ops::routes(platform.metrics.clone(), platform.health.clone());
    let (router, _) = service.router.merge(ops).split_for_parts();
    // Requests under way still need the tasks that append and open pages.
    serve_until_told(&platform, listener, router, CancellationToken::new()).await
}
