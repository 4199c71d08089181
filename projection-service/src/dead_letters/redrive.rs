//! A redrive: a frozen selection of letters, asked for in chunks and watched until each has come to something.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::runtime::Clock;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::{LetterError, LetterFilter};
use crate::operations::{
    self, CreateError, Job, JobError, NewOperation, Operation, OperationKind, Progress, Run, Step,
};

/// Letters that are asked for and have come to nothing yet, at most.
const IN_HAND_MAX: i64 = 100;
/// Letters of one redrive. More are left for the next.
const SELECTION_MAX: i64 = 100_000;
/// How often the letters in hand are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a redrive is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedriveInput {
    /// Which letters; the selection is frozen when the redrive is made.
    pub filter: LetterFilter,
    /// Letters a second at most.
    pub rate_per_s: u32,
}

/// Makes a redrive: selection and operation in one transaction.
pub async fn start(db: &PgPool, input: &RedriveInput, actor: &str, reason: &str) -> Result<Operation, LetterError> {
    let new = NewOperation {
        kind: OperationKind::Redrive,
        subject: input.filter.queue.clone().unwrap_or_else(|| "all queues".to_owned()),
        input: serde_json::to_value(input).map_err(|error| sqlx::Error::Encode(error.into()))?,
        actor: actor.to_owned(),
        reason: reason.to_owned(),
    };
    let mut tx = db.begin().await?;
    let operation = operations::create_in(&mut tx, &new).await.map_err(|error| match error {
        CreateError::Open => LetterError::RedriveOpen,
        CreateError::Database(error) => error.into(),
    })?;
    let selected = select(&mut tx, operation.id, &input.filter).await?;
    if selected == 0 {
        return Err(LetterError::NothingSelected);
    }
    let operation = operations::set_total(&mut tx, operation.id, selected).await?;
    tx.commit().await?;
    Ok(operation)
}

/// Letters that wait behind others are not selected: they follow by themselves.
async fn select(tx: &mut PgConnection, id: Uuid, filter: &LetterFilter) -> Result<u64, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(
        "INSERT INTO operation_letters (operation_id, ordinal, letter_id)
         SELECT ",
    );
    query.push_bind(id).push(
        ", row_number() OVER (ORDER BY l.position, l.id), l.id FROM dead_letters l
         WHERE l.status IN ('PENDING', 'PARKED')",
    );
    filter.push(&mut query);
    query.push(" ORDER BY l.position, l.id LIMIT ").push_bind(SELECTION_MAX);
    Ok(query.build().execute(tx).await?.rows_affected())
}

/// The job of a redrive.
pub struct Redrive {
    clock: Clock,
    rate_per_s: u32,
    began: Instant,
    asked: u64,
}

/// How the selection stands.
struct Counts {
    total: i64,
    done: i64,
    in_hand: i64,
    result: Value,
}

impl Redrive {
    /// The job; `clock` dates the retries that it asks for.
    pub fn new(clock: Clock, run: &Run) -> Result<Self, JobError> {
        let input: RedriveInput =
            serde_json::from_value(run.input.clone()).map_err(|error| JobError::Failed(error.to_string()))?;
        Ok(Self { clock, rate_per_s: input.rate_per_s.max(1), began: Instant::now(), asked: 0 })
    }

    /// As many as the rate leaves, since this process began.
    fn allowed(&self) -> i64 {
        let due = (self.began.elapsed().as_secs_f64() * f64::from(self.rate_per_s)) as u64 + 1;
        due.saturating_sub(self.asked) as i64
    }
}

#[async_trait]
impl Job for Redrive {
    async fn step(&mut self, run: &Run) -> Result<Step, JobError> {
        let mut tx = run.db.begin().await?;
        run.fence(&mut tx).await?;
        let failed = look(&mut tx, run.id).await?;
        let counts = count(&mut tx, run.id).await?;
        let room = (IN_HAND_MAX - counts.in_hand).min(self.allowed()).max(0);
        let asked = if room > 0 { ask(&mut tx, run.id, room, self.clock.now()).await? } else { 0 };
        tx.commit().await?;
        self.asked += asked;
        for error in failed {
            run.note(&error).await?;
        }
        let progress =
            Progress { stage: "redriving".to_owned(), done: counts.done as u64, total: Some(counts.total as u64) };
        if counts.done == counts.total {
            return Ok(Step::Done(progress, counts.result));
        }
        Ok(Step::Rest(progress, LOOK_EVERY))
    }

    /// What was asked for is tried once more by its handler and then counts as before.
    async fn clear(&mut self, _: &Run) -> Result<(), JobError> {
        Ok(())
    }
}

/// Writes down what became of the letters in hand; says what went wrong.
async fn look(tx: &mut PgConnection, id: Uuid) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "
        UPDATE operation_letters o
        SET outcome = CASE l.status WHEN 'REDRIVEN' THEN 'REDRIVEN' WHEN 'DISCARDED' THEN 'SKIPPED'
                                    -- A swap has stopped earlier in the stream: it is not the oldest any more.
                                    WHEN 'BLOCKED' THEN 'SKIPPED' ELSE 'FAILED' END
        FROM dead_letters l
        WHERE o.operation_id = $1 AND o.outcome IS NULL AND o.asked_at_retry IS NOT NULL AND l.id = o.letter_id
          AND (l.status IN ('REDRIVEN', 'DISCARDED', 'BLOCKED') OR l.retry_count > o.asked_at_retry)
        RETURNING o.outcome, l.queue_name, l.position, l.error_message
        ",
    )
    .bind(id)
    .fetch_all(tx)
    .await?;
    let mut failed = Vec::new();
    for row in rows.iter().filter(|row| row.try_get::<&str, _>("outcome").is_ok_and(|outcome| outcome == "FAILED")) {
        let (queue, error): (&str, &str) = (row.try_get("queue_name")?, row.try_get("error_message")?);
        failed.push(format!("{queue} {}: {error}", row.try_get::<i64, _>("position")?));
    }
    Ok(failed)
}

async fn count(tx: &mut PgConnection, id: Uuid) -> Result<Counts, sqlx::Error> {
    let row = sqlx::query(
        "
        SELECT count(*) AS total, count(outcome) AS done,
               count(*) FILTER (WHERE outcome IS NULL AND asked_at_retry IS NOT NULL) AS in_hand,
               count(*) FILTER (WHERE outcome = 'REDRIVEN') AS redriven,
               count(*) FILTER (WHERE outcome = 'FAILED') AS failed,
               count(*) FILTER (WHERE outcome = 'SKIPPED') AS skipped
        FROM operation_letters
        WHERE operation_id = $1
        ",
    )
    .bind(id)
    .fetch_one(tx)
    .await?;
    let number = |name: &str| row.try_get::<i64, _>(name);
    let result = json!({
        "selected": number("total")?, "redriven": number("redriven")?,
        "failed": number("failed")?, "skipped": number("skipped")?,
    });
    Ok(Counts { total: number("total")?, done: number("done")?, in_hand: number("in_hand")?, result })
}

/// Makes the next letters due. One that is not open any more is skipped: somebody else has seen to it.
async fn ask(
    tx: &mut PgConnection,
    id: Uuid,
    limit: i64,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<u64, sqlx::Error> {
    let asked = sqlx::query(
        "
        WITH next AS (
            SELECT o.ordinal, o.letter_id FROM operation_letters o
            WHERE o.operation_id = $1 AND o.outcome IS NULL AND o.asked_at_retry IS NULL
            ORDER BY o.ordinal LIMIT $2
        ), due AS (
            UPDATE dead_letters l SET status = 'PENDING', next_retry_at = $3
            FROM next WHERE l.id = next.letter_id AND l.status IN ('PENDING', 'PARKED')
            RETURNING l.id, l.retry_count
        )
        UPDATE operation_letters o
        SET asked_at_retry = coalesce(due.retry_count, 0), outcome = CASE WHEN due.id IS NULL THEN 'SKIPPED' END
        FROM next LEFT JOIN due ON due.id = next.letter_id
        WHERE o.operation_id = $1 AND o.ordinal = next.ordinal
        ",
    )
    .bind(id)
    .bind(limit)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(asked.rows_affected())
}
