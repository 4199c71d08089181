//! The command-service on its own.

#![allow(missing_docs, reason = "a program, not a library")]

use std::{process::ExitCode, time::Duration};

use command_service::{
    app::{CommandService, Connections},
    settings::CommandSettings,
};
use shared::{
    runtime::{BoxError, Platform, jetstream, settings, shutdown_signal, telemetry},
    subjects::Names,
    web,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long tasks may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);
/// The port when none is set.
const PORT: u16 = 8_080;

#[tokio::main]
async fn main() -> ExitCode {
    let settings: CommandSettings = match settings::parse() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("command-service: {error}");
            ExitCode::FAILURE
        }
    }
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
    let closing = CancellationToken::new();
    let mut served = tokio::spawn(web::serve(listener, router, platform.metrics.clone(), closing.clone()));
    shutdown_signal().await;
    // Requests first: those under way still need the tasks that append and open pages.
    closing.cancel();
    let answered = tokio::time::timeout(SHUTDOWN_DEADLINE, &mut served).await;
    platform.supervisor.shutdown(SHUTDOWN_DEADLINE).await;
    match answered {
        Ok(served) => served??,
        // Somebody sends a request without end.
        Err(_) => served.abort(),
    }
    Ok(())
}
