//! What can be asked of the log, and what it answers.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::{
    domain::{Actor, AggregateType, DomainEvent, PortionMove},
    log::{Metadata, Position, RecordedEvent},
};
use uuid::Uuid;

use super::aggregates::Ticket;

/// Everything one decision makes durable: its events, its receipt and its timers, or an answer that came later.
#[derive(Debug)]
pub struct AppendRequest {
    /// The command behind it; with a receipt it is appended once, however often it is asked for.
    pub command_id: Uuid,
    /// What the receipt says; none for commands that nobody will repeat.
    pub receipt: Option<ReceiptDraft>,
    /// The events and where they belong; none for a receipt alone.
    pub stream: Option<StreamAppend>,
    /// Deadlines that start with the events.
    pub timers: Vec<NewTimer>,
    /// What the stream takes of the kitchens' pots with its events, or gives back.
    pub portions: Option<PortionMove>,
    /// Tells the aggregate in memory how it went.
    pub ticket: Option<Ticket>,
}

impl AppendRequest {
    /// The request's events as they stand in the log.
    pub(super) fn recorded(&self, appended: Appended) -> impl Iterator<Item = Arc<RecordedEvent>> {
        self.stream.iter().flat_map(move |stream| {
            let first = appended.position + 1 - stream.events.len() as Position;
            let places = (first..).zip(stream.expected.sequence + 1..);
            stream.events.iter().zip(places).map(move |(new, (position, sequence))| {
                Arc::new(RecordedEvent {
                    position,
                    event_id: new.event_id,
                    aggregate_type: stream.aggregate_type,
                    aggregate_id: stream.aggregate_id,
                    sequence,
                    event_type: new.event.type_name().into(),
                    schema_version: new.event.schema_version(),
                    occurred_at: new.occurred_at,
                    recorded_at: appended.recorded_at,
                    correlation_id: new.correlation_id,
                    causation_id: new.causation_id,
                    actor: new.actor.clone(),
                    metadata: new.metadata.clone(),
                    payload: Arc::clone(&new.payload),
                    event: Ok(new.event.clone()),
                })
            })
        })
    }

    /// What the twins of an append are told: the receipt that it has just left.
    pub(super) fn outcome_of_twins(&self, outcome: &AppendOutcome) -> AppendOutcome {
        match (outcome, &self.receipt) {
            (AppendOutcome::Appended(appended), Some(receipt)) => AppendOutcome::ReceiptFound(Receipt {
                fingerprint: receipt.fingerprint.to_vec(),
                status: receipt.status,
                data: receipt.data.clone(),
                sequence: receipt.sequence,
                position: appended.position,
            }),
            _ => outcome.clone(),
        }
    }
}

/// Events for one stream.
#[derive(Debug)]
pub struct StreamAppend {
    /// The kind of stream.
    pub aggregate_type: AggregateType,
    /// The stream.
    pub aggregate_id: Uuid,
    /// Where the stream stood when the events were decided.
    pub expected: Expected,
    /// The events, in order; may be empty.
    pub events: Vec<NewEvent>,
}

/// Where a stream stands: its version and its last event. The event's id tells a version that was decided on from
/// another one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The version, 0 for a stream that does not exist yet.
    pub sequence: u64,
    /// The event at that version.
    pub event_id: Option<Uuid>,
}

/// An event that has happened but is not recorded yet.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id.
    pub event_id: Uuid,
    /// What happened.
    pub event: DomainEvent,
    /// The same as JSON.
    pub payload: Arc<str>,
    /// When, in the domain's time.
    pub occurred_at: DateTime<Utc>,
    /// The business flow.
    pub correlation_id: Uuid,
    /// The command or event that caused it.
    pub causation_id: Uuid,
    /// Who caused it.
    pub actor: Actor,
    /// Where it comes from.
    pub metadata: Metadata,
}

/// A deadline that starts with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTimer {
    /// Derived from kind, aggregate and epoch, so that arming twice arms once.
    pub timer_id: Uuid,
    /// What is to happen.
    pub kind: &'static str,
    /// To which aggregate.
    pub aggregate_id: Uuid,
    /// The business flow.
    pub correlation_id: Uuid,
    /// The event that arms it.
    pub causation_id: Uuid,
    /// When.
    pub due_at: DateTime<Utc>,
}

/// What a receipt will say.
#[derive(Debug, Clone)]
pub struct ReceiptDraft {
    /// SHA-256 of what was asked.
    pub fingerprint: [u8; 32],
    /// The HTTP status of the answer; none if the answer is not known yet.
    pub status: Option<u16>,
    /// The answer's data, or its whole problem document.
    pub data: Option<Arc<str>>,
    /// The stream's version after the command.
    pub sequence: u64,
}

/// What was answered to a command before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// SHA-256 of what was asked then.
    pub fingerprint: Vec<u8>,
    /// The HTTP status; none if the answer is not known yet.
    pub status: Option<u16>,
    /// The answer's data, or its whole problem document.
    pub data: Option<Arc<str>>,
    /// The stream's version after the command.
    pub sequence: u64,
    /// The log's position after the command.
    pub position: Position,
}

/// How an append went.
#[derive(Debug, Clone)]
pub enum AppendOutcome {
    /// It is durable.
    Appended(Appended),
    /// Somebody was faster; decide again.
    Conflict,
    /// Too few portions are left of a dish: nothing was appended or taken.
    ShortOfPortions,
    /// It was done before, and this is what was answered.
    ReceiptFound(Receipt),
}

/// Where the events went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The position of the last event, or of the log's head if there was none.
    pub position: Position,
    /// When the transaction ran.
    pub recorded_at: DateTime<Utc>,
}

/// Why an append did not go at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Too much is waiting already; nothing was taken on.
    #[error("the append queue is full")]
    Full,
    /// One request is larger than a batch may be; nothing was taken on.
    #[error("the request is too large for the event log: {bytes} bytes, {events} events")]
    TooLarge {
        /// Bytes of payload.
        bytes: usize,
        /// Number of events.
        events: usize,
    },
    /// The database refused this request by itself.
    #[error("the event log refused the request: {0}")]
    Rejected(String),
    /// The connection broke while the request was on its way: it may or may not have been appended.
    #[error("the event log did not answer: {0}")]
    OutcomeUnknown(String),
    /// The writer has stopped.
    #[error("the event log is closed")]
    Closed,
}
