//! `homefood audit`: judge the whole log by the invariants of the business.

mod outside;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use shared::{
    domain::invariants::{Auditor, Report, Rest},
    log::{LogReader, audit},
    runtime::{
        postgres::{PoolOptions, connect_pool},
        settings::DomainSettings,
    },
};

use crate::{
    database::DatabaseArgs,
    exit::{self, Exit},
};

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Judge also what has to have come to an end: money on its way, deadlines, the imitation bank's books. For an
    /// installation that nothing happens in any more.
    #[arg(long)]
    at_rest: bool,
    /// With --at-rest: the time of the business, if it is another than the machine's.
    #[arg(long, requires = "at_rest")]
    now: Option<DateTime<Utc>>,
    /// The least that a card pays, in minor units, as the services are set.
    #[arg(
        long,
        env = "HOMEFOOD_ORDER_PAYABLE_MIN_MINOR",
        default_value_t = DomainSettings::default().order_payable_min_minor
    )]
    order_payable_min_minor: i64,
    /// Print the whole report as JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: AuditArgs) -> Result<()> {
    let options = PoolOptions { statement_timeout: None, ..PoolOptions::new("homefood audit", 2) };
    let db = connect_pool(&args.database.url()?, options).await.map_err(|error| Exit::no_database(&error))?;
    let reader = LogReader::new(db.clone());
    let head = reader.head().await?;
    let mut auditor = Auditor::with_payable_min(args.order_payable_min_minor);

    let bar = progress_bar(head);
    audit(&reader, &mut auditor, head, |position, auditor| {
        bar.set_position(position);
        let violations = auditor.report().violations;
        if violations > 0 {
            bar.set_message(format!("{violations} violations"));
        }
    })
    .await
    .context("the log cannot be read to its end")?;
    bar.finish_and_clear();

    if args.at_rest {
        let now = args.now.unwrap_or_else(Utc::now);
        auditor.judge_rest(&Rest { now: Some(now), excused: outside::excused(&db).await? });
    }
    auditor.judge_outside(&outside::facts(&db, args.at_rest).await?);
    let report = auditor.into_report();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    verdict(&report)
}

/// A bar where somebody looks at it.
fn progress_bar(head: u64) -> ProgressBar {
    let bar = ProgressBar::new(head);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} events, {per_sec}, {eta} left {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn print(report: &Report) {
    for law in &report.invariants {
        let verdict = if law.violations == 0 { "ok".to_owned() } else { format!("{} violations", law.violations) };
        println!("{:>2}  {:<45} {verdict}", law.number, law.name);
        for violation in &law.examples {
            let place = violation.position.map_or_else(|| "at the end".to_owned(), |at| format!("position {at}"));
            let stream = violation.aggregate_id.map_or_else(String::new, |id| format!(" of {id}"));
            println!("      {place}{stream}: {}", violation.detail);
        }
    }
    println!("{} events up to position {}, {} violations", report.events, report.position, report.violations);
}

fn verdict(report: &Report) -> Result<()> {
    if report.is_clean() {
        return Ok(());
    }
    let first = report.first_offending_position.map_or_else(String::new, |at| format!(", the first at position {at}"));
    let violations = report.violations;
    Err(Exit::new(exit::PARTLY_FAILED, format!("{violations} violations of the invariants{first}")).into())
}
