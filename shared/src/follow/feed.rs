//! The newest events in memory, the rest from Postgres: readers at any position get what comes next, in order.

use std::{collections::VecDeque, sync::Arc};

use moka::{future::Cache, policy::EvictionPolicy};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::companions::{Companion, Companions};
use crate::log::{LogError, LogReader, Position, RecordedEvent};

/// Events that a process keeps in memory for readers that are nearly up to date.
const RECENT_MAX: usize = 16_384;
/// Events per page read from Postgres. Pages are aligned, so that several readers share one.
const PAGE: u64 = 1_024;
/// Pages kept for readers that catch up side by side.
const PAGES_MAX: u64 = 40;

/// The log as this process follows it. Fast sources (the append queue, JetStream) offer events as they come; readers
/// take them from memory, and from Postgres what they missed. Nobody can skip an event: a reader always gets the
/// position after its own.
#[derive(Debug, Clone)]
pub struct LogFeed {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    reader: LogReader,
    recent: RwLock<VecDeque<Arc<RecordedEvent>>>,
    head: watch::Sender<Position>,
    pages: Cache<u64, Page>,
    companions: Companions,
}

type Page = Arc<[Arc<RecordedEvent>]>;

/// Every page is read once by each reader; how often others were asked for says nothing about it.
fn page_cache() -> Cache<u64, Page> {
    Cache::builder().max_capacity(PAGES_MAX).eviction_policy(EvictionPolicy::lru()).build()
}

impl LogFeed {
    /// A feed over `reader`, knowing nothing yet.
    pub fn new(reader: LogReader) -> Self {
        let inner = Inner {
            reader,
            recent: RwLock::new(VecDeque::with_capacity(RECENT_MAX)),
            head: watch::Sender::new(0),
            pages: page_cache(),
            companions: Companions::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes committed events in, in order of position. Known ones are passed over; a hole before them is left to the
    /// readers, who fill it from Postgres.
    pub fn offer(&self, events: &[Arc<RecordedEvent>]) {
        let Some(last) = events.last().map(|event| event.position) else { return };
        {
            let mut recent = self.inner.recent.write();
            let newest = recent.back().map_or(0, |event| event.position);
            if events[0].position > newest + 1 {
                recent.clear();
            }
            recent.extend(events.iter().filter(|event| event.position > newest).cloned());
            let surplus = recent.len().saturating_sub(RECENT_MAX);
            recent.drain(..surplus);
        }
        self.note_head(last);
    }

    /// Somebody knows that the log reaches at least to `position`.
    pub fn note_head(&self, position: Position) {
        self.inner.head.send_if_modified(|head| {
            let moved = position > *head;
            *head = (*head).max(position);
            moved
        });
    }

    /// The newest position that this process has heard of.
    pub fn head(&self) -> Position {
        *self.inner.head.borrow()
    }

    /// Watches the newest position that this process has heard of.
    pub fn watch_head(&self) -> watch::Receiver<Position> {
        self.inner.head.subscribe()
    }

    /// The log behind the feed.
    pub fn reader(&self) -> &LogReader {
        &self.inner.reader
    }

    /// A reader beside others that go the same way.
    pub fn companion(&self) -> Companion {
        Companion::new(self.clone())
    }

    pub(super) fn companions(&self) -> &Companions {
        &self.inner.companions
    }

    /// Whether what follows `position` has to be read from Postgres.
    pub(super) fn is_history(&self, position: Position) -> bool {
        let remembered = self.inner.recent.read().front().is_some_and(|first| first.position <= position + 1);
        !remembered && self.head() > position
    }

    /// The events after `position`: at least one, at most `limit`. Waits while there is none.
    pub async fn read_after(&self, position: Position, limit: usize) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        let mut head = self.inner.head.subscribe();
        loop {
            if let Some(events) = self.remembered(position, limit) {
                return Ok(events);
            }
            if *head.borrow_and_update() > position {
                let events = self.fetched(position, limit).await?;
                if !events.is_empty() {
                    return Ok(events);
                }
            }
            // The sender lives as long as `self`.
            let _ = head.changed().await;
        }
    }

    fn remembered(&self, position: Position, limit: usize) -> Option<Vec<Arc<RecordedEvent>>> {
        let recent = self.inner.recent.read();
        let first = recent.front()?.position;
        let next = position + 1;
        if next < first {
            return None;
        }
        let start = usize::try_from(next - first).ok()?;
        let events: Vec<_> = recent.iter().skip(start).take(limit).cloned().collect();
        (!events.is_empty()).then_some(events)
    }

    /// Page after page, until there are enough.
    async fn fetched(&self, position: Position, limit: usize) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        let mut events = Vec::new();
        let mut next = position;
        while events.len() < limit {
            let more = self.fetched_page(next, limit - events.len()).await?;
            let Some(last) = more.last().map(|event| event.position) else { break };
            let is_full = last % PAGE == 0;
            next = last;
            events.extend(more);
            // The rest can still grow, or is remembered.
            if !is_full || self.remembered(next, 1).is_some() {
                break;
            }
        }
        Ok(events)
    }

    async fn fetched_page(&self, position: Position, limit: usize) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        let page = position / PAGE;
        // Only a page that can no longer grow is worth keeping.
        if self.head() < (page + 1) * PAGE {
            return self.inner.reader.page(position, limit.try_into().unwrap_or(u32::MAX)).await;
        }
        let reader = &self.inner.reader;
        let load = async { reader.page(page * PAGE, PAGE as u32).await.map(Arc::from) };
        let events: Result<Arc<[_]>, Arc<LogError>> = self.inner.pages.try_get_with(page, load).await;
        match events {
            Ok(events) => Ok(events.iter().filter(|event| event.position > position).take(limit).cloned().collect()),
            // The load was shared with another reader, and so is its error: this reader asks for itself.
            Err(_) => reader.page(position, limit.try_into().unwrap_or(u32::MAX)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_that_was_just_read_is_there_for_the_next_reader_however_often_older_ones_were_read() {
        let pages = page_cache();
        let page = || Arc::from(Vec::new());
        for _ in 0..7 {
            for old in 0..PAGES_MAX {
                pages.get_with(old, async { page() }).await;
            }
        }
        for new in PAGES_MAX..2 * PAGES_MAX {
            pages.get_with(new, async { page() }).await;
            pages.run_pending_tasks().await;
            assert!(pages.contains_key(&new), "page {new} was turned away");
        }
        assert!(pages.entry_count() <= PAGES_MAX);
    }
}
