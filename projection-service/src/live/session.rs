//! One socket's life: hello, live tail, replay on demand, warnings, end.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{Sink, SinkExt, Stream, StreamExt};
use shared::{
    runtime::{Clock, Metrics, metrics::Outcome},
    web::socket::{FromClient, FromServer},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::{
    Live,
    channel::Channel,
    hub::Listening,
    messages::{self, CloseReason},
    socket::machine_now,
};
use crate::{
    http::ReadState,
    projections::feed::{FeedEntry, FeedTail, tail},
};

/// Frames that may wait for a slow client.
const QUEUED_MAX: usize = 256;
/// Messages that cannot be understood before we give up.
const BAD_MESSAGES_MAX: u32 = 10;
/// Replays of one socket; a client that wants more has lost its way.
const RESUMES_MAX: u32 = 100;
/// A silent client is pinged this often, and given up after the third time.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How long before its end a token is warned of.
const WARNING: TimeDelta = TimeDelta::seconds(60);
/// How long a replay waits for a client that does not take more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who opened the socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    pub(super) user_id: Uuid,
    pub(super) token_expires_at: DateTime<Utc>,
}

/// A frame on its way out, and when the event behind it was committed.
struct Outgoing {
    message: Message,
    recorded_at: Option<DateTime<Utc>>,
}

/// One socket.
pub(super) struct Session {
    live: Live,
    clock: Clock,
    resumable: TimeDelta,
    metrics: Arc<Metrics>,
    channel: Arc<Channel>,
    visitor: Visitor,
    /// The last id that was sent.
    sent: i64,
    bad_messages: u32,
    resumes: u32,
    silent_beats: u32,
}

type Ended = Result<(), CloseReason>;

impl Session {
    pub(super) fn new(state: &ReadState, listening: &Listening, visitor: Visitor) -> Self {
        Self {
            live: state.live.clone(),
            clock: state.clock.clone(),
            resumable: state.domain.feed_resumable(),
            metrics: state.metrics.clone(),
            channel: listening.channel.clone(),
            visitor,
            sent: 0,
            bad_messages: 0,
            resumes: 0,
            silent_beats: 0,
        }
    }

    /// Serves the socket until one side has enough.
    pub(super) async fn run<S, E>(mut self, socket: S)
    where
        S: Stream<Item = Result<Message, E>> + Sink<Message> + Send + Unpin + 'static,
    {
        let (sink, incoming) = socket.split();
        let (out, queue) = mpsc::channel(QUEUED_MAX);
        let (close, closing) = watch::channel(None);
        let writer = tokio::spawn(write(sink, queue, closing, self.metrics.clone()));
        let reason = self.serve(incoming, &out).await.err();
        drop(out);
        // Without a reason the client has gone.
        close.send_replace(Some(reason));
        let _ = writer.await;
    }

    async fn serve<R, E>(&mut self, mut incoming: R, out: &mpsc::Sender<Outgoing>) -> Ended
    where
        R: Stream<Item = Result<Message, E>> + Unpin,
    {
        let mut head = self.channel.watch();
        self.say_hello(out).await?;
        let mut beat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        let mut warned = false;
        let shutdown = self.live.shutdown().clone();
        loop {
            let expires_at = self.visitor.token_expires_at;
            let token_tick = until(if warned { expires_at } else { expires_at - WARNING });
            tokio::select! {
                () = shutdown.cancelled() => return Err(CloseReason::GoingAway),
                message = incoming.next() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    Some(Ok(message)) => self.hear(message, out).await?,
                },
                _ = head.changed() => self.send_new(out).await?,
                _ = beat.tick() => self.beat(out)?,
                () = tokio::time::sleep(token_tick) => {
                    if warned {
                        return Err(CloseReason::TokenExpired);
                    }
                    warned = true;
                    let seconds_left = (expires_at - machine_now()).num_seconds().max(0).unsigned_abs();
                    self.say(out, &FromServer::TokenExpiring { expires_at, seconds_left })?;
                }
            }
        }
    }

    /// The live tail begins here: the channel was joined before its head is read, so nothing falls between.
    async fn say_hello(&mut self, out: &mpsc::Sender<Outgoing>) -> Ended {
        let head = self.tail().await?.head;
        self.channel.note_head(head);
        self.sent = head;
        self.say(out, &FromServer::Hello { session: Uuid::new_v4(), head_id: head })
    }

    async fn hear(&mut self, message: Message, out: &mpsc::Sender<Outgoing>) -> Ended {
        self.silent_beats = 0;
        let text = match &message {
            Message::Text(text) => text.as_str(),
            Message::Binary(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Ok(()),
        };
        match messages::parse(text) {
            Ok(FromClient::Ping) => self.say(out, &FromServer::Pong),
            // Entries are kept for a week whether they are acknowledged or not; the client's id is what counts.
            Ok(FromClient::Ack { .. }) => Ok(()),
            Ok(FromClient::Resume { last_id }) => self.resume(last_id, out).await,
            Err(code) => {
                self.bad_messages += 1;
                self.say(out, &FromServer::Error { code })?;
                if self.bad_messages >= BAD_MESSAGES_MAX { Err(CloseReason::TooManyBadMessages) } else { Ok(()) }
            }
        }
    }

    /// Sends everything after `last_id` that is still kept, up to what the socket was sent already or is there now;
    /// the live tail goes on behind that.
    async fn resume(&mut self, last_id: i64, out: &mpsc::Sender<Outgoing>) -> Ended {
        self.resumes += 1;
        if self.resumes > RESUMES_MAX {
            return Err(CloseReason::TooManyBadMessages);
        }
        let FeedTail { head, first } = self.tail().await?;
        self.channel.note_head(head);
        let mut result = "complete";
        let mut from = last_id.min(head);
        if from + 1 < first {
            result = "gap";
            self.say_patiently(out, &FromServer::Gap { from: from + 1, to: first - 1 }).await?;
            from = first - 1;
        }
        let mut replayed = 0;
        while from < head {
            let entries = self.read_after(from).await?;
            if entries.is_empty() {
                break;
            }
            replayed += entries.len() as u64;
            for entry in entries {
                // Deleted with age, though something older is still kept.
                if entry.id > from + 1 {
                    result = "gap";
                    self.say_patiently(out, &FromServer::Gap { from: from + 1, to: entry.id - 1 }).await?;
                }
                from = entry.id;
                enqueue_patiently(out, Message::text(entry.to_frame())).await?;
            }
        }
        self.sent = self.sent.max(from);
        self.metrics.websocket_resumes.get_or_create(&Outcome { result }).inc();
        self.say_patiently(out, &FromServer::Resumed { replayed }).await
    }

    /// The live tail: what is new goes out at once, and a client whose queue is full is told to resume.
    async fn send_new(&mut self, out: &mpsc::Sender<Outgoing>) -> Ended {
        while self.sent < self.channel.head() {
            let entries = self.read_after(self.sent).await?;
            if entries.is_empty() {
                // Called out but not there: deleted with age. Nothing to wait for.
                self.sent = self.channel.head();
            }
            for entry in entries {
                if entry.id > self.sent + 1 {
                    self.say(out, &FromServer::Gap { from: self.sent + 1, to: entry.id - 1 })?;
                }
                self.sent = entry.id;
                let message = Message::text(entry.to_frame());
                enqueue(out, Outgoing { message, recorded_at: entry.recorded_at })?;
            }
        }
        Ok(())
    }

    fn beat(&mut self, out: &mpsc::Sender<Outgoing>) -> Ended {
        self.silent_beats += 1;
        if self.silent_beats > 2 {
            return Err(CloseReason::TooSlow);
        }
        enqueue(out, Outgoing { message: Message::Ping(Default::default()), recorded_at: None })
    }

    fn say(&self, out: &mpsc::Sender<Outgoing>, what: &FromServer) -> Ended {
        enqueue(out, Outgoing { message: Message::text(messages::to_frame(what)), recorded_at: None })
    }

    async fn say_patiently(&self, out: &mpsc::Sender<Outgoing>, what: &FromServer) -> Ended {
        enqueue_patiently(out, Message::text(messages::to_frame(what))).await
    }

    async fn tail(&self) -> Result<FeedTail, CloseReason> {
        let since = self.clock.now() - self.resumable;
        tail(self.live.db(), self.visitor.user_id, since).await.map_err(unreadable)
    }

    async fn read_after(&self, after: i64) -> Result<Vec<FeedEntry>, CloseReason> {
        self.channel.after(self.live.db(), after).await.map_err(unreadable)
    }
}

fn unreadable(error: sqlx::Error) -> CloseReason {
    tracing::warn!(%error, "a feed cannot be read; its socket is closed and will resume");
    CloseReason::Internal
}

fn enqueue(out: &mpsc::Sender<Outgoing>, frame: Outgoing) -> Ended {
    out.try_send(frame).map_err(|_| CloseReason::TooSlow)
}

/// A replay may be longer than the queue: it waits for the client, but not for ever.
async fn enqueue_patiently(out: &mpsc::Sender<Outgoing>, message: Message) -> Ended {
    let sent = timeout(PATIENCE, out.send(Outgoing { message, recorded_at: None })).await;
    sent.ok().and_then(Result::ok).ok_or(CloseReason::TooSlow)
}

fn until(instant: DateTime<Utc>) -> Duration {
    (instant - machine_now()).to_std().unwrap_or(Duration::ZERO)
}

/// Writes frames until the session has said how it ends. A client that takes nothing does not hold the end up.
async fn write<W: Sink<Message> + Unpin>(
    mut sink: W,
    mut queue: mpsc::Receiver<Outgoing>,
    mut closing: watch::Receiver<Option<Option<CloseReason>>>,
    metrics: Arc<Metrics>,
) {
    const LAST_WORDS: Duration = Duration::from_secs(1);
    // What is queued when the session ends for another reason still goes out.
    const DRAIN: Duration = Duration::from_secs(3);
    let writing = async {
        while let Some(Outgoing { message, recorded_at }) = queue.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
            if let Some(at) = recorded_at {
                metrics.notification_delay.observe((machine_now() - at).as_seconds_f64().max(0.0));
            }
        }
    };
    let too_slow = async {
        let ended = closing.wait_for(Option::is_some).await.map_or(None, |end| *end).flatten();
        if ended != Some(CloseReason::TooSlow) {
            tokio::time::sleep(DRAIN).await;
        }
    };
    tokio::select! {
        () = writing => {}
        () = too_slow => {}
    }
    let reason = (*closing.borrow()).flatten();
    if let Some(reason) = reason {
        let frame = CloseFrame { code: reason.code(), reason: reason.text().into() };
        let _ = timeout(LAST_WORDS, sink.send(Message::Close(Some(frame)))).await;
    }
    let _ = timeout(LAST_WORDS, sink.close()).await;
}
