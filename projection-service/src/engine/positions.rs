//! How far each projection is, for queries that must not answer from before a command.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use shared::log::Position;
use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::checkpoints;

/// How often the checkpoints are read while somebody waits for a projection that another process folds.
const POLL_WAITED: Duration = Duration::from_millis(20);
/// How often they are read otherwise.
const POLL_IDLE: Duration = Duration::from_secs(1);

/// The positions of all projections as this process knows them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Positions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    projections: BTreeMap<&'static str, Progress>,
    /// Queries that wait for another process's projection.
    waiting: AtomicUsize,
    wanted: Notify,
}

#[derive(Debug)]
struct Progress {
    /// The table may be behind this, by events that touch no row.
    position: watch::Sender<Position>,
    /// How far the table has said it is. It says less only after a crash of the server, which may take back what was
    /// committed without waiting for the disk.
    stored: AtomicU64,
    folded_here: AtomicBool,
    /// A query waits here for the projection to go on.
    wanted: Notify,
}

/// The projection has not come far enough in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagging {
    /// Where it is.
    pub position: Position,
}

impl Positions {
    /// Positions of these projections, all unknown.
    pub fn new(names: &[&'static str]) -> Self {
        let progress = || Progress {
            position: watch::Sender::new(0),
            stored: AtomicU64::new(0),
            folded_here: AtomicBool::new(false),
            wanted: Notify::new(),
        };
        let projections = names.iter().map(|name| (*name, progress())).collect();
        Self { inner: Arc::new(Inner { projections, waiting: AtomicUsize::new(0), wanted: Notify::new() }) }
    }

    /// The projection is as of `position`; what it has passed over since its last commit touches no row.
    pub fn reached(&self, name: &str, position: Position) {
        let Some(progress) = self.inner.projections.get(name) else { return };
        progress.position.send_if_modified(|known| {
            let moved = position > *known;
            *known = (*known).max(position);
            moved
        });
    }

    /// The projection has committed up to `stored`, and is as of `position`.
    pub(super) fn committed(&self, name: &str, stored: Position, position: Position) {
        if let Some(progress) = self.inner.projections.get(name) {
            progress.stored.fetch_max(stored, Ordering::AcqRel);
        }
        self.reached(name, position);
    }

    /// This process folds the projection from `position` on, whatever was known before, and hears of every commit by
    /// itself.
    pub(super) fn begin(&self, name: &str, position: Position) {
        let Some(progress) = self.inner.projections.get(name) else { return };
        progress.folded_here.store(true, Ordering::Release);
        progress.position.send_if_modified(|known| progress.is_now(known, position));
    }

    /// This process folds the projection no longer.
    pub(super) fn end(&self, name: &str) {
        if let Some(progress) = self.inner.projections.get(name) {
            progress.folded_here.store(false, Ordering::Release);
        }
    }

    /// Where the projection is.
    pub fn get(&self, name: &str) -> Position {
        self.inner.projections.get(name).map_or(0, |progress| *progress.position.borrow())
    }

    /// How far the table is, as it last said. Asked again it says no less, unless the server has crashed meanwhile.
    pub fn stored(&self, name: &str) -> Position {
        self.inner.projections.get(name).map_or(0, |progress| progress.stored.load(Ordering::Acquire))
    }

    /// Waits until the projection has reached `target`, at most `patience`.
    pub async fn wait_for(&self, name: &str, target: Position, patience: Duration) -> Result<Position, Lagging> {
        let Some(progress) = self.inner.projections.get(name) else { return Err(Lagging { position: 0 }) };
        let mut position = progress.position.subscribe();
        if *position.borrow() >= target {
            return Ok(*position.borrow());
        }
        progress.wanted.notify_one();
        let _asking = (!progress.folded_here.load(Ordering::Relaxed)).then(|| Asking::new(&self.inner));
        let reached = tokio::time::timeout(patience, position.wait_for(|position| *position >= target)).await;
        match reached {
            Ok(Ok(position)) => Ok(*position),
            _ => Err(Lagging { position: self.get(name) }),
        }
    }

    /// Waits until a query here waits for the projection.
    pub(super) async fn wanted(&self, name: &str) {
        let Some(progress) = self.inner.projections.get(name) else { return std::future::pending().await };
        while progress.position.receiver_count() == 0 {
            progress.wanted.notified().await;
        }
    }

    /// Keeps positions of projections up to date that other processes fold, until shutdown.
    pub async fn follow(&self, db: &PgPool, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
        loop {
            for (name, position) in checkpoints::positions(db).await? {
                self.seen(&name, position);
            }
            let idle = self.inner.waiting.load(Ordering::Acquire) == 0;
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.inner.wanted.notified(), if idle => {}
                () = tokio::time::sleep(if idle { POLL_IDLE } else { POLL_WAITED }) => {}
            }
        }
    }
}

impl Positions {
    /// The table says how far a projection is that others fold. Who folds it here knows better: the table was read
    /// before its last commit, perhaps.
    fn seen(&self, name: &str, position: Position) {
        let Some(progress) = self.inner.projections.get(name) else { return };
        progress.position.send_if_modified(|known| {
            !progress.folded_here.load(Ordering::Acquire) && progress.is_now(known, position)
        });
    }
}

impl Progress {
    fn is_now(&self, known: &mut Position, position: Position) -> bool {
        self.stored.store(position, Ordering::Release);
        std::mem::replace(known, position) != position
    }
}

/// Counts a waiting query for as long as it waits, also when its caller goes away.
struct Asking<'a>(&'a Inner);

impl<'a> Asking<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.waiting.fetch_add(1, Ordering::AcqRel);
        inner.wanted.notify_one();
        Self(inner)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_query_waits_for_its_position_and_not_longer() {
        let positions = Positions::new(&["orders"]);
        let waiter = tokio::spawn({
            let positions = positions.clone();
            async move { positions.wait_for("orders", 7, Duration::from_secs(60)).await }
        });
        positions.reached("orders", 6);
        positions.reached("orders", 9);
        positions.reached("orders", 8);
        assert_eq!(waiter.await.unwrap(), Ok(9));
        let late = positions.wait_for("orders", 10, Duration::from_millis(10)).await;
        assert_eq!(late, Err(Lagging { position: 9 }));
    }

    #[tokio::test]
    async fn whoever_folds_hears_of_a_query_that_waits_and_of_none_that_has_gone() {
        let positions = Positions::new(&["orders"]);
        let waiter = Box::pin(positions.wait_for("orders", 7, Duration::from_secs(60)));
        let folds = tokio::spawn({
            let positions = positions.clone();
            async move {
                positions.wanted("orders").await;
                positions.reached("orders", 7);
            }
        });
        assert_eq!(waiter.await, Ok(7));
        folds.await.unwrap();
        let wanted = tokio::time::timeout(Duration::from_millis(10), positions.wanted("orders")).await;
        assert!(wanted.is_err(), "nobody waits");
    }
}
