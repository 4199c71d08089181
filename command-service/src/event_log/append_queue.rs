//! Group commit: everything that waits goes into one transaction; while it is being made durable, the next one gathers.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use shared::{domain::AggregateType, follow::LogFeed};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    append_statement::{Batch, LateAnswer},
    horizon::Horizon,
    request::{AppendError, AppendOutcome, AppendRequest, Receipt},
};

/// The limits of the queue.
#[derive(Debug, Clone, Copy)]
pub struct AppendQueueOptions {
    /// Requests that may wait; one more is refused.
    pub waiting_max: usize,
    /// Requests in one transaction.
    pub batch_max: usize,
    /// Bytes of payload in one request.
    pub request_bytes_max: usize,
    /// Events in one request.
    pub request_events_max: usize,
    /// How long one batch may take before the connection is given up.
    pub statement_timeout: Duration,
}

impl Default for AppendQueueOptions {
    fn default() -> Self {
        Self {
            waiting_max: 4_096,
            batch_max: 512,
            request_bytes_max: 256 * 1_024,
            request_events_max: 64,
            statement_timeout: Duration::from_secs(5),
        }
    }
}

type Reply = oneshot::Sender<Result<AppendOutcome, AppendError>>;

enum Job {
    Append(Box<AppendRequest>, Reply),
    Answer(LateAnswer, Reply),
}

/// The way into the log. Cheap to clone.
#[derive(Clone)]
pub struct AppendQueue {
    jobs: mpsc::Sender<Job>,
    options: AppendQueueOptions,
    horizon: Horizon,
}

/// An append on its way; resolves when it is decided.
pub type Pending = oneshot::Receiver<Result<AppendOutcome, AppendError>>;

impl AppendQueue {
    /// A queue and the writer that empties it.
    pub fn new(database: PgConnectOptions, feed: LogFeed, options: AppendQueueOptions) -> (Self, AppendWriter) {
        let (jobs, waiting) = mpsc::channel(options.waiting_max);
        let horizon = Horizon::new(database.clone());
        let writer = AppendWriter {
            horizon: horizon.clone(),
            database,
            feed,
            options,
            waiting,
            held_back: VecDeque::new(),
            connection: None,
            observer: None,
        };
        (Self { jobs, options, horizon }, writer)
    }

    /// Takes a request on, or refuses it at once.
    pub fn enqueue(&self, request: AppendRequest) -> Result<Pending, AppendError> {
        let events = request.stream.as_ref().map_or(&[][..], |stream| &stream.events);
        let bytes = events.iter().map(|event| event.payload.len()).sum::<usize>()
            + request.receipt.as_ref().and_then(|receipt| receipt.data.as_ref()).map_or(0, |data| data.len());
        if bytes > self.options.request_bytes_max || events.len() > self.options.request_events_max {
            return Err(AppendError::TooLarge { bytes, events: events.len() });
        }
        self.send(|reply| Job::Append(Box::new(request), reply))
    }

    /// Takes a request on and waits for its outcome.
    pub async fn append(&self, request: AppendRequest) -> Result<AppendOutcome, AppendError> {
        outcome(self.enqueue(request)?).await
    }

    /// Fixes the answer of a command whose receipt has none yet, and gives the one that is now stored: the first wins.
    pub async fn answer(&self, command_id: Uuid, status: u16, data: Arc<str>) -> Result<Option<Receipt>, AppendError> {
        let pending = self.send(|reply| Job::Answer(LateAnswer { command_id, status, data }, reply))?;
        match outcome(pending).await? {
            AppendOutcome::ReceiptFound(receipt) => Ok(Some(receipt)),
            AppendOutcome::Appended(_) | AppendOutcome::Conflict | AppendOutcome::ShortOfPortions => Ok(None),
        }
    }

    /// How far this process knows the log.
    pub fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.options.waiting_max - self.jobs.capacity()
    }

    fn send(&self, job: impl FnOnce(Reply) -> Job) -> Result<Pending, AppendError> {
        let place = self.jobs.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => AppendError::Full,
            mpsc::error::TrySendError::Closed(()) => AppendError::Closed,
        })?;
        let (reply, pending) = oneshot::channel();
        place.send(job(reply));
        Ok(pending)
    }
}

/// Waits for an append that was taken on. A writer that failed with it in hand may have appended it.
pub async fn outcome(pending: Pending) -> Result<AppendOutcome, AppendError> {
    pending.await.unwrap_or_else(|_| Err(AppendError::OutcomeUnknown("the writer failed".to_owned())))
}

/// Told about every batch: requests in it and how long its transaction took.
pub type BatchObserver = Box<dyn Fn(usize, Duration) + Send + Sync>;

/// Empties the queue over a connection of its own. There is one per process; several processes take turns by the lock
/// of `log_head`.
pub struct AppendWriter {
    database: PgConnectOptions,
    feed: LogFeed,
    horizon: Horizon,
    options: AppendQueueOptions,
    waiting: mpsc::Receiver<Job>,
    held_back: VecDeque<Job>,
    connection: Option<PgConnection>,
    observer: Option<BatchObserver>,
}

/// What goes into one transaction.
#[derive(Default)]
struct Gathered {
    appends: Vec<(Box<AppendRequest>, bool, Vec<Reply>)>,
    answers: Vec<(LateAnswer, Reply)>,
}

impl AppendWriter {
    /// Calls `observer` after every batch.
    pub fn observed_by(mut self, observer: BatchObserver) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Runs until `shutdown`, then appends what still waits and stops. If it panics it can be run again: those whose
    /// batch was in hand are told that the outcome is unknown, the others still wait.
    pub async fn run(&mut self, shutdown: CancellationToken) {
        let mut jobs = Vec::with_capacity(self.options.batch_max);
        loop {
            if self.held_back.is_empty() {
                tokio::select! {
                    biased;
                    taken = self.waiting.recv_many(&mut jobs, self.options.batch_max) => if taken == 0 { return },
                    () = shutdown.cancelled() => {
                        self.waiting.close();
                        if self.waiting.recv_many(&mut jobs, self.options.batch_max).await == 0 { return }
                    }
                }
            } else {
                let room = self.options.batch_max.saturating_sub(self.held_back.len());
                while jobs.len() < room {
                    let Ok(job) = self.waiting.try_recv() else { break };
                    jobs.push(job);
                }
            }
            let gathered = self.gather(jobs.drain(..));
            self.commit(gathered).await;
        }
    }

    /// Sorts jobs into one transaction. The same command twice is asked once and answered twice. A second request for
    /// a stream joins if it was decided on the first one's events; otherwise it, and all after it, wait for the next
    /// transaction.
    fn gather(&mut self, new: impl Iterator<Item = Job>) -> Gathered {
        let jobs: Vec<Job> = self.held_back.drain(..).chain(new).collect();
        let mut gathered = Gathered::default();
        let mut commands: HashMap<Uuid, usize> = HashMap::new();
        let mut newest: HashMap<(AggregateType, Uuid), Option<Uuid>> = HashMap::new();
        let mut blocked: HashSet<(AggregateType, Uuid)> = HashSet::new();
        for job in jobs {
            let (request, reply) = match job {
                Job::Answer(answer, reply) => {
                    gathered.answers.push((answer, reply));
                    continue;
                }
                Job::Append(request, reply) => (request, reply),
            };
            let twin = request.receipt.is_some().then(|| commands.get(&request.command_id)).flatten();
            if let Some(&first) = twin {
                gathered.appends[first].2.push(reply);
                continue;
            }
            let mut chained = false;
            if let Some(stream) = &request.stream {
                let key = (stream.aggregate_type, stream.aggregate_id);
                let before = newest.get(&key);
                chained = before.is_some_and(|last| *last == stream.expected.event_id && last.is_some());
                if blocked.contains(&key) || (before.is_some() && !chained) {
                    blocked.insert(key);
                    self.held_back.push_back(Job::Append(request, reply));
                    continue;
                }
                let last = stream.events.last().map_or(stream.expected.event_id, |event| Some(event.event_id));
                newest.insert(key, last);
            }
            if request.receipt.is_some() {
                commands.insert(request.command_id, gathered.appends.len());
            }
            gathered.appends.push((request, chained, vec![reply]));
        }
        gathered
    }

    async fn commit(&mut self, gathered: Gathered) {
        let started = std::time::Instant::now();
        let size = gathered.appends.len();
        match self.execute(&gathered).await {
            Ok(outcomes) => {
                if let Some(observer) = &self.observer {
                    observer(size, started.elapsed());
                }
                self.settle(gathered, outcomes);
            }
            // The database refused one of them; each alone shows which.
            Err(sqlx::Error::Database(error)) if size + gathered.answers.len() > 1 && !is_transient(&*error) => {
                tracing::warn!(requests = size, %error, "batch refused, trying its requests one by one");
                for single in gathered.one_by_one() {
                    Box::pin(self.commit(single)).await;
                }
            }
            Err(error) => self.fail(gathered, error),
        }
    }

    async fn execute(&mut self, gathered: &Gathered) -> Result<Vec<AppendOutcome>, sqlx::Error> {
        let mut batch = Batch::default();
        for (request, chained, _) in &gathered.appends {
            batch.push(request, *chained);
        }
        for (answer, _) in &gathered.answers {
            batch.push_late_answer(answer);
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let limit = self.options.statement_timeout;
        let outcome = tokio::time::timeout(limit, batch.execute(&mut connection))
            .await
            .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))));
        // A connection that broke or still works on something is of no use to the next batch.
        if matches!(outcome, Ok(_) | Err(sqlx::Error::Database(_))) {
            self.connection = Some(connection);
        }
        outcome
    }

    /// Whatever goes wrong here says nothing about the requests: a database that lets nobody in has refused none.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let limit = self.options.statement_timeout;
        let connecting = async {
            let options = self.database.clone().application_name("homefood append writer").disable_statement_logging();
            let mut connection = PgConnection::connect_with(&options).await?;
            // What the lock protects is read after it was taken, which takes a snapshot per statement.
            sqlx::query(
                "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $1, false),
                        set_config('default_transaction_isolation', 'read committed', false)",
            )
            .bind(limit.as_millis().to_string())
            .execute(&mut connection)
            .await?;
            Ok::<_, sqlx::Error>(connection)
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(|error| sqlx::Error::Io(std::io::Error::other(error))),
            Err(_) => Err(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))),
        }
    }

    /// Tells everybody how it went: first who follows the log, then the aggregates, then those who wait.
    fn settle(&mut self, gathered: Gathered, outcomes: Vec<AppendOutcome>) {
        let mut outcomes = outcomes.into_iter();
        let mut recorded = Vec::new();
        let mut replies = Vec::with_capacity(gathered.appends.len());
        for ((request, _, waiting), outcome) in gathered.appends.into_iter().zip(outcomes.by_ref()) {
            if let AppendOutcome::Appended(appended) = &outcome {
                recorded.extend(request.recorded(*appended));
            }
            replies.push((request, waiting, outcome));
        }
        self.horizon.appended(&recorded);
        self.feed.offer(&recorded);
        for (mut request, waiting, outcome) in replies {
            if let (Some(ticket), AppendOutcome::Appended(_)) = (request.ticket.take(), &outcome) {
                ticket.appended();
            }
            let twins = request.outcome_of_twins(&outcome);
            for (index, reply) in waiting.into_iter().enumerate() {
                let outcome = if index == 0 { outcome.clone() } else { twins.clone() };
                // Nobody waits any more: the client has gone.
                let _ = reply.send(Ok(outcome));
            }
        }
        for ((_, reply), outcome) in gathered.answers.into_iter().zip(outcomes) {
            let _ = reply.send(Ok(outcome));
        }
    }

    fn fail(&mut self, gathered: Gathered, error: sqlx::Error) {
        tracing::error!(requests = gathered.appends.len(), %error, "append failed");
        let error = match error {
            sqlx::Error::Database(error) if !is_transient(&*error) => AppendError::Rejected(error.to_string()),
            error => AppendError::OutcomeUnknown(error.to_string()),
        };
        for (request, _, replies) in gathered.appends {
            drop(request);
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
        for (_, reply) in gathered.answers {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

impl Gathered {
    fn one_by_one(self) -> impl Iterator<Item = Gathered> {
        // A request decided on another one's events is judged by the log itself when it stands alone.
        let appends = self
            .appends
            .into_iter()
            .map(|(request, _, replies)| Gathered { appends: vec![(request, false, replies)], answers: Vec::new() });
        let answers = self.answers.into_iter().map(|answer| Gathered { appends: Vec::new(), answers: vec![answer] });
        appends.chain(answers)
    }
}

/// The database is shutting down, out of resources or too slow: asking again may help, splitting the batch does not.
fn is_transient(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .code()
        .is_some_and(|code| ["08", "25", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)))
}
