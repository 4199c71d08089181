//! `homefood bench`: what the system reaches on this machine, beside what others reach on the same servers.

mod analytics;
mod chapters;
mod delays;
mod history;
mod load;
mod pgbench;
mod processes;
mod read_side;
mod rebuild;
mod report;
mod scripts;
mod serve;
mod service;
mod stage;
mod table;
mod vanilla;
mod wire;
mod world;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use analytics::AnalyticsArgs;
use chapters::{Bench, HOT_WRITERS, LONG_WRITERS};
use history::HistoryArgs;
use rebuild::RebuildArgs;
use report::Report;
use serve::{Role, ServeArgs};
use stage::Stage;

/// What to measure, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    part: Option<Part>,

    /// Seconds measured per row, after two seconds of warming up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,

    /// One second per row and 64 connections only, to see that everything works.
    #[arg(long)]
    quick: bool,

    /// Numbers of connections, at most 256 each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32,64", value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: Vec<u16>,

    /// Only these parts; all of them if left out.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Chapter>,

    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,

    /// Run these statements after the migrations, to try an idea on the database.
    #[arg(long, hide = true)]
    trial: Option<PathBuf>,

    /// Which lines the services write to their logs.
    #[arg(long, hide = true, default_value = "info")]
    service_log: String,

    /// Keep the services' logs here.
    #[arg(long, hide = true)]
    keep_logs: Option<PathBuf>,

    /// Measure this build even if it is not built for speed.
    #[arg(long, hide = true)]
    any_build: bool,
}

/// The parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Chapter {
    /// pgbench.
    Pgbench,
    /// cqrs-es with postgres-es.
    Vanilla,
    /// A bare axum endpoint.
    Bare,
    /// Commands over HTTP with the write side alone.
    WriteSide,
    /// A hot order and long streams.
    Streams,
    /// Commands over HTTP with everything on.
    Everything,
    /// How late queries and sockets are.
    Delays,
    /// How fast the projections catch up.
    CatchUp,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Part {
    /// Be one of the programs under load.
    #[command(hide = true)]
    Serve(ServeArgs),
    /// Reports over few orders and over many.
    Analytics(AnalyticsArgs),
    /// Rebuilds, catching up, audits and exports over a short log and a long one.
    Rebuild(RebuildArgs),
    /// The history of one aggregate with very many events.
    History(HistoryArgs),
}

impl BenchArgs {
    fn wants(&self, chapter: Chapter) -> bool {
        self.only.is_empty() || self.only.contains(&chapter)
    }
}

/// Measures and prints; an error if an answer was wrong.
pub async fn run(args: BenchArgs) -> Result<()> {
    let any_build = match &args.part {
        None => args.any_build,
        Some(Part::Serve(_)) => true,
        Some(Part::Analytics(asked)) => asked.any_build,
        Some(Part::Rebuild(asked)) => asked.any_build,
        Some(Part::History(asked)) => asked.any_build,
    };
    if cfg!(debug_assertions) && !any_build {
        return with_release_build().await;
    }
    match args.part {
        Some(Part::Serve(asked)) => serve::run(asked).await,
        Some(Part::Analytics(asked)) => analytics::run(asked).await,
        Some(Part::Rebuild(asked)) => rebuild::run(asked).await,
        Some(Part::History(asked)) => history::run(asked).await,
        None => everything(args).await,
    }
}

async fn everything(args: BenchArgs) -> Result<()> {
    let mut bench = Bench {
        stage: Stage::build(args.trial.as_deref(), &args.service_log).await?,
        report: Report::default(),
        warm_up: Duration::from_secs(if args.quick { 1 } else { 2 }),
        measured: Duration::from_secs(if args.quick { 1 } else { args.seconds }),
        connections: if args.quick { vec![64] } else { args.connections.iter().copied().map(usize::from).collect() },
        quick: args.quick,
        follows: false,
        progress: chapters::progress(if args.quick { 14 } else { 34 })?,
    };
    tokio::select! {
        measured = measure(&mut bench, &args) => measured?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
    bench.progress.finish_and_clear();
    if let Some(dir) = &args.keep_logs {
        bench.stage.keep_logs(dir)?;
    }
    let report = bench.report;
    bench.stage.tear_down().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table::render(&report));
    }
    Ok(())
}

/// The same again, built for speed.
async fn with_release_build() -> Result<()> {
    eprintln!("building for speed …");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--release", "--package", "homefood", "--bin", "homefood", "--"])
        .args(std::env::args_os().skip(1))
        .current_dir(dev_servers::workspace_dir())
        .status()
        .await
        .context("cargo cannot be run; build with --release")?;
    std::process::exit(status.code().unwrap_or(1))
}

async fn measure(bench: &mut Bench, args: &BenchArgs) -> Result<()> {
    bench.report.machine = bench.stage.machine().await?;
    bench.report.seconds = bench.measured.as_secs();
    let widest = bench.connections.iter().copied().max().unwrap_or(1);
    let address = bench.stage.start(Role::WriteSide).await?;
    let memory = bench.stage.memory("started").await?;
    bench.report.memory.push(memory);
    // What pgbench inserts is made here, too.
    bench.first_order(address).await?;
    if args.wants(Chapter::Pgbench) {
        let clients = bench.connections.clone();
        bench.pgbench(report::PGBENCH, &clients).await?;
    }
    if args.wants(Chapter::Bare) {
        bench.bare().await?;
    }
    if args.wants(Chapter::Vanilla) {
        bench.vanilla().await?;
    }
    if args.wants(Chapter::WriteSide) {
        bench.creates(report::CREATE_ALONE, address).await?;
        bench.settle().await?;
        bench.flows(report::FLOW_ALONE, address).await?;
        bench.settle().await?;
    }
    if args.wants(Chapter::Streams) {
        bench.streams(address).await?;
    }
    let memory = bench.stage.memory("after the write side").await?;
    bench.report.memory.push(memory);
    bench.stage.stop(Role::WriteSide).await?;
    with_everything(bench, args).await?;
    if args.wants(Chapter::Pgbench) {
        bench.pgbench(report::PGBENCH_AGAIN, &[widest]).await?;
    }
    let head = bench.stage.check_gapless().await?;
    bench.report.checks.push(format!("{head} events lie at positions 1 to {head}, without a hole"));
    bench.report.checks.push("every order that was acknowledged is in the log once".to_owned());
    judge(&mut bench.report, widest);
    Ok(())
}

async fn with_everything(bench: &mut Bench, args: &BenchArgs) -> Result<()> {
    if ![Chapter::Everything, Chapter::Delays, Chapter::CatchUp].into_iter().any(|chapter| args.wants(chapter)) {
        return Ok(());
    }
    let commands = bench.stage.start(Role::Command).await?;
    let queries = bench.stage.start(Role::Projection).await?;
    bench.progress.set_message("the read side reads what the write side left");
    bench.settle().await?;
    bench.caught_up().await?;
    let memory = bench.stage.memory("everything started").await?;
    bench.report.memory.push(memory);
    bench.follows = true;
    if args.wants(Chapter::Everything) {
        bench.creates(report::CREATE_FULL, commands).await?;
        bench.caught_up().await?;
        bench.flows(report::FLOW_FULL, commands).await?;
    }
    if args.wants(Chapter::Delays) {
        bench.delays(commands, queries).await?;
    }
    if args.wants(Chapter::CatchUp) {
        bench.catch_up(commands).await?;
    }
    let memory = bench.stage.memory("after everything").await?;
    bench.report.memory.push(memory);
    bench.stage.stop(Role::Projection).await?;
    bench.stage.stop(Role::Command).await
}

/// Compares with what was to be reached.
fn judge(report: &mut Report, widest: usize) {
    let pgbench: &[&str] = &[report::PGBENCH, report::PGBENCH_AGAIN];
    let vanilla: &[&str] = &[report::VANILLA];
    let wide = [
        ("write side alone, create, as a multiple of pgbench", report::CREATE_ALONE, pgbench, 1.0),
        ("write side alone, create → pay → accept, as a multiple of pgbench", report::FLOW_ALONE, pgbench, 1.0),
        ("everything on, create, as a multiple of pgbench", report::CREATE_FULL, pgbench, 0.5),
        ("everything on, create → pay → accept, as a multiple of pgbench", report::FLOW_FULL, pgbench, 0.5),
        ("everything on, create, as a multiple of postgres-es", report::CREATE_FULL, vanilla, 2.0),
        ("everything on, create → pay → accept, as a multiple of postgres-es", report::FLOW_FULL, vanilla, 2.0),
    ];
    for (what, row, base, wanted) in wide {
        report.expect_ratio(what, (row, widest), (base, widest), wanted);
    }
    let hot = (&[report::HOT_VANILLA][..], HOT_WRITERS);
    report.expect_ratio("one hot order, as a multiple of postgres-es", (report::HOT, HOT_WRITERS), hot, 10.0);
    let long = (&[report::LONG_VANILLA][..], LONG_WRITERS);
    report.expect_ratio(
        "streams of 1,000 events, as a multiple of postgres-es",
        (report::LONG, LONG_WRITERS),
        long,
        10.0,
    );
    if let Some(rate) = report.best(&[report::CATCH_UP], 0) {
        report.expect("all projections catch up, events a second", rate, 20_000.0, rate >= 20_000.0);
    }
    let late = report.rows.iter().find(|row| row.what == report::DELAY_SOCKET).map(|row| row.p99_ms);
    if let Some(late) = late {
        report.expect("commit → socket, p99 in ms", late, 50.0, late <= 50.0);
    }
}
