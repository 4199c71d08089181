//! The servers as their users see them: they answer, survive what tests do to them, and never outlive us.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream;
use dev_servers::{Binaries, NatsServer, Postgres, PostgresOptions, Profile, Storage, TestServers, servers_dir};
use sqlx::{Connection, PgConnection};

const HELPER: &str = "DEV_SERVERS_TEST_HELPER";

async fn query_number(url: &str, query: &str) -> Result<i64> {
    let mut connection = PgConnection::connect(url).await.with_context(|| url.to_owned())?;
    let number = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(number)
}

async fn execute(url: &str, statement: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await.with_context(|| url.to_owned())?;
    sqlx::query(statement).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

async fn stream_names(nats: &NatsServer) -> Result<Vec<String>> {
    use futures::TryStreamExt;
    let jetstream = jetstream::new(async_nats::connect(nats.url()).await?);
    Ok(jetstream.stream_names().try_collect().await?)
}

async fn create_stream(nats: &NatsServer, name: &str) -> Result<()> {
    let jetstream = jetstream::new(async_nats::connect(nats.url()).await?);
    let config = jetstream::stream::Config { name: name.into(), ..Default::default() };
    jetstream.create_stream(config).await?;
    Ok(())
}

fn eventually(condition: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > Duration::from_secs(60) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

#[tokio::test]
async fn shared_servers_answer() -> Result<()> {
    let servers = TestServers::shared().await;

    let database = servers.create_database(None).await?;
    assert_eq!(query_number(&servers.postgres_url(&database), "SELECT 41::int8 + 1").await?, 42);
    let client = async_nats::connect(servers.nats_url()).await?;
    jetstream::new(client).query_account().await?;
    if let Some(postgres) = servers.postgres() {
        assert_eq!(query_number(&postgres.url(&database), "SELECT 1::int8").await?, 1);
    }
    Ok(())
}

// Several runtimes, as several #[tokio::test] have.
#[test]
fn a_template_is_filled_once_and_copied_for_many() -> Result<()> {
    static FILLED: AtomicU32 = AtomicU32::new(0);
    let one_test = |number: i64| -> Result<i64> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let servers = TestServers::shared().await;
            let fill = |url: String| async move {
                FILLED.fetch_add(1, Ordering::SeqCst);
                execute(&url, "CREATE TABLE dishes AS SELECT generate_series(1, 1000)::int8 AS id").await
            };
            let template = servers.template("dishes", fill).await?;
            let url = servers.postgres_url(&servers.create_database(Some(&template)).await?);
            execute(&url, &format!("DELETE FROM dishes WHERE id <= {number}")).await?;
            query_number(&url, "SELECT count(*) FROM dishes").await
        })
    };

    let counts = std::thread::scope(|scope| {
        let tests: Vec<_> = (0..8).map(|number| scope.spawn(move || one_test(number))).collect();
        tests.into_iter().map(|test| test.join().unwrap()).collect::<Result<Vec<i64>>>()
    })?;

    assert_eq!(counts, (0..8).map(|number| 1000 - number).collect::<Vec<i64>>());
    assert_eq!(FILLED.load(Ordering::SeqCst), 1);
    Ok(())
}

#[tokio::test]
async fn a_killed_postgres_comes_back_with_what_was_committed() -> Result<()> {
    let mut postgres = TestServers::own_postgres().await?;
    let url = postgres.url("postgres");
    execute(&url, "CREATE TABLE kept AS SELECT 7::int8 AS id").await?;

    postgres.kill().await?;
    assert!(PgConnection::connect(&url).await.is_err());
    postgres.restart().await?;

    assert_eq!(query_number(&url, "SELECT id FROM kept").await?, 7);
    Ok(())
}

#[tokio::test]
async fn a_killed_nats_server_comes_back_with_its_streams_or_wiped() -> Result<()> {
    let mut nats = TestServers::own_nats().await?;
    let url = nats.url();
    create_stream(&nats, "KEPT").await?;

    nats.kill().await?;
    nats.restart().await?;
    assert_eq!(stream_names(&nats).await?, ["KEPT"]);

    nats.stop().await?;
    std::fs::remove_dir_all(nats.store_dir())?;
    nats.restart().await?;
    assert_eq!(stream_names(&nats).await?, Vec::<String>::new());
    assert_eq!(nats.url(), url);
    Ok(())
}

#[tokio::test]
async fn kept_data_is_there_again_and_served_by_one_process_only() -> Result<()> {
    let dir = tempfile::tempdir()?;
    open_to_all(dir.path())?;
    let binaries = Binaries::locate(&servers_dir()).await?.postgres;
    let options = PostgresOptions::new(Storage::Keep(dir.path().join("postgres")), Profile::Dev);

    let mut first = Postgres::start(&binaries, options.clone()).await?;
    first.ensure_database("homefood").await?;
    execute(&first.url("homefood"), "CREATE TABLE kept AS SELECT 7::int8 AS id").await?;
    assert_eq!(query_number(&first.url("homefood"), "SELECT current_setting('fsync')::bool::int::int8").await?, 1);

    let refused = helper("start_on", &[("DIR", dir.path())])?.wait_with_output()?;
    let output = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(output.contains(&format!("in use by process {}", std::process::id())), "{output}");

    first.kill().await?;
    drop(first);
    let second = Postgres::start(&binaries, options).await?;
    second.ensure_database("homefood").await?;
    assert_eq!(query_number(&second.socket_url("homefood"), "SELECT id FROM kept").await?, 7);
    Ok(())
}

#[test]
fn killing_the_process_leaves_no_server_and_no_directory() -> Result<()> {
    let mut child = helper("start_and_wait", &[])?;
    let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    let started =
        lines.map_while(Result::ok).find_map(|line| line.split_once("started ").map(|(_, rest)| rest.to_owned()));
    let started = started.context("the helper started nothing")?;
    let [postgres_url, nats_port, postgres_dir, nats_dir] = started.split(' ').collect::<Vec<_>>()[..] else {
        anyhow::bail!("unexpected: {started}");
    };
    // By what is its own: its port is taken by the next server that starts.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let postgres_answers = || runtime.block_on(PgConnection::connect(postgres_url)).is_ok();
    let nats = nats_id(nats_port).context("no nats-server")?;
    let nats_answers = || nats_id(nats_port).as_ref() == Some(&nats);
    assert!(postgres_answers() && nats_answers());

    child.kill()?;
    child.wait()?;

    assert!(eventually(|| !postgres_answers() && !nats_answers()), "a server still answers");
    // The directories go when the last process that used them has gone.
    assert!(eventually(|| !Path::new(postgres_dir).exists() && !Path::new(nats_dir).exists()), "a directory is left");
    Ok(())
}

/// The id that the nats-server at this port gave itself when it started.
fn nats_id(port: &str) -> Option<String> {
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let info = BufReader::new(stream).lines().next()?.ok()?;
    let (_, id) = info.split_once(r#""server_id":""#)?;
    id.split('"').next().map(str::to_owned)
}

/// Runs this file's `helper_process` in a process of its own.
fn helper(task: &str, environment: &[(&str, &Path)]) -> Result<std::process::Child> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", "helper_process", "--nocapture", "--test-threads=1"])
        .env(HELPER, task)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run the test binary again")
}

/// Does nothing as a test; started again by the tests above, it is the process that gets killed.
#[tokio::test]
async fn helper_process() -> Result<()> {
    match std::env::var(HELPER).as_deref() {
        Ok("start_and_wait") => {
            let postgres = TestServers::own_postgres().await?;
            let nats = TestServers::own_nats().await?;
            let parent = |path: &Path| path.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
            let (postgres_dir, nats_dir) = (parent(postgres.data_dir()), parent(&nats.store_dir()));
            let postgres_url = postgres.socket_url("postgres");
            println!("started {postgres_url} {} {postgres_dir} {nats_dir}", nats.port());
            std::future::pending().await
        }
        Ok("start_on") => {
            let storage = Storage::Keep(Path::new(&std::env::var("DIR")?).join("postgres"));
            let binaries = Binaries::locate(&servers_dir()).await?.postgres;
            match Postgres::start(&binaries, PostgresOptions::new(storage, Profile::Dev)).await {
                Ok(_) => println!("started"),
                Err(error) => println!("refused: {error:#}"),
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn open_to_all(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?)
}
