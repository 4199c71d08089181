//! A process of its own for the services, to be killed.
//!
//! The test binary starts itself again and runs nothing but [`the_services_run_here`].

use std::{io::Read, path::PathBuf, process::Stdio};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use shared::{
    runtime::{Clock, settings::LogFormat, telemetry},
    subjects::Names,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{
    instance::{Instance, Parts, Setup},
    system::TestSystem,
    wait::{SOON_SECS, eventually},
};
use projection_service::settings::ReadSideSettings;

/// Set only in the child: what it has to know.
const ORDERS: &str = "SYSTEM_TESTS_CHILD";

/// What the child has to know.
#[derive(Debug, Serialize, Deserialize)]
struct Orders {
    database_url: String,
    nats_url: String,
    names: String,
    key_file: PathBuf,
    arguments: Vec<String>,
    /// How far the business's time is ahead of the machine's.
    ahead_secs: i64,
    /// What the child logs to its standard error; nothing if it is empty.
    log_filter: String,
    /// Where the child writes its address once it serves.
    address_file: PathBuf,
}

/// A running child; dropping it kills it.
pub struct ServiceProcess {
    child: Child,
    pub url: String,
    _folder: TempDir,
}

impl ServiceProcess {
    /// Both services of `system`, in a process of their own.
    pub async fn start(system: &TestSystem) -> Self {
        Self::start_with(system, "", Stdio::inherit()).await
    }

    /// The same, and what it logs by `log_filter` goes to `log`.
    pub async fn start_with(system: &TestSystem, log_filter: &str, log: Stdio) -> Self {
        let folder = TempDir::new().unwrap();
        let orders = Orders {
            database_url: system.setup.database_url.clone(),
            nats_url: system.setup.nats_url.clone(),
            names: system.names_id.clone(),
            key_file: system.setup.key_file.clone(),
            arguments: system.setup.arguments.clone(),
            ahead_secs: system.setup.clock.offset().num_seconds(),
            log_filter: log_filter.to_owned(),
            address_file: folder.path().join("address"),
        };
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "harness::child::the_services_run_here", "--nocapture"])
            .env(ORDERS, serde_json::to_string(&orders).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = eventually(SOON_SECS, || async {
            let address = std::fs::read_to_string(&orders.address_file).map_err(|error| error.to_string())?;
            if address.is_empty() { Err("it is still empty".to_owned()) } else { Ok(address) }
        })
        .await;
        Self { child, url, _folder: folder }
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Not a test but the child's program; among the tests it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_run_here() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let filter = orders.log_filter;
    let _log = (!filter.is_empty()).then(|| telemetry::init(LogFormat::Json, &filter).unwrap());
    let clock = Clock::system();
    clock.advance(TimeDelta::seconds(orders.ahead_secs));
    let setup = Setup {
        database_url: orders.database_url,
        nats_url: orders.nats_url,
        names: Names::of(&orders.names),
        key_file: orders.key_file,
        clock,
        read_side: ReadSideSettings::defaults(),
        arguments: orders.arguments,
    };
    let instance = Instance::start(&setup, Parts::ALL).await.unwrap();
    let draft = orders.address_file.with_extension("draft");
    std::fs::write(&draft, &instance.url).unwrap();
    std::fs::rename(draft, &orders.address_file).unwrap();
    // The parent never writes; when it ends, however it does, so does this.
    let parent = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    parent.await.unwrap().unwrap();
    std::process::exit(0);
}
