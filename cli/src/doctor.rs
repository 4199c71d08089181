//! `homefood doctor`: whether this machine can run the system, and what to do if it cannot.

use std::{net::TcpListener, path::PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use dev_servers::{NatsBinary, PostgresBinaries, servers_dir};
use serde::Serialize;
use shared::runtime::{
    Secret,
    postgres::{MIGRATIONS, PoolOptions, connect_pool},
};

use crate::exit::{self, Exit};

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The port that `cargo dev` would serve on.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where `cargo dev` keeps its data.
    #[arg(long, default_value_os_t = crate::dev::default_data_dir())]
    data_dir: PathBuf,
    /// A database to look at, if there is one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<Secret>,
    /// A NATS server to look at, if there is one.
    #[arg(long, env = "NATS_URL")]
    nats_url: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    message: String,
}

/// Ends with 6 if anything is not as it has to be.
pub async fn run(args: DoctorArgs) -> Result<()> {
    let mut findings = Vec::new();
    let mut note = |what, found: Result<String>| {
        let ok = found.is_ok();
        let message = found.unwrap_or_else(|error| format!("{error:#}"));
        findings.push(Finding { what, ok, message });
    };
    note("data directory", writable(&args.data_dir));
    note("port", free(args.port));
    note("postgres", postgres().await);
    note("nats-server", nats_server().await);
    if let Some(url) = &args.database_url {
        note("database", database(url).await);
    }
    if let Some(url) = &args.nats_url {
        note("nats", nats(url).await);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        for Finding { what, ok, message } in &findings {
            println!("{:<4} {what:<16} {message}", if *ok { "ok" } else { "BAD" });
        }
    }
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(()),
        bad => {
            Err(Exit::new(exit::PARTLY_FAILED, format!("{bad} of {} are not as they have to be", findings.len()))
                .into())
        }
    }
}

fn writable(dir: &PathBuf) -> Result<String> {
    std::fs::create_dir_all(dir)?;
    let probe = dir.join(".doctor");
    std::fs::write(&probe, b"").with_context(|| format!("{} cannot be written to", dir.display()))?;
    std::fs::remove_file(probe)?;
    Ok(dir.display().to_string())
}

fn free(port: u16) -> Result<String> {
    TcpListener::bind(("127.0.0.1", port))
        .with_context(|| format!("{port} is taken, perhaps by a running `cargo dev`; choose another with --port"))?;
    Ok(format!("{port} is free"))
}

async fn postgres() -> Result<String> {
    let found = PostgresBinaries::locate(&servers_dir()).await?;
    Ok(format!("{} in {}", found.major, found.bin_dir.display()))
}

async fn nats_server() -> Result<String> {
    let found = NatsBinary::locate(&servers_dir()).await?;
    let (major, minor) = found.version;
    Ok(format!("{major}.{minor}, {}", found.program.display()))
}

async fn database(url: &Secret) -> Result<String> {
    let db = connect_pool(url, PoolOptions::new("homefood doctor", 1)).await.context("it cannot be reached")?;
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(&db)
        .await
        .context("it was never migrated: run `homefood migrate`")?;
    let wanted = MIGRATIONS.iter().map(|(version, _, _)| *version).max();
    ensure!(newest == wanted, "it is at migration {newest:?} and should be at {wanted:?}: run `homefood migrate`");
    let head: i64 = sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&db).await?;
    Ok(format!("migrated, {head} events"))
}

async fn nats(url: &str) -> Result<String> {
    let address = url.trim_start_matches("nats://").trim_start_matches("tls://");
    let address = address.rsplit('@').next().unwrap_or(address);
    tokio::net::TcpStream::connect(address).await.context("it cannot be reached")?;
    Ok("it answers".to_owned())
}
