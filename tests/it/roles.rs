//! Each service can do its work under its own database role, and nothing else.

use std::{
    ffi::OsString,
    path::Path,
    time::{Duration, Instant},
};

use command_service::{
    app::{CommandService, Connections},
    settings::CommandSettings,
};
use dev_servers::TestServers;
use projection_service::{
    engine::{EngineSettings, Failpoints, Positions, Runner, RunnerParts},
    projections::{NAMES, feed::Feed, orders::Orders, payments::Payments},
};
use serde_json::{Value, json};
use shared::{
    domain::{ProducerId, UserId},
    follow::LogFeed,
    log::LogReader,
    runtime::{
        Clock, Metrics, Platform, Secret, jetstream,
        postgres::{PoolOptions, connect_pool, migrate},
        settings::parse_from,
    },
    subjects::Names,
    web::{
        self,
        auth::{Role, Roles},
        token::Grant,
    },
};
use sqlx::PgPool;
use tokio::net::TcpListener;
use uuid::{Uuid, uuid};

const COMMAND: &str = "homefood_command";
const PROJECTION: &str = "homefood_projection";
const ANALYST: &str = "homefood_analyst";

const DISH: Uuid = uuid!("01900000-0000-7000-8000-000000000101");

/// The tables that belong to nobody but the owner.
const OWNERS_OWN: &[&str] = &[];

/// Every right on a table of the log, as a whole or on some columns: what is not here is denied.
const RIGHTS_ON_THE_LOG: &[(&str, &str, &str)] = &[
    (COMMAND, "events", "SELECT INSERT"),
    (COMMAND, "log_head", "SELECT UPDATE"),
    (COMMAND, "command_receipts", "SELECT INSERT UPDATE DELETE"),
    (COMMAND, "subject_keys", "SELECT INSERT UPDATE"),
    (PROJECTION, "events", "SELECT"),
    (PROJECTION, "log_head", "SELECT"),
    (PROJECTION, "command_receipts", ""),
    (PROJECTION, "subject_keys", "SELECT"),
    (ANALYST, "events", ""),
    (ANALYST, "log_head", ""),
    (ANALYST, "command_receipts", ""),
    (ANALYST, "subject_keys", ""),
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

#[tokio::test]
async fn an_order_is_placed_and_shown_by_services_under_their_own_roles() {
    let (owner, url) = database().await;
    open_kitchen(&owner).await;
    let keys = tempfile::tempdir().unwrap();
    let platform = place_order(address_for(COMMAND, &url).await, keys.path()).await;

    let shutdown = platform.supervisor.token();
    let db = pool_of(PROJECTION, &url).await;
    let log = LogFeed::new(LogReader::new(db.clone()));
    let parts = RunnerParts {
        db: db.clone(),
        feed: log.clone(),
        positions: Positions::new(NAMES),
        jetstream: None,
        names: shared::subjects::Names::of("roles"),
        clock: Clock::system(),
        metrics: Metrics::new("test", "0"),
        failpoints: Failpoints::none(),
        settings: EngineSettings::default(),
    };
    let (orders, payments, feed) =
        (Runner::<Orders>::new(parts.clone()), Runner::<Payments>::new(parts.clone()), Runner::<Feed>::new(parts));
    let folding =
        async { tokio::try_join!(orders.run(shutdown.clone()), payments.run(shutdown.clone()), feed.run(shutdown)) };
    tokio::select! {
        stopped = folding => panic!("a projection stopped: {stopped:?}"),
        () = eventually("every projection reaches the head", || async {
            log.note_head(log.reader().head().await.unwrap());
            sqlx::query_scalar(
                "
                SELECT count(*) = $1 AND coalesce(min(position), 0) >= (SELECT position FROM log_head)
                FROM projection_checkpoints
                ",
            )
            .bind(NAMES.len() as i64)
            .fetch_one(&db)
            .await
            .unwrap()
        }) => {}
    }
    let shown: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&db).await.unwrap();
    assert_eq!(shown, 1);
    platform.supervisor.shutdown(Duration::from_secs(10)).await;
}

/// A kitchen that is always open, with one dish.
async fn open_kitchen(owner: &PgPool) {
    let kitchen = Uuid::now_v7();
    sqlx::query("INSERT INTO producers (id, user_id, name, city) VALUES ($1, $2, 'Olga', 'Kazan')")
        .bind(kitchen)
        .bind(Uuid::now_v7())
        .execute(owner)
        .await
        .unwrap();
    sqlx::query("INSERT INTO dishes (id, producer_id, name, price_minor) VALUES ($1, $2, 'Borscht', 35000)")
        .bind(DISH)
        .bind(kitchen)
        .execute(owner)
        .await
        .unwrap();
}

/// Starts the write side on this address and places an order over HTTP; every part of it is well afterwards.
async fn place_order(database_url: Secret, keys: &Path) -> Platform {
    let nats_url = TestServers::shared().await.nats_url();
    let key_file = keys.join("key.pem");
    let arguments = [
        "command-service",
        "--environment=development",
        "--database-url",
        database_url.expose(),
        "--nats-url",
        nats_url,
        "--jwt-dev-key-file",
        key_file.to_str().unwrap(),
    ];
    let settings: CommandSettings = parse_from(arguments.map(OsString::from)).unwrap();
    let platform = Platform::new("command-service", settings.shared.clone()).await.unwrap();
    let nats = jetstream::connect(&settings.shared.nats_url, "test").await.unwrap();
    let names = Names::of(&Uuid::new_v4().simple().to_string());
    let connections = Connections { nats, names, with_relay: true };
    let service = CommandService::start(&platform, &settings.write_side, connections).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ops = web::ops::routes(platform.metrics.clone(), platform.health.clone());
    let (router, _) = service.router.merge(ops).split_for_parts();
    tokio::spawn(web::serve(listener, router, platform.metrics.clone(), platform.supervisor.token()));

    let grant = Grant {
        user_id: UserId(Uuid::now_v7()),
        roles: Roles::from_iter([Role::Customer]),
        producer_id: None::<ProducerId>,
        lifetime: Duration::from_secs(600),
    };
    let token = platform.authenticator.dev_issuer().unwrap().mint(&grant).unwrap();
    let http = reqwest::Client::new();
    let order = json!({
        "dish_id": DISH, "quantity": 2, "delivery_type": "BUILDING",
        "delivery_address_text": "Building 7, flat 12", "user_name": "Anna", "phone": "+79990000001",
    });
    // Twice under one key: receipts work too.
    for _ in 0..2 {
        let answer = http
            .post(format!("http://{address}/api/v1/orders"))
            .bearer_auth(&token)
            .header("Idempotency-Key", "roles-1")
            .json(&order)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status.as_u16(), 201, "{text}");
    }
    eventually("every part is well and the order is mirrored", || async {
        let answer = http.get(format!("http://{address}/health/")).send().await.unwrap();
        let report: Value = answer.json().await.unwrap();
        report["status"] == "healthy"
    })
    .await;
    platform
}

/// Waits until `condition` holds; panics after twenty seconds.
async fn eventually<A: Future<Output = bool>>(what: &str, condition: impl Fn() -> A) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: never came true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
