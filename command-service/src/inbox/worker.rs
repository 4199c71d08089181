//! Works on the notifications that were written down: each until it is done with or a person has to look.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use shared::{
    domain::{Currency, Money, payment::Provider},
    runtime::metrics::QueueEntry,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Inbox, InboxTable, News, Taken, Waiting};
use crate::providers::tbank::status_of;

/// Notifications taken in one go, and worked on side by side.
const BATCH: i64 = 64;
const SIDE_BY_SIDE: usize = 16;
/// How often the table is looked at without being told, and how often old ones are forgotten.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const CHORES_EVERY: Duration = Duration::from_secs(15);
/// The rest before the second try; it doubles up to the longest.
const REST_MIN: TimeDelta = TimeDelta::milliseconds(250);
const REST_MAX: TimeDelta = TimeDelta::minutes(15);
/// After this long a person has to look.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// How long what is done with is remembered: longer than the bank repeats itself.
const REMEMBERED: TimeDelta = TimeDelta::days(45);
/// The queue of these letters.
const INBOX_QUEUE: &str = "provider_inbox";

/// Works on the table of notifications.
#[derive(Clone)]
pub struct InboxWorker {
    /// Takes each in.
    pub inbox: Inbox,
    /// The table.
    pub table: InboxTable,
    /// Told when a notification came.
    pub arrived: Arc<Notify>,
}

impl InboxWorker {
    /// Works until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), sqlx::Error> {
        let mut chores = tokio::time::interval(CHORES_EVERY);
        let mut moves = self.inbox.clock.moves();
        loop {
            let worked = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                worked = self.work() => worked?,
            };
            if worked == BATCH as usize {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.arrived.notified() => {}
                _ = moves.changed() => {}
                _ = chores.tick() => self.do_chores().await?,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn work(&self) -> Result<usize, sqlx::Error> {
        let taken = self.table.take(self.inbox.clock.now(), BATCH).await?;
        let count = taken.len();
        let done: Vec<Result<(), sqlx::Error>> =
            stream::iter(taken).map(|waiting| self.work_on(waiting)).buffer_unordered(SIDE_BY_SIDE).collect().await;
        done.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }

    async fn work_on(&self, waiting: Waiting) -> Result<(), sqlx::Error> {
        let (fingerprint, attempt, received_at) = (waiting.fingerprint.clone(), waiting.attempt, waiting.received_at);
        let now = self.inbox.clock.now();
        match self.inbox.take_in(waiting.into()).await {
            Taken::Done(result) => self.table.close(&fingerprint, false, result).await,
            Taken::Parked(result) => self.park(&fingerprint, result).await,
            Taken::Later(result) if now - received_at > PATIENCE => self.park(&fingerprint, result).await,
            Taken::Later(result) => self.table.put_off(&fingerprint, next_try(now, attempt), result).await,
        }
    }

    async fn park(&self, fingerprint: &[u8], result: &str) -> Result<(), sqlx::Error> {
        tracing::error!(event = "notification_parked", result, "a genuine notification waits for a person");
        self.table.close(fingerprint, true, result).await
    }

    async fn do_chores(&self) -> Result<(), sqlx::Error> {
        self.table.forget(self.inbox.clock.now() - REMEMBERED).await?;
        let parked = self.table.parked().await?;
        let entry = QueueEntry { queue: INBOX_QUEUE, status: "PARKED" };
        self.inbox.metrics.dlq_entries.get_or_create(&entry).set(parked);
        Ok(())
    }
}

fn next_try(now: DateTime<Utc>, attempt: i32) -> DateTime<Utc> {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(16);
    now + (REST_MIN * (1 << doublings)).min(REST_MAX)
}

impl From<Waiting> for News {
    fn from(waiting: Waiting) -> Self {
        Self {
            provider: Provider::Tbank,
            provider_payment_id: waiting.provider_payment_id,
            order_ref: waiting.order_ref,
            status: status_of(&waiting.word),
            word: waiting.word,
            amount: waiting.amount_minor.and_then(|minor| Money::from_minor(minor, Currency::RUB).ok()),
            error_code: waiting.error_code,
            name: waiting.fingerprint,
        }
    }
}
