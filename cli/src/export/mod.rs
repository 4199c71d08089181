//! `homefood export events`: the log as a file for others, in memory that does not grow with it.

mod ndjson;
mod parquet;
mod range;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shared::{
    log::{LogError, LogReader, Position, RecordedEvent},
    runtime::postgres::{PoolOptions, connect_pool},
};

use crate::{
    database::DatabaseArgs,
    exit::{Exit, UNAVAILABLE, USAGE},
};
use range::Bound;

/// Events read at a time.
const PAGE: u32 = 2_000;

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every event with its payload as it was stored, in order of the log. Personal data in it stays sealed.
    Events(EventsArgs),
}

#[derive(Debug, Args)]
struct EventsArgs {
    /// How to write them.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,

    /// The first one: a position in the log, or an instant (RFC 3339) at or after which it was recorded.
    #[arg(long)]
    from: Option<Bound>,

    /// The last one: a position in the log, or an instant before which it was recorded.
    #[arg(long)]
    to: Option<Bound>,

    /// The file to write; standard output if left out. It appears when it is complete.
    #[arg(long)]
    output: Option<PathBuf>,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet, compressed with Snappy.
    Parquet,
}

/// Takes events, in order.
trait Sink {
    /// Takes the next ones.
    fn write(&mut self, events: &[Arc<RecordedEvent>]) -> Result<()>;

    /// Writes what is left; there are no more.
    fn finish(self: Box<Self>) -> Result<()>;
}

impl Format {
    fn sink<'a>(self, out: impl Write + Send + 'a) -> Result<Box<dyn Sink + 'a>> {
        Ok(match self {
            Self::Ndjson => Box::new(ndjson::Lines::new(out)),
            Self::Parquet => Box::new(parquet::Groups::new(out)?),
        })
    }
}

pub async fn run(args: ExportArgs) -> Result<()> {
    let What::Events(args) = args.what;
    if args.format == Format::Parquet && args.output.is_none() && io::stdout().is_terminal() {
        return Err(Exit::new(USAGE, "Parquet is not for terminals: name a file with --output").into());
    }
    if args.output.as_deref().is_some_and(|path| path.is_dir() || path.file_name().is_none()) {
        return Err(Exit::new(USAGE, "--output is a directory: name a file").into());
    }
    let options = PoolOptions::new("homefood export", 1);
    let db = connect_pool(&args.database.url()?, options).await.map_err(|error| unavailable(&error))?;
    let log = LogReader::new(db);
    let (from, to) = range::find(&log, args.from, args.to).await?;
    let Some(path) = &args.output else {
        let written = write(&log, (from, to), args.format.sink(BufWriter::new(io::stdout()))?).await;
        return if written.as_ref().is_err_and(is_broken_pipe) { Ok(()) } else { written };
    };
    let unfinished = unfinished(path);
    let file = File::create(&unfinished).with_context(|| format!("{} cannot be written", unfinished.display()))?;
    let written = write(&log, (from, to), args.format.sink(BufWriter::new(file))?).await;
    if written.is_err() {
        fs::remove_file(&unfinished).ok();
        return written;
    }
    let renamed = fs::rename(&unfinished, path);
    if renamed.is_err() {
        fs::remove_file(&unfinished).ok();
    }
    renamed.with_context(|| format!("{} cannot be written", path.display()))
}

/// The file under another name until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    path.with_file_name(name)
}

async fn write(log: &LogReader, (from, to): (Position, Position), mut sink: Box<dyn Sink + '_>) -> Result<()> {
    let bar = progress((to + 1).saturating_sub(from))?;
    let mut next = from;
    while next <= to {
        let limit = u32::try_from(to + 1 - next).unwrap_or(PAGE).min(PAGE);
        let events = log.page(next - 1, limit).await.map_err(explain)?;
        let Some(last) = events.last() else { return Err(LogError::EndsEarly { position: next - 1, head: to }.into()) };
        next = last.position + 1;
        sink.write(&events)?;
        bar.inc(events.len() as u64);
    }
    sink.finish()?;
    bar.finish_and_clear();
    eprintln!("{} events", bar.position());
    Ok(())
}

/// On a terminal only.
fn progress(events: u64) -> Result<ProgressBar> {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(events), target);
    let style = "{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta} to go";
    bar.set_style(ProgressStyle::with_template(style)?);
    Ok(bar)
}

fn explain(error: LogError) -> anyhow::Error {
    match error {
        LogError::Database(error) => unavailable(&error).into(),
        LogError::Unreadable { .. } | LogError::EndsEarly { .. } => error.into(),
    }
}

fn unavailable(error: &sqlx::Error) -> Exit {
    Exit::new(UNAVAILABLE, format!("the database cannot be read: {error}"))
}

/// Whoever reads had enough, as `head` has.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(is_pipe)
}
