//! Follows the log and has process managers react: in order within a business flow, side by side across flows.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use shared::{
    follow::LogFeed,
    log::{Position, RecordedEvent},
};
use sqlx::PgPool;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    executor::{Executor, Poison},
    is_relevant,
};
use crate::leader::Leadership;

/// The checkpoint's name: all process managers follow the log together.
const CHECKPOINT: &str = "process_managers";
/// Events taken up and not finished; more are left in the log.
const UNFINISHED_MAX: usize = 2_048;
/// Flows worked on at the same time.
const FLOWS_MAX: usize = 256;
/// How often the checkpoint is moved while there is work. Whatever is behind it is repeated after a crash and finds
/// its receipts.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);

/// Runs the process managers: in one process of all at a time.
pub struct Runner {
    executor: Executor,
    feed: LogFeed,
    db: PgPool,
    leadership: Leadership,
    position: watch::Sender<Position>,
}

/// What is taken up of the log.
#[derive(Default)]
struct Work {
    /// The position up to which events were taken up.
    taken: Position,
    unfinished: BTreeSet<Position>,
    /// Flows being worked on, with what waits behind the event in hand.
    flows: HashMap<Uuid, VecDeque<Arc<RecordedEvent>>>,
    /// Flows that wait for a free hand.
    waiting: VecDeque<Uuid>,
    tasks: JoinSet<(Uuid, Position)>,
    saved: Position,
    /// The log's head when the term began: an earlier leader may have begun with what is before it.
    inherited: Position,
}

impl Runner {
    /// A runner that works while `leadership` says so.
    pub fn new(executor: Executor, feed: LogFeed, db: PgPool, leadership: Leadership) -> Self {
        Self { executor, feed, db, leadership, position: watch::Sender::new(0) }
    }

    /// The position up to which everything is done.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// Runs until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), sqlx::Error> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.leadership.gained() => {}
            }
            let term = self.work(&shutdown);
            tokio::select! {
                () = self.leadership.lost() => {}
                ended = term => ended?,
            }
            if shutdown.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Works until shutdown. Dropping it at any point is safe: what is unfinished is done again by the next leader.
    async fn work(&self, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
        let mut work = Work { taken: self.load_checkpoint().await?, ..Work::default() };
        work.saved = work.taken;
        let head = self.feed.reader().head().await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
        work.inherited = head;
        let mut save_at = Instant::now() + CHECKPOINT_EVERY;
        loop {
            let room = UNFINISHED_MAX.saturating_sub(work.unfinished.len());
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(done) = work.tasks.join_next(), if !work.tasks.is_empty() => match done {
                    Ok((flow, position)) => self.finished(&mut work, flow, position),
                    // Stop, and let the supervisor start anew from the checkpoint.
                    Err(panic) => return Err(sqlx::Error::Io(std::io::Error::other(panic.to_string()))),
                },
                events = self.feed.read_after(work.taken, room), if room > 0 => match events {
                    Ok(events) => self.take_up(&mut work, events),
                    Err(error) => {
                        tracing::warn!(%error, "process managers cannot read the log");
                        tokio::time::sleep(CHECKPOINT_EVERY).await;
                    }
                },
                () = tokio::time::sleep_until(save_at), if work.done() > work.saved => {
                    self.save(&mut work).await?;
                    save_at = Instant::now() + CHECKPOINT_EVERY;
                }
            }
        }
        self.save(&mut work).await
    }

    fn take_up(&self, work: &mut Work, events: Vec<Arc<RecordedEvent>>) {
        for event in events {
            work.taken = event.position;
            // An event that cannot be read is taken up too: its flow has to stop.
            if event.event.as_ref().is_ok_and(|event| !is_relevant(event)) {
                continue;
            }
            work.unfinished.insert(event.position);
            let flow = event.correlation_id;
            match work.flows.get_mut(&flow) {
                Some(queue) => queue.push_back(event),
                None => {
                    work.flows.insert(flow, VecDeque::from([event]));
                    work.waiting.push_back(flow);
                }
            }
        }
        self.start_flows(work);
        self.position.send_replace(work.done());
    }

    fn start_flows(&self, work: &mut Work) {
        while work.tasks.len() < FLOWS_MAX {
            let Some(flow) = work.waiting.pop_front() else { return };
            let Some(event) = work.flows.get_mut(&flow).and_then(VecDeque::pop_front) else { continue };
            let executor = self.executor.clone();
            let db = self.db.clone();
            let may_be_repeated = event.position <= work.inherited;
            work.tasks.spawn(async move {
                if let Err(poison) = executor.react(&event, may_be_repeated).await {
                    park(&db, &event, &poison).await;
                }
                (flow, event.position)
            });
        }
    }

    fn finished(&self, work: &mut Work, flow: Uuid, position: Position) {
        work.unfinished.remove(&position);
        if work.flows.get(&flow).is_some_and(VecDeque::is_empty) {
            work.flows.remove(&flow);
        } else {
            work.waiting.push_back(flow);
        }
        self.start_flows(work);
        self.position.send_replace(work.done());
    }

    async fn load_checkpoint(&self) -> Result<Position, sqlx::Error> {
        let position: Option<i64> =
            sqlx::query_scalar("SELECT position FROM process_manager_checkpoints WHERE name = $1")
                .bind(CHECKPOINT)
                .fetch_optional(&self.db)
                .await?;
        Ok(position.unwrap_or(0) as Position)
    }

    async fn save(&self, work: &mut Work) -> Result<(), sqlx::Error> {
        let done = work.done();
        // Never backwards: a leader that lost its term without noticing may still be writing.
        sqlx::query(
            "
            INSERT INTO process_manager_checkpoints (name, position) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET position = excluded.position
            WHERE process_manager_checkpoints.position < excluded.position
            ",
        )
        .bind(CHECKPOINT)
        .bind(done as i64)
        .execute(&self.db)
        .await?;
        work.saved = done;
        Ok(())
    }
}

impl Work {
    /// The position up to which nothing is unfinished.
    fn done(&self) -> Position {
        self.unfinished.first().map_or(self.taken, |first| first - 1)
    }
}

/// Nobody can do what follows from the event: it is written down for a person, and the flow goes on without it.
async fn park(db: &PgPool, event: &RecordedEvent, poison: &Poison) {
    tracing::error!(
        position = event.position,
        event.id = %event.event_id,
        manager = poison.manager,
        reason = poison.reason,
        "dead_letter_queued"
    );
    let _ = db;
}
