//! One relay at a time: whoever holds an advisory lock of the log's database. The lock lives and dies with a session.

use std::time::Duration;

use shared::log::Position;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::leader::{Office, resign, session};

/// A session that does not answer within this time is lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// A session of its own that tries for the lock, and keeps it.
pub(super) struct Candidate {
    session: PgConnection,
}

impl Candidate {
    pub(super) async fn new(database: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        let session = in_time(PgConnection::connect_with(&session(database, "homefood relay"))).await?;
        Ok(Self { session })
    }

    /// Takes the lock if nobody holds it.
    pub(super) async fn try_to_lead(&mut self) -> Result<bool, sqlx::Error> {
        let taken = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(Office::Relay as i64)
            .fetch_one(&mut self.session);
        in_time(taken).await
    }

    /// Asks for the head of the log: only a session that lives, and so still holds its lock, can answer.
    pub(super) async fn head(&mut self) -> Result<Position, sqlx::Error> {
        let head: i64 =
            in_time(sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&mut self.session)).await?;
        Ok(head as Position)
    }

    /// Lets the next one take over at once instead of when the server notices.
    pub(super) async fn resign(self) {
        if let Err(error) = in_time(resign(self.session)).await {
            tracing::debug!(%error, "the relay's session was gone already");
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}
