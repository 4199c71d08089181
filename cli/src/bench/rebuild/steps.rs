//! What is measured over one log, each step beside the machine's own limit for it.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use projection_service::{
    operations::{self, NewOperation, Operation, OperationKind, OperationState},
    projections::NAMES,
};
use serde_json::json;
use sqlx::postgres::PgPoolCopyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::{Instant, sleep},
};

use super::super::{processes, serve::Role, stage::Stage};

/// How often a step is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long a step may take.
const LIMIT: Duration = Duration::from_secs(3_600);
/// Bytes read from a file at a time.
const CHUNK: usize = 1 << 18;

/// Seconds until each projection had every event, by its name.
pub async fn catch_up(stage: &mut Stage, head: i64) -> Result<BTreeMap<String, f64>> {
    let began = Instant::now();
    stage.start(Role::Projection).await?;
    let mut seconds = BTreeMap::new();
    while seconds.len() < NAMES.len() {
        ensure!(began.elapsed() < LIMIT, "the projections do not catch up: {}", stage.last_words());
        sleep(LOOK).await;
        let arrived: Vec<String> =
            sqlx::query_scalar("SELECT name FROM projection_checkpoints WHERE position >= $1 AND name = ANY($2)")
                .bind(head)
                .bind(NAMES)
                .fetch_all(&stage.db)
                .await?;
        for name in arrived {
            seconds.entry(name).or_insert_with(|| began.elapsed().as_secs_f64());
        }
    }
    let parked: i64 = sqlx::query_scalar("SELECT count(*) FROM dead_letters").fetch_one(&stage.db).await?;
    ensure!(parked == 0, "{parked} events could not be folded");
    Ok(seconds)
}

/// Seconds of `COPY events TO STDOUT`, and how many bytes that were.
pub async fn copy_out(stage: &Stage) -> Result<(f64, u64)> {
    let began = Instant::now();
    let mut copy = stage.db.copy_out_raw("COPY events TO STDOUT").await?;
    let mut bytes = 0;
    while let Some(row) = copy.try_next().await? {
        bytes += row.len() as u64;
    }
    Ok((began.elapsed().as_secs_f64(), bytes))
}

/// Seconds of `COPY … FROM STDIN` of all rows that the projections made, into tables of the same indexes, and how many
/// rows.
pub async fn copy_in(stage: &Stage) -> Result<(f64, u64)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class c
         WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname = ANY($1) ORDER BY 1",
    )
    .bind(ROWS)
    .fetch_all(&stage.db)
    .await?;
    let file = stage.dir().join("rows");
    let (mut seconds, mut rows) = (0.0, 0);
    sqlx::raw_sql("DROP SCHEMA IF EXISTS copied CASCADE; CREATE SCHEMA copied").execute(&stage.db).await?;
    for table in tables {
        write_file(stage, &table, &file).await?;
        sqlx::raw_sql(&format!("CREATE TABLE copied.{table} (LIKE public.{table} INCLUDING ALL)"))
            .execute(&stage.db)
            .await?;
        let statement = format!("COPY copied.{table} FROM STDIN (FORMAT binary)");
        let (mut from, mut chunk) = (tokio::fs::File::open(&file).await?, vec![0; CHUNK]);
        let began = Instant::now();
        let mut copy = stage.db.copy_in_raw(&statement).await?;
        loop {
            let read = from.read(&mut chunk).await?;
            if read == 0 {
                break;
            }
            copy.send(&chunk[..read]).await?;
        }
        rows += copy.finish().await?;
        seconds += began.elapsed().as_secs_f64();
    }
    fs::remove_file(&file).ok();
    sqlx::raw_sql("DROP SCHEMA copied CASCADE").execute(&stage.db).await?;
    Ok((seconds, rows))
}

/// What the projections write.
const ROWS: &[&str] = &[
    "orders",
    "payments",
    "disputes",
    "gifts",
    "feed_orders",
    "feed_heads",
    "feed_entries",
    "order_facts",
    "order_line_facts",
    "order_rollups",
    "dish_rollups",
    "ledger_flows",
    "ledger_postings",
    "ledger_accounts",
    "ledger_totals",
];

async fn write_file(stage: &Stage, table: &str, path: &Path) -> Result<()> {
    let mut file = tokio::io::BufWriter::new(tokio::fs::File::create(path).await?);
    let mut copy = stage.db.copy_out_raw(&format!("COPY {table} TO STDOUT (FORMAT binary)")).await?;
    while let Some(row) = copy.try_next().await? {
        file.write_all(&row).await?;
    }
    Ok(file.flush().await?)
}

/// An operation that was watched.
pub struct Watched {
    /// What it came to.
    pub operation: Operation,
    /// From the moment a worker takes it to the end.
    pub seconds: f64,
    /// Of these, by stage, in order.
    pub stages: Vec<(String, f64)>,
    /// The most memory that the service had, and what it had before.
    pub peak_bytes: u64,
    pub before_bytes: u64,
}

/// Has a freshly started read side do this to the orders.
pub async fn operate(stage: &mut Stage, kind: OperationKind) -> Result<Watched> {
    stage.stop(Role::Projection).await?;
    stage.start(Role::Projection).await?;
    let pid = stage.pid(Role::Projection).context("the read side runs")?;
    // Leases are taken, and the first queries planned.
    sleep(Duration::from_secs(1)).await;
    let before_bytes = processes::peak(pid);
    let new = NewOperation {
        kind,
        subject: "orders".to_owned(),
        input: json!({}),
        actor: "admin:bench".to_owned(),
        reason: "measured".to_owned(),
    };
    let id = operations::create(&stage.db, &new).await.context("the operation is refused")?.id;
    let (mut stages, mut peak_bytes) = (Vec::<(String, f64)>::new(), before_bytes);
    let (mut began, mut since) = (Instant::now(), Instant::now());
    let operation = loop {
        sleep(LOOK).await;
        ensure!(began.elapsed() < LIMIT, "it does not end: {}", stage.last_words());
        let operation = operations::find(&stage.db, id).await?.context("it was created")?;
        if operation.state == OperationState::Planned {
            // Nobody has seen it yet.
            (began, since) = (Instant::now(), Instant::now());
            continue;
        }
        let stage_name = if operation.progress.stage.is_empty() { "begin" } else { &operation.progress.stage };
        match stages.last_mut() {
            Some((name, seconds)) if name == stage_name => *seconds += since.elapsed().as_secs_f64(),
            _ => stages.push((stage_name.to_owned(), since.elapsed().as_secs_f64())),
        }
        since = Instant::now();
        peak_bytes = peak_bytes.max(processes::peak(pid));
        match operation.state {
            OperationState::Planned | OperationState::Running => {}
            OperationState::Succeeded => break operation,
            OperationState::Paused | OperationState::Failed | OperationState::Cancelled => {
                bail!("it ended otherwise: {operation:?}")
            }
        }
    };
    Ok(Watched { operation, seconds: began.elapsed().as_secs_f64(), stages, peak_bytes, before_bytes })
}

/// Makes one row of the orders false; its key.
pub async fn falsify(stage: &Stage) -> Result<String> {
    let statement = "
        UPDATE orders SET status = 'COMPLETED'
        WHERE id = (SELECT id FROM orders ORDER BY id OFFSET (SELECT count(*) * 7 / 10 FROM orders) LIMIT 1)
        RETURNING id::text
    ";
    Ok(sqlx::query_scalar(statement).fetch_one(&stage.db).await?)
}

/// Seconds and the most memory of an export of the whole log by a process of its own.
pub async fn export(stage: &Stage, format: &str) -> Result<(f64, u64)> {
    let output = stage.dir().join("exported");
    let began = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["export", "events", "--format", format, "--output"])
        .arg(&output)
        .env("DATABASE_URL", &stage.surroundings.database_url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().context("it has begun")?;
    let mut peak_bytes = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_bytes = processes::peak(pid).max(peak_bytes);
        sleep(LOOK).await;
    };
    ensure!(status.success(), "the export failed: {status}");
    fs::remove_file(output)?;
    Ok((began.elapsed().as_secs_f64(), peak_bytes))
}
