use super::*;
use std::sync::mpsc::Sender;
use uuid::Uuid;

/// A sink that tells what it wrote, and can be held.
#[derive(Clone, Default)]
struct Sink {
    written: Arc<Mutex<Vec<u8>>>,
    /// A write of `held` waits for this lock.
    gate: Arc<Mutex<()>>,
    reached: Option<Sender<()>>,
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.written.lock().clone()).expect("text")
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line == b"held\n"
            && let Some(reached) = &self.reached
        {
            reached.send(()).expect("the test listens");
            drop(self.gate.lock());
        }
        self.written.lock().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn dropping_the_guard_writes_every_queued_line() {
    let sink = Sink::default();
    let (writer, guard) = LineQueue::start(sink.clone(), 1_000).expect("starts");
    for number in 0..500 {
        writer.accept(format!("{number}\n").as_bytes()).expect("accepted");
    }
    drop(guard);
    assert_eq!(sink.text().lines().count(), 500);
    writer.accept(b"after the end\n").expect("accepted");
    assert!(sink.text().ends_with("after the end\n"));
}

#[test]
fn a_full_queue_makes_the_caller_write_and_loses_nothing() {
    let (reached, held) = std::sync::mpsc::channel();
    let sink = Sink { reached: Some(reached), ..Sink::default() };
    let gate = Arc::clone(&sink.gate);
    let (writer, guard) = LineQueue::start(sink.clone(), 2).expect("starts");
    let closed = gate.lock();
    writer.accept(b"held\n").expect("accepted");
    held.recv().expect("the thread is in its write");
    writer.accept(b"queued 1\n").expect("accepted");
    writer.accept(b"queued 2\n").expect("accepted");
    // The queue is full: this caller waits for the sink itself, which the thread holds.
    let caller = std::thread::spawn({
        let writer = writer.clone();
        move || writer.accept(b"written by the caller\n")
    });
    while writer.shared.overflows.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    drop(closed);
    caller.join().expect("ends").expect("written");
    assert!(sink.text().contains("written by the caller\n"));
    drop(guard);
    let mut lines: Vec<String> = sink.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["held", "queued 1", "queued 2", "written by the caller"]);
}

#[test]
fn a_line_is_json_and_carries_the_correlation_id() {
    let sink = Sink::default();
    let (writer, guard) = LineQueue::start(sink.clone(), 10).expect("starts");
    let lines = tracing_subscriber::fmt::format().json().flatten_event(true).with_span_list(false);
    let layer =
        tracing_subscriber::fmt::layer().json().event_format(Correlated { lines, tail: JSON_TAIL }).with_writer(writer);
    let id = Uuid::now_v7();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(attempts = 3, "without");
        let work = correlation::Correlation::new(id, correlation::TraceParent::of(id))
            .scope(async { tracing::warn!(order.id = "o-1", "with") });
        futures::executor::block_on(work);
    });
    drop(guard);
    let lines: Vec<serde_json::Value> =
        sink.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["attempts"], 3);
    assert!(lines[0].get("correlation_id").is_none());
    assert_eq!(lines[1]["correlation_id"], id.to_string());
    assert_eq!(lines[1]["order.id"], "o-1");
    assert_eq!(lines[1]["message"], "with");
}
