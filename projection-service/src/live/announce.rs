//! Calls new entries out, to the sockets of this process at once and to the other instances over core NATS.

use async_nats::Client;
use shared::runtime::BoxError;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::Live;
use crate::projections::feed::UserEntries;

/// Batches that may wait for NATS. What is beyond is not called out; sockets find it by the heads.
const WAITING_MAX: usize = 1_024;
/// Entries of one message, so that it stays far below a server's limit.
const ENTRIES_MAX: usize = 200;

/// Where the feed's owner drops its news.
pub struct Announcer {
    live: Live,
    news: mpsc::Sender<Vec<UserEntries>>,
    waiting: Mutex<mpsc::Receiver<Vec<UserEntries>>>,
}

impl Announcer {
    /// An announcer to the sockets of `live` and, once it runs, to NATS.
    pub fn new(live: Live) -> Self {
        let (news, waiting) = mpsc::channel(WAITING_MAX);
        Self { live, news, waiting: Mutex::new(waiting) }
    }

    /// Never waits: a batch's commit does not hang on who listens.
    pub fn announce(&self, news: Vec<UserEntries>) {
        if news.is_empty() {
            return;
        }
        self.live.deliver(&news);
        if self.news.try_send(news).is_err() {
            tracing::debug!("too many calls of the feed wait for NATS; sockets elsewhere will read the table");
        }
    }

    /// Publishes until shutdown.
    pub async fn run(&self, nats: &Client, shutdown: &CancellationToken) -> Result<(), BoxError> {
        let mut waiting = self.waiting.lock().await;
        loop {
            let news = tokio::select! {
                news = waiting.recv() => news,
                () = shutdown.cancelled() => None,
            };
            let Some(news) = news else { return Ok(()) };
            for user in news {
                for entries in user.entries.chunks(ENTRIES_MAX) {
                    nats.publish(self.live.names().feed(user.user_id), serde_json::to_vec(entries)?.into()).await?;
                }
            }
        }
    }
}
