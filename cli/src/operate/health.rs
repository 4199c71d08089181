//! `homefood health`: how well a running service is, by its own report.

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use super::{client::Remote, show};
use crate::exit::{self, Exit};

#[derive(Debug, Args)]
pub struct HealthArgs {
    #[command(flatten)]
    remote: Remote,
}

/// Ends with 6 if the service is degraded and with 5 if it is unhealthy or does not answer.
pub async fn run(args: HealthArgs) -> Result<()> {
    let url = args.remote.url()?;
    let no_answer = |error: reqwest::Error| Exit::new(exit::UNAVAILABLE, format!("{url} does not answer: {error}"));
    let answer = reqwest::get(format!("{url}/health/")).await.map_err(no_answer)?;
    let report: Value = answer.json().await.with_context(|| format!("{url} gives no health report"))?;
    if args.remote.json {
        show::json(&report);
    } else {
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        let columns = [("PART", "/name"), ("STATUS", "/status"), ("MS", "/response_time_ms"), ("MESSAGE", "/message")];
        show::table(&checks, &columns);
    }
    match report["status"].as_str() {
        Some("healthy") => Ok(()),
        Some("degraded") => Err(Exit::new(exit::PARTLY_FAILED, "it works, but worse than it should").into()),
        _ => Err(Exit::new(exit::UNAVAILABLE, "it does not work").into()),
    }
}
