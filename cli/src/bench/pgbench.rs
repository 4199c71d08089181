//! What Postgres itself does on the same server: pgbench, one INSERT of an equal event per transaction.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use sqlx::{PgPool, Row};
use tokio::process::Command;

use super::load::{Delays, delays};

/// Of so many transactions one is written to pgbench's log; all would slow it down.
const SAMPLED: f64 = 0.2;

/// An event of our own log, as text: what pgbench is to insert.
#[derive(Debug, Clone)]
pub struct Sample {
    payload: String,
    metadata: String,
    actor: String,
}

impl Sample {
    /// Some event of that type.
    pub async fn of(db: &PgPool, event_type: &str) -> Result<Self> {
        let query =
            sqlx::query("SELECT payload::text, metadata::text, actor FROM events WHERE event_type = $1 LIMIT 1");
        let row = query.bind(event_type).fetch_one(db).await.context("the log has no event to be imitated")?;
        Ok(Self { payload: row.try_get(0)?, metadata: row.try_get(1)?, actor: row.try_get(2)? })
    }
}

/// A table that has an event's columns, a primary key and unique positions; and pgbench, which fills it.
pub struct Pgbench<'a> {
    /// Its program.
    pub program: &'a Path,
    /// Its database.
    pub database_url: &'a str,
    /// Where it may write.
    pub dir: &'a Path,
}

impl Pgbench<'_> {
    /// Makes the table and the script.
    pub async fn prepare(&self, db: &PgPool, sample: &Sample) -> Result<()> {
        sqlx::raw_sql(
            "
            CREATE SEQUENCE plain_positions;
            CREATE TABLE plain_events (LIKE events);
            ALTER TABLE plain_events ALTER position SET DEFAULT nextval('plain_positions'),
                ADD PRIMARY KEY (aggregate_type, aggregate_id, sequence), ADD UNIQUE (position);
            ",
        )
        .execute(db)
        .await?;
        let text = |text: &str| format!("$json${}$json$", without_variables(text));
        let script = format!(
            "INSERT INTO plain_events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, \
             metadata, event_id, correlation_id, causation_id, actor, occurred_at, recorded_at, slice) VALUES ('order', \
             gen_random_uuid()::text, 1, 'order_created', '1', {}, {}, gen_random_uuid(), gen_random_uuid(), \
             gen_random_uuid(), {}, now(), now(), 7);\n",
            text(&sample.payload),
            text(&sample.metadata),
            text(&sample.actor),
        );
        Ok(fs::write(self.script(), script)?)
    }

    /// Inserts for so many seconds: transactions per second, and how long they took.
    pub async fn run(&self, clients: usize, seconds: u64) -> Result<(f64, Delays)> {
        let threads = clients.min(std::thread::available_parallelism()?.get());
        let prefix = self.dir.join("pgbench");
        let output = Command::new(self.program)
            .args(["-n", "-M", "prepared", "-l", "--sampling-rate", &SAMPLED.to_string(), "--log-prefix"])
            .arg(&prefix)
            .args(["-c", &clients.to_string(), "-j", &threads.to_string(), "-T", &seconds.to_string(), "-f"])
            .arg(self.script())
            .arg(self.database_url)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("pgbench cannot be run")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
        ensure!(!text.contains("failed transactions: ") || text.contains("failed transactions: 0 "), "{text}");
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        Ok((rate.context("pgbench names no tps")?, self.collect_delays()?))
    }

    fn script(&self) -> PathBuf {
        self.dir.join("pgbench.sql")
    }

    fn collect_delays(&self) -> Result<Delays> {
        let mut all = delays();
        for entry in fs::read_dir(self.dir)?.flatten() {
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with("pgbench.") || name == "pgbench.sql" {
                continue;
            }
            for line in fs::read_to_string(entry.path())?.lines() {
                // client, transaction, microseconds, …
                let micros = line.split(' ').nth(2).and_then(|field| field.parse().ok());
                all.saturating_record(micros.context("an unknown line in pgbench's log")?);
            }
            fs::remove_file(entry.path())?;
        }
        Ok(all)
    }
}

/// pgbench takes a colon before a letter for a variable.
fn without_variables(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        plain.push(letter);
        if letter == ':' && letters.peek().is_some_and(|next| next.is_ascii_alphabetic() || *next == '_') {
            plain.push(' ');
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::without_variables;

    #[test]
    fn pgbench_finds_no_variables_in_json() {
        assert_eq!(without_variables(r#"{"late":false,"at":"12:30","n":1}"#), r#"{"late": false,"at":"12:30","n":1}"#);
    }
}
