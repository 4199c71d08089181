//! One user's feed in this process: its head, and the newest entries in memory.

use std::collections::VecDeque;

use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::projections::feed::{FeedEntry, entries_after};

/// Entries kept in memory; older ones are read from the table.
const RECENT_MAX: usize = 128;
/// Entries read from the table at once.
const PAGE: i64 = 200;

/// What all sockets of one user share.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) user_id: Uuid,
    head: watch::Sender<i64>,
    /// Consecutive entries, the newest last.
    recent: Mutex<VecDeque<FeedEntry>>,
}

impl Channel {
    pub(super) fn new(user_id: Uuid) -> Self {
        Self { user_id, head: watch::Sender::new(0), recent: Mutex::default() }
    }

    /// Takes entries that were called out; known ones are passed over, a hole makes sockets read the table.
    pub(super) fn offer(&self, entries: Vec<FeedEntry>) {
        let Some(last) = entries.last().map(|entry| entry.id) else { return };
        {
            let mut recent = self.recent.lock();
            for entry in entries {
                match recent.back().map(|newest| newest.id) {
                    Some(newest) if entry.id <= newest => continue,
                    Some(newest) if entry.id > newest + 1 => recent.clear(),
                    _ => {}
                }
                recent.push_back(entry);
            }
            let surplus = recent.len().saturating_sub(RECENT_MAX);
            recent.drain(..surplus);
        }
        self.note_head(last);
    }

    /// The feed reaches at least to `head`.
    pub(super) fn note_head(&self, head: i64) {
        self.head.send_if_modified(|known| {
            let moved = head > *known;
            *known = (*known).max(head);
            moved
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    pub(super) fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// The next entries after `after`: from memory, or from the table what memory lacks.
    pub(super) async fn after(&self, db: &PgPool, after: i64) -> Result<Vec<FeedEntry>, sqlx::Error> {
        if let Some(entries) = self.in_memory(after) {
            return Ok(entries);
        }
        entries_after(db, self.user_id, after, PAGE).await
    }

    fn in_memory(&self, after: i64) -> Option<Vec<FeedEntry>> {
        let recent = self.recent.lock();
        let first = recent.front()?.id;
        let skip = usize::try_from(after + 1 - first).ok()?;
        let entries: Vec<_> = recent.iter().skip(skip).cloned().collect();
        (!entries.is_empty()).then_some(entries)
    }
}
