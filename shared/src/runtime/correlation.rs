//! What ties log lines, events and answers of one request together, carried by the task that does the work.

use http::Uri;
use std::{fmt, str::FromStr};
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: Correlation;
}

/// What a piece of work is done for.
#[derive(Debug, Clone)]
pub struct Correlation {
    /// Ties together everything one request caused: events, log lines, problems.
    pub id: Uuid,
    /// The trace the work belongs to.
    pub traceparent: TraceParent,
    /// The path asked for, when a request is being answered.
    pub instance: Option<Uri>,
}

impl Correlation {
    /// Work done for the event or request `id`.
    pub fn new(id: Uuid, traceparent: TraceParent) -> Self {
        Self { id, traceparent, instance: None }
    }

    /// Runs `work`; inside it `current` answers with this correlation and every log line carries its id.
    pub fn scope<F: Future>(self, work: F) -> tokio::task::futures::TaskLocalFuture<Self, F> {
        CURRENT.scope(self, work)
    }
}

/// The correlation of the work being done, if it has one.
pub fn current() -> Option<Correlation> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The id alone: cheaper than `current`.
pub fn current_id() -> Option<Uuid> {
    CURRENT.try_with(|correlation| correlation.id).ok()
}

/// A W3C trace context: which trace, which step of it, and whether it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: u128,
    /// The step within the trace.
    pub parent_id: u64,
    /// Bit 0: recorded.
    pub flags: u8,
}

impl TraceParent {
    /// A new trace named after `id`, so that a log line and a trace of one request can be found from each other.
    pub fn of(id: Uuid) -> Self {
        let trace_id = id.as_u128().max(1);
        // The low half of a version 7 id is random; a step id of zero is forbidden.
        Self { trace_id, parent_id: (trace_id as u64).max(1), flags: 1 }
    }

    /// Whether the caller records the trace.
    pub fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

/// The text is not a trace context.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent")]
pub struct ParseTraceParentError;

impl FromStr for TraceParent {
    type Err = ParseTraceParentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = ParseTraceParentError;
        let lower_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b) || *b == b'-';
        if !text.as_bytes().iter().all(lower_hex) {
            return Err(wrong);
        }
        let mut parts = text.splitn(5, '-');
        let mut part = |length: usize| parts.next().filter(|part| part.len() == length);
        let (Some(version), Some(trace), Some(parent), Some(flags)) = (part(2), part(32), part(16), part(2)) else {
            return Err(wrong);
        };
        // A later version may append fields; version 00 has exactly four, and ff is forbidden.
        if version == "ff" || (version == "00" && text.len() != 55) {
            return Err(wrong);
        }
        let trace_id = u128::from_str_radix(trace, 16).map_err(|_| ParseTraceParentError)?;
        let parent_id = u64::from_str_radix(parent, 16).map_err(|_| ParseTraceParentError)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| ParseTraceParentError)?;
        if trace_id == 0 || parent_id == 0 { Err(wrong) } else { Ok(Self { trace_id, parent_id, flags }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_alike() {
        let traceparent: TraceParent = GOOD.parse().expect("valid");
        assert!(traceparent.is_sampled());
        assert_eq!(traceparent.to_string(), GOOD);
    }

    #[test]
    fn a_new_trace_is_a_valid_one() {
        let traceparent = TraceParent::of(Uuid::now_v7());
        assert_eq!(traceparent.to_string().parse(), Ok(traceparent));
        assert!(TraceParent::of(Uuid::nil()).to_string().parse::<TraceParent>().is_ok());
    }

    #[test]
    fn malformed_traceparents_are_refused() {
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(wrong.parse::<TraceParent>(), Err(ParseTraceParentError), "{wrong}");
        }
    }

    #[tokio::test]
    async fn the_correlation_follows_the_task() {
        assert!(current().is_none());
        let id = Uuid::now_v7();
        let seen = Correlation::new(id, TraceParent::of(id)).scope(async { current_id() }).await;
        assert_eq!(seen, Some(id));
    }
}
