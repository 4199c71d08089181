//! Copies of dead letters in the JetStream stream DEAD_LETTERS, for any NATS tool to look at. The table is the truth.

use async_nats::{
    HeaderMap,
    jetstream::{Context, message::PublishMessage, stream},
};
use chrono::{DateTime, SecondsFormat, Utc};
use shared::{
    follow::cloud_event::to_headers,
    log::{LogReader, Position},
    runtime::BoxError,
    subjects::Names,
};
use sqlx::{PgPool, Row};

/// Copies published in one go.
const BATCH: i64 = 100;
const DEFINITION: &str = include_str!("../../../nats/dead_letters.json");

/// Publishes what is not published yet; how many. Twice is harmless: the message id is the letter's state.
pub async fn publish_missing(
    db: &PgPool,
    log: &LogReader,
    jetstream: &Context,
    names: &Names,
    queue: &str,
) -> Result<usize, BoxError> {
    let letters = unpublished(db, queue).await?;
    if letters.is_empty() {
        return Ok(0);
    }
    jetstream.get_or_create_stream(definition(names)?).await?;
    for letter in &letters {
        let Some(event) = log.page(letter.position - 1, 1).await?.pop() else { continue };
        let subject = names.dead_letter(queue, event.aggregate_type, event.aggregate_id);
        let message = PublishMessage::build()
            .headers(letter.headers(queue, to_headers(names, &event)))
            .payload(event.payload.as_bytes().to_vec().into())
            .message_id(format!("{queue}-{}-{}-{}", letter.position, letter.status, letter.retry_count));
        jetstream.send_publish(subject, message).await?.await?;
        mark_published(db, queue, letter.position).await?;
    }
    Ok(letters.len())
}

/// Queues of other services that have letters to be copied: whoever has NATS at hand copies for all.
pub async fn queues_of_others(db: &PgPool, own: &[&str]) -> Result<Vec<String>, sqlx::Error> {
    let queues = sqlx::query_scalar(
        "SELECT DISTINCT queue_name FROM dead_letters
         WHERE published_at IS NULL AND status IN ('PENDING', 'PARKED') AND queue_name <> ALL ($1)",
    );
    queues.bind(own.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).fetch_all(db).await
}

struct Copy {
    position: Position,
    status: String,
    error: String,
    retry_count: i32,
    redrives: i32,
    first_failed_at: DateTime<Utc>,
    last_failed_at: DateTime<Utc>,
}

impl Copy {
    fn headers(&self, queue: &str, mut headers: HeaderMap) -> HeaderMap {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        // An error text may hold anything; a header holds one line.
        let error: String = self.error.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1_000).collect();
        headers.insert("homefood-dlq-handler", queue);
        headers.insert("homefood-dlq-status", self.status.as_str());
        headers.insert("homefood-dlq-error", error.as_str());
        headers.insert("homefood-dlq-attempts", (self.retry_count + 1).to_string().as_str());
        headers.insert("homefood-dlq-first-failed-at", time(self.first_failed_at).as_str());
        headers.insert("homefood-dlq-last-failed-at", time(self.last_failed_at).as_str());
        headers.insert("homefood-dlq-position", self.position.to_string().as_str());
        headers.insert("homefood-dlq-redrives", self.redrives.to_string().as_str());
        headers
    }
}

async fn unpublished(db: &PgPool, queue: &str) -> Result<Vec<Copy>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT position, status, error_message, retry_count, redrives, first_failed_at, last_failed_at
        FROM dead_letters
        WHERE queue_name = $1 AND published_at IS NULL AND status IN ('PENDING', 'PARKED')
        ORDER BY position
        LIMIT $2
        ",
    )
    .bind(queue)
    .bind(BATCH)
    .fetch_all(db)
    .await?;
    let copy = |row: &sqlx::postgres::PgRow| {
        Ok(Copy {
            position: row.try_get::<i64, _>("position")? as Position,
            status: row.try_get("status")?,
            error: row.try_get("error_message")?,
            retry_count: row.try_get("retry_count")?,
            redrives: row.try_get("redrives")?,
            first_failed_at: row.try_get("first_failed_at")?,
            last_failed_at: row.try_get("last_failed_at")?,
        })
    };
    rows.iter().map(copy).collect()
}

async fn mark_published(db: &PgPool, queue: &str, position: Position) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE dead_letters SET published_at = now() WHERE queue_name = $1 AND position = $2")
        .bind(queue)
        .bind(position as i64)
        .execute(db)
        .await?;
    Ok(())
}

/// The stream as `nats/` defines it.
fn definition(names: &Names) -> Result<stream::Config, serde_json::Error> {
    let mut config: stream::Config = serde_json::from_str(DEFINITION)?;
    config.name = names.dead_letters_stream();
    config.subjects = config.subjects.iter().map(|subject| names.subject(subject)).collect();
    Ok(config)
}
