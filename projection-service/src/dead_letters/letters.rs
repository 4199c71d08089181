//! What is asked of the table of dead letters.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::log::Position;
use sqlx::{PgPool, Postgres, QueryBuilder, Row, postgres::PgRow, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::history::strip;

/// Where a letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LetterQueueStatus {
    /// It is tried again by itself.
    Pending,
    /// It waits for a person.
    Parked,
    /// It waits behind an older letter.
    Blocked,
    /// It was taken after all.
    Redriven,
    /// A person had it passed over.
    Discarded,
}

impl LetterQueueStatus {
    const ALL: [Self; 5] = [Self::Pending, Self::Parked, Self::Blocked, Self::Redriven, Self::Discarded];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Parked => "PARKED",
            Self::Blocked => "BLOCKED",
            Self::Redriven => "REDRIVEN",
            Self::Discarded => "DISCARDED",
        }
    }

    /// Whether something is still to be done about it.
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Parked | Self::Blocked => true,
            Self::Redriven | Self::Discarded => false,
        }
    }
}

/// Which letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LetterFilter {
    /// Of this queue: a projection, or `process_managers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "orders")]
    pub queue: Option<String>,
    /// That stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status: Option<LetterQueueStatus>,
    /// Of this cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fingerprint: Option<String>,
    /// Of this aggregate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub aggregate_id: Option<Uuid>,
    /// This one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
}

impl LetterFilter {
    /// Adds its conditions to a statement over `dead_letters l` that has a WHERE.
    pub(super) fn push(&self, query: &mut QueryBuilder<'_, Postgres>) {
        if let Some(queue) = &self.queue {
            query.push(" AND l.queue_name = ").push_bind(queue.clone());
        }
        if let Some(status) = self.status {
            query.push(" AND l.status = ").push_bind(status.as_str());
        }
        if let Some(fingerprint) = &self.fingerprint {
            query.push(" AND l.fingerprint = ").push_bind(fingerprint.clone());
        }
        if let Some(aggregate_id) = self.aggregate_id {
            query.push(" AND l.aggregate_id = ").push_bind(aggregate_id);
        }
        if let Some(id) = self.id {
            query.push(" AND l.id = ").push_bind(id);
        }
    }
}

/// An event that a handler could not take.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Letter {
    /// The letter.
    pub id: Uuid,
    /// Whose queue it is in.
    #[schema(example = "orders")]
    pub queue_name: String,
    /// The event's type.
    #[schema(example = "order_paid")]
    pub message_type: String,
    /// What the event says, without personal data.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// Where it stands.
    pub status: LetterQueueStatus,
    /// What went wrong last.
    pub error_message: String,
    /// What the program says of it.
    pub error_traceback: String,
    /// The same for all letters of one cause.
    pub fingerprint: String,
    /// How often it was tried again, by itself or because an operator asked for it: it may exceed `max_retries`.
    pub retry_count: i32,
    /// How often it is tried again by itself before it waits for a person.
    pub max_retries: i32,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_retry_at: Option<DateTime<Utc>>,
    /// When it failed first.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed last.
    pub last_failed_at: DateTime<Utc>,
    /// How often it was taken after all.
    pub redrives: i32,
    /// The event's position in the log.
    pub position: Position,
    /// The kind of its stream.
    #[schema(example = "order")]
    pub aggregate_type: String,
    /// Its stream.
    pub aggregate_id: Uuid,
    /// Its place in the stream.
    pub sequence: u64,
    /// The event.
    pub event_id: Uuid,
    /// The business flow it belongs to.
    pub correlation_id: Uuid,
    /// What caused it.
    pub causation_id: Uuid,
    /// The trace in which it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub traceparent: Option<String>,
}

/// Letters of one cause.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LetterGroup {
    /// Names the cause.
    pub fingerprint: String,
    /// Whose queue they are in.
    pub queue_name: String,
    /// The type of their events.
    pub message_type: String,
    /// What one of them says.
    pub error_message: String,
    /// How many are tried again by themselves.
    pub pending: u64,
    /// How many wait for a person.
    pub parked: u64,
    /// When the first of them failed first.
    pub first_failed_at: DateTime<Utc>,
    /// When the last of them failed last.
    pub last_failed_at: DateTime<Utc>,
    /// One of them.
    pub example_id: Uuid,
}

/// The last letter of the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterPageStart {
    /// Its position.
    pub position: i64,
    /// Its id: two queues may hold one event.
    pub id: Uuid,
}

const LETTER: &str = "SELECT l.id, l.queue_name, l.message_type, l.payload, l.status, l.error_message, \
     l.error_traceback, l.fingerprint, l.retry_count, l.max_retries, l.next_retry_at, l.first_failed_at, \
     l.last_failed_at, l.redrives, l.position, l.aggregate_type, l.aggregate_id, l.sequence, \
     e.event_id, e.correlation_id, e.causation_id, e.metadata->>'traceparent' AS traceparent \
     FROM dead_letters l JOIN events e ON e.position = l.position WHERE true";

/// Letters in order of the log.
pub async fn list(
    db: &PgPool,
    filter: &LetterFilter,
    after: Option<LetterPageStart>,
    limit: i64,
) -> Result<Vec<Letter>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(LETTER);
    filter.push(&mut query);
    if let Some(LetterPageStart { position, id }) = after {
        query.push(" AND (l.position, l.id) > (").push_bind(position).push(", ").push_bind(id).push(")");
    }
    query.push(" ORDER BY l.position, l.id LIMIT ").push_bind(limit);
    query.build().fetch_all(db).await?.iter().map(read).collect()
}

/// One letter.
pub async fn find(db: &PgPool, id: Uuid) -> Result<Option<Letter>, sqlx::Error> {
    let filter = LetterFilter { id: Some(id), ..LetterFilter::default() };
    Ok(list(db, &filter, None, 1).await?.pop())
}

/// The causes of what is open, the most frequent first. What only waits behind others has no cause of its own.
pub async fn groups(db: &PgPool, queue: Option<&str>, limit: i64) -> Result<Vec<LetterGroup>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT fingerprint, queue_name, message_type, min(error_message) AS error_message,
               count(*) FILTER (WHERE status = 'PENDING') AS pending, count(*) FILTER (WHERE status = 'PARKED') AS parked,
               min(first_failed_at) AS first_failed_at, max(last_failed_at) AS last_failed_at,
               (array_agg(id ORDER BY position))[1] AS example_id
        FROM dead_letters
        WHERE status IN ('PENDING', 'PARKED') AND ($1::text IS NULL OR queue_name = $1)
        GROUP BY fingerprint, queue_name, message_type
        ORDER BY count(*) DESC, fingerprint
        LIMIT $2
        ",
    )
    .bind(queue)
    .bind(limit)
    .fetch_all(db)
    .await?;
    let group = |row: &PgRow| {
        Ok(LetterGroup {
            fingerprint: row.try_get("fingerprint")?,
            queue_name: row.try_get("queue_name")?,
            message_type: row.try_get("message_type")?,
            error_message: row.try_get("error_message")?,
            pending: row.try_get::<i64, _>("pending")? as u64,
            parked: row.try_get::<i64, _>("parked")? as u64,
            first_failed_at: row.try_get("first_failed_at")?,
            last_failed_at: row.try_get("last_failed_at")?,
            example_id: row.try_get("example_id")?,
        })
    };
    rows.iter().map(group).collect()
}

fn read(row: &PgRow) -> Result<Letter, sqlx::Error> {
    let name: &str = row.try_get("status")?;
    let status = LetterQueueStatus::ALL.into_iter().find(|status| status.as_str() == name);
    let Json(mut payload): Json<Value> = row.try_get("payload")?;
    strip(&mut payload);
    Ok(Letter {
        id: row.try_get("id")?,
        queue_name: row.try_get("queue_name")?,
        message_type: row.try_get("message_type")?,
        payload,
        status: status.ok_or_else(|| sqlx::Error::Decode(format!("a letter is {name:?}").into()))?,
        error_message: row.try_get("error_message")?,
        error_traceback: row.try_get("error_traceback")?,
        fingerprint: row.try_get("fingerprint")?,
        retry_count: row.try_get("retry_count")?,
        max_retries: row.try_get("max_retries")?,
        next_retry_at: row.try_get("next_retry_at")?,
        first_failed_at: row.try_get("first_failed_at")?,
        last_failed_at: row.try_get("last_failed_at")?,
        redrives: row.try_get("redrives")?,
        position: row.try_get::<i64, _>("position")? as Position,
        aggregate_type: row.try_get("aggregate_type")?,
        aggregate_id: row.try_get("aggregate_id")?,
        sequence: row.try_get::<i64, _>("sequence")? as u64,
        event_id: row.try_get("event_id")?,
        correlation_id: row.try_get("correlation_id")?,
        causation_id: row.try_get("causation_id")?,
        traceparent: row.try_get("traceparent")?,
    })
}
