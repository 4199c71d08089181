//! What an operation's kind has to be able to do: bounded steps, each durable by itself.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use shared::log::LogError;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::table;

/// The work of one operation in one process. Where it stands is in tables, not in here: another process may go on.
#[async_trait]
pub trait Job: Send {
    /// Does a bounded part of the work and makes it durable.
    async fn step(&mut self, run: &Run) -> Result<Step, JobError>;

    /// Clears away what was begun, because it was called off or cannot end. May be called more than once.
    async fn clear(&mut self, run: &Run) -> Result<(), JobError>;
}

/// What a step led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// There is more to do.
    More(Progress),
    /// There is more to do, but not at once.
    Rest(Progress, Duration),
    /// A person has to decide; what is known so far is the result.
    Ask(Progress, Value),
    /// The work is done; this came of it.
    Done(Progress, Value),
}

/// How far the work is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// What is being done.
    pub stage: String,
    /// Units done.
    pub done: u64,
    /// Units in all, if that is known.
    pub total: Option<u64>,
}

/// Why a step did not lead anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Trying again may help.
    #[error("{0}")]
    Again(String),
    /// It will not.
    #[error("{0}")]
    Failed(String),
}

impl From<sqlx::Error> for JobError {
    fn from(error: sqlx::Error) -> Self {
        Self::Again(error.to_string())
    }
}

impl From<LogError> for JobError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Database(error) => error.into(),
            LogError::Unreadable { .. } | LogError::EndsEarly { .. } => Self::Failed(error.to_string()),
        }
    }
}

/// A process's hold on an operation.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where operations live.
    pub db: PgPool,
    /// The operation.
    pub id: Uuid,
    /// The hold; a later one has a higher number.
    pub epoch: i64,
    /// What the operation is about.
    pub subject: String,
    /// What it was told; read anew with every claim.
    pub input: Value,
}

impl Run {
    /// Makes sure, until the transaction ends, that no other process holds the operation. Meanwhile its operator is not
    /// heard: what takes long is fenced last.
    pub async fn fence(&self, tx: &mut PgConnection) -> Result<(), JobError> {
        match table::is_held(tx, self.id, self.epoch).await? {
            true => Ok(()),
            false => Err(JobError::Again("another process goes on with it".to_owned())),
        }
    }

    /// The same in a transaction of its own, for one whose snapshot is too old to be fenced.
    pub async fn hold(&self) -> Result<Transaction<'static, Postgres>, JobError> {
        let mut tx = self.db.begin().await?;
        self.fence(&mut tx).await?;
        Ok(tx)
    }

    /// Keeps what the job has to know to go on; it stands in the input of the next claim.
    pub async fn remember(&self, known: &Value) -> Result<(), JobError> {
        Ok(table::set_input(&self.db, self.id, known).await?)
    }

    /// Adds to what went wrong; the work goes on.
    pub async fn note(&self, error: &str) -> Result<(), JobError> {
        Ok(table::note_error(&self.db, self.id, error).await?)
    }
}
