//! What makes the relay stop, look at the mirror again and go on from there.

use shared::log::{LogError, Position};

/// Something that is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Surprise {
    /// There is no server at the other end.
    #[error("not connected to NATS")]
    NotConnected,
    /// The server may have gone down with what was in flight.
    #[error("the connection to NATS was lost and renewed")]
    Reconnected,
    /// A question about the stream was not answered, or with an error.
    #[error("JetStream cannot {what}: {reason}")]
    JetStream {
        /// What it was asked for.
        what: &'static str,
        /// What it said.
        reason: String,
    },
    /// An event was not taken.
    #[error("the mirror did not take position {position}: {reason}")]
    Refused {
        /// The event.
        position: Position,
        /// What JetStream said.
        reason: String,
    },
    /// An event lies elsewhere in the mirror than in the log.
    #[error("the mirror keeps position {position} as message {sequence}")]
    Misplaced {
        /// The event.
        position: Position,
        /// Its message.
        sequence: u64,
    },
    /// An event does not fit into a message of this server.
    #[error("position {position} is too large for NATS: {reason}; raise max_payload")]
    TooLarge {
        /// The event.
        position: Position,
        /// Which limit.
        reason: String,
    },
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database was restored from a backup under the feet of this process.
    #[error("the log ends at {head}, but this process has seen {seen}: restart it, what it remembers is void")]
    LogShrank {
        /// Where the log ends.
        head: Position,
        /// What this process knows of.
        seen: Position,
    },
}

impl Surprise {
    pub(super) fn jetstream(what: &'static str, error: &dyn std::error::Error) -> Self {
        Self::JetStream { what, reason: with_causes(error) }
    }
}

/// The client's errors keep the server's words in their source.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
