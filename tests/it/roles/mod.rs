//! Each service can do its work under its own database role, and nothing else.

mod analyst;
mod services;

use dev_servers::TestServers;
use shared::runtime::{
    Secret,
    postgres::{PoolOptions, connect_pool, migrate},
};
use sqlx::PgPool;

const COMMAND: &str = "homefood_command";
const PROJECTION: &str = "homefood_projection";
const ANALYST: &str = "homefood_analyst";

/// The tables that belong to nobody but the owner.
const OWNERS_OWN: &[&str] = &[];

/// Every right on a table of the log, as a whole or on some columns: what is not here is denied.
const RIGHTS_ON_THE_LOG: &[(&str, &str, &str)] = &[
    (COMMAND, "events", "SELECT INSERT"),
    (COMMAND, "log_head", "SELECT UPDATE"),
    (COMMAND, "command_receipts", "SELECT INSERT UPDATE DELETE"),
    (COMMAND, "subject_keys", "SELECT INSERT UPDATE"),
    (COMMAND, "portion_claims", "SELECT INSERT UPDATE"),
    (COMMAND, "erasures", "SELECT"),
    (PROJECTION, "events", "SELECT"),
    (PROJECTION, "log_head", "SELECT"),
    (PROJECTION, "command_receipts", ""),
    (PROJECTION, "subject_keys", "SELECT"),
    (PROJECTION, "portion_claims", ""),
    (PROJECTION, "erasures", "SELECT"),
    (ANALYST, "events", ""),
    (ANALYST, "log_head", ""),
    (ANALYST, "command_receipts", ""),
    (ANALYST, "subject_keys", ""),
    (ANALYST, "portion_claims", ""),
    (ANALYST, "erasures", ""),
];

/// A database of one test's own, and its address.
async fn database() -> (PgPool, String) {
    let servers = TestServers::shared().await;
    let fill = |url: String| async move {
        let db = connect_pool(&Secret::new(url), PoolOptions::new("template", 1)).await?;
        migrate(&db).await?;
        db.close().await;
        Ok(())
    };
    let template = servers.template("roles", fill).await.unwrap();
    let name = servers.create_database(Some(&template)).await.unwrap();
    let url = servers.postgres_url(&name);
    (connect_pool(&Secret::new(url.as_str()), PoolOptions::new("test", 4)).await.unwrap(), url)
}

/// The same database for another user. A Postgres that is not ours may ask for a password that the role does not have;
/// there the owner takes the role on.
async fn address_for(role: &str, url: &str) -> Secret {
    if TestServers::shared().await.postgres().is_some() {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (_, host) = rest.split_once('@').unwrap();
        return Secret::new(format!("{scheme}://{role}@{host}"));
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    Secret::new(format!("{url}{separator}options[role]={role}"))
}

async fn pool_of(role: &str, url: &str) -> PgPool {
    connect_pool(&address_for(role, url).await, PoolOptions::new("test", 4)).await.unwrap()
}

async fn check_denied(db: &PgPool, statement: &str) {
    let error = sqlx::query(statement).execute(db).await.expect_err(statement);
    let error = error.as_database_error().expect(statement);
    assert_eq!(error.code().as_deref(), Some("42501"), "{statement}: {error}");
    // The trigger would refuse as well; here the right itself is missing.
    assert!(error.message().starts_with("permission denied"), "{statement}: {error}");
}

#[tokio::test]
async fn the_write_side_cannot_change_history() {
    let (_, url) = database().await;
    let db = pool_of(COMMAND, &url).await;
    for statement in [
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DELETE FROM log_head",
        "UPDATE subject_keys SET wrapped_key = ''",
        "UPDATE portion_claims SET quantity = 1",
        "DELETE FROM subject_keys",
        "INSERT INTO erasures (subject_id, erased_by, reason) VALUES (gen_random_uuid(), 'x', 'y')",
        "DELETE FROM orders",
    ] {
        check_denied(&db, statement).await;
    }
    for statement in ["ALTER TABLE events DISABLE TRIGGER ALL", "CREATE TABLE mine (id int)"] {
        let error = sqlx::query(statement).execute(&db).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn the_read_side_cannot_append() {
    let (_, url) = database().await;
    let db = pool_of(PROJECTION, &url).await;
    check_denied(&db, "INSERT INTO events (position) VALUES (1)").await;
    check_denied(&db, "UPDATE log_head SET position = 7").await;
    check_denied(&db, "DELETE FROM subject_keys").await;
    check_denied(&db, "SELECT * FROM command_receipts").await;
    check_denied(&db, "UPDATE operator_acts SET reason = 'another'").await;
    check_denied(&db, "DELETE FROM operator_acts").await;
    // Only read models can be replaced.
    for statement in [
        "SELECT create_generation('log', 2, '{events}')",
        "SELECT swap_generation('log', 1, 2, '{log_head}')",
        "SELECT index_generation('log', 2, '{subject_keys}')",
    ] {
        let error = sqlx::query(statement).execute(&db).await.expect_err(statement);
        assert!(error.to_string().contains("is not a read model of yours"), "{statement}: {error}");
    }
    check_denied(&db, "SELECT erase_subject(gen_random_uuid(), 'x', 'y')").await;
    let append = format!("SELECT append_events({})", vec!["NULL"; 35].join(", "));
    check_denied(&db, &append).await;
}

#[tokio::test]
async fn an_analyst_reads_what_happened_and_not_what_was_said() {
    let (_, url) = database().await;
    let db = pool_of(ANALYST, &url).await;
    sqlx::query("SELECT position, event_type, occurred_at FROM analytics.events").execute(&db).await.unwrap();
    check_denied(&db, "SELECT payload FROM events").await;
    check_denied(&db, "SELECT wrapped_key FROM subject_keys").await;
    check_denied(&db, "SELECT data FROM command_receipts").await;
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'analytics' AND table_name = 'events'",
    )
    .fetch_all(&db)
    .await
    .unwrap();
    assert!(!columns.is_empty() && !columns.iter().any(|name| name == "payload" || name == "metadata"), "{columns:?}");
    let error = sqlx::query("INSERT INTO events (position) VALUES (1)").execute(&db).await.unwrap_err();
    assert!(matches!(error.as_database_error().unwrap().code().as_deref(), Some("42501" | "25006")), "{error}");
}

#[tokio::test]
async fn an_analyst_is_read_only_and_impatient_from_the_start() {
    let (db, _) = database().await;
    let set: Vec<String> = sqlx::query_scalar(
        "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE r.rolname = $1",
    )
    .bind(ANALYST)
    .fetch_all(&db)
    .await
    .unwrap();
    for setting in ["default_transaction_read_only=on", "statement_timeout=30s"] {
        assert!(set.iter().any(|found| found == setting), "{set:?}");
    }
}

#[tokio::test]
async fn the_rights_on_the_log_are_those_written_down_here() {
    let (db, _) = database().await;
    for (role, table, expected) in RIGHTS_ON_THE_LOG {
        let mut found = Vec::new();
        for right in ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"] {
            let whole: bool = ask(&db, "SELECT has_table_privilege($1, $2, $3)", [role, table, right]).await;
            let columns = matches!(right, "SELECT" | "INSERT" | "UPDATE")
                && ask(&db, "SELECT has_any_column_privilege($1, $2, $3)", [role, table, right]).await;
            if whole || columns {
                found.push(right);
            }
        }
        assert_eq!(found.join(" "), *expected, "{role} on {table}");
    }
}

async fn ask(db: &PgPool, question: &str, about: [&str; 3]) -> bool {
    let [role, table, right] = about;
    sqlx::query_scalar(question).bind(role).bind(table).bind(right).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn every_table_is_of_use_to_a_service() {
    let (db, _) = database().await;
    let useless: Vec<String> = sqlx::query_scalar(
        "
        SELECT tablename::text
        FROM pg_tables
        WHERE schemaname = 'public'
          AND NOT has_table_privilege($1, format('%I.%I', schemaname, tablename), 'SELECT')
          AND NOT has_table_privilege($2, format('%I.%I', schemaname, tablename), 'SELECT')
        ",
    )
    .bind(COMMAND)
    .bind(PROJECTION)
    .fetch_all(&db)
    .await
    .unwrap();
    assert_eq!(useless, OWNERS_OWN, "a migration that makes a table also grants it");
}

#[tokio::test]
async fn databases_of_one_cluster_may_be_migrated_at_once() {
    let servers = TestServers::shared().await;
    // A cluster of its own: elsewhere the roles may be there already.
    let Some(_) = servers.postgres() else { return };
    let mut postgres = TestServers::own_postgres().await.unwrap();
    let migrations = (0..4).map(|n| {
        let (postgres, name) = (&postgres, format!("at_once_{n}"));
        async move {
            postgres.ensure_database(&name).await.unwrap();
            let url = Secret::new(postgres.socket_url(&name));
            let db = connect_pool(&url, PoolOptions::new("test", 1)).await.unwrap();
            migrate(&db).await.unwrap();
            db.close().await;
        }
    });
    futures::future::join_all(migrations).await;
    postgres.stop().await.unwrap();
}
