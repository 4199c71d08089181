//! A private nats-server with JetStream, listening on localhost.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::binaries::NatsBinary;
use crate::off_runtime;
use crate::probe::{free_port, jetstream_answers};
use crate::storage::Storage;
use crate::watchdog::{Launch, Watchdog};

const READY: Duration = Duration::from_secs(60);

/// How to run a nats-server.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// Where JetStream keeps its streams.
    pub storage: Storage,
    /// The port to listen on; a free one if none.
    pub port: Option<u16>,
    /// Lines for the `jetstream` block of the configuration, such as `sync_interval: always`.
    pub jetstream: String,
    /// Further lines of the configuration, such as `max_payload: 8MB`.
    pub config: String,
}

impl NatsOptions {
    /// A server with the defaults of nats-server on a free port.
    pub fn new(storage: Storage) -> NatsOptions {
        NatsOptions { storage, port: None, jetstream: String::new(), config: String::new() }
    }
}

/// A nats-server of our own; dropping it stops it.
pub struct NatsServer {
    running: Option<Watchdog>,
    launch: Arc<Launch>,
    server_name: String,
    port: u16,
}

impl NatsServer {
    /// Starts a server on the streams in its store, if there are any.
    pub async fn start(binary: &NatsBinary, options: NatsOptions) -> Result<NatsServer> {
        let binary = binary.clone();
        off_runtime(move || NatsServer::start_blocking(&binary, &options)).await
    }

    fn start_blocking(binary: &NatsBinary, options: &NatsOptions) -> Result<NatsServer> {
        let (dir, scratch) = options.storage.prepare(&Account::Own)?;
        let config = scratch.path().join("nats.conf");
        let launch = Launch {
            name: "nats-server",
            program: binary.program.clone(),
            args: vec!["--config".into(), config.display().to_string()],
            account: Account::Own,
            dir,
            stop_signal: "TERM",
            grace_secs: 5,
            scratch,
        };
        // Its own name tells our server from a stranger on the same port.
        let server_name = format!("homefood-{}", uuid::Uuid::new_v4().simple());

        for attempts_left in (0..5).rev() {
            let port = options.port.map_or_else(free_port, Ok)?;
            fs::write(&config, configuration(options, &launch.dir.join("store"), &server_name, port))
                .with_context(|| format!("cannot write {}", config.display()))?;
            match launch.bring_up(READY, || jetstream_answers(port, &server_name)) {
                Ok(running) => {
                    return Ok(NatsServer { running: Some(running), launch: Arc::new(launch), server_name, port });
                }
                // Somebody was faster to take the port.
                Err(error) if options.port.is_none() && attempts_left > 0 && port_was_taken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        bail!("nats-server found no free port")
    }

    /// Stops in an orderly way.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        off_runtime(move || running.stop()).await
    }

    /// `kill -9`, as a crash would do it.
    pub async fn kill(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        off_runtime(move || running.kill()).await
    }

    /// Stops if running, then starts on the same port and store.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        let (launch, name, port) = (self.launch.clone(), self.server_name.clone(), self.port);
        let up = off_runtime(move || launch.bring_up(READY, || jetstream_answers(port, &name)));
        self.running = Some(up.await?);
        Ok(())
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// JetStream's files: while the server is stopped they may be wiped, or replaced with older ones.
    pub fn store_dir(&self) -> PathBuf {
        self.launch.dir.join("store")
    }

    /// What the server wrote since its last start.
    pub fn log_file(&self) -> PathBuf {
        self.launch.log()
    }
}

fn configuration(options: &NatsOptions, store: &Path, server_name: &str, port: u16) -> String {
    let store = store.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "server_name: {server_name}\nlisten: \"127.0.0.1:{port}\"\n{}\njetstream {{\n  store_dir: \"{store}\"\n  {}\n}}\n",
        options.config, options.jetstream,
    )
}

fn port_was_taken(error: &anyhow::Error) -> bool {
    error.to_string().contains("in use")
}
