//! The projection-service on its own.

#![allow(missing_docs, reason = "a program, not a library")]

use std::{process::ExitCode, time::Duration};

use projection_service::{
    app::{Connections, ProjectionService},
    settings::ProjectionSettings,
};
use shared::{
    runtime::{BoxError, Platform, jetstream, settings, shutdown_signal, telemetry},
    subjects::Names,
    web,
};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long tasks may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);
/// The port when none is set.
const PORT: u16 = 8_081;

#[tokio::main]
async fn main() -> ExitCode {
    let settings: ProjectionSettings = match settings::parse() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("projection-service: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: ProjectionSettings) -> Result<(), BoxError> {
    let _logs = telemetry::init(settings.shared.log_format, &settings.shared.log_filter)?;
    let platform = Platform::new("projection-service", settings.shared.clone()).await?;
    let nats = jetstream::connect(&settings.shared.nats_url, "projection").await?;
    jetstream::watch_health(&platform.health, &nats);
    let names = Names::default().at(&settings.shared.public_url);
    let connections = Connections { nats: Some(nats), names, feed: None };
    let service = ProjectionService::start(&platform, &settings.read_side, connections).await?;
    let listener = TcpListener::bind(settings.shared.listen_or(PORT)).await?;
    tracing::info!(address = %listener.local_addr()?, "projection-service listens");
    let ops = web::ops::routes(platform.metrics.clone(), platform.health.clone());
    let (router, _) = service.router.merge(ops).split_for_parts();
    let stopping = platform.supervisor.token();
    let served = tokio::spawn(web::serve(listener, router, platform.metrics.clone(), stopping.clone()));
    shutdown_signal().await;
    stopping.cancel();
    served.await??;
    platform.supervisor.shutdown(SHUTDOWN_DEADLINE).await;
    Ok(())
}
