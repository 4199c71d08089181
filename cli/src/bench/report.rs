//! What was measured, as one machine-readable object.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{load::Delays, processes::CpuUsed};

/// Everything that one run found out.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What it ran on.
    pub machine: Machine,
    /// Seconds measured per row.
    pub seconds: u64,
    /// What was measured, in order.
    pub rows: Vec<Row>,
    /// Memory in bytes by process: at the start, and after each part of the run.
    pub memory: Vec<MemoryRow>,
    /// What was to be reached, and whether it was.
    pub targets: Vec<Target>,
    /// What was checked and true.
    pub checks: Vec<String>,
}

/// The machine and its servers.
#[derive(Debug, Default, Serialize)]
pub struct Machine {
    /// Its processor.
    pub processor: String,
    /// How many of them.
    pub cores: usize,
    /// Its Postgres.
    pub postgres: String,
    /// What the Postgres is set to.
    pub postgres_settings: String,
    /// Whether the programs are built for speed.
    pub release_build: bool,
}

/// One measurement.
#[derive(Debug, Default, Serialize)]
pub struct Row {
    /// Names what was measured; see the constants.
    pub what: &'static str,
    /// Connections, clients or writers.
    pub connections: usize,
    /// What is compared: commands over HTTP, transactions, requests, events.
    pub per_second: f64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer.
    pub p99_ms: f64,
    /// Events appended to the log, process managers' included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_second: Option<f64>,
    /// Commands that appended something, process managers' included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_commands_per_second: Option<f64>,
    /// By kind of request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<&'static str, Kind>,
    /// What else was counted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<&'static str, u64>,
    /// Processor time by process, in microseconds for one of what is compared.
    pub cpu_us_each: BTreeMap<String, f64>,
    /// The part of the machine that others took meanwhile, in percent.
    pub others_cpu_percent: f64,
}

/// One kind of request.
#[derive(Debug, Serialize)]
pub struct Kind {
    /// How many in a second.
    pub per_second: f64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer.
    pub p99_ms: f64,
}

/// Memory at one moment.
#[derive(Debug, Serialize)]
pub struct MemoryRow {
    /// When.
    pub when: &'static str,
    /// Events in the log then.
    pub events: i64,
    /// Bytes by process.
    pub bytes: BTreeMap<String, u64>,
}

/// Something to be reached.
#[derive(Debug, Serialize)]
pub struct Target {
    /// What.
    pub what: &'static str,
    /// What was measured.
    pub measured: f64,
    /// What it should be.
    pub wanted: f64,
    /// Whether it is.
    pub reached: bool,
}

/// The rows, by name.
pub const PGBENCH: &str = "pgbench: one INSERT per transaction";
pub const PGBENCH_AGAIN: &str = "pgbench, again at the end";
pub const VANILLA: &str = "cqrs-es + postgres-es: create";
pub const BARE: &str = "bare axum: POST JSON → 200";
pub const CREATE_ALONE: &str = "write side alone: create";
pub const FLOW_ALONE: &str = "write side alone: create → pay → accept";
pub const CREATE_FULL: &str = "everything on: create";
pub const FLOW_FULL: &str = "everything on: create → pay → accept";
pub const DELAY_LOAD: &str = "everything on: a tenth of the flows, at a fixed rate";
pub const DELAY_QUERY: &str = "commit → answer of a query that shows it";
pub const DELAY_SOCKET: &str = "commit → socket";
pub const CATCH_UP: &str = "all projections catch up (events)";
pub const HOT_VANILLA: &str = "one hot order: cqrs-es + postgres-es";
pub const HOT: &str = "one hot order: HomeFood over HTTP";
pub const LONG_VANILLA: &str = "streams of 1,000 events: cqrs-es + postgres-es";
pub const LONG: &str = "streams of 1,000 events: HomeFood over HTTP";

impl Row {
    /// A row whose compared things are `counted` of these delays.
    pub fn of(what: &'static str, connections: usize, seconds: f64, counted: &Delays) -> Self {
        Self {
            what,
            connections,
            per_second: counted.len() as f64 / seconds,
            p50_ms: quantile_ms(counted, 0.50),
            p99_ms: quantile_ms(counted, 0.99),
            ..Self::default()
        }
    }

    /// With the processor time taken in `seconds` of it.
    pub fn with_cpu(mut self, cpu: &CpuUsed, seconds: f64, cores: usize) -> Self {
        let each = (self.per_second * seconds).max(1.0);
        self.cpu_us_each = cpu.seconds.iter().map(|(name, taken)| (name.clone(), taken * 1e6 / each)).collect();
        self.cpu_us_each.retain(|_, micros| *micros >= 0.05);
        self.others_cpu_percent = 100.0 * cpu.others_seconds / (seconds * cores as f64);
        self
    }
}

impl Kind {
    /// From its delays.
    pub fn of(delays: &Delays, seconds: f64) -> Self {
        let per_second = delays.len() as f64 / seconds;
        Self { per_second, p50_ms: quantile_ms(delays, 0.50), p99_ms: quantile_ms(delays, 0.99) }
    }
}

/// A quantile of microseconds, in milliseconds.
pub fn quantile_ms(delays: &Delays, quantile: f64) -> f64 {
    delays.value_at_quantile(quantile) as f64 / 1_000.0
}

impl Report {
    /// The best of the rows of that name, at that many connections.
    pub fn best(&self, names: &[&str], connections: usize) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| names.contains(&row.what) && row.connections == connections);
        rows.map(|row| row.per_second).max_by(f64::total_cmp)
    }

    /// Compares one row with the best of others.
    pub fn expect_ratio(&mut self, what: &'static str, row: (&str, usize), base: (&[&str], usize), wanted: f64) {
        let (Some(own), Some(base)) = (self.best(&[row.0], row.1), self.best(base.0, base.1)) else { return };
        self.expect(what, own / base, wanted, own / base >= wanted);
    }

    /// Notes whether something was reached.
    pub fn expect(&mut self, what: &'static str, measured: f64, wanted: f64, reached: bool) {
        self.targets.push(Target { what, measured, wanted, reached });
    }
}
