//! The fast path: follows the JetStream mirror of the log into a feed. What the mirror is late with, has lost or
//! cannot show, the feed's readers take from Postgres.

use std::{pin::pin, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self, Context,
    consumer::{
        AckPolicy, DeliverPolicy,
        pull::{Config, MessagesErrorKind},
    },
};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{LogFeed, cloud_event::from_message};
use crate::log::{Position, RecordedEvent};

/// How often the head of the log is compared with what arrived.
const POLL: Duration = Duration::from_millis(500);
/// How often it is looked at when there is no mirror to wait for.
const POLL_ALONE: Duration = Duration::from_millis(50);
/// Messages per pull, and per offer to the feed.
const BATCH: usize = 512;
/// A silent server is noticed after this long.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long one pull request waits on the server.
const EXPIRES: Duration = Duration::from_secs(30);
/// The first and the longest pause before the consumer is built anew.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

const OUT_OF_STEP: &str = "the mirror is out of step with the log";

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Follows the mirror until shutdown, whatever happens to it.
#[derive(Debug, Clone)]
pub struct MirrorFollower {
    feed: LogFeed,
    mirror: Option<(Context, String)>,
}

impl MirrorFollower {
    /// A follower of the stream of that name; without a mirror it looks at the log alone.
    pub fn new(feed: LogFeed, mirror: Option<(Context, String)>) -> Self {
        Self { feed, mirror }
    }

    /// Runs until `shutdown`: the mirror on one side, the look at the log itself on the other.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = async {
            let head = first_look(&self.feed).await;
            match &self.mirror {
                Some((jetstream, stream)) => {
                    tokio::join!(self.follow(jetstream, stream), watch_log(&self.feed, head));
                }
                None => poll_log(&self.feed).await,
            }
        };
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Builds the consumer from the feed's head, and again after any trouble: a consumer that survived a lost server
    /// may answer with errors for ever.
    async fn follow(&self, jetstream: &Context, stream: &str) {
        let mut pause = BACKOFF.0;
        loop {
            let before = self.feed.head();
            match self.consume(jetstream, stream).await {
                Ok(()) => tracing::debug!(stream, "the mirror's consumer ended"),
                Err(trouble) => {
                    tracing::debug!(stream, error = %trouble, "the mirror cannot be followed")
                }
            }
            pause = if self.feed.head() > before { BACKOFF.0 } else { (pause * 2).min(BACKOFF.1) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn consume(&self, jetstream: &Context, stream: &str) -> Result<(), Trouble> {
        let stream = jetstream.get_stream_no_info(stream).await?;
        let consumer = stream.create_consumer(consumer_config(self.feed.head() + 1)).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(BATCH * 4)
            .heartbeat(HEARTBEAT)
            .expires(EXPIRES)
            .messages()
            .await?;
        let mut chunks = pin!(messages.ready_chunks(BATCH));
        let mut missed = 0;
        while let Some(chunk) = chunks.next().await {
            let mut events = Vec::with_capacity(chunk.len());
            for message in chunk {
                match message {
                    Ok(message) => match self.read_next(&message, events.last()) {
                        Some(event) => events.push(event),
                        None => {
                            self.feed.offer(&events);
                            return Err(OUT_OF_STEP.into());
                        }
                    },
                    Err(error) if error.kind() == MessagesErrorKind::MissingHeartbeat && missed == 0 => {
                        missed = 1;
                        continue;
                    }
                    Err(error) => {
                        self.feed.offer(&events);
                        return Err(error.into());
                    }
                }
                missed = 0;
            }
            self.feed.offer(&events);
        }
        Ok(())
    }

    /// The event of a message that is what it says it is and joins what is known. Anything else ends the consumer:
    /// the look at the log moves the feed's head past it, and the next consumer starts behind.
    fn read_next(&self, message: &jetstream::Message, last: Option<&Arc<RecordedEvent>>) -> Option<Arc<RecordedEvent>> {
        let place = message.info().ok()?.stream_sequence;
        let joins = match last {
            Some(last) => place == last.position + 1,
            None => place <= self.feed.head() + 1,
        };
        if !joins {
            return None;
        }
        read_message(message, place).map(Arc::new)
    }
}

fn read_message(message: &jetstream::Message, place: Position) -> Option<RecordedEvent> {
    let stored = from_message(message.headers.as_ref()?, &message.payload).ok()?;
    (stored.position == place).then(|| stored.into())
}

fn consumer_config(start_sequence: u64) -> Config {
    Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
        ack_policy: AckPolicy::None,
        inactive_threshold: Duration::from_secs(60),
        memory_storage: true,
        num_replicas: 1,
        ..Config::default()
    }
}

/// What is in the log when following starts is history, and read from Postgres.
async fn first_look(feed: &LogFeed) -> Position {
    loop {
        match feed.reader().head().await {
            Ok(head) => {
                feed.note_head(head);
                return head;
            }
            Err(error) => tracing::warn!(%error, "the head of the log cannot be read"),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Tells the feed about events that the mirror did not bring within one poll. Postgres fills in only then, so that
/// the mirror stays the fast path.
async fn watch_log(feed: &LogFeed, mut seen: Position) {
    loop {
        tokio::time::sleep(POLL).await;
        feed.note_head(seen);
        match feed.reader().head().await {
            Ok(head) => seen = head,
            Err(error) => tracing::warn!(%error, "the head of the log cannot be read"),
        }
    }
}

/// Tells the feed of every event, in place of a mirror.
async fn poll_log(feed: &LogFeed) {
    loop {
        tokio::time::sleep(POLL_ALONE).await;
        match feed.reader().head().await {
            Ok(head) => feed.note_head(head),
            Err(error) => {
                tracing::warn!(%error, "the head of the log cannot be read");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}
