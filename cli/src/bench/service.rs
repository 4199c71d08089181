//! One of the programs under load, as a process of its own: its memory and processor time are its own then, too.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    process::{Child, Command},
    time::Instant,
};

use super::serve::Role;

/// How long a service may take to start, and to stop.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A running service. Dropping it kills it.
pub struct Service {
    child: Child,
    /// Its part.
    pub role: Role,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process.
    pub pid: u32,
    log: PathBuf,
}

/// What every service is told.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The database.
    pub database_url: String,
    /// The NATS server.
    pub nats_url: String,
    /// Holds logs and keys, and goes away with the bench.
    pub dir: PathBuf,
    /// Which lines the services write to their logs.
    pub log_filter: String,
}

impl Surroundings {
    /// The key of the tokens, which bench and services share.
    pub fn key_file(&self) -> PathBuf {
        self.dir.join("jwt-key.pem")
    }

    /// The settings of a service, as environment.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", self.database_url.clone()),
            ("NATS_URL", self.nats_url.clone()),
            ("HOMEFOOD_LOG", self.log_filter.clone()),
            ("HOMEFOOD_ENV", "development".to_owned()),
            ("HOMEFOOD_LISTEN", "127.0.0.1:0".to_owned()),
            ("HOMEFOOD_JWT_DEV_KEY_FILE", self.key_file().display().to_string()),
        ]
    }
}

impl Service {
    /// Starts this very program again in the part of `role`, and waits until it listens.
    pub async fn start(role: Role, surroundings: &Surroundings) -> Result<Self> {
        let ready = surroundings.dir.join(format!("{role}.address"));
        fs::remove_file(&ready).ok();
        let log = surroundings.dir.join(format!("{role}.log"));
        let mut command = Command::new(std::env::current_exe()?);
        for (name, _) in std::env::vars_os() {
            // What the developer has set for other purposes must not change what is measured.
            if name.to_string_lossy().starts_with("HOMEFOOD_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["bench", "serve", "--role", role.as_str(), "--ready-file"])
            .arg(&ready)
            .envs(surroundings.settings())
            // Closing it stops the service, however this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {role}"))?;
        let pid = child.id().context("a service ended at once")?;
        let mut service = Self { child, role, address: SocketAddr::from(([0, 0, 0, 0], 0)), pid, log };
        service.address = service.wait_for(&ready).await?;
        Ok(service)
    }

    async fn wait_for(&mut self, ready: &Path) -> Result<SocketAddr> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended while starting ({status}): {}", self.role, self.last_words());
            }
            if let Some(address) = fs::read_to_string(ready).ok().and_then(|text| text.trim().parse().ok()) {
                return Ok(address);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{} is not ready after {START_LIMIT:?}: {}", self.role, self.last_words())
    }

    /// Stops it in an orderly way.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        match tokio::time::timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(status) => {
                ensure!(status?.success(), "{} failed: {}", self.role, self.last_words());
                Ok(())
            }
            Err(_) => Ok(self.child.kill().await?),
        }
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}
