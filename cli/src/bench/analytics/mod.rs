//! `homefood bench analytics`: the same reports over few orders and over many, in the same month.

mod history;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use dev_servers::{Postgres, PostgresBinaries, PostgresOptions, Profile, Storage};
use hdrhistogram::Histogram;
use projection_service::{
    engine::{Fold, ReadModel},
    projections::order_facts::{Basis, OrderFacts, Question, Reports},
};
use serde::Serialize;
use shared::{
    domain::Currency,
    runtime::{
        Secret,
        postgres::{PoolOptions, connect_pool, migrate},
    },
};
use tokio::time::Instant;

use history::{DAYS, History, START};

/// Orders folded in one transaction.
const BATCH: u64 = 2_000;
/// The reports, in the order in which they are asked for.
const REPORTS: [&str; 4] = ["orders", "top producers", "popular dishes", "daily revenue"];
/// With this many times the time for the many, the answer still counts as independent of their number.
const RATIO_MAX: f64 = 2.0;

#[derive(Debug, Clone, clap::Args)]
pub struct AnalyticsArgs {
    /// How many orders: few, and many.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    orders: Vec<u64>,

    /// How often each report is asked for.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    rounds: u32,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,

    /// Measure this build even if it is not built for speed.
    #[arg(long, hide = true)]
    pub(super) any_build: bool,
}

/// One report over both databases.
#[derive(Debug, Serialize)]
struct Measured {
    report: &'static str,
    few_p50_ms: f64,
    few_p99_ms: f64,
    many_p50_ms: f64,
    many_p99_ms: f64,
    /// Of the medians.
    ratio: f64,
}

/// Fills two databases and asks both the same, in turns.
pub async fn run(args: AnalyticsArgs) -> Result<()> {
    let [few, many] = args.orders[..] else { bail!("--orders takes two numbers") };
    let binaries = PostgresBinaries::locate(&dev_servers::servers_dir()).await?;
    let mut postgres = Postgres::start(&binaries, PostgresOptions::new(Storage::ThrowAway, Profile::Bench)).await?;
    let measured = tokio::select! {
        measured = measure(&postgres, [few, many], args.rounds) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    postgres.stop().await?;
    let measured = measured?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&measured)?);
    } else {
        print_table(&measured, [few, many]);
    }
    match measured.iter().find(|row| row.ratio > RATIO_MAX) {
        Some(row) => bail!("{} takes {:.1} times as long over {many} orders", row.report, row.ratio),
        None => Ok(()),
    }
}

async fn measure(postgres: &Postgres, orders: [u64; 2], rounds: u32) -> Result<Vec<Measured>> {
    let both = [filled(postgres, orders[0]).await?, filled(postgres, orders[1]).await?];
    let mut times = Vec::new();
    for _ in 0..REPORTS.len() * both.len() {
        times.push(Histogram::<u64>::new(3)?);
    }
    for round in 0..rounds + rounds / 10 {
        for (report, _) in REPORTS.iter().enumerate() {
            for (at, reports) in both.iter().enumerate() {
                let took = ask(reports, report).await?;
                // The first ones fill caches.
                if round >= rounds / 10 {
                    times[report * both.len() + at].record(took.as_micros() as u64)?;
                }
            }
        }
    }
    let ms = |times: &Histogram<u64>, quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
    let row = |(report, times): (&'static str, &[Histogram<u64>])| Measured {
        report,
        few_p50_ms: ms(&times[0], 0.5),
        few_p99_ms: ms(&times[0], 0.99),
        many_p50_ms: ms(&times[1], 0.5),
        many_p99_ms: ms(&times[1], 0.99),
        ratio: ms(&times[1], 0.5) / ms(&times[0], 0.5),
    };
    Ok(REPORTS.into_iter().zip(times.chunks(both.len())).map(row).collect())
}

/// A database with so many orders, all through the fold.
async fn filled(postgres: &Postgres, orders: u64) -> Result<Reports> {
    let name = format!("orders_{orders}");
    postgres.ensure_database(&name).await?;
    let options = PoolOptions { statement_timeout: None, ..PoolOptions::new("homefood bench", 2) };
    let db = connect_pool(&Secret::new(postgres.url(&name)), options).await?;
    migrate(&db).await?;
    history::open_kitchens(&db).await?;
    let (started, history) = (Instant::now(), History::new(orders));
    let (mut events, mut first) = (0, 0);
    while first < orders {
        let to = (first + BATCH).min(orders);
        let mut fold = Fold::<OrderFacts>::new(Default::default());
        for event in (first..to).flat_map(|order| history.events(order)) {
            fold.take(&event).context("the fold refuses an event")?;
            events += 1;
        }
        let mut tx = db.begin_with("BEGIN; SET LOCAL synchronous_commit = off").await?;
        OrderFacts::store(&mut tx, &fold.changes()).await?;
        tx.commit().await?;
        first = to;
    }
    eprintln!("{orders} orders, {events} events, filled in {:.1} s", started.elapsed().as_secs_f64());
    sqlx::query("VACUUM ANALYZE").execute(&db).await?;
    Ok(Reports::beside(&db))
}

/// Asks for one report over the whole time; neither end of it is the end of a stretch.
async fn ask(reports: &Reports, report: usize) -> Result<Duration> {
    let from = START + TimeDelta::minutes(7);
    let to = START + TimeDelta::days(DAYS as i64) - TimeDelta::minutes(4);
    let question = Question { producer_id: None, currency: Currency::RUB, from, to };
    let (days, end) = moscow_days();
    let started = Instant::now();
    let found = match REPORTS[report] {
        "orders" => reports.totals(question).await?.total_orders,
        "top producers" => reports.top_producers(question, 10).await?.len() as i64,
        "popular dishes" => reports.popular_dishes(question, 10).await?.len() as i64,
        _ => reports.daily_revenue((None, Currency::RUB, Basis::Created), &days, end).await?.len() as i64,
    };
    let took = started.elapsed();
    if found == 0 { bail!("{} found nothing", REPORTS[report]) } else { Ok(took) }
}

fn moscow_days() -> (Vec<(NaiveDate, DateTime<Utc>)>, DateTime<Utc>) {
    let midnight = START - TimeDelta::hours(3);
    let day = |n: u64| (START.date_naive() + Days::new(n), midnight + Days::new(n));
    ((0..DAYS).map(day).collect(), midnight + Days::new(DAYS))
}

fn print_table(measured: &[Measured], [few, many]: [u64; 2]) {
    if cfg!(debug_assertions) {
        println!("Not a release build: compare, but do not quote the times.");
    }
    println!("{:<16} {:>10} {:>10} {:>10} {:>10} {:>7}", "p50, p99 in ms", few, "", many, "", "ratio");
    for row in measured {
        let Measured { report, few_p50_ms, few_p99_ms, many_p50_ms, many_p99_ms, ratio } = row;
        println!(
            "{report:<16} {few_p50_ms:>10.2} {few_p99_ms:>10.2} {many_p50_ms:>10.2} {many_p99_ms:>10.2} {ratio:>7.2}"
        );
    }
}
