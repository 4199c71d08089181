//! The projection-service on its own.

#![allow(missing_docs, reason = "a program, not a library")]

use std::process::ExitCode;

use projection_service::{
    app::{Connections, ProjectionService},
    settings::ProjectionSettings,
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

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The port when none is set.
const PORT: u16 = 8_081;

#[tokio::main]
async fn main() -> ExitCode {
    program("projection-service", run).await
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
    // Sockets and event streams end with the tasks that feed them.
    serve_until_told(&platform, listener, router, platform.supervisor.token()).await
}
