//! What the programs of the services have in common: settings or a report of what is wrong with them at the beginning, and
//! at the end requests before tasks.

use std::{process::ExitCode, time::Duration};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    BoxError, Platform,
    settings::{self, Settings},
    shutdown_signal,
};
use crate::web;

/// How long requests may take to end, and then tasks.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

/// All of `main`: reads the settings and runs the program `name` with them. Wrong settings have exit codes of their own.
pub async fn program<S: Settings, F>(name: &str, run: impl FnOnce(S) -> F) -> ExitCode
where
    F: Future<Output = Result<(), BoxError>>,
{
    let settings = match settings::parse() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the program is told to end. Then `closing` is cancelled and requests end, and the tasks after them.
pub async fn serve_until_told(
    platform: &Platform,
    listener: TcpListener,
    router: Router,
    closing: CancellationToken,
) -> Result<(), BoxError> {
    let mut served = tokio::spawn(web::serve(listener, router, platform.metrics.clone(), closing.clone()));
    shutdown_signal().await;
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
