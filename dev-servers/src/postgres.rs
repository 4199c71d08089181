//! A private Postgres: made with initdb, listening on localhost and on a socket of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sqlx::{Connection, PgConnection};

use crate::account::Account;
use crate::binaries::PostgresBinaries;
use crate::off_runtime;
use crate::probe::{free_port, postgres_answers};
use crate::storage::Storage;
use crate::watchdog::{Launch, Watchdog};

const READY: Duration = Duration::from_secs(60);
const OWNER: &str = "homefood";

/// What the server is for; decides how much memory it takes and how safe it keeps the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Durable, sized for a developer's machine.
    Dev,
    /// Fast and forgetful: a power cut may lose or break everything.
    Test,
    /// As durable as `Dev`, so that measurements are honest.
    Bench,
}

/// What compose.yaml gives its Postgres too.
const SETTINGS: &str = include_str!("../postgres.conf");

impl Profile {
    fn settings(self) -> Vec<(&'static str, &'static str)> {
        let lines = SETTINGS.lines().filter(|line| !line.starts_with('#'));
        let shared = lines.filter_map(|line| line.split_once('='));
        let mut settings: Vec<_> = shared.map(|(key, value)| (key.trim(), value.trim().trim_matches('\''))).collect();
        settings.push(("listen_addresses", "127.0.0.1"));
        if self == Profile::Test {
            settings.extend([
                ("fsync", "off"),
                ("full_page_writes", "off"),
                ("shared_buffers", "128MB"),
                ("max_connections", "500"),
                // Segments in the data directory go away with it, even after a kill -9.
                ("dynamic_shared_memory_type", "mmap"),
            ]);
        }
        settings
    }
}

/// How to run a Postgres.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Where the data lives.
    pub storage: Storage,
    /// What the server is for.
    pub profile: Profile,
    /// The port to listen on; a free one if none.
    pub port: Option<u16>,
    /// Server settings that win over those of the profile.
    pub settings: Vec<(String, String)>,
}

impl PostgresOptions {
    /// A server of this profile on a free port.
    pub fn new(storage: Storage, profile: Profile) -> PostgresOptions {
        PostgresOptions { storage, profile, port: None, settings: Vec::new() }
    }
}

/// A Postgres of our own; dropping it stops it.
pub struct Postgres {
    running: Option<Watchdog>,
    launch: Arc<Launch>,
    data_dir: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts a server, with an empty cluster if there is none yet.
    pub async fn start(binaries: &PostgresBinaries, options: PostgresOptions) -> Result<Postgres> {
        let binaries = binaries.clone();
        off_runtime(move || Postgres::start_blocking(&binaries, &options)).await
    }

    fn start_blocking(binaries: &PostgresBinaries, options: &PostgresOptions) -> Result<Postgres> {
        let account = Account::for_postgres()?;
        let (dir, scratch) = options.storage.prepare(&account)?;
        let data_dir = dir.join("data");
        let mut launch = Launch {
            name: "Postgres",
            program: binaries.program("postgres"),
            args: Vec::new(),
            account,
            dir,
            stop_signal: "INT",
            grace_secs: if options.storage == Storage::ThrowAway { 5 } else { 20 },
            scratch,
        };
        create_cluster(binaries, &launch, &data_dir, options.profile)?;

        for attempts_left in (0..5).rev() {
            let port = options.port.map_or_else(free_port, Ok)?;
            launch.args = arguments(options, &data_dir, launch.scratch.path(), port);
            match bring_up(&launch, &data_dir, port) {
                Ok(running) => {
                    return Ok(Postgres { running: Some(running), launch: Arc::new(launch), data_dir, port });
                }
                // Somebody was faster to take the port.
                Err(error) if options.port.is_none() && attempts_left > 0 && port_was_taken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        bail!("Postgres found no free port")
    }

    /// Stops in an orderly way: sessions are ended, everything is written.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        off_runtime(move || running.stop()).await
    }

    /// `kill -9`, as a crash would do it.
    pub async fn kill(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        off_runtime(move || running.kill()).await
    }

    /// Stops if running, then starts on the same port and data.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        let (launch, data_dir, port) = (self.launch.clone(), self.data_dir.clone(), self.port);
        self.running = Some(off_runtime(move || bring_up(&launch, &data_dir, port)).await?);
        Ok(())
    }

    /// The address of a database over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{OWNER}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// The address of a database over the Unix socket: faster than TCP.
    pub fn socket_url(&self, database: &str) -> String {
        let dir = escape(&self.launch.scratch.path().to_string_lossy());
        format!("postgres://{OWNER}@localhost:{}/{database}?sslmode=disable&host={dir}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the cluster is; not always where it was asked for, see [`Account`].
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What the server wrote since its last start.
    pub fn log_file(&self) -> PathBuf {
        self.launch.log()
    }

    /// Creates the database unless it is there.
    pub async fn ensure_database(&self, name: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.socket_url("postgres")).await?;
        let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        if !found {
            sqlx::query(&format!("CREATE DATABASE \"{name}\"")).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }
}

fn bring_up(launch: &Launch, data_dir: &Path, port: u16) -> Result<Watchdog> {
    let socket = launch.scratch.path().join(format!(".s.PGSQL.{port}"));
    let started = launch.bring_up(READY, || postgres_answers(&socket, OWNER));
    match started {
        Err(error) if format!("{error:#}").contains("postmaster.pid\" already exists") => {
            forget_dead_postmaster(data_dir).context(error)?;
            launch.bring_up(READY, || postgres_answers(&socket, OWNER))
        }
        outcome => outcome,
    }
}

/// After a crash and a reboot another program may have got the number of the dead postmaster.
fn forget_dead_postmaster(data_dir: &Path) -> Result<()> {
    let file = data_dir.join("postmaster.pid");
    let text = fs::read_to_string(&file)?;
    let pid = text.lines().next().unwrap_or_default();
    let answer = Command::new("ps").args(["-p", pid, "-o", "comm="]).output()?;
    let program = String::from_utf8_lossy(&answer.stdout).into_owned();
    ensure!(!program.contains("postgres"), "another Postgres (process {pid}) runs on {}", data_dir.display());
    Ok(fs::remove_file(&file)?)
}

fn arguments(options: &PostgresOptions, data_dir: &Path, socket_dir: &Path, port: u16) -> Vec<String> {
    let mut settings: Vec<(String, String)> = Vec::new();
    settings.extend(options.profile.settings().into_iter().map(|(key, value)| (key.into(), value.into())));
    settings.push(("port".into(), port.to_string()));
    settings.push(("unix_socket_directories".into(), format!("\"{}\"", socket_dir.display())));
    settings.extend(options.settings.iter().cloned());

    let mut arguments = vec!["-D".into(), data_dir.display().to_string()];
    arguments.extend(settings.into_iter().flat_map(|(key, value)| ["-c".into(), format!("{key}={value}")]));
    arguments
}

/// Made beside its final place and then renamed, so that an interrupted initdb leaves no half cluster.
fn create_cluster(binaries: &PostgresBinaries, launch: &Launch, data_dir: &Path, profile: Profile) -> Result<()> {
    // Two first starts at once: one makes the cluster, the other finds it made.
    let lock = File::create(launch.dir.join("initdb.lock"))?;
    lock.lock()?;
    if data_dir.exists() {
        let version = fs::read_to_string(data_dir.join("PG_VERSION")).unwrap_or_default();
        ensure!(
            version.trim() == binaries.major.to_string(),
            "{} was made by Postgres {}, and this is Postgres {}: point HOMEFOOD_PG_BIN to the old one, or remove it",
            data_dir.display(),
            version.trim(),
            binaries.major
        );
        return Ok(());
    }
    let fresh = data_dir.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
    launch.account.own(&fresh)?;

    let mut command = Command::new(binaries.program("initdb"));
    command
        .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"])
        .args(["-U", OWNER, "-D"])
        .arg(&fresh)
        .env("LC_ALL", "C")
        .current_dir(&launch.dir)
        .stdin(Stdio::null());
    if profile == Profile::Test {
        command.arg("--no-sync");
    }
    launch.account.apply(&mut command);
    let output = command.output().context("cannot run initdb")?;
    if !output.status.success() {
        fs::remove_dir_all(&fresh).ok();
        bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    fs::rename(&fresh, data_dir).with_context(|| format!("cannot create {}", data_dir.display()))
}

fn port_was_taken(error: &anyhow::Error) -> bool {
    error.to_string().contains("in use")
}

/// Escapes what has a meaning in the query of a URL.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_trade_safety_for_speed() {
        let last = |profile: Profile, key| profile.settings().into_iter().rfind(|(name, _)| *name == key);
        for profile in [Profile::Dev, Profile::Bench] {
            assert_eq!(last(profile, "fsync"), Some(("fsync", "on")));
            assert_eq!(last(profile, "timezone"), Some(("timezone", "UTC")));
        }
        assert_eq!(last(Profile::Test, "fsync"), Some(("fsync", "off")));
    }
}
