//! The pool of connections and the migrations of the database.

use sqlx::{
    PgPool,
    error::BoxDynError,
    migrate::{MigrateError, Migration, MigrationSource, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{future::Future, pin::Pin, str::FromStr, time::Duration};

use super::Secret;

/// Every migration in order: version, what it does, its text. A new file is a new line here.
pub const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "event log", include_str!("../../../migrations/0001_event_log.sql")),
    (2, "append events", include_str!("../../../migrations/0002_append_events.sql")),
    (10, "read models", include_str!("../../../migrations/0010_read_models.sql")),
    (11, "catalogue", include_str!("../../../migrations/0011_catalogue.sql")),
    (20, "dev fake", include_str!("../../../migrations/0020_dev_fake.sql")),
    (30, "roles", include_str!("../../../migrations/0030_roles.sql")),
    (40, "gifts", include_str!("../../../migrations/0040_gifts.sql")),
    (50, "disputes", include_str!("../../../migrations/0050_disputes.sql")),
    (51, "catalogue edits", include_str!("../../../migrations/0051_catalogue_edits.sql")),
    (60, "provider inbox", include_str!("../../../migrations/0060_provider_inbox.sql")),
    (61, "bank registry", include_str!("../../../migrations/0061_bank_registry.sql")),
    (70, "operations", include_str!("../../../migrations/0070_operations.sql")),
    (71, "redrive", include_str!("../../../migrations/0071_redrive.sql")),
    (72, "generations", include_str!("../../../migrations/0072_generations.sql")),
    (80, "order facts", include_str!("../../../migrations/0080_order_facts.sql")),
    (81, "analyst facts", include_str!("../../../migrations/0081_analyst_facts.sql")),
    (82, "hourly rollups", include_str!("../../../migrations/0082_hourly_rollups.sql")),
    (90, "ledger", include_str!("../../../migrations/0090_ledger.sql")),
    (91, "finer rollups", include_str!("../../../migrations/0091_finer_rollups.sql")),
    (100, "portions", include_str!("../../../migrations/0100_portions.sql")),
    (101, "erasure", include_str!("../../../migrations/0101_erasure.sql")),
    (110, "payment cases", include_str!("../../../migrations/0110_payment_cases.sql")),
    (120, "bulk generations", include_str!("../../../migrations/0120_bulk_generations.sql")),
    (121, "feed audit", include_str!("../../../migrations/0121_feed_audit.sql")),
    (122, "snapshot landmarks", include_str!("../../../migrations/0122_snapshot_landmarks.sql")),
    (130, "integrity holds", include_str!("../../../migrations/0130_integrity_holds.sql")),
    (140, "events by kind", include_str!("../../../migrations/0140_events_by_kind.sql")),
    (150, "room for updates", include_str!("../../../migrations/0150_room_for_updates.sql")),
    (151, "finer dish rollups", include_str!("../../../migrations/0151_finer_dish_rollups.sql")),
    (160, "analyst bounds", include_str!("../../../migrations/0160_analyst_bounds.sql")),
    (170, "told letters", include_str!("../../../migrations/0170_told_letters.sql")),
    (180, "repairs", include_str!("../../../migrations/0180_repairs.sql")),
    (181, "swap waits less", include_str!("../../../migrations/0181_swap_waits_less.sql")),
    (200, "sweeping", include_str!("../../../migrations/0200_sweeping.sql")),
];

/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a pool differs from another.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// The most connections it opens.
    pub connections_max: u32,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// When a statement is given up; `None` leaves it to the server.
    pub statement_timeout: Option<Duration>,
}

impl PoolOptions {
    /// A pool whose statements may take 30 s.
    pub fn new(application_name: impl Into<String>, connections_max: u32) -> Self {
        let statement_timeout = Some(Duration::from_secs(30));
        Self { connections_max, application_name: application_name.into(), statement_timeout }
    }
}

/// Opens a pool and its first connection.
pub async fn connect_pool(url: &Secret, options: PoolOptions) -> Result<PgPool, sqlx::Error> {
    let mut connect = PgConnectOptions::from_str(url.expose())?.application_name(&options.application_name);
    if let Some(timeout) = options.statement_timeout {
        connect = connect.options([("statement_timeout", timeout.as_millis().to_string())]);
    }
    PgPoolOptions::new()
        .max_connections(options.connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A dead connection shows itself at the first statement; a ping before each costs a round trip.
        .test_before_acquire(false)
        .connect_with(connect)
        .await
}

/// More connections to the database that `db` is connected to, with some of the server's settings changed; they are
/// opened when they are needed.
pub fn pool_beside(db: &PgPool, connections_max: u32, settings: &[(&str, &str)]) -> PgPool {
    let connect = (*db.connect_options()).clone().options(settings.iter().copied());
    let pool = PgPoolOptions::new().max_connections(connections_max).acquire_timeout(ACQUIRE_TIMEOUT);
    pool.test_before_acquire(false).connect_lazy_with(connect)
}

/// Brings the database to the newest migration and the analysts' views to the newest events; services that start together wait for one another.
pub async fn migrate(db: &PgPool) -> Result<(), MigrateError> {
    migrator().await?.run(db).await?;
    crate::analyst::install(db).await?;
    Ok(())
}

/// The migrations this program was built with.
pub async fn migrator() -> Result<Migrator, MigrateError> {
    Migrator::new(Embedded).await
}

#[derive(Debug)]
struct Embedded;

impl MigrationSource<'static> for Embedded {
    fn resolve(self) -> Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send + 'static>> {
        let migration = |&(version, description, sql): &(i64, &'static str, &'static str)| {
            Migration::new(version, description.into(), MigrationType::Simple, sql.into(), false)
        };
        Box::pin(async move { Ok(MIGRATIONS.iter().map(migration).collect()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn migrations_are_in_order() {
        let versions: Vec<i64> = migrator().await.expect("resolves").iter().map(|m| m.version).collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    }
}
