//! `homefood bench rebuild`: how fast the read side makes its rows from a log, beside what Postgres itself does with the
//! same bytes, and in how much memory, over a short log and a long one.

mod log;
mod steps;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use projection_service::operations::OperationKind;
use serde::Serialize;

use super::{report::Machine, stage::Stage};
use steps::Watched;
pub use steps::catch_up;

/// A rebuild is to reach this part of the rate at which the log comes out by COPY.
const REBUILD_WANTED: f64 = 0.5;
/// Catching up is to reach this many events a second, or …
const CATCH_UP_WANTED: f64 = 40_000.0;
/// … this part of the rate at which its rows go in by COPY.
const COPY_IN_WANTED: f64 = 0.5;
/// With this many times the memory over the longer log, memory still counts as independent of it.
const MEMORY_RATIO_MAX: f64 = 1.25;

/// What one of the figures of a log is.
type Figure = fn(&OneLog) -> f64;

#[derive(Debug, Clone, clap::Args)]
pub struct RebuildArgs {
    /// How many events the logs have, each in a database of its own.
    #[arg(long, value_delimiter = ',', default_value = "1000000,5000000",
          value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    events: Vec<u64>,

    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,

    /// Measure this build even if it is not built for speed.
    #[arg(long, hide = true)]
    pub(super) any_build: bool,
}

/// What was found over all logs.
#[derive(Debug, Serialize)]
struct Found {
    machine: Machine,
    logs: Vec<OneLog>,
    /// What was to be reached and was not.
    missed: Vec<String>,
}

/// What was found over one log.
#[derive(Debug, Serialize)]
struct OneLog {
    events: i64,
    /// Of the orders' own streams.
    events_of_orders: u64,
    copy_out_seconds: f64,
    copy_out_events_per_second: f64,
    copy_out_mib: f64,
    catch_up_seconds_by_projection: BTreeMap<String, f64>,
    catch_up_events_per_second: f64,
    copy_in_seconds: f64,
    copy_in_rows: u64,
    /// Catching up, as a part of the rate at which its rows go in by COPY.
    catch_up_ratio: f64,
    rebuild_seconds: f64,
    rebuild_seconds_by_stage: Vec<(String, f64)>,
    /// Events of the log by all the time from the first step to the swap.
    rebuild_events_per_second: f64,
    /// As a part of the rate of COPY.
    rebuild_ratio: f64,
    /// The same, counting the events alone that the orders are made of.
    rebuild_ratio_of_own_events: f64,
    rebuild_memory_before_mib: f64,
    rebuild_memory_peak_mib: f64,
    audit_seconds: f64,
    audit_rows: i64,
    audit_memory_peak_mib: f64,
    export_ndjson_seconds: f64,
    export_ndjson_memory_peak_mib: f64,
    export_parquet_seconds: f64,
    export_parquet_memory_peak_mib: f64,
}

/// Measures every log in turn, from the shortest.
pub async fn run(args: RebuildArgs) -> Result<()> {
    let mut sizes = args.events.clone();
    sizes.sort_unstable();
    let mut found = Found { machine: Machine::default(), logs: Vec::new(), missed: Vec::new() };
    for events in sizes {
        let mut stage = Stage::build(None, "warn").await?;
        found.machine = stage.machine().await?;
        let measured = tokio::select! {
            measured = measure(&mut stage, events) => measured,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        };
        stage.tear_down().await?;
        found.logs.push(measured?);
    }
    found.missed = missed(&found.logs);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print_text(&found);
    }
    match found.missed.first() {
        Some(missed) => bail!("{missed}"),
        None => Ok(()),
    }
}

async fn measure(stage: &mut Stage, events: u64) -> Result<OneLog> {
    let head = log::fill(stage, events).await?;
    let caught_up = steps::catch_up(stage, head).await?;
    eprintln!("all projections have caught up");
    sqlx::query("VACUUM ANALYZE").execute(&stage.db).await?;
    sqlx::query("CHECKPOINT").execute(&stage.db).await?;
    // The first one reads into memory what the second one finds there.
    steps::copy_out(stage).await?;
    let (copy_out_seconds, bytes) = steps::copy_out(stage).await?;
    let rebuilt = steps::operate(stage, OperationKind::Rebuild).await?;
    eprintln!("the orders are rebuilt");
    let (again_seconds, _) = steps::copy_out(stage).await?;
    let copy_out_seconds = (copy_out_seconds + again_seconds) / 2.0;
    let false_key = steps::falsify(stage).await?;
    let audited = steps::operate(stage, OperationKind::Verify).await?;
    check_audit(&audited, &false_key)?;
    let (copy_in_seconds, copy_in_rows) = steps::copy_in(stage).await?;
    let ndjson = steps::export(stage, "ndjson").await?;
    let parquet = steps::export(stage, "parquet").await?;
    let slowest = caught_up.values().copied().fold(0.0, f64::max);
    let per_second = |seconds: f64| head as f64 / seconds;
    let own = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM events WHERE aggregate_type = 'order'");
    let events_of_orders = own.fetch_one(&stage.db).await? as u64;
    let audit_rows = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&stage.db).await?;
    Ok(OneLog {
        events: head,
        events_of_orders,
        copy_out_seconds,
        copy_out_events_per_second: per_second(copy_out_seconds),
        copy_out_mib: mib(bytes),
        catch_up_events_per_second: per_second(slowest),
        catch_up_seconds_by_projection: caught_up,
        copy_in_seconds,
        copy_in_rows,
        catch_up_ratio: copy_in_seconds / slowest,
        rebuild_seconds: rebuilt.seconds,
        rebuild_events_per_second: per_second(rebuilt.seconds),
        rebuild_ratio: copy_out_seconds / rebuilt.seconds,
        rebuild_ratio_of_own_events: copy_out_seconds / rebuilt.seconds * events_of_orders as f64 / head as f64,
        rebuild_memory_before_mib: mib(rebuilt.before_bytes),
        rebuild_memory_peak_mib: mib(rebuilt.peak_bytes),
        rebuild_seconds_by_stage: rebuilt.stages,
        audit_seconds: audited.seconds,
        audit_rows,
        audit_memory_peak_mib: mib(audited.peak_bytes),
        export_ndjson_seconds: ndjson.0,
        export_ndjson_memory_peak_mib: mib(ndjson.1),
        export_parquet_seconds: parquet.0,
        export_parquet_memory_peak_mib: mib(parquet.1),
    })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// One row in all of them was false, and that one was found.
fn check_audit(audited: &Watched, false_key: &str) -> Result<()> {
    let result = audited.operation.result.as_ref().context("an audit has a result")?;
    let (drifted, key) = (&result["drifted"], &result["drifts"][0]["key"]);
    ensure!(*drifted == 1 && *key == false_key, "one row, {false_key}, was false; found: {result}");
    Ok(())
}

fn missed(logs: &[OneLog]) -> Vec<String> {
    let mut missed = Vec::new();
    for log in logs {
        if log.rebuild_ratio < REBUILD_WANTED {
            missed.push(format!("{} events: a rebuild reaches {:.2} of COPY", log.events, log.rebuild_ratio));
        }
        if log.catch_up_events_per_second < CATCH_UP_WANTED && log.catch_up_ratio < COPY_IN_WANTED {
            let (rate, ratio) = (log.catch_up_events_per_second, log.catch_up_ratio);
            missed.push(format!("{} events: catching up does {rate:.0}/s, {ratio:.2} of COPY", log.events));
        }
    }
    if let (Some(short), Some(long)) = (logs.first(), logs.last()) {
        let kinds: [(&str, Figure); 3] = [
            ("a rebuild", |log| log.rebuild_memory_peak_mib),
            ("an audit", |log| log.audit_memory_peak_mib),
            ("an export", |log| log.export_ndjson_memory_peak_mib.max(log.export_parquet_memory_peak_mib)),
        ];
        for (what, memory) in kinds {
            let ratio = memory(long) / memory(short);
            if ratio > MEMORY_RATIO_MAX {
                missed.push(format!("{what} takes {ratio:.2} times the memory over the longer log"));
            }
        }
    }
    missed
}

fn print_text(found: &Found) {
    if !found.machine.release_build {
        println!("Not a release build: compare, but do not quote the times.");
    }
    for log in &found.logs {
        println!("{} events, {} of orders, {:.0} MiB by COPY", log.events, log.events_of_orders, log.copy_out_mib);
        let rate = log.copy_out_events_per_second;
        println!("  COPY events TO STDOUT        {:>8.1} s {rate:>10.0} events/s", log.copy_out_seconds);
        let rate = log.rebuild_events_per_second;
        println!(
            "  rebuild of the orders        {:>8.1} s {rate:>10.0} events/s, {:.2} of COPY ({:.2} by orders' events)",
            log.rebuild_seconds, log.rebuild_ratio, log.rebuild_ratio_of_own_events
        );
        for (stage, seconds) in &log.rebuild_seconds_by_stage {
            println!("    {stage:<26} {seconds:>8.1} s");
        }
        let (before, peak) = (log.rebuild_memory_before_mib, log.rebuild_memory_peak_mib);
        println!("    memory                     {peak:>8.0} MiB at most, {before:.0} before");
        let rate = log.catch_up_events_per_second;
        println!(
            "  all projections catch up     {:>8.1} s {rate:>10.0} events/s, {:.2} of COPY",
            log.events as f64 / rate,
            log.catch_up_ratio
        );
        for (name, seconds) in &log.catch_up_seconds_by_projection {
            println!("    {name:<26} {seconds:>8.1} s");
        }
        println!("  COPY of their {:>9} rows {:>8.1} s", log.copy_in_rows, log.copy_in_seconds);
        println!(
            "  audit of {:>9} rows      {:>8.1} s, {:.0} MiB at most; the one false row was found",
            log.audit_rows, log.audit_seconds, log.audit_memory_peak_mib
        );
        let (seconds, peak) = (log.export_ndjson_seconds, log.export_ndjson_memory_peak_mib);
        println!("  export as NDJSON             {seconds:>8.1} s, {peak:.0} MiB at most");
        let (seconds, peak) = (log.export_parquet_seconds, log.export_parquet_memory_peak_mib);
        println!("  export as Parquet            {seconds:>8.1} s, {peak:.0} MiB at most");
    }
    for missed in &found.missed {
        println!("missed: {missed}");
    }
}
