//! Looks whether the stream is the mirror of the log, and makes it one where it is not.

use async_nats::jetstream::{
    Context, ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    message::StreamMessage,
    stream::{Config, Info, RawMessageErrorKind, State, Stream},
};
use futures::StreamExt;
use shared::{
    follow::{LogFeed, cloud_event::from_message},
    log::{Position, RecordedEvent},
};

use super::{
    RelayOptions,
    definition::{self, corrected, differences},
    status::StatusBoard,
    surprise::Surprise,
};

/// Messages read side by side when the mirror is compared with the log.
const READS_MAX: usize = 32;

/// Why a mirror is made anew from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReseedReason {
    /// There was no stream although there were events.
    Missing,
    /// It is of a kind that cannot be changed into the right one.
    Misconfigured,
    /// It lacks messages that it must have had.
    Incomplete,
    /// It is longer than the log.
    Ahead,
    /// A message near its end is not the event that the log has there.
    Foreign,
}

/// Where the mirror stands, once it is in step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// The last event in it.
    pub(super) position: Position,
    /// On how many servers it is kept.
    pub(super) replicas: usize,
}

/// The stream that mirrors the log.
pub(super) struct Mirror<'a> {
    pub(super) jetstream: &'a Context,
    pub(super) feed: &'a LogFeed,
    pub(super) options: &'a RelayOptions,
    pub(super) status: &'a StatusBoard,
}

impl Mirror<'_> {
    /// Compares the stream with the log, corrects it if it must be, and says where it ends.
    pub(super) async fn inspect(&self) -> Result<Standing, Surprise> {
        let wanted = definition::events(&self.options.names, self.options.replicas);
        // In this order: what was in the mirror before is in the log by now.
        let stream = self.find(&wanted.name).await?;
        let head = self.head_of_log().await?;
        let fault = match &stream {
            Some(stream) => self.find_fault(&wanted, stream, head).await?,
            None => Some(ReseedReason::Missing),
        };
        let standing = match (stream, fault) {
            (Some(stream), None) => standing(stream.cached_info()),
            (stream, reason) => self.make_anew(wanted, stream.is_some(), head, reason).await?,
        };
        self.status.in_step(standing.position, head);
        Ok(standing)
    }

    async fn find(&self, name: &str) -> Result<Option<Stream>, Surprise> {
        match self.jetstream.get_stream(name).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(answer) if answer.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                _ => Err(Surprise::jetstream("describe the stream", &error)),
            },
        }
    }

    async fn head_of_log(&self) -> Result<Position, Surprise> {
        let seen = self.feed.head();
        let head = self.feed.reader().head().await?;
        if head < seen {
            return Err(Surprise::LogShrank { head, seen });
        }
        self.feed.note_head(head);
        Ok(head)
    }

    /// From cheap to dear; what differs in the configuration is put right if the server lets us.
    async fn find_fault(
        &self,
        wanted: &Config,
        stream: &Stream,
        head: Position,
    ) -> Result<Option<ReseedReason>, Surprise> {
        let Info { config, state, .. } = stream.cached_info();
        if !self.put_right(wanted, config).await? {
            return Ok(Some(ReseedReason::Misconfigured));
        }
        if !self.is_whole(state) {
            return Ok(Some(ReseedReason::Incomplete));
        }
        if state.last_sequence > head {
            return Ok(Some(ReseedReason::Ahead));
        }
        if state.messages == 0 {
            return Ok(None);
        }
        self.compare_end(stream, state).await
    }

    async fn put_right(&self, wanted: &Config, actual: &Config) -> Result<bool, Surprise> {
        let differences = differences(wanted, actual);
        if differences.is_empty() {
            return Ok(true);
        }
        match self.jetstream.update_stream(corrected(wanted, actual)).await {
            Ok(_) => {
                tracing::warn!(stream = %wanted.name, ?differences, "somebody changed the mirror's configuration, changed back");
                Ok(true)
            }
            Err(error) if matches!(error.kind(), CreateStreamErrorKind::JetStream(_)) => Ok(false),
            Err(error) => Err(Surprise::jetstream("change the stream back", &error)),
        }
    }

    /// No message is missing between the first that it should have and its last.
    fn is_whole(&self, state: &State) -> bool {
        let first = match self.options.keep_events {
            None => 1,
            Some(_) if state.messages == 0 => return true,
            Some(_) => state.first_sequence,
        };
        state.messages == (state.last_sequence + 1).saturating_sub(first)
    }

    /// Compares what this relay has not seen acknowledged with the log: at least the last message, at most as many as
    /// can have been in flight. A stranger may have come between those.
    async fn compare_end(&self, stream: &Stream, state: &State) -> Result<Option<ReseedReason>, Surprise> {
        let last = state.last_sequence;
        let in_flight = (self.options.windows_max * self.options.window_events) as u64;
        let from = (self.status.position() + 1).max(last.saturating_sub(in_flight)).clamp(state.first_sequence, last);
        let events = self.feed.reader().page(from - 1, (last + 1 - from) as u32).await?;
        let mut messages =
            futures::stream::iter(from..=last).map(|place| stream.get_raw_message(place)).buffered(READS_MAX);
        let mut events = events.iter();
        while let Some(message) = messages.next().await {
            match message {
                Ok(message) if events.next().is_some_and(|event| self.is_same(&message, event)) => {}
                Ok(_) => return Ok(Some(ReseedReason::Foreign)),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                    return Ok(Some(ReseedReason::Incomplete));
                }
                Err(error) => return Err(Surprise::jetstream("read the last messages", &error)),
            }
        }
        Ok(None)
    }

    fn is_same(&self, message: &StreamMessage, event: &RecordedEvent) -> bool {
        let subject = self.options.names.event(event.aggregate_type, event.aggregate_id, &event.event_type);
        from_message(&message.headers, &message.payload).is_ok_and(|mirrored| {
            mirrored.position == event.position
                && mirrored.event_id == event.event_id
                && mirrored.payload == event.payload
                && *message.subject == *subject
        })
    }

    /// Deletes the stream and creates it empty; the events then flow into it as they always do.
    async fn make_anew(
        &self,
        wanted: Config,
        exists: bool,
        head: Position,
        reason: Option<ReseedReason>,
    ) -> Result<Standing, Surprise> {
        let first = self.options.keep_events.map_or(1, |keep| head.saturating_sub(keep) + 1);
        // An empty log has nothing that its first mirror could have lost.
        let reason = reason.filter(|_| exists || head > 0);
        if let Some(reason) = reason {
            self.status.remaking(reason);
        }
        if exists {
            self.jetstream
                .delete_stream(&wanted.name)
                .await
                .map_err(|e| Surprise::jetstream("delete the stream", &e))?;
        }
        let config = Config { first_sequence: (first > 1).then_some(first), ..wanted };
        let created = self.jetstream.create_stream(config).await;
        let created = created.map_err(|error| Surprise::jetstream("create the stream", &error))?;
        if let Some(reason) = reason {
            let stream = &created.cached_info().config.name;
            tracing::warn!(%stream, ?reason, from = first, upto = head, "relay_reseeded");
            self.status.reseeded(reason);
        }
        let standing = standing(created.cached_info());
        if standing.position + 1 != first {
            let reason = format!("it starts after {} instead of at {first}", standing.position);
            return Err(Surprise::JetStream { what: "create the stream as asked", reason });
        }
        Ok(standing)
    }
}

fn standing(info: &Info) -> Standing {
    Standing { position: info.state.last_sequence, replicas: info.config.num_replicas }
}
