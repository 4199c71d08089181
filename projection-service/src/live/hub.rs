//! The users who have sockets in this process, and how their feeds are heard of.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use async_nats::{Client, Subscriber, connection::State};
use futures::StreamExt;
use parking_lot::Mutex;
use shared::{runtime::BoxError, subjects::Names};
use sqlx::PgPool;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::channel::Channel;
use crate::projections::feed::{FeedEntry, UserEntries, heads};

/// Sockets of one process.
const SOCKETS_MAX: usize = 20_000;
/// Sockets of one user in one process.
pub(super) const SOCKETS_PER_USER_MAX: usize = 20;
/// How often the heads of connected users are read while NATS is away.
const POLL_ALONE: Duration = Duration::from_secs(1);
/// How often otherwise: a call that got lost is noticed by the next, or after this.
const POLL_ANYWAY: Duration = Duration::from_secs(5);
/// How long a subscription may take.
const ROUND_TRIP: Duration = Duration::from_secs(2);

/// The sockets of this process. Clones share them.
#[derive(Clone)]
pub struct Live {
    inner: Arc<Inner>,
}

struct Inner {
    db: PgPool,
    nats: Option<Client>,
    names: Names,
    users: Mutex<HashMap<Uuid, Weak<Listening>>>,
    sockets: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// A channel for as long as somebody listens; the subscription ends with the last socket.
pub(super) struct Listening {
    pub(super) channel: Arc<Channel>,
    subscribed: OnceCell<()>,
    stop: CancellationToken,
    _stops_with_it: DropGuard,
}

impl Listening {
    fn new(user_id: Uuid) -> Self {
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        Self { channel: Arc::new(Channel::new(user_id)), subscribed: OnceCell::new(), stop, _stops_with_it: guard }
    }
}

impl Live {
    /// No sockets yet. Without NATS heads are polled.
    pub fn new(db: PgPool, nats: Option<Client>, names: Names, shutdown: CancellationToken) -> Self {
        let sockets = Arc::new(Semaphore::new(SOCKETS_MAX));
        Self { inner: Arc::new(Inner { db, nats, names, users: Mutex::default(), sockets, shutdown }) }
    }

    pub(super) fn db(&self) -> &PgPool {
        &self.inner.db
    }

    pub(super) fn names(&self) -> &Names {
        &self.inner.names
    }

    pub(super) fn shutdown(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    pub(super) fn sockets(&self) -> &Arc<Semaphore> {
        &self.inner.sockets
    }

    /// Listens for a user. When this returns, the subscription misses nothing that is called out from now on; while
    /// NATS is away the poll of the heads takes its place.
    pub(super) async fn join(&self, user_id: Uuid) -> Arc<Listening> {
        let listening = {
            let mut users = self.inner.users.lock();
            users.retain(|_, listening| listening.strong_count() > 0);
            match users.get(&user_id).and_then(Weak::upgrade) {
                Some(listening) => listening,
                None => {
                    let listening = Arc::new(Listening::new(user_id));
                    users.insert(user_id, Arc::downgrade(&listening));
                    listening
                }
            }
        };
        if let Some(nats) = &self.inner.nats {
            listening.subscribed.get_or_init(|| subscribe(nats, &self.inner.names, &listening)).await;
        }
        listening
    }

    /// Hands entries to the sockets of this process.
    pub fn deliver(&self, news: &[UserEntries]) {
        let users = self.inner.users.lock();
        if users.is_empty() {
            return;
        }
        for user in news {
            if let Some(listening) = users.get(&user.user_id).and_then(Weak::upgrade) {
                listening.channel.offer(user.entries.clone());
            }
        }
    }

    /// Reads the heads of connected users regularly, for calls that got lost.
    pub async fn poll_heads(&self, shutdown: &CancellationToken) -> Result<(), BoxError> {
        loop {
            let connected = self.inner.nats.as_ref().is_some_and(|nats| nats.connection_state() == State::Connected);
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(if connected { POLL_ANYWAY } else { POLL_ALONE }) => {}
            }
            self.poll_once().await?;
        }
    }

    async fn poll_once(&self) -> Result<(), sqlx::Error> {
        let listening: HashMap<Uuid, Arc<Listening>> = {
            let mut users = self.inner.users.lock();
            users.retain(|_, listening| listening.strong_count() > 0);
            users.iter().filter_map(|(id, listening)| Some((*id, listening.upgrade()?))).collect()
        };
        if listening.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = listening.keys().copied().collect();
        for (user_id, head) in heads(&self.inner.db, &ids).await? {
            if let Some(listening) = listening.get(&user_id) {
                listening.channel.note_head(head);
            }
        }
        Ok(())
    }
}

/// Subscribes, and waits until the server is known to listen for us: it takes subscription and ping in order.
async fn subscribe(nats: &Client, names: &Names, listening: &Listening) {
    let Ok(calls) = nats.subscribe(names.feed(listening.channel.user_id)).await else { return };
    tokio::spawn(listen(calls, Arc::downgrade(&listening.channel), listening.stop.clone()));
    if nats.connection_state() == State::Connected {
        let _ = tokio::time::timeout(ROUND_TRIP, round_trip(nats)).await;
    }
}

/// Hears one user's calls until nobody listens any more.
async fn listen(mut calls: Subscriber, channel: Weak<Channel>, stop: CancellationToken) {
    loop {
        let call = tokio::select! {
            call = calls.next() => call,
            () = stop.cancelled() => None,
        };
        let (Some(call), Some(channel)) = (call, channel.upgrade()) else { break };
        match serde_json::from_slice::<Vec<FeedEntry>>(&call.payload) {
            Ok(entries) => channel.offer(entries),
            Err(error) => tracing::warn!(%error, "a call of the feed cannot be read"),
        }
    }
    // The connection may be gone, and the subscription with it.
    let _ = calls.unsubscribe().await;
}

async fn round_trip(nats: &Client) -> Result<(), BoxError> {
    let inbox = nats.new_inbox();
    let mut answers = nats.subscribe(inbox.clone()).await?;
    nats.publish(inbox, Default::default()).await?;
    answers.next().await;
    Ok(())
}
