//! Log lines: JSON or for people, written by a thread of their own, never lost.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{BoxError, correlation, settings::LogFormat};

/// Lines that may wait for the writer thread.
const QUEUED_LINES_MAX: usize = 1_000;

/// How long the end of the program waits for the last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts logging to standard error: standard output is for data. Keep the guard until the end.
pub fn init(format: LogFormat, filter: &str) -> Result<LogGuard, BoxError> {
    let filter = EnvFilter::try_new(filter)?;
    let (writer, guard) = LineQueue::start(io::stderr(), QUEUED_LINES_MAX)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer();
    match format {
        LogFormat::Json => {
            let lines = tracing_subscriber::fmt::format().json().flatten_event(true).with_span_list(false);
            let layer = layer.json().event_format(Correlated { lines, tail: JSON_TAIL }).with_writer(writer);
            registry.with(layer).try_init()?;
        }
        LogFormat::Pretty => {
            let lines = tracing_subscriber::fmt::format().compact();
            registry.with(layer.event_format(Correlated { lines, tail: TEXT_TAIL }).with_writer(writer)).try_init()?;
        }
    }
    Ok(guard)
}

/// What the end of a line is replaced with: before the id, after the id.
type Tail = (&'static str, &'static str, &'static str);
const JSON_TAIL: Tail = ("}\n", ",\"correlation_id\":\"", "\"}\n");
const TEXT_TAIL: Tail = ("\n", " correlation_id=", "\n");

/// Adds the correlation id of the work being done to every line.
struct Correlated<L> {
    lines: L,
    tail: Tail,
}

impl<S, N, L> FormatEvent<S, N> for Correlated<L>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    L: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let Some(id) = correlation::current_id() else { return self.lines.format_event(context, writer, event) };
        let mut line = String::with_capacity(256);
        self.lines.format_event(context, Writer::new(&mut line), event)?;
        let (end, before, after) = self.tail;
        let body = line.strip_suffix(end).unwrap_or(&line);
        write!(writer, "{body}{before}{id}{after}")
    }
}

enum Message {
    Line(Vec<u8>),
    /// Answer when everything before this is written.
    Flush(SyncSender<()>),
}

struct Shared<W> {
    sink: Mutex<W>,
    /// The guard is gone: nobody would wait for the thread any more, so lines are written at once.
    ended: AtomicBool,
    /// Lines that callers wrote themselves because the queue was full.
    overflows: AtomicU64,
}

/// Hands lines to a thread; when it cannot keep up, the caller writes its line itself.
struct LineQueue<W> {
    queue: SyncSender<Message>,
    shared: Arc<Shared<W>>,
}

impl<W> Clone for LineQueue<W> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<W: Write + Send + 'static> LineQueue<W> {
    fn start(sink: W, lines_max: usize) -> io::Result<(Self, LogGuard)> {
        let (queue, waiting) = sync_channel(lines_max);
        let shared =
            Arc::new(Shared { sink: Mutex::new(sink), ended: AtomicBool::new(false), overflows: AtomicU64::new(0) });
        let thread = std::thread::Builder::new().name("log-writer".to_owned());
        thread.spawn({
            let shared = Arc::clone(&shared);
            move || write_lines(&waiting, &shared)
        })?;
        let writer = Self { queue: queue.clone(), shared: Arc::clone(&shared) };
        let guard = LogGuard { queue, end: Box::new(move || shared.ended.store(true, Ordering::Release)) };
        Ok((writer, guard))
    }

    fn accept(&self, line: &[u8]) -> io::Result<()> {
        if self.shared.ended.load(Ordering::Acquire) {
            return self.shared.sink.lock().write_all(line);
        }
        match self.queue.try_send(Message::Line(line.to_vec())) {
            Ok(()) => Ok(()),
            // A line out of order is better than a line lost.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.overflows.fetch_add(1, Ordering::Relaxed);
                self.shared.sink.lock().write_all(line)
            }
        }
    }
}

fn write_lines<W: Write>(waiting: &Receiver<Message>, shared: &Shared<W>) {
    while let Ok(message) = waiting.recv() {
        match message {
            // There is nowhere to report that the log cannot be written.
            Message::Line(line) => {
                let _ = shared.sink.lock().write_all(&line);
            }
            Message::Flush(done) => {
                let _ = shared.sink.lock().flush();
                let _ = done.try_send(());
            }
        }
    }
}

/// One event is formatted whole and written with one call.
impl<W: Write + Send + 'static> Write for LineQueue<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.accept(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + Send + 'static> MakeWriter<'a> for LineQueue<W> {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Dropped last, it waits until every line is written.
#[must_use = "dropping the guard ends the queueing of log lines"]
pub struct LogGuard {
    queue: SyncSender<Message>,
    end: Box<dyn Fn() + Send + Sync>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        (self.end)();
        let (done, finished) = sync_channel(1);
        if self.queue.send(Message::Flush(done)).is_ok() {
            // After the timeout the program ends all the same.
            let _ = finished.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

#[cfg(test)]
mod tests;
