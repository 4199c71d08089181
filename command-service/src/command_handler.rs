//! Load, decide, append; decide again on a lost race.

mod submission;

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use shared::{
    domain::{EventSourced, order::OrderPolicy},
    log::{LogError, LogReader, Metadata, RecordedEvent},
};
use sqlx::PgPool;
use tokio::sync::MutexGuard;
use uuid::Uuid;

use crate::{
    event_log::{
        Aggregates, AppendError, AppendOutcome, AppendQueue, AppendRequest, Entry, Expected, Loaded, NewEvent,
        ReceiptDraft, Snapshots, StreamAppend, find_receipt, outcome,
    },
    timers::armed_by,
};

pub use submission::{Answers, CommandError, Done, Handled, NoAnswer, Submission};

/// How often a command is decided again after somebody was faster.
const ATTEMPTS_MAX: u32 = 5;
/// A stream with fewer events needs no snapshot: it takes one query instead of two.
const SHORT_STREAM: u32 = 200;
/// Events read at a time when a long stream is loaded.
const LOAD_PAGE: u32 = 1_000;

/// Handles the commands of one kind of aggregate. Cheap to clone.
#[derive(Clone)]
pub struct CommandHandler<A: EventSourced> {
    aggregates: Arc<Aggregates<A>>,
    queue: AppendQueue,
    snapshots: Snapshots,
    reader: LogReader,
    db: PgPool,
    conflicts: Counter,
    deadlines: OrderPolicy,
}

enum Step<A: EventSourced> {
    Finished(Result<Handled<A>, CommandError<A::Error>>),
    LostRace,
}

impl<A: EventSourced> CommandHandler<A> {
    /// A handler that keeps up to `cached_max` aggregates in memory, and counts lost races in `conflicts`.
    pub fn new(db: PgPool, queue: AppendQueue, snapshots: Snapshots, cached_max: u64, conflicts: Counter) -> Self {
        Self {
            aggregates: Arc::new(Aggregates::new(cached_max)),
            queue,
            snapshots,
            reader: LogReader::new(db.clone()),
            db,
            conflicts,
            deadlines: OrderPolicy::default(),
        }
    }

    /// The same, arming the deadlines that no event names by this policy.
    pub fn arming(self, deadlines: OrderPolicy) -> Self {
        Self { deadlines, ..self }
    }

    /// Does the command once and answers when it is durable.
    pub async fn execute(
        &self,
        submission: Submission<A::Action>,
        answers: &dyn Answers<A>,
    ) -> Result<Handled<A>, CommandError<A::Error>> {
        for attempt in 0..ATTEMPTS_MAX {
            let is_new = submission.is_new && attempt == 0;
            match self.attempt(&submission, is_new, answers).await {
                Step::Finished(outcome) => return outcome,
                Step::LostRace => {
                    self.conflicts.inc();
                }
            }
        }
        Err(CommandError::LostRace)
    }

    /// The newest durable state of an aggregate, whoever appended; `None` if it does not exist.
    pub async fn load(&self, id: Uuid) -> Result<Option<Loaded<A>>, CommandError<A::Error>> {
        self.load_since(id, u64::MAX).await
    }

    /// A durable state of an aggregate that is not older than version `sequence`, from memory if it is there.
    pub async fn load_since(&self, id: Uuid, sequence: u64) -> Result<Option<Loaded<A>>, CommandError<A::Error>> {
        let entry = self.aggregates.entry(id);
        let mut state = entry.state.lock().await;
        entry.landed().await;
        entry.forget_fallen(&mut state);
        let loaded = match state.as_ref().filter(|known| known.at.sequence > 0) {
            Some(known) if known.at.sequence >= sequence => known.clone(),
            // Everything known is durable by now: only what others appended may be missing.
            Some(known) => self.catch_up(id, known.clone()).await?,
            None => self.read(id, Uuid::nil()).await?,
        };
        if loaded.at.sequence == 0 {
            return Ok(None);
        }
        *state = Some(loaded.clone());
        Ok(Some(loaded))
    }

    async fn attempt(&self, submission: &Submission<A::Action>, is_new: bool, answers: &dyn Answers<A>) -> Step<A> {
        let entry = self.aggregates.entry(submission.aggregate_id);
        let mut state = entry.state.lock().await;
        let mut is_fresh = false;
        loop {
            entry.forget_fallen(&mut state);
            if state.is_none() {
                if let Err(error) = self.refresh(&entry, &mut state, submission, is_new && !is_fresh).await {
                    return Step::Finished(Err(error));
                }
                is_fresh = true;
            }
            let Some(loaded) = state.as_ref() else { continue };
            let wrong_version = submission.expected_version.is_some_and(|expected| expected != loaded.at.sequence);
            let decision = if wrong_version {
                Err(CommandError::VersionMismatch { current: loaded.at.sequence })
            } else {
                loaded.aggregate.decide(&submission.intent).map_err(CommandError::Refused)
            };
            match decision {
                Ok(events) if !events.is_empty() => {
                    return self.append(entry.clone(), state, submission, events, answers).await;
                }
                // Only what the log says now may be refused; memory can be behind, or ahead of what will be durable.
                _ if !is_fresh => {
                    if let Err(error) = self.refresh(&entry, &mut state, submission, false).await {
                        return Step::Finished(Err(error));
                    }
                    is_fresh = true;
                }
                decision => {
                    let loaded = loaded.clone();
                    drop(state);
                    return self.conclude(loaded, decision.map(drop), submission, answers).await;
                }
            }
        }
    }

    /// The newest durable state, once everything under way is decided.
    async fn refresh(
        &self,
        entry: &Entry<A>,
        state: &mut Option<Loaded<A>>,
        submission: &Submission<A::Action>,
        is_new: bool,
    ) -> Result<(), CommandError<A::Error>> {
        entry.landed().await;
        entry.forget_fallen(state);
        let (id, correlation_id) = (submission.aggregate_id, submission.correlation_id);
        *state = Some(match state.take() {
            Some(known) => self.catch_up(id, known).await?,
            None if is_new => nothing(correlation_id),
            None => self.read(id, correlation_id).await?,
        });
        Ok(())
    }

    async fn read(&self, id: Uuid, correlation_id: Uuid) -> Result<Loaded<A>, CommandError<A::Error>> {
        let mut loaded = nothing(correlation_id);
        let as_of = self.queue.horizon().through();
        let events = self.reader.stream(A::AGGREGATE_TYPE, id, 0, SHORT_STREAM).await?;
        if events.len() < SHORT_STREAM as usize && events.first().is_none_or(|event| event.sequence == 1) {
            loaded.as_of = as_of;
            advance(&mut loaded, events)?;
            return Ok(loaded);
        }
        let snapshot = self.snapshots.find(A::AGGREGATE_TYPE, id).await?;
        self.read_on(id, snapshot.unwrap_or(loaded)).await
    }

    /// Makes sure that a durable state is the newest one.
    async fn catch_up(&self, id: Uuid, mut loaded: Loaded<A>) -> Result<Loaded<A>, CommandError<A::Error>> {
        let horizon = self.queue.horizon();
        horizon.look().await?;
        match horizon.newest(id, loaded.at, loaded.as_of) {
            Some(as_of) => {
                loaded.as_of = as_of;
                Ok(loaded)
            }
            None => self.read_on(id, loaded).await,
        }
    }

    /// Adds what the log holds beyond a durable state.
    async fn read_on(&self, id: Uuid, mut loaded: Loaded<A>) -> Result<Loaded<A>, CommandError<A::Error>> {
        let as_of = self.queue.horizon().through();
        loop {
            let events = self.reader.stream(A::AGGREGATE_TYPE, id, loaded.at.sequence, LOAD_PAGE).await?;
            let is_last = events.len() < LOAD_PAGE as usize;
            advance(&mut loaded, events)?;
            if is_last {
                loaded.as_of = loaded.as_of.max(as_of);
                return Ok(loaded);
            }
        }
    }

    /// Moves the aggregate on in memory, makes the step durable and answers.
    async fn append(
        &self,
        entry: Arc<Entry<A>>,
        mut state: MutexGuard<'_, Option<Loaded<A>>>,
        submission: &Submission<A::Action>,
        events: Vec<A::Event>,
        answers: &dyn Answers<A>,
    ) -> Step<A> {
        let Some(before) = state.as_ref() else { return Step::LostRace };
        let before_at = before.at;
        let mut after = before.clone();
        if before_at.sequence == 0 {
            // Whoever looked for it before it existed knew nothing of the flow it belongs to.
            after.correlation_id = submission.correlation_id;
        }
        let correlation_id = after.correlation_id;
        let portions = before.aggregate.portions(&events);
        let if_short = portions.as_ref().map(|_| before.clone());
        let mut new_events = Vec::with_capacity(events.len());
        for event in events {
            match new_event::<A>(submission, correlation_id, &event) {
                Ok(new) => new_events.push(new),
                Err(error) => return Step::Finished(Err(AppendError::Rejected(error.to_string()).into())),
            }
            after.aggregate.apply(event);
        }
        after.at = Expected {
            sequence: before_at.sequence + new_events.len() as u64,
            event_id: new_events.last().map(|event| event.event_id),
        };
        let receipt = submission.fingerprint.map(|fingerprint| {
            let (status, data) = answers.success(&after.aggregate, after.at.sequence);
            ReceiptDraft { fingerprint, status, data, sequence: after.at.sequence }
        });
        let request = AppendRequest {
            command_id: submission.command_id,
            receipt,
            timers: new_events
                .iter()
                .flat_map(|event| armed_by(submission.aggregate_id, event, &self.deadlines))
                .collect(),
            stream: Some(StreamAppend {
                aggregate_type: A::AGGREGATE_TYPE,
                aggregate_id: submission.aggregate_id,
                expected: before_at,
                events: new_events,
            }),
            portions,
            ticket: Some(entry.take_off()),
        };
        let pending = match self.queue.enqueue(request) {
            Ok(pending) => pending,
            Err(error) => return Step::Finished(Err(error.into())),
        };
        *state = Some(after.clone());
        drop(state);
        match outcome(pending).await {
            Ok(AppendOutcome::Appended(appended)) => {
                self.snapshots.consider(A::AGGREGATE_TYPE, submission.aggregate_id, before_at.sequence, &after);
                Step::Finished(Ok(Handled::Done(Done {
                    aggregate: after.aggregate,
                    sequence: after.at.sequence,
                    position: appended.position,
                    correlation_id,
                    is_news: true,
                })))
            }
            Ok(AppendOutcome::ReceiptFound(receipt)) => Step::Finished(Ok(Handled::Replayed(receipt))),
            Ok(AppendOutcome::Conflict) => Step::LostRace,
            Ok(AppendOutcome::ShortOfPortions) => match if_short.zip(A::short_of_portions()) {
                // The log has just found the state that this was decided on to be the newest.
                Some((known, error)) => {
                    self.conclude(known, Err(CommandError::Refused(error)), submission, answers).await
                }
                None => Step::Finished(Err(AppendError::Rejected("it takes no portions".to_owned()).into())),
            },
            Err(error) => Step::Finished(Err(error.into())),
        }
    }

    /// Answers a command that changes nothing: done before, or refused. Its receipt, if it leaves one, decides whether
    /// it is a repetition.
    async fn conclude(
        &self,
        loaded: Loaded<A>,
        decision: Result<(), CommandError<A::Error>>,
        submission: &Submission<A::Action>,
        answers: &dyn Answers<A>,
    ) -> Step<A> {
        let mut position = None;
        if let Some(fingerprint) = submission.fingerprint {
            let answer = match &decision {
                Ok(()) => Some(answers.success(&loaded.aggregate, loaded.at.sequence)),
                Err(CommandError::Refused(error)) => {
                    answers.refusal(error, loaded.at.sequence).map(|(status, data)| (Some(status), Some(data)))
                }
                Err(_) => None,
            };
            let found = match answer {
                Some((status, data)) => {
                    let request = AppendRequest {
                        command_id: submission.command_id,
                        receipt: Some(ReceiptDraft { fingerprint, status, data, sequence: loaded.at.sequence }),
                        stream: None,
                        timers: Vec::new(),
                        portions: None,
                        ticket: None,
                    };
                    match self.queue.append(request).await {
                        Ok(AppendOutcome::ReceiptFound(receipt)) => Some(receipt),
                        Ok(AppendOutcome::Appended(appended)) => {
                            position = Some(appended.position);
                            None
                        }
                        Ok(AppendOutcome::Conflict | AppendOutcome::ShortOfPortions) => return Step::LostRace,
                        Err(error) => return Step::Finished(Err(error.into())),
                    }
                }
                None => match find_receipt(&self.db, submission.command_id).await {
                    Ok(found) => found,
                    Err(error) => return Step::Finished(Err(error.into())),
                },
            };
            if let Some(receipt) = found {
                return Step::Finished(Ok(Handled::Replayed(receipt)));
            }
        }
        if let Err(error) = decision {
            return Step::Finished(Err(error));
        }
        let position = match position {
            Some(position) => Ok(position),
            None => self.queue.horizon().look().await,
        };
        Step::Finished(position.map_err(CommandError::from).map(|position| {
            Handled::Done(Done {
                aggregate: loaded.aggregate,
                sequence: loaded.at.sequence,
                position,
                correlation_id: loaded.correlation_id,
                is_news: false,
            })
        }))
    }
}

fn nothing<A: EventSourced>(correlation_id: Uuid) -> Loaded<A> {
    Loaded { aggregate: A::default(), at: Expected { sequence: 0, event_id: None }, correlation_id, as_of: 0 }
}

fn advance<A: EventSourced>(loaded: &mut Loaded<A>, events: Vec<RecordedEvent>) -> Result<(), LogError> {
    for event in events {
        loaded.at = Expected { sequence: event.sequence, event_id: Some(event.event_id) };
        loaded.correlation_id = event.correlation_id;
        let known = event.event.as_ref().ok().and_then(A::from_domain_event).cloned();
        loaded.aggregate.apply(known.ok_or_else(|| LogError::Unreadable {
            position: event.position,
            what: "event",
            value: event.event_type.to_string(),
        })?);
    }
    Ok(())
}

fn new_event<A: EventSourced>(
    submission: &Submission<impl Sized>,
    correlation_id: Uuid,
    event: &A::Event,
) -> Result<NewEvent, serde_json::Error> {
    let event = A::to_domain_event(event.clone());
    Ok(NewEvent {
        event_id: Uuid::now_v7(),
        payload: Arc::from(serde_json::to_string(&event)?),
        event,
        occurred_at: submission.intent.now,
        correlation_id,
        causation_id: submission.causation_id,
        actor: submission.intent.actor.clone(),
        metadata: Metadata {
            command_id: submission.command_id,
            request_id: submission.request_id.clone(),
            traceparent: submission.traceparent.clone(),
        },
    })
}

#[cfg(test)]
mod tests;
