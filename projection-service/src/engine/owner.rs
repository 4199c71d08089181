//! The owner of a projection: the batches it folds, one after another, each in one transaction.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use chrono::Utc;
use shared::{
    follow::Companion,
    log::{LogError, Position, RecordedEvent},
    runtime::metrics,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    checkpoints::{self, Claim},
    dead_letters::{self, NewLetter},
    fold::Fold,
    projection::{FoldError, Pace, ReadModel},
    retry::DueQueue,
    rows::RowCache,
    runner::{RunnerParts, Stopped},
};

/// Read models can be folded again from the log, so a commit need not wait for the disk: rows and checkpoint are lost
/// together or not at all, and an owner notices. What users are told is not to be taken back: the feed's `store` has its
/// commit wait. Every statement of a batch finds its rows by key, so one plan fits them all; it must not be
/// one that was made when the table was empty and reading all of it was cheapest.
pub(super) const BEGIN: &str = "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL plan_cache_mode = force_generic_plan; \
                                SET LOCAL enable_seqscan = off";

/// Folding waits for nothing, so after so many events the others on this thread get their turn.
const YIELD_AFTER: usize = 256;

/// How long events that are there are waited for, whatever else is due.
const EVENTS_FIRST: Duration = Duration::from_secs(1);

/// Folds one projection while it holds the lease.
pub(super) struct Owner<'a, P: ReadModel> {
    pub(super) parts: &'a RunnerParts,
    pub(super) claim: Claim,
    pub(super) cache: RowCache<P::Key, P::Row>,
    /// Aggregates with open letters; their events go behind those.
    pub(super) blocked: HashSet<Uuid>,
    /// Their queues that are to be tried now.
    pub(super) due: VecDeque<DueQueue>,
    pub(super) on_commit: &'a (dyn Fn(P::Written) + Send + Sync),
    /// Goes through the log beside the other projections.
    reader: Companion,
    /// How far everything is folded. The stored checkpoint may be behind, by events that touch no row.
    folded: Position,
    copies_missing: bool,
    /// Before this no small batch is folded.
    next_at: Instant,
    /// By then the checkpoint is stored.
    checkpoint_due: Instant,
}

impl<'a, P: ReadModel> Owner<'a, P> {
    pub(super) fn new(parts: &'a RunnerParts, claim: Claim, on_commit: &'a (dyn Fn(P::Written) + Send + Sync)) -> Self {
        let cache = RowCache::new(parts.settings.rows_max);
        let now = Instant::now();
        Self {
            parts,
            claim,
            cache,
            blocked: HashSet::new(),
            due: VecDeque::new(),
            on_commit,
            reader: parts.feed.companion(),
            folded: claim.position,
            copies_missing: true,
            next_at: now,
            checkpoint_due: now,
        }
    }

    /// Folds what comes; ends only with an error.
    pub(super) async fn fold(&mut self) -> Result<(), Stopped> {
        self.blocked = dead_letters::blocked(&self.parts.db, P::NAME).await?;
        let settings = self.parts.settings;
        let mut letters_due = Instant::now();
        loop {
            if Instant::now() >= letters_due {
                self.look_after_letters().await?;
                letters_due = Instant::now() + settings.letters_poll;
            }
            self.retry_some().await?;
            let is_behind = self.claim.position < self.folded;
            if is_behind && Instant::now() >= self.checkpoint_due {
                self.commit(Fold::new(HashMap::new()), self.folded, &[]).await?;
                continue;
            }
            let has_events = self.parts.feed.head() > self.folded;
            // Letters that are due wait for one batch at most, and not for events that have not come.
            if !self.due.is_empty() && !has_events {
                continue;
            }
            let mut due = if is_behind { letters_due.min(self.checkpoint_due) } else { letters_due };
            if has_events {
                // A turn of the letters may have outlasted it; what is there is folded all the same.
                due = due.max(Instant::now() + EVENTS_FIRST);
            }
            // When nothing comes, what is due.
            if let Ok(events) = tokio::time::timeout_at(due, self.next_batch()).await {
                self.next_at = Instant::now()
                    + match P::PACE {
                        Pace::Rows => settings.gather,
                        Pace::Sums => settings.gather_sums,
                    };
                self.take_batch(&in_step(self.folded, &events?)?).await?;
            }
        }
    }

    /// What comes next. Under load a transaction for every few events costs more than the events themselves, so they
    /// wait for company for a moment; not after a pause, not when there is a backlog, and not while a query waits.
    async fn next_batch(&self) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        let RunnerParts { feed, settings, positions, .. } = self.parts;
        let events = self.reader.read_after(self.folded, settings.batch_max).await?;
        let has_backlog = events.last().is_some_and(|last| last.position < feed.head());
        if has_backlog || Instant::now() >= self.next_at {
            return Ok(events);
        }
        tokio::select! {
            () = tokio::time::sleep_until(self.next_at) => {}
            () = positions.wanted(P::NAME) => {}
        }
        self.reader.read_after(self.folded, settings.batch_max).await
    }

    async fn take_batch(&mut self, events: &[Arc<RecordedEvent>]) -> Result<(), Stopped> {
        let touching: Vec<_> = events.iter().filter(|event| !P::keys(event).is_empty()).collect();
        let to = events.last().map_or(self.folded, |event| event.position);
        if touching.is_empty() {
            self.pass_over(to);
        } else {
            let mut fold = Fold::<P>::new(self.load(touching.iter().map(|event| event.as_ref())).await?);
            let letters = self.fold_batch(&mut fold, &touching).await;
            self.commit(fold, to, &letters).await?;
        }
        self.report(events);
        Ok(())
    }

    /// The rows are as of `to` without a transaction. Whoever goes on from the stored checkpoint passes over the same
    /// events again.
    fn pass_over(&mut self, to: Position) {
        if self.claim.position == self.folded {
            self.checkpoint_due = Instant::now() + self.parts.settings.checkpoint;
        }
        self.folded = to;
        self.parts.positions.reached(P::NAME, to);
    }

    /// Folds in order; what is refused, and what comes after it in its aggregate, ends up as letters. Nobody waits for
    /// another try.
    async fn fold_batch(&self, fold: &mut Fold<P>, events: &[&Arc<RecordedEvent>]) -> Vec<NewLetter> {
        let mut letters = Vec::new();
        let mut failing = HashSet::new();
        for (folded, event) in events.iter().copied().enumerate() {
            if folded % YIELD_AFTER == YIELD_AFTER - 1 {
                tokio::task::yield_now().await;
            }
            let id = event.aggregate_id;
            let failure = if self.blocked.contains(&id) || failing.contains(&id) {
                None
            } else if let Err(error) = self.take(fold, event) {
                failing.insert(id);
                Some((error, self.parts.clock.now()))
            } else {
                continue;
            };
            letters.push(NewLetter { event: event.clone(), failure, told: false });
        }
        letters
    }

    pub(super) fn take(&self, fold: &mut Fold<P>, event: &RecordedEvent) -> Result<(), FoldError> {
        if self.parts.failpoints.refuses(P::NAME, event.aggregate_id) {
            return Err(FoldError::Failpoint);
        }
        fold.take(event)
    }

    /// The rows that the events touch: from memory what is there, the rest in one statement.
    pub(super) async fn load(
        &mut self,
        events: impl Iterator<Item = &RecordedEvent>,
    ) -> Result<HashMap<P::Key, Option<P::Row>>, Stopped> {
        let mut rows = HashMap::new();
        let mut missing = Vec::new();
        for event in events {
            for key in P::keys(event) {
                if rows.contains_key(&key) {
                    continue;
                }
                let cached = self.cache.take(&key);
                if cached.is_none() && P::may_exist(event) {
                    missing.push(key);
                }
                rows.insert(key, cached);
            }
        }
        if !missing.is_empty() {
            let loaded = P::load(&self.parts.db, &missing).await?;
            rows.extend(loaded.into_iter().map(|(key, row)| (key, Some(row))));
        }
        Ok(rows)
    }

    /// Rows, letters and checkpoint in one transaction. The checkpoint is moved first: it locks out, or is locked out
    /// by, another owner before anything is written.
    async fn commit(&mut self, fold: Fold<P>, to: Position, letters: &[NewLetter]) -> Result<(), Stopped> {
        let RunnerParts { db, settings, clock, .. } = self.parts;
        let changes = fold.changes();
        let mut tx = db.begin_with(BEGIN).await?;
        if !checkpoints::advance(&mut tx, P::NAME, self.claim, to, settings.lease).await? {
            return Err(Stopped::LeaseLost);
        }
        let written = if changes.is_empty() { P::Written::default() } else { P::store(&mut tx, &changes).await? };
        dead_letters::insert(&mut tx, P::NAME, letters, &settings.letters, clock.now()).await?;
        tx.commit().await?;
        self.committed(fold, to, written);
        for letter in letters {
            self.blocked.insert(letter.event.aggregate_id);
            if let Some((error, _)) = &letter.failure {
                set_aside(P::NAME, &letter.event, error, settings.letters.is_serious(0));
            }
        }
        self.copies_missing |= !letters.is_empty();
        Ok(())
    }

    pub(super) fn committed(&mut self, fold: Fold<P>, to: Position, written: P::Written) {
        self.claim.position = to;
        self.folded = self.folded.max(to);
        for (key, row) in fold.into_rows() {
            if let Some(mut row) = row {
                P::settle(&mut row);
                self.cache.put(key, row);
            }
        }
        self.parts.positions.committed(P::NAME, to, self.folded);
        (self.on_commit)(written);
    }

    async fn look_after_letters(&mut self) -> Result<(), Stopped> {
        if !self.blocked.is_empty() {
            self.find_due().await?;
            self.copies_missing = true;
        }
        let RunnerParts { db, feed, jetstream: Some(jetstream), names, .. } = self.parts else { return Ok(()) };
        if self.copies_missing {
            match super::letter_stream::publish_missing(db, feed.reader(), jetstream, names, P::NAME).await {
                Ok(published) => self.copies_missing = published > 0,
                Err(error) => tracing::warn!(projection = P::NAME, %error, "dead letters cannot be copied to NATS yet"),
            }
        }
        Ok(())
    }

    fn report(&self, events: &[Arc<RecordedEvent>]) {
        let RunnerParts { metrics, feed, .. } = self.parts;
        let label = metrics::Projection { projection: P::NAME };
        let lag = feed.head().saturating_sub(self.folded);
        metrics.projection_position.get_or_create(&label).set(self.folded as i64);
        metrics.projection_lag_events.get_or_create(&label).set(lag as i64);
        metrics.projection_batch_size.get_or_create(&label).observe(events.len() as f64);
        let age = match events.last() {
            Some(last) if lag > 0 => (Utc::now() - last.recorded_at).as_seconds_f64().max(0.0),
            _ => 0.0,
        };
        metrics.projection_lag_seconds.get_or_create(&label).set(age);
    }
}

/// The events that follow `position` without a hole.
fn in_step(position: Position, events: &[Arc<RecordedEvent>]) -> Result<Vec<Arc<RecordedEvent>>, Stopped> {
    let joining = events.iter().zip(position + 1..).take_while(|(event, expected)| event.position == *expected);
    let events: Vec<_> = joining.map(|(event, _)| event.clone()).collect();
    if events.is_empty() { Err(Stopped::Gap(position + 1)) } else { Ok(events) }
}

/// The aggregate waits for the next try; `is_serious` if there is none soon.
fn set_aside(queue: &str, event: &RecordedEvent, error: &FoldError, is_serious: bool) {
    if is_serious {
        return alarm(queue, event, error);
    }
    tracing::info!(event = "retry_attempt", projection = queue, position = event.position, %error, "to be folded again");
}

/// Someone must look.
pub(super) fn alarm(queue: &str, event: &RecordedEvent, error: &FoldError) {
    tracing::error!(
        event = "dead_letter_queued",
        handler = queue,
        position = event.position,
        aggregate.id = %event.aggregate_id,
        %error,
        "set aside {} at position {}; later events of its aggregate wait behind it",
        event.event_type,
        event.position,
    );
}
