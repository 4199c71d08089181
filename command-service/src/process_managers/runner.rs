//! Follows the log and has process managers react: in order within a business flow, side by side across flows.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use shared::{
    follow::LogFeed,
    log::{LogError, Position, RecordedEvent},
    runtime::supervisor::panic_message,
};
use sqlx::PgPool;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    dead_letters::{self, Head, OpenLetters},
    executor::{Executor, Poison, REST_MAX, REST_MIN},
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
/// How often the dead letters are looked at: a person may have asked for one to be tried again.
const LETTERS_EVERY: Duration = Duration::from_secs(1);

/// Told about the dead letters after every look: how many stand in each open status.
pub type LetterObserver = Box<dyn Fn(&[OpenLetters]) + Send + Sync>;

/// Runs the process managers: in one process of all at a time.
pub struct Runner {
    executor: Executor,
    feed: LogFeed,
    db: PgPool,
    leadership: Leadership,
    position: watch::Sender<Position>,
    observer: LetterObserver,
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
    /// Flows that a dead letter holds up, and its position: what comes for them is put behind it.
    held_up: HashMap<Uuid, Position>,
    /// What an administrator had passed over while the checkpoint was still behind it.
    discarded: HashSet<Position>,
    tasks: JoinSet<Finished>,
    saved: Position,
    /// The log's head when the term began: an earlier leader may have begun with what is before it.
    inherited: Position,
}

/// What became of the work on a flow.
struct Finished {
    flow: Uuid,
    /// The event that is done with; none after an attempt to redrive the flow's letters.
    position: Option<Position>,
    /// The dead letter that holds the flow up, if one does.
    held_up_at: Option<Position>,
}

impl Runner {
    /// A runner that works while `leadership` says so.
    pub fn new(executor: Executor, feed: LogFeed, db: PgPool, leadership: Leadership) -> Self {
        Self { executor, feed, db, leadership, position: watch::Sender::new(0), observer: Box::new(|_| {}) }
    }

    /// Calls `observer` after every look at the dead letters.
    pub fn observed_by(mut self, observer: LetterObserver) -> Self {
        self.observer = observer;
        self
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
        work.discarded = dead_letters::discarded(&self.db, work.taken).await?;
        let heads = dead_letters::heads(&self.db, None, self.executor.clock.now()).await?;
        work.held_up = heads.into_iter().map(|head| (head.flow, head.position)).collect();
        let mut save_at = Instant::now() + CHECKPOINT_EVERY;
        let mut look = tokio::time::interval(LETTERS_EVERY);
        loop {
            let room = UNFINISHED_MAX.saturating_sub(work.unfinished.len());
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(done) = work.tasks.join_next(), if !work.tasks.is_empty() => match done {
                    Ok(done) => self.finished(&mut work, done),
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
                _ = look.tick() => self.look_at_letters(&mut work).await?,
            }
        }
        self.save(&mut work).await
    }

    fn take_up(&self, work: &mut Work, events: Vec<Arc<RecordedEvent>>) {
        for event in events {
            work.taken = event.position;
            // An event that cannot be read is taken up too: its flow has to stop.
            if event.event.as_ref().is_ok_and(|event| !is_relevant(event)) || work.discarded.remove(&event.position) {
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
        // Whoever rests until the provider is back needs no hand meanwhile.
        while work.tasks.len() < FLOWS_MAX + self.executor.turns.resting() {
            let Some(flow) = work.waiting.pop_front() else { return };
            let Some(event) = work.flows.get_mut(&flow).and_then(VecDeque::pop_front) else { continue };
            let (executor, db) = (self.executor.clone(), self.db.clone());
            let mut held_up_at = work.held_up.get(&flow).copied();
            let may_be_repeated = event.position <= work.inherited;
            work.tasks.spawn(async move {
                match held_up_at {
                    None => {
                        if let Err(poison) = draw(&executor, &event, may_be_repeated).await {
                            park(&executor, &db, &event, Some(&poison)).await;
                            held_up_at = Some(event.position);
                        }
                    }
                    Some(letter) if event.position >= letter => park(&executor, &db, &event, None).await,
                    // Its consequences were drawn before the flow was held up; only the checkpoint did not know.
                    Some(_) => {}
                }
                Finished { flow, position: Some(event.position), held_up_at }
            });
        }
    }

    fn finished(&self, work: &mut Work, done: Finished) {
        if let Some(position) = done.position {
            work.unfinished.remove(&position);
        }
        match done.held_up_at {
            Some(letter) => work.held_up.insert(done.flow, letter),
            None => work.held_up.remove(&done.flow),
        };
        if work.flows.get(&done.flow).is_some_and(VecDeque::is_empty) {
            work.flows.remove(&done.flow);
        } else {
            work.waiting.push_back(done.flow);
        }
        self.start_flows(work);
        self.position.send_replace(work.done());
    }

    /// Tries the letters that are due. A flow that is worked on is left for the next look, so that new events of it
    /// cannot slip in between its letters.
    async fn look_at_letters(&self, work: &mut Work) -> Result<(), sqlx::Error> {
        self.start_flows(work);
        (self.observer)(&dead_letters::count(&self.db).await?);
        if work.held_up.is_empty() {
            return Ok(());
        }
        let heads = dead_letters::heads(&self.db, None, self.executor.clock.now()).await?;
        let is_open = |flow: &Uuid| heads.iter().any(|head| head.flow == *flow);
        let discarded: Vec<Uuid> = work.held_up.keys().filter(|flow| !is_open(flow)).copied().collect();
        let due = heads.iter().filter(|head| head.due).map(|head| head.flow);
        for flow in due.chain(discarded) {
            if work.flows.contains_key(&flow) {
                continue;
            }
            work.flows.insert(flow, VecDeque::new());
            let before = work.held_up.get(&flow).copied();
            let (executor, db, feed) = (self.executor.clone(), self.db.clone(), self.feed.clone());
            work.tasks.spawn(async move {
                let held_up_at = redrive(&executor, &db, &feed, flow).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, flow = %flow, "dead letters cannot be redriven now");
                    before
                });
                Finished { flow, position: None, held_up_at }
            });
        }
        Ok(())
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

/// Draws the consequences of an event. A panic is poison too: it must not stop the other flows.
async fn draw(executor: &Executor, event: &RecordedEvent, may_be_repeated: bool) -> Result<(), Poison> {
    let drawn = AssertUnwindSafe(executor.react(event, may_be_repeated)).catch_unwind().await;
    drawn.unwrap_or_else(|panic| {
        Err(Poison { manager: "process_managers", reason: format!("panicked: {}", panic_message(&*panic)) })
    })
}

/// Writes the event down and returns when that is durable, since the checkpoint then passes it by.
async fn park(executor: &Executor, db: &PgPool, event: &Arc<RecordedEvent>, poison: Option<&Poison>) {
    if let Some(poison) = poison {
        alarm(event, poison, "dead_letter_queued", false);
    }
    let mut rest = REST_MIN;
    while let Err(error) = dead_letters::put(db, event, poison, executor.clock.now()).await {
        tracing::warn!(position = event.position, %error, "dead letter cannot be written yet");
        tokio::time::sleep(rest).await;
        rest = (rest * 2).min(REST_MAX);
    }
}

/// Tries a flow's letters, the oldest first, each event read from the log anew; gives the one that still holds the
/// flow up.
async fn redrive(executor: &Executor, db: &PgPool, feed: &LogFeed, flow: Uuid) -> Result<Option<Position>, LogError> {
    loop {
        let Some(Head { position, due, .. }) = dead_letters::heads(db, Some(flow), executor.clock.now()).await?.pop()
        else {
            tracing::info!(event = "dead_letter_processed", handler = dead_letters::QUEUE, flow = %flow, "caught up");
            return Ok(None);
        };
        if !due {
            return Ok(Some(position));
        }
        let events = feed.reader().page(position - 1, 1).await?;
        let Some(event) = events.first() else { return Ok(Some(position)) };
        match draw(executor, event, true).await {
            Ok(()) => dead_letters::mark_redriven(db, position).await?,
            Err(poison) => {
                let is_parked = dead_letters::mark_failed(db, position, &poison, executor.clock.now()).await?;
                alarm(event, &poison, "dead_letter_retry_failed", is_parked);
                return Ok(Some(position));
            }
        }
    }
}

fn alarm(event: &RecordedEvent, poison: &Poison, what: &'static str, is_parked: bool) {
    tracing::error!(
        event = what,
        is_parked,
        position = event.position,
        event.id = %event.event_id,
        flow = %event.correlation_id,
        manager = poison.manager,
        reason = poison.reason,
        "nobody can draw the consequences of an event; it is tried again, or waits for a person once it is parked"
    );
}
