//! What an operator does to one letter at once: a trial, or passing it over.

use serde::Serialize;
use shared::{
    domain::{Rejection, RejectionKind},
    log::{LogError, LogReader},
};
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use super::letters::{self, Letter};
use crate::{
    engine::{Models, Standstill, Start, checkpoints},
    operations,
};

/// Letters of one aggregate that a trial takes at most.
const TRIAL_MAX: i64 = 500;

/// Works on single letters. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    db: PgPool,
    log: LogReader,
    models: Models,
}

/// Why an operator cannot do that to a letter.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// There is no such letter.
    #[error("there is no such letter")]
    NotFound,
    /// It was taken or discarded.
    #[error("the letter is not open any more")]
    NotOpen,
    /// An older letter of its aggregate or flow has to go first.
    #[error("the letter waits behind an older one; redrive or discard that one first")]
    Waits,
    /// What a process manager would do cannot be tried without doing it.
    #[error(
        "what a process manager does cannot be taken back: its commands append events and ask banks; look at the letter, \
         then redrive it, which does nothing twice"
    )]
    NoTrial,
    /// Nothing matched.
    #[error("no letter that could be redriven matches")]
    NothingSelected,
    /// A redrive of that queue has not ended.
    #[error("another redrive of this queue has not ended")]
    RedriveOpen,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl LetterError {
    /// The rule that forbids it; none for faults of the machine.
    pub fn rejection(&self) -> Option<&dyn Rejection> {
        match self {
            Self::Database(_) | Self::Log(_) => None,
            Self::NotFound
            | Self::NotOpen
            | Self::Waits
            | Self::NoTrial
            | Self::NothingSelected
            | Self::RedriveOpen => Some(self),
        }
    }
}

impl Rejection for LetterError {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::NotOpen
            | Self::Waits
            | Self::NoTrial
            | Self::NothingSelected
            | Self::RedriveOpen
            | Self::Database(_)
            | Self::Log(_) => RejectionKind::Rule,
        }
    }

    fn rule(&self) -> &'static str {
        match self {
            Self::NotFound => "letter_not_found",
            Self::NotOpen => "letter_not_open",
            Self::Waits => "letter_waits",
            Self::NoTrial => "trial_unsupported",
            Self::NothingSelected => "nothing_selected",
            Self::RedriveOpen => "redrive_open",
            Self::Database(_) | Self::Log(_) => "unavailable",
        }
    }
}

/// What would become of a letter and of what waits behind it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TriedLetter {
    /// The letters that would be taken.
    pub taken: u64,
    /// Those that would go on waiting.
    pub left: u64,
    /// The position of the event that would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refused_at: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<String>,
}

/// A letter that is passed over from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Discarded {
    /// Letters that waited behind it and are free to go on; none if an older one still holds them up.
    pub freed: u64,
}

impl Desk {
    /// A desk over these read models.
    pub fn new(db: PgPool, log: LogReader, models: Models) -> Self {
        Self { db, log, models }
    }

    /// Folds the queue of the letter's aggregate in a transaction that is rolled back.
    pub async fn try_letter(&self, id: Uuid) -> Result<TriedLetter, LetterError> {
        let letter = self.open(id).await?;
        let model = self.models.get(&letter.queue_name).ok_or(LetterError::NoTrial)?;
        let queue = self.queue_of(&letter).await?;
        let events = self.log.at(&queue).await?;
        let mut standstill = Standstill::default();
        let mut tx = self.db.begin().await?;
        let folded = model.fill(&self.db, &mut tx, &events, Start::Stored, &mut standstill).await;
        tx.rollback().await?;
        folded?;
        let refusal = standstill.stopped.remove(&letter.aggregate_id);
        let taken =
            queue.iter().take_while(|position| refusal.as_ref().is_none_or(|refusal| **position < refusal.position));
        let taken = taken.count() as u64;
        Ok(TriedLetter {
            taken,
            left: queue.len() as u64 - taken,
            refused_at: refusal.as_ref().map(|refusal| refusal.position),
            error: refusal.map(|refusal| refusal.error),
        })
    }

    /// Has a letter passed over for good. Whoever folds anew passes over the same event.
    pub async fn discard(&self, id: Uuid, actor: &str, reason: &str) -> Result<Discarded, LetterError> {
        let letter = self.open(id).await?;
        let mut tx = self.db.begin().await?;
        // No owner is just taking it: what it folds, it commits with this lock.
        checkpoints::lock(&mut tx, &letter.queue_name).await?;
        let discarded = sqlx::query(
            "UPDATE dead_letters SET status = 'DISCARDED', next_retry_at = NULL
             WHERE id = $1 AND status IN ('PENDING', 'PARKED', 'BLOCKED')",
        );
        if discarded.bind(id).execute(&mut *tx).await?.rows_affected() == 0 {
            return Err(LetterError::NotOpen);
        }
        // What is open and not blocked holds the others up as before.
        let freed: i64 = sqlx::query_scalar(
            "
            SELECT CASE WHEN bool_or(status <> 'BLOCKED') THEN 0 ELSE count(*) END
            FROM dead_letters
            WHERE queue_name = $1 AND aggregate_id = $2 AND status IN ('PENDING', 'PARKED', 'BLOCKED')
            ",
        )
        .bind(&letter.queue_name)
        .bind(letter.aggregate_id)
        .fetch_one(&mut *tx)
        .await?;
        operations::act(&mut tx, actor, "discard", (&id.to_string(), None), reason).await?;
        tx.commit().await?;
        tracing::warn!(
            event = "dead_letter_discarded",
            handler = letter.queue_name,
            position = letter.position,
            actor,
            "discarded"
        );
        Ok(Discarded { freed: freed as u64 })
    }

    async fn open(&self, id: Uuid) -> Result<Letter, LetterError> {
        let letter = letters::find(&self.db, id).await?.ok_or(LetterError::NotFound)?;
        if letter.status.is_open() { Ok(letter) } else { Err(LetterError::NotOpen) }
    }

    /// The positions of the letters of one aggregate, the oldest first.
    async fn queue_of(&self, letter: &Letter) -> Result<Vec<u64>, sqlx::Error> {
        let rows = sqlx::query(
            "
            SELECT position FROM dead_letters
            WHERE queue_name = $1 AND aggregate_id = $2 AND status IN ('PENDING', 'PARKED', 'BLOCKED')
            ORDER BY position
            LIMIT $3
            ",
        )
        .bind(&letter.queue_name)
        .bind(letter.aggregate_id)
        .bind(TRIAL_MAX)
        .fetch_all(&self.db)
        .await?;
        rows.iter().map(|row| row.try_get::<i64, _>("position").map(|position| position as u64)).collect()
    }
}
