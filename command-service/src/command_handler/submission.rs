//! What goes into the command handler, and what comes out.

use std::sync::Arc;

use shared::{
    domain::{EventSourced, Intent},
    log::{LogError, Position},
};
use uuid::Uuid;

use crate::event_log::{AppendError, Receipt};

/// A command on its way to one aggregate.
#[derive(Debug, Clone)]
pub struct Submission<C> {
    /// The aggregate.
    pub aggregate_id: Uuid,
    /// The aggregate is made by this command: its id is new, so nothing has to be read.
    pub is_new: bool,
    /// Names the command; with a fingerprint it is done once, however often it is submitted.
    pub command_id: Uuid,
    /// SHA-256 of what was asked, for commands that leave a receipt.
    pub fingerprint: Option<[u8; 32]>,
    /// The version the caller has seen, if it matters to it.
    pub expected_version: Option<u64>,
    /// The business flow a new stream belongs to; an existing one keeps its own.
    pub correlation_id: Uuid,
    /// What caused the command: itself, or the event that a process manager reacts to.
    pub causation_id: Uuid,
    /// The HTTP request, if there was one.
    pub request_id: Option<Arc<str>>,
    /// The trace, if there is one.
    pub traceparent: Option<Arc<str>>,
    /// Who asks for what, and when.
    pub intent: Intent<C>,
}

/// The answers that a receipt keeps. `None` as status: the answer comes later, see `AppendQueue::answer`.
pub trait Answers<A: EventSourced>: Sync {
    /// The answer to a success, from the state after it.
    fn success(&self, aggregate: &A, sequence: u64) -> (Option<u16>, Option<Arc<str>>);

    /// The answer to a refusal; none for a refusal that may be judged otherwise next time.
    fn refusal(&self, error: &A::Error, sequence: u64) -> Option<(u16, Arc<str>)>;
}

/// Answers for commands of our own making: the receipt only has to exist.
#[derive(Debug, Clone, Copy)]
pub struct NoAnswer;

impl<A: EventSourced> Answers<A> for NoAnswer {
    fn success(&self, _: &A, _: u64) -> (Option<u16>, Option<Arc<str>>) {
        (Some(204), None)
    }

    fn refusal(&self, _: &A::Error, _: u64) -> Option<(u16, Arc<str>)> {
        None
    }
}

/// What became of a command.
#[derive(Debug)]
pub enum Handled<A> {
    /// It is done, and durable.
    Done(Done<A>),
    /// It was done before; this is what was answered.
    Replayed(Receipt),
}

/// The aggregate after a command.
#[derive(Debug)]
pub struct Done<A> {
    /// Its state.
    pub aggregate: A,
    /// Its version.
    pub sequence: u64,
    /// A position of the log that contains everything the state shows.
    pub position: Position,
    /// The business flow.
    pub correlation_id: Uuid,
    /// Whether the command made something happen; if not, the work had been done before.
    pub is_news: bool,
}

/// Why a command was not done. Nothing was changed, except where `OutcomeUnknown` says that nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    /// The aggregate says no.
    #[error(transparent)]
    Refused(E),
    /// The caller has seen another version.
    #[error("the version is {current} now")]
    VersionMismatch {
        /// The version it has.
        current: u64,
    },
    /// Somebody was faster, again and again.
    #[error("others changed the same thing at the same time; try again")]
    LostRace,
    /// The log does not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl<E> From<sqlx::Error> for CommandError<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}
