//! Tells those who wait when a payment has a page to pay on, or will not have one.

use std::{collections::HashMap, sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};
use parking_lot::Mutex;
use shared::{
    domain::{DomainEvent, PaymentId, payment::PaymentEvent},
    follow::LogFeed,
    log::LogError,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Events looked at in one go.
const BATCH: usize = 1_024;

/// Payments whose news is remembered for those who come to wait a moment late.
const RECENT_MAX: u64 = 8_192;

type Waiters = Arc<Mutex<HashMap<Uuid, Vec<oneshot::Sender<u64>>>>>;

/// Watches for opened sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionWatch {
    waiters: Waiters,
    /// The version of a payment that has just had its news.
    recent: Cache<Uuid, u64>,
}

impl Default for SessionWatch {
    fn default() -> Self {
        // Its own policy would turn the newest away while it is full.
        let recent = Cache::builder().max_capacity(RECENT_MAX).eviction_policy(EvictionPolicy::lru()).build();
        Self { waiters: Waiters::default(), recent }
    }
}

/// A place in the queue; giving it up leaves the queue.
pub(super) struct Waiting {
    payment_id: PaymentId,
    told: oneshot::Receiver<u64>,
    waiters: Waiters,
}

impl SessionWatch {
    /// Takes a place before looking at the payment, so that nothing is missed in between.
    pub(super) fn wait_for(&self, payment_id: PaymentId) -> Waiting {
        let (tell, told) = oneshot::channel();
        self.waiters.lock().entry(payment_id.0).or_default().push(tell);
        if let Some(sequence) = self.recent.get(&payment_id.0) {
            self.tell(payment_id.0, sequence);
        }
        Waiting { payment_id, told, waiters: Arc::clone(&self.waiters) }
    }

    /// Follows the log from its head until `shutdown`.
    pub async fn run(self, feed: LogFeed, shutdown: CancellationToken) -> Result<(), LogError> {
        let mut position = feed.reader().head().await?;
        loop {
            let events = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                events = feed.read_after(position, BATCH) => events?,
            };
            for event in &events {
                position = event.position;
                if let Ok(DomainEvent::Payment(
                    PaymentEvent::PaymentSessionOpened(_)
                    | PaymentEvent::PaymentFailed(_)
                    | PaymentEvent::PaymentSucceeded(_),
                )) = &event.event
                {
                    self.recent.insert(event.aggregate_id, event.sequence);
                    self.tell(event.aggregate_id, event.sequence);
                }
            }
        }
    }

    fn tell(&self, payment_id: Uuid, sequence: u64) {
        for waiter in self.waiters.lock().remove(&payment_id).unwrap_or_default() {
            // Whoever gave up needs no telling.
            let _ = waiter.send(sequence);
        }
    }
}

impl Waiting {
    /// Waits until something is known, at most `limit`; gives the version of the payment that has it.
    pub(super) async fn within(mut self, limit: Duration) -> Option<u64> {
        tokio::time::timeout(limit, &mut self.told).await.ok()?.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.told.close();
        let mut waiters = self.waiters.lock();
        if let Some(others) = waiters.get_mut(&self.payment_id.0) {
            others.retain(|other| !other.is_closed());
            if others.is_empty() {
                waiters.remove(&self.payment_id.0);
            }
        }
    }
}
