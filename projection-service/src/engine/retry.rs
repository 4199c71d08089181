//! Trying dead letters again: an aggregate's queue in order, each event read from the log anew.

use std::{collections::HashSet, sync::Arc};

use shared::log::{Position, RecordedEvent};
use uuid::Uuid;

use super::{
    checkpoints,
    dead_letters::{self, OpenLetter},
    fold::Fold,
    model::tell_only,
    owner::{BEGIN, Owner, alarm},
    projection::{Changes, FoldError, ReadModel},
    runner::Stopped,
};

/// Letters of one aggregate taken in one transaction.
const QUEUE_MAX: i64 = 500;

impl<P: ReadModel> Owner<'_, P> {
    /// Tries the queues that are due. The table is read each time: a person may have changed it.
    pub(super) async fn retry_letters(&mut self) -> Result<(), Stopped> {
        let heads = dead_letters::heads(&self.parts.db, P::NAME, self.parts.clock.now()).await?;
        let open: HashSet<Uuid> = heads.iter().map(|head| head.aggregate_id).collect();
        self.blocked.retain(|id| open.contains(id));
        self.blocked.extend(open);
        for head in heads.iter().filter(|head| head.due) {
            while self.retry_queue(head.aggregate_id).await? {}
        }
        Ok(())
    }

    /// Folds the queue of one aggregate as far as it goes; whether more of it can be tried at once.
    async fn retry_queue(&mut self, aggregate_id: Uuid) -> Result<bool, Stopped> {
        let letters = dead_letters::open_of(&self.parts.db, P::NAME, aggregate_id, QUEUE_MAX).await?;
        let events = self.read_again(aggregate_id, &letters).await?;
        let mut fold = Fold::<P>::new(self.load(events.iter().map(|event| event.as_ref())).await?);
        let mut taken: Option<(OpenLetter, u64)> = None;
        let mut failed = None;
        for (letter, event) in letters.iter().zip(&events) {
            match self.take(&mut fold, event) {
                Ok(()) => taken = Some((*letter, taken.map_or(0, |(_, letters)| letters) + 1)),
                Err(error) => {
                    failed = Some((*letter, event.clone(), error));
                    break;
                }
            }
        }
        let told: HashSet<Position> =
            letters.iter().filter(|letter| letter.told).map(|letter| letter.position).collect();
        let mut changes = fold.changes();
        tell_only::<P>(&mut changes, &|position| !told.contains(&position));
        let emptied = failed.is_none() && letters.len() < QUEUE_MAX as usize;
        self.commit_retry((fold, changes), aggregate_id, taken, failed.as_ref()).await?;
        if emptied {
            self.blocked.remove(&aggregate_id);
            tracing::info!(event = "dead_letter_processed", handler = P::NAME, aggregate.id = %aggregate_id, "caught up");
        }
        Ok(failed.is_none() && !emptied)
    }

    /// The letters' events as the log has them now, so that fixes and upcasters apply.
    async fn read_again(&self, aggregate_id: Uuid, letters: &[OpenLetter]) -> Result<Vec<Arc<RecordedEvent>>, Stopped> {
        let mut events = Vec::with_capacity(letters.len());
        for letter in letters {
            let event = self.parts.feed.reader().page(letter.position - 1, 1).await?.pop();
            let event = event.filter(|event| event.aggregate_id == aggregate_id && event.position == letter.position);
            events.push(event.ok_or(Stopped::Gap(letter.position))?);
        }
        Ok(events)
    }

    /// Rows, letters and the unmoved checkpoint in one transaction: only the owner may do this too.
    async fn commit_retry(
        &mut self,
        (fold, changes): (Fold<P>, Changes<P>),
        aggregate_id: Uuid,
        taken: Option<(OpenLetter, u64)>,
        failed: Option<&(OpenLetter, Arc<RecordedEvent>, FoldError)>,
    ) -> Result<(), Stopped> {
        let (settings, now) = (self.parts.settings, self.parts.clock.now());
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
        if let Some((letter, event, error)) = failed {
            // The one behind a redriven head fails for the first time; the head itself has used up one more retry.
            let retry_count = if taken.is_some() { 0 } else { letter.retry_count + 1 };
            let next = settings.letters.next_retry(retry_count, now);
            let letter = OpenLetter { retry_count, ..*letter };
            dead_letters::mark_failed(&mut tx, P::NAME, letter, error, next, now).await?;
            if next.is_none() {
                alarm(P::NAME, event, error);
            }
        }
        tx.commit().await?;
        self.committed(fold, self.claim.position, written);
        Ok(())
    }
}
