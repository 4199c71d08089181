//! What an analyst finds in the schema `analytics`: a typed and commented view of every type of event, the facts, and
//! nothing that a person wrote.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;
use shared::domain::AggregateType;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use dev_servers::TestServers;
use shared::runtime::{
    Secret,
    postgres::{PoolOptions, connect_pool, migrate},
};

use super::{ANALYST, COMMAND, PROJECTION, check_denied, database, pool_of};

/// Words that stand in the samples where people write, and where links lead to people.
fn personal_words(sample: &Value) -> Vec<String> {
    let fields = ["pii_sealed", "reason_text", "comment", "note", "proof_ref", "return_url", "payment_url", "reason"];
    let text = |field: &&str| sample.get(*field)?.as_str().map(str::to_owned);
    // A reason may also be one of the words of the schema.
    let is_free = |text: &String| !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    fields.iter().filter_map(text).filter(is_free).filter(|text| text.len() > 3).collect()
}

/// Every text in a value, at any depth.
fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect_texts(member, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn samples(event_type: &str) -> Vec<(u16, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas").join(event_type);
    let read = |version: u16| {
        let text = fs::read_to_string(folder.join(format!("{version}.sample.json"))).ok()?;
        Some((version, serde_json::from_str(&text).unwrap()))
    };
    (1..=50).map_while(read).collect()
}

/// One event of every released version of every type; the words that nobody may find again.
async fn fill(owner: &PgPool) -> Vec<String> {
    let (mut position, mut personal) = (0_i64, Vec::new());
    for aggregate_type in AggregateType::ALL {
        for (event_type, _, _) in aggregate_type.event_schemas() {
            for (version, sample) in samples(event_type) {
                position += 1;
                personal.extend(personal_words(&sample));
                append(owner, position, (aggregate_type.as_str(), event_type, version), &sample).await;
            }
        }
    }
    personal
}

async fn append(owner: &PgPool, position: i64, (aggregate, event, version): (&str, &str, u16), sample: &Value) {
    let insert = concat!(
        "INSERT INTO ",
        "events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
        position, event_id, correlation_id, causation_id, actor, occurred_at, recorded_at, slice)
        VALUES ($1, $2, 1, $3, $4, $5, '{}', $6, $7, $7, $7, 'system:test', now(), now(), 0)"
    );
    sqlx::query(insert)
        .bind(aggregate)
        .bind(Uuid::now_v7().to_string())
        .bind(event)
        .bind(version.to_string())
        .bind(sample)
        .bind(position)
        .bind(Uuid::now_v7())
        .execute(owner)
        .await
        .unwrap();
}

#[tokio::test]
async fn every_type_of_event_has_a_view_that_reads_every_version_of_it() {
    let (owner, url) = database().await;
    let personal = fill(&owner).await;
    assert!(personal.len() > 5, "the samples say something: {personal:?}");
    let analyst = pool_of(ANALYST, &url).await;
    for aggregate_type in AggregateType::ALL {
        for (event_type, version, _) in aggregate_type.event_schemas() {
            // As text every column of every row is worked out.
            let rows: Vec<String> =
                sqlx::query_scalar(&format!("SELECT row_to_json(v)::text FROM analytics.\"{event_type}\" v"))
                    .fetch_all(&analyst)
                    .await
                    .unwrap_or_else(|error| panic!("{event_type}: {error}"));
            assert_eq!(rows.len(), usize::from(version), "{event_type}");
            for row in &rows {
                let mut texts = Vec::new();
                collect_texts(&serde_json::from_str(row).unwrap(), &mut texts);
                let shown = texts.iter().find(|text| personal.contains(*text));
                assert_eq!(shown, None, "{event_type}: {row}");
            }
        }
    }
    let amount: String = sqlx::query_scalar("SELECT pg_typeof(total_price_amount)::text FROM analytics.order_created")
        .fetch_one(&analyst)
        .await
        .unwrap();
    assert_eq!(amount, "numeric");
}

#[tokio::test]
async fn every_view_and_every_column_says_what_it_is() {
    let (owner, _) = database().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "
        SELECT c.relname || '.' || coalesce(a.attname, '')
        FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'v'
          AND (coalesce(col_description(c.oid, a.attnum), '') = '' OR coalesce(obj_description(c.oid), '') = '')
        ",
    )
    .fetch_all(&owner)
    .await
    .unwrap();
    assert_eq!(silent, [] as [&str; 0]);
    let views: BTreeSet<String> =
        sqlx::query_scalar("SELECT viewname::text FROM pg_views WHERE schemaname = 'analytics'")
            .fetch_all(&owner)
            .await
            .unwrap()
            .into_iter()
            .collect();
    let types = AggregateType::ALL.into_iter().flat_map(AggregateType::event_schemas).map(|(name, _, _)| name);
    let facts = ["events", "order_facts", "order_line_facts"];
    let missing: Vec<&str> = types.chain(facts).filter(|name| !views.contains(*name)).collect();
    assert_eq!(missing, [] as [&str; 0]);
}

#[tokio::test]
async fn an_analyst_reads_all_of_analytics_and_none_of_the_tables_behind_it() {
    let (owner, url) = database().await;
    let closed: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'analytics'::regnamespace AND relkind = 'v' AND NOT has_table_privilege($1, oid, 'SELECT')",
    )
    .bind(ANALYST)
    .fetch_all(&owner)
    .await
    .unwrap();
    assert_eq!(closed, [] as [&str; 0]);
    let analyst = pool_of(ANALYST, &url).await;
    for table in
        ["order_facts", "order_line_facts", "order_rollups", "orders", "payments", "feed_entries", "dead_letters"]
    {
        check_denied(&analyst, &format!("SELECT count(*) FROM public.{table}")).await;
    }
    for statement in ["DELETE FROM analytics.order_facts", "CREATE VIEW analytics.mine AS SELECT 1"] {
        let error = sqlx::query(statement).execute(&analyst).await.unwrap_err();
        let code = error.as_database_error().unwrap().code().map(|code| code.into_owned());
        assert!(matches!(code.as_deref(), Some("42501" | "25006" | "55000")), "{statement}: {error}");
    }
}

#[tokio::test]
async fn the_views_are_made_anew_when_somebody_else_made_them() {
    let (owner, _) = database().await;
    sqlx::raw_sql("DROP VIEW analytics.order_paid; COMMENT ON SCHEMA analytics IS 'of another version'")
        .execute(&owner)
        .await
        .unwrap();
    shared::analyst::install(&owner).await.unwrap();
    let row = sqlx::query("SELECT count(*) AS views FROM pg_views WHERE viewname = 'order_paid'").fetch_one(&owner);
    assert_eq!(row.await.unwrap().get::<i64, _>("views"), 1);
}

/// A database of its own that was migrated in place: a copy of a template would not have the rights on the database.
async fn migrated_database() -> (PgPool, String) {
    let servers = TestServers::shared().await;
    let url = servers.postgres_url(&servers.create_database(None).await.unwrap());
    let owner = connect_pool(&Secret::new(url.as_str()), PoolOptions::new("test", 2)).await.unwrap();
    migrate(&owner).await.unwrap();
    (owner, url)
}

#[tokio::test]
async fn an_analyst_who_lifts_the_restrictions_still_writes_nothing_and_locks_nothing() {
    let (_, url) = migrated_database().await;
    let analyst = pool_of(ANALYST, &url).await;
    let mut session = analyst.acquire().await.unwrap();
    sqlx::query("SET default_transaction_read_only = off").execute(&mut *session).await.unwrap();
    for statement in [
        "CREATE TEMP TABLE mine (id int)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT pg_logical_emit_message(false, 'x', 'y')",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_advisory_lock(1, 2)",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT pg_advisory_xact_lock_shared(1)",
    ] {
        let error = sqlx::query(statement).execute(&mut *session).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn the_services_keep_the_locks_and_tables_that_they_work_with() {
    let (owner, url) = migrated_database().await;
    let leader = pool_of(COMMAND, &url).await;
    sqlx::query("SELECT pg_try_advisory_lock(1), pg_advisory_unlock(1)").execute(&leader).await.unwrap();
    let auditor = pool_of(PROJECTION, &url).await;
    sqlx::query("CREATE TEMP TABLE mine (id int)").execute(&auditor).await.unwrap();
    // Migrated once more, under the lock that migrations take.
    migrate(&owner).await.unwrap();
}

#[tokio::test]
async fn an_analysts_session_begins_with_limits_on_all_that_others_wait_for() {
    let (owner, url) = migrated_database().await;
    let connections: i32 = sqlx::query_scalar("SELECT rolconnlimit FROM pg_roles WHERE rolname = $1")
        .bind(ANALYST)
        .fetch_one(&owner)
        .await
        .unwrap();
    assert_eq!(connections, 10);
    // Elsewhere the owner takes the role on, whose settings begin with a session of its own.
    let Some(_) = TestServers::shared().await.postgres() else { return };
    let analyst = pool_of(ANALYST, &url).await;
    for (setting, expected) in [("idle_in_transaction_session_timeout", "1min"), ("lock_timeout", "10s")] {
        let found: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&analyst).await.unwrap();
        assert_eq!(found, expected, "{setting}");
    }
}

#[tokio::test]
async fn an_owner_who_is_no_superuser_migrates_all_the_same() {
    let servers = TestServers::shared().await;
    // Elsewhere a role without a password may not sign in.
    let Some(_) = servers.postgres() else { return };
    let name = servers.create_database(None).await.unwrap();
    let url = servers.postgres_url(&name);
    let superuser = connect_pool(&Secret::new(url.as_str()), PoolOptions::new("test", 1)).await.unwrap();
    let owner = format!("owner_of_{name}");
    // Roles are there beforehand, as where the owner may not make them.
    migrated_database().await;
    sqlx::raw_sql(&format!("CREATE ROLE {owner} LOGIN; ALTER DATABASE {name} OWNER TO {owner}"))
        .execute(&superuser)
        .await
        .unwrap();
    migrate(&pool_of(&owner, &url).await).await.unwrap();
    // What the database's owner may take, is taken.
    let may = "SELECT has_database_privilege($1, current_database(), 'TEMPORARY')";
    let may: bool = sqlx::query_scalar(may).bind(ANALYST).fetch_one(&superuser).await.unwrap();
    assert!(!may);
}
