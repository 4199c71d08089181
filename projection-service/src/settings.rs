//! What the projection-service is told, by environment or command line.

use std::time::Duration;

use chrono::TimeDelta;
use clap::Parser;
use shared::runtime::{SettingsError, SharedSettings, settings::Settings};

use crate::{
    engine::{EngineSettings, Failpoints, LetterPolicy, ShortRetry},
    live::AllowedOrigins,
};

/// The settings of the projection-service.
#[derive(Debug, Clone, Parser)]
#[command(name = "projection-service", version, about = "The read side of HomeFood")]
pub struct ProjectionSettings {
    /// What both services are told.
    #[command(flatten)]
    pub shared: SharedSettings,
    /// What the read side alone is told.
    #[command(flatten)]
    pub read_side: ReadSideSettings,
}

impl Settings for ProjectionSettings {
    fn check(&self) -> Result<(), SettingsError> {
        self.shared.check()?;
        self.read_side.check(self.shared.is_development())
    }
}

/// What the read side alone is told.
#[derive(Debug, Clone, clap::Args)]
pub struct ReadSideSettings {
    /// The most connections to the database.
    #[arg(
        long,
        env = "HOMEFOOD_PROJECTION_DB_CONNECTIONS",
        value_name = "HOMEFOOD_PROJECTION_DB_CONNECTIONS",
        default_value_t = 16
    )]
    pub projection_db_connections: u32,

    /// Events folded in one transaction, at most; only after a pause are there so many. A row that several of them change is
    /// written once.
    #[arg(
        long,
        env = "HOMEFOOD_PROJECTION_BATCH",
        value_name = "HOMEFOOD_PROJECTION_BATCH",
        default_value_t = 8_000,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub projection_batch: u32,

    /// How long under load, in milliseconds, a small batch waits for more; no query waits for it.
    #[arg(
        long,
        env = "HOMEFOOD_PROJECTION_GATHER_MS",
        value_name = "HOMEFOOD_PROJECTION_GATHER_MS",
        default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(0..=1_000)
    )]
    pub projection_gather_ms: u64,

    /// The same for projections of sums (reports, books), where every transaction changes the same few rows.
    #[arg(
        long,
        env = "HOMEFOOD_PROJECTION_GATHER_SUMS_MS",
        value_name = "HOMEFOOD_PROJECTION_GATHER_SUMS_MS",
        default_value_t = 200,
        value_parser = clap::value_parser!(u64).range(0..=1_000)
    )]
    pub projection_gather_sums_ms: u64,

    /// Rows of each projection kept in memory by whoever folds it.
    #[arg(long, env = "HOMEFOOD_PROJECTION_ROWS", value_name = "HOMEFOOD_PROJECTION_ROWS", default_value_t = 100_000)]
    pub projection_rows: usize,

    /// How long a projection waits for its owner, in milliseconds, before another process takes over.
    #[arg(
        long,
        env = "HOMEFOOD_PROJECTION_LEASE_MS",
        value_name = "HOMEFOOD_PROJECTION_LEASE_MS",
        default_value_t = 4_000,
        value_parser = clap::value_parser!(u64).range(100..=600_000)
    )]
    pub projection_lease_ms: u64,

    /// Tries of an event at short intervals. It is set aside at the first failure: its aggregate waits, all others go on.
    #[arg(
        long,
        env = "HOMEFOOD_RETRY_ATTEMPTS",
        value_name = "HOMEFOOD_RETRY_ATTEMPTS",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    pub retry_attempts: u32,

    /// The longest wait before the second try, in milliseconds; it doubles with each.
    #[arg(long, env = "HOMEFOOD_RETRY_BASE_MS", value_name = "HOMEFOOD_RETRY_BASE_MS", default_value_t = 1_000)]
    pub retry_base_ms: u64,

    /// The longest wait between two of these tries, in milliseconds.
    #[arg(long, env = "HOMEFOOD_RETRY_CAP_MS", value_name = "HOMEFOOD_RETRY_CAP_MS", default_value_t = 60_000)]
    pub retry_cap_ms: u64,

    /// Retries of a dead letter after those, before it waits for a person.
    #[arg(
        long,
        env = "HOMEFOOD_DLQ_RETRIES",
        value_name = "HOMEFOOD_DLQ_RETRIES",
        default_value_t = 3,
        value_parser = clap::value_parser!(i32).range(0..=20)
    )]
    pub dlq_retries: i32,

    /// The wait before the first of these retries, in milliseconds; it doubles with each.
    #[arg(
        long,
        env = "HOMEFOOD_DLQ_DELAY_MS",
        value_name = "HOMEFOOD_DLQ_DELAY_MS",
        default_value_t = 60_000,
        value_parser = clap::value_parser!(i64).range(1..=86_400_000)
    )]
    pub dlq_delay_ms: i64,

    /// Events that a rebuild or an audit holds in memory at a time, twice.
    #[arg(
        long,
        env = "HOMEFOOD_REBUILD_EVENTS",
        value_name = "HOMEFOOD_REBUILD_EVENTS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub rebuild_events: u32,

    /// How often some rows are compared with a fold of their events, in seconds; 0 is never.
    #[arg(long, env = "HOMEFOOD_DRIFT_SAMPLE_SECS", value_name = "HOMEFOOD_DRIFT_SAMPLE_SECS", default_value_t = 60)]
    pub drift_sample_secs: u64,

    /// The web sites whose pages may open a socket, by commas (`https://homefood.example`), beside that of
    /// `HOMEFOOD_PUBLIC_URL`. What is no browser names none and may; development allows `localhost` besides.
    #[arg(long, env = "HOMEFOOD_WS_ORIGINS", value_name = "HOMEFOOD_WS_ORIGINS", value_delimiter = ',')]
    pub ws_origins: Vec<String>,

    /// Development only: aggregates whose events a projection refuses, as `<projection>:<aggregate id>`, by commas.
    #[arg(long, env = "HOMEFOOD_FAILPOINT_FOLD", value_name = "HOMEFOOD_FAILPOINT_FOLD")]
    pub failpoint_fold: Option<String>,
}

impl ReadSideSettings {
    /// The defaults, as with no argument and no environment given.
    pub fn defaults() -> Self {
        #[derive(Parser)]
        struct Alone {
            #[command(flatten)]
            read_side: ReadSideSettings,
        }
        Alone::parse_from(["read-side"]).read_side
    }

    /// Refuses what would start and then be wrong.
    pub fn check(&self, is_development: bool) -> Result<(), SettingsError> {
        if self.failpoint_fold.is_some() && !is_development {
            return Err(SettingsError::Wrong("HOMEFOOD_FAILPOINT_FOLD is for development only".to_owned()));
        }
        self.failpoints().map(|_| ())
    }

    /// The faults on demand.
    pub fn failpoints(&self) -> Result<Failpoints, SettingsError> {
        let wrong = |error| SettingsError::Wrong(format!("HOMEFOOD_FAILPOINT_FOLD: {error}"));
        Failpoints::parse(self.failpoint_fold.as_deref().unwrap_or_default()).map_err(wrong)
    }

    /// Whose pages may open a socket.
    pub fn origins(&self, shared: &SharedSettings) -> AllowedOrigins {
        AllowedOrigins::new(&self.ws_origins, &shared.public_url, shared.is_development())
    }

    /// How projections are run.
    pub fn engine(&self) -> EngineSettings {
        let lease = Duration::from_millis(self.projection_lease_ms);
        EngineSettings {
            batch_max: self.projection_batch as usize,
            gather: Duration::from_millis(self.projection_gather_ms),
            gather_sums: Duration::from_millis(self.projection_gather_sums_ms),
            checkpoint: Duration::from_millis(100),
            rows_max: self.projection_rows,
            lease,
            standby_poll: (lease / 4).min(Duration::from_secs(1)),
            letters_poll: Duration::from_millis(
                self.retry_base_ms.min(self.dlq_delay_ms.unsigned_abs()).clamp(50, 1_000),
            ),
            letters: LetterPolicy {
                short: ShortRetry {
                    attempts: self.retry_attempts,
                    base: Duration::from_millis(self.retry_base_ms),
                    cap: Duration::from_millis(self.retry_cap_ms),
                },
                delay: TimeDelta::milliseconds(self.dlq_delay_ms),
                retries_max: self.dlq_retries,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failpoints_are_refused_in_production() {
        let mut settings = ReadSideSettings::defaults();
        settings.failpoint_fold = Some(format!("orders:{}", uuid::Uuid::nil()));
        assert!(settings.check(true).is_ok());
        assert!(settings.check(false).is_err());
        settings.failpoint_fold = Some("orders".to_owned());
        assert!(settings.check(true).is_err());
    }
}
