//! Publishes the log from a position on, in windows that overtake their acknowledgements.
//!
//! Every message demands that its predecessor is the last one, by sequence and, inside a window, by id: the sequence
//! alone would let a stranger's message stand in for an event. So the acknowledgement of a window's last message proves
//! the whole window, and only that one is asked for.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use async_nats::{
    Client, HeaderMap, HeaderValue,
    client::PublishErrorKind as CoreErrorKind,
    connection::State,
    header::{NATS_EXPECTED_LAST_MESSAGE_ID, NATS_EXPECTED_LAST_SEQUENCE},
    jetstream::{
        Context,
        context::{PublishAckFuture, PublishError, PublishErrorKind},
        message::PublishMessage,
    },
};
use bytes::Bytes;
use shared::{
    follow::{LogFeed, cloud_event::to_headers},
    log::{Position, RecordedEvent},
    subjects::Names,
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    RelayOptions,
    mirror::Standing,
    status::StatusBoard,
    surprise::{Surprise, with_causes},
};

/// How often the connection is looked at: an acknowledgement that went down with it never fails, it only times out.
const CONNECTION_CHECK: Duration = Duration::from_millis(50);

/// A window on its way: the acknowledgements it waits for.
type Window = Vec<(Position, PublishAckFuture)>;

/// Publishes until the mirror should be looked at again.
pub(super) struct Publisher<'a> {
    pub(super) client: &'a Client,
    pub(super) jetstream: &'a Context,
    pub(super) feed: &'a LogFeed,
    pub(super) options: &'a RelayOptions,
    pub(super) status: &'a StatusBoard,
    /// The connection that all of this hangs on.
    pub(super) connection: u64,
}

/// The number of the client's present connection, if it has one.
pub(super) fn connection_of(client: &Client) -> Result<u64, Surprise> {
    match client.connection_state() {
        State::Connected => Ok(client.statistics().connects.load(Ordering::Relaxed)),
        State::Pending | State::Disconnected => Err(Surprise::NotConnected),
    }
}

impl Publisher<'_> {
    /// Ends well when there has been nothing to do for a while, or enough was done to look at the mirror again.
    pub(super) async fn publish_from(&self, standing: Standing) -> Result<(), Surprise> {
        // One window is with `settle`, the others are in the channel.
        let (windows, in_flight) = mpsc::channel(self.options.windows_max.saturating_sub(1).max(1));
        let work = async { tokio::try_join!(self.send(standing, windows), self.settle(in_flight)) };
        tokio::select! {
            biased;
            surprise = self.lose_connection() => Err(surprise),
            done = work => done.map(|_| ()),
        }
    }

    async fn lose_connection(&self) -> Surprise {
        loop {
            tokio::time::sleep(CONNECTION_CHECK).await;
            match connection_of(self.client) {
                Ok(connection) if connection == self.connection => {}
                Ok(_) => return Surprise::Reconnected,
                Err(surprise) => return surprise,
            }
        }
    }

    async fn send(&self, standing: Standing, windows: mpsc::Sender<Window>) -> Result<(), Surprise> {
        let mut sent = standing.position;
        let started = Instant::now();
        let mut next_at = started;
        while started.elapsed() < self.options.inspect_busy {
            // `settle` has met a surprise and reports it.
            let Ok(place) = windows.reserve().await else { return Ok(()) };
            let Some(events) = self.next_window(sent, next_at).await? else { return Ok(()) };
            next_at = Instant::now() + self.options.gather;
            place.send(self.publish(&events, standing.replicas).await?);
            sent += events.len() as Position;
        }
        Ok(())
    }

    /// Whatever waits, up to the size of a window; nothing if nothing came for a while. Under load a few events wait for
    /// company until `next_at`: each window costs the server, its readers and this process as much as several events.
    async fn next_window(&self, sent: Position, next_at: Instant) -> Result<Option<Vec<Arc<RecordedEvent>>>, Surprise> {
        let reading = self.feed.read_after(sent, self.options.window_events);
        let mut events = if self.feed.head() > sent {
            reading.await?
        } else {
            match tokio::time::timeout(self.options.inspect_idle, reading).await {
                Ok(events) => events?,
                Err(_) => return Ok(None),
            }
        };
        let has_backlog = events.last().is_some_and(|last| last.position < self.feed.head());
        if !has_backlog && Instant::now() < next_at {
            tokio::time::sleep_until(next_at).await;
            events = self.feed.read_after(sent, self.options.window_events).await?;
        }
        let mut bytes = 0;
        let fitting = events.iter().take_while(|event| {
            bytes += event.payload.len();
            bytes <= self.options.window_bytes
        });
        events.truncate(fitting.count().max(1));
        Ok(Some(events))
    }

    async fn publish(&self, events: &[Arc<RecordedEvent>], replicas: usize) -> Result<Window, Surprise> {
        // The replicas of a cluster may disagree about the last id after a restart, so there it is not asked about,
        // and each message is acknowledged instead.
        let chained = replicas == 1;
        let mut window = Window::new();
        let mut before: Option<&RecordedEvent> = None;
        for (index, event) in events.iter().enumerate() {
            let position = event.position;
            let subject = self.options.names.event(event.aggregate_type, event.aggregate_id, &event.event_type);
            let headers = headers(&self.options.names, event, before.filter(|_| chained));
            let payload = Bytes::copy_from_slice(event.payload.as_bytes());
            if chained && index + 1 < events.len() {
                let sent = self.client.publish_with_headers(subject, headers, payload).await;
                sent.map_err(|error| match error.kind() {
                    CoreErrorKind::MaxPayloadExceeded => Surprise::TooLarge { position, reason: with_causes(&error) },
                    _ => Surprise::Refused { position, reason: with_causes(&error) },
                })?;
            } else {
                let message = PublishMessage::build().headers(headers).payload(payload);
                let ack = self.jetstream.send_publish(subject, message).await;
                window.push((position, ack.map_err(|error| refused(position, &error))?));
            }
            before = Some(event);
        }
        Ok(window)
    }

    async fn settle(&self, mut in_flight: mpsc::Receiver<Window>) -> Result<(), Surprise> {
        while let Some(window) = in_flight.recv().await {
            for (position, ack) in window {
                let ack = ack.await.map_err(|error| refused(position, &error))?;
                if ack.sequence != position {
                    return Err(Surprise::Misplaced { position, sequence: ack.sequence });
                }
                self.status.mirrored(position, self.feed.head());
            }
        }
        Ok(())
    }
}

fn headers(names: &Names, event: &RecordedEvent, before: Option<&RecordedEvent>) -> HeaderMap {
    let mut headers = to_headers(names, event);
    headers.insert(NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(event.position - 1));
    if let Some(before) = before {
        // A stranger's message in the place of the one before would otherwise carry the rest of the window.
        headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, before.event_id.to_string());
    }
    headers
}

fn refused(position: Position, error: &PublishError) -> Surprise {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => Surprise::TooLarge { position, reason: with_causes(error) },
        _ => Surprise::Refused { position, reason: with_causes(error) },
    }
}
