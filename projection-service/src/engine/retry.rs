//! Trying dead letters again: an aggregate's queue in order, each event read from the log anew.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use shared::{
    log::{Position, RecordedEvent},
    runtime::metrics,
};
use uuid::Uuid;

use super::{
    checkpoints,
    dead_letters::{self, OpenLetter},
    fold::Fold,
    model::tell_only,
    owner::{BEGIN, Owner, alarm},
    projection::{FoldError, ReadModel},
    runner::Stopped,
};

/// Letters of one aggregate taken in one transaction, once its oldest is taken.
const QUEUE_MAX: usize = 500;
/// Transactions for letters before the log has its turn again.
const TURN: usize = 4;

/// An aggregate's queue that is due, and how many letters of it are tried next. The oldest goes alone: if it fails, the
/// others need not be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct DueQueue {
    aggregate_id: Uuid,
    limit: usize,
}

/// What came of some letters of one queue.
struct Tried<P: ReadModel> {
    fold: Fold<P>,
    /// The last that was taken, and how many were.
    taken: Option<(OpenLetter, u64)>,
    failed: Option<(OpenLetter, Arc<RecordedEvent>, FoldError)>,
    /// Events that users were told of before.
    told: HashSet<Position>,
}

impl<P: ReadModel> Owner<'_, P> {
    /// Finds the queues that are due, the oldest first. The table is read each time: a person may have changed it.
    pub(super) async fn find_due(&mut self) -> Result<(), Stopped> {
        let mut heads = dead_letters::heads(&self.parts.db, P::NAME, self.parts.clock.now()).await?;
        let open: HashSet<Uuid> = heads.iter().map(|head| head.aggregate_id).collect();
        self.blocked.retain(|id| open.contains(id));
        self.blocked.extend(open);
        heads.retain(|head| head.due);
        heads.sort_unstable_by_key(|head| head.position);
        self.due = heads.iter().map(|head| DueQueue { aggregate_id: head.aggregate_id, limit: 1 }).collect();
        Ok(())
    }

    /// Tries some of what is due. A long queue takes several turns, and the log has its own between them.
    pub(super) async fn retry_some(&mut self) -> Result<(), Stopped> {
        for _ in 0..TURN {
            let Some(queue) = self.due.pop_front() else { return Ok(()) };
            if self.retry_queue(queue).await? {
                self.due.push_front(DueQueue { limit: QUEUE_MAX, ..queue });
            }
        }
        Ok(())
    }

    /// Folds the queue of one aggregate as far as it goes; whether more of it can be tried at once.
    async fn retry_queue(&mut self, DueQueue { aggregate_id, limit }: DueQueue) -> Result<bool, Stopped> {
        let mut letters = dead_letters::open_of(&self.parts.db, P::NAME, aggregate_id, limit as i64 + 1).await?;
        let is_all = letters.len() <= limit;
        letters.truncate(limit);
        let events = self.read_again(aggregate_id, &letters).await?;
        let fold = Fold::<P>::new(self.load(events.iter().map(|event| event.as_ref())).await?);
        let told = letters.iter().filter(|letter| letter.told).map(|letter| letter.position).collect();
        let mut tried = Tried { fold, taken: None, failed: None, told };
        if limit == 1 {
            self.parts.metrics.retry_attempts.get_or_create(&metrics::Operation { op: P::NAME }).inc();
        }
        for (letter, event) in letters.iter().zip(&events) {
            match self.take(&mut tried.fold, event) {
                Ok(()) => tried.taken = Some((*letter, tried.taken.map_or(0, |(_, letters)| letters) + 1)),
                Err(error) => {
                    tried.failed = Some((*letter, event.clone(), error));
                    break;
                }
            }
        }
        let has_failed = tried.failed.is_some();
        self.commit_retry(aggregate_id, tried).await?;
        if is_all && !has_failed {
            self.blocked.remove(&aggregate_id);
            tracing::info!(event = "dead_letter_processed", handler = P::NAME, aggregate.id = %aggregate_id, "caught up");
        }
        Ok(!is_all && !has_failed)
    }

    /// The letters' events as the log has them now, so that fixes and upcasters apply.
    async fn read_again(&self, aggregate_id: Uuid, letters: &[OpenLetter]) -> Result<Vec<Arc<RecordedEvent>>, Stopped> {
        let positions: Vec<Position> = letters.iter().map(|letter| letter.position).collect();
        let events = self.parts.feed.reader().at(&positions).await?;
        let mut found: HashMap<Position, Arc<RecordedEvent>> =
            events.into_iter().map(|event| (event.position, event)).collect();
        let event = |position| {
            let event = found.remove(&position).filter(|event| event.aggregate_id == aggregate_id);
            event.ok_or(Stopped::Gap(position))
        };
        positions.into_iter().map(event).collect()
    }

    /// Rows, letters and the unmoved checkpoint in one transaction: only the owner may do this too.
    async fn commit_retry(&mut self, aggregate_id: Uuid, tried: Tried<P>) -> Result<(), Stopped> {
        let (settings, now) = (self.parts.settings, self.parts.clock.now());
        let Tried { fold, taken, failed, told } = tried;
        let mut changes = fold.changes();
        tell_only::<P>(&mut changes, &|position| !told.contains(&position));
        let mut tx = self.parts.db.begin_with(BEGIN).await?;
        if !checkpoints::advance(&mut tx, P::NAME, self.claim, self.claim.position, settings.lease).await? {
            return Err(Stopped::LeaseLost);
        }
        let written = if changes.is_empty() { P::Written::default() } else { P::store(&mut tx, &changes).await? };
        if let Some((last, letters)) = taken
            && dead_letters::mark_redriven(&mut tx, P::NAME, aggregate_id, last.position).await? != letters
        {
            return Err(Stopped::LettersChanged);
        }
        if let Some((letter, event, error)) = &failed {
            // The one behind a redriven head fails for the first time; the head itself has used up one more retry.
            let retry_count = if taken.is_some() { 0 } else { letter.retry_count + 1 };
            let next = settings.letters.next_retry(retry_count, now);
            let letter = OpenLetter { retry_count, ..*letter };
            dead_letters::mark_failed(&mut tx, P::NAME, letter, error, next, now).await?;
            if settings.letters.is_serious(retry_count) {
                alarm(P::NAME, event, error);
            }
        }
        tx.commit().await?;
        self.committed(fold, self.claim.position, written);
        Ok(())
    }
}
