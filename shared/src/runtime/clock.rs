//! The time, asked for in one place, so that development and tests can move it.

use chrono::{DateTime, Duration, Utc};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tokio::sync::watch;

/// What time it is. Clones share one clock: advancing one advances all.
#[derive(Debug, Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// A clock for tests stands at this instant; the system's clock has none.
    stopped_at_micros: Option<i64>,
    offset_micros: AtomicI64,
    moved: watch::Sender<i64>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(None)
    }

    /// A clock for tests: it stands at `instant` and moves only when advanced.
    pub fn stopped_at(instant: DateTime<Utc>) -> Self {
        Self::new(Some(instant.timestamp_micros()))
    }

    fn new(stopped_at_micros: Option<i64>) -> Self {
        let inner = Inner { stopped_at_micros, offset_micros: AtomicI64::new(0), moved: watch::Sender::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Now, in whole microseconds: what Postgres keeps, so a stored time equals the one it was made from.
    pub fn now(&self) -> DateTime<Utc> {
        let base = self.inner.stopped_at_micros.unwrap_or_else(|| Utc::now().timestamp_micros());
        let micros = base.saturating_add(self.inner.offset_micros.load(Ordering::Relaxed));
        DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// How far this clock is ahead of the machine's.
    pub fn offset(&self) -> Duration {
        Duration::microseconds(self.inner.offset_micros.load(Ordering::Relaxed))
    }

    /// Moves the clock and wakes everyone who waits for a time. For development and tests only.
    pub fn advance(&self, by: Duration) {
        let micros = by.num_microseconds().unwrap_or(i64::MAX);
        let before = self.inner.offset_micros.fetch_add(micros, Ordering::Relaxed);
        self.inner.moved.send_replace(before.wrapping_add(micros));
    }

    /// Sets how far the clock is ahead of the machine's. For development and tests only.
    pub fn set_offset(&self, offset: Duration) {
        let micros = offset.num_microseconds().unwrap_or(i64::MAX);
        self.inner.offset_micros.store(micros, Ordering::Relaxed);
        self.inner.moved.send_replace(micros);
    }

    /// Tells of every move of the clock. Subscribe before asking for the time, and no move is missed.
    pub fn moves(&self) -> watch::Receiver<i64> {
        self.inner.moved.subscribe()
    }

    /// Waits until the clock is moved.
    pub async fn changed(&self) {
        // The sender lives in `self`, so the channel cannot close.
        let _ = self.moves().changed().await;
    }

    /// Waits until `instant` has come, by waiting or by a move of the clock.
    pub async fn sleep_until(&self, instant: DateTime<Utc>) {
        let mut moves = self.moves();
        while let Ok(left) = (instant - self.now()).to_std() {
            if left.is_zero() {
                return;
            }
            if self.inner.stopped_at_micros.is_some() {
                let _ = moves.changed().await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = moves.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_whole_microseconds() {
        assert_eq!(Clock::system().now().timestamp_subsec_nanos() % 1_000, 0);
    }

    #[test]
    fn clones_share_one_clock() {
        let clock = Clock::stopped_at(DateTime::UNIX_EPOCH);
        clock.clone().advance(Duration::hours(2));
        clock.advance(Duration::hours(1));
        assert_eq!(clock.now().timestamp(), 3 * 3_600);
        clock.set_offset(Duration::seconds(5));
        assert_eq!(clock.offset(), Duration::seconds(5));
    }

    #[tokio::test]
    async fn advancing_wakes_who_waits_for_a_time() {
        let clock = Clock::stopped_at(DateTime::UNIX_EPOCH);
        let due = clock.now() + Duration::minutes(30);
        let waiter = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(due).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::minutes(10));
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        clock.advance(Duration::minutes(20));
        assert_eq!(waiter.await.expect("the waiter ends"), due);
    }
}
