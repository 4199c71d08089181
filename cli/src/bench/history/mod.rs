//! `homefood bench history`: how long the history of one aggregate with very many events takes, over HTTP.

mod questions;
mod stream;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    load::{Delays, delays},
    rebuild::catch_up,
    report::{Machine, quantile_ms},
    serve::Role,
    stage::Stage,
    wire::Wire,
};
use questions::{Question, questions};
use stream::LongOrder;

/// No answer may take longer.
const LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, clap::Args)]
pub struct HistoryArgs {
    /// How many events the aggregate has.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    events: u64,

    /// How often each question is asked.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,

    /// Measure this build even if it is not built for speed.
    #[arg(long, hide = true)]
    pub(super) any_build: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    machine: Machine,
    events: u64,
    /// Old states that the write side left behind while the stream grew.
    landmarks: i64,
    growing_seconds: f64,
    rounds: u32,
    answers: Vec<Measured>,
}

/// One question.
#[derive(Debug, Serialize)]
struct Measured {
    question: String,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    answer_bytes: usize,
}

/// Makes the stream, and asks everything in turns.
pub async fn run(args: HistoryArgs) -> Result<()> {
    let mut stage = Stage::build(None, "warn").await?;
    let found = tokio::select! {
        found = measure(&mut stage, &args) => found,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    stage.tear_down().await?;
    let found = found?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print_table(&found);
    }
    let limit_ms = LIMIT.as_secs_f64() * 1_000.0;
    match found.answers.iter().find(|answer| answer.max_ms > limit_ms) {
        Some(slow) => bail!("{} took {:.0} ms of {} events", slow.question, slow.max_ms, found.events),
        None => Ok(()),
    }
}

async fn measure(stage: &mut Stage, args: &HistoryArgs) -> Result<Found> {
    let machine = stage.machine().await?;
    let order = stream::grow(stage, args.events).await?;
    let LongOrder { events, landmarks, seconds, .. } = order;
    eprintln!("{events} events of one order, {landmarks} landmarks, made in {seconds:.1} s");
    let head = stage.head().await?;
    catch_up(stage, head).await?;
    let questions = questions(stage, &order).await?;
    let answers = ask(stage, &questions, args.rounds).await.with_context(|| stage.last_words())?;
    Ok(Found { machine, events, landmarks, growing_seconds: seconds, rounds: args.rounds, answers })
}

/// The first round fills caches, and shows that the answers are right; it counts, too: who asks once waits that long.
async fn ask(stage: &mut Stage, questions: &[Question], rounds: u32) -> Result<Vec<Measured>> {
    let address = stage.address(Role::Projection).context("the read side runs")?;
    let mut wire = Wire::connect(address).await?;
    let mut asked: Vec<(Delays, usize)> = questions.iter().map(|_| (delays(), 0)).collect();
    for round in 0..rounds {
        for (question, (times, bytes)) in questions.iter().zip(&mut asked) {
            let began = Instant::now();
            let answer = wire.ask(&question.path, stage.world.admin()).await?;
            times.saturating_record(began.elapsed().as_micros() as u64);
            *bytes = answer.body.len();
            if round == 0 {
                question.check(answer).with_context(|| question.name.clone())?;
            }
        }
    }
    let row = |(question, (times, bytes)): (&Question, (Delays, usize))| Measured {
        question: question.name.clone(),
        p50_ms: quantile_ms(&times, 0.5),
        p99_ms: quantile_ms(&times, 0.99),
        max_ms: quantile_ms(&times, 1.0),
        answer_bytes: bytes,
    };
    Ok(questions.iter().zip(asked).map(row).collect())
}

fn print_table(found: &Found) {
    if !found.machine.release_build {
        println!("Not a release build: compare, but do not quote the times.");
    }
    let Found { events, landmarks, rounds, .. } = found;
    println!("one order of {events} events, {landmarks} landmarks; each question asked {rounds} times over HTTP");
    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "in ms", "p50", "p99", "max", "bytes");
    for Measured { question, p50_ms, p99_ms, max_ms, answer_bytes } in &found.answers {
        println!("{question:<44} {p50_ms:>9.2} {p99_ms:>9.2} {max_ms:>9.2} {answer_bytes:>9}");
    }
}
