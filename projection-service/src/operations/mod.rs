//! Long acts of operators: durable, one worker at a time, paused, resumed and cancelled from outside, gone on with by
//! another process after a kill.
//!
//! ```text
//! planned ─▶ running ─▶ succeeded
//!              │  ▲ └──▶ failed
//!              ▼  │
//!             paused ──▶ cancelled
//! ```

mod audit;
mod job;
mod table;
#[cfg(test)]
mod tests;
mod worker;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub use audit::{LOG, LogAudit};
pub use job::{Job, JobError, Progress, Run, Step};
pub use table::{
    CreateError, NewOperation, act, ask, create, create_in, find, list, open_about, set_input, set_total, sweep,
};
pub use worker::{MakeJob, Worker};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Folds a projection anew beside the live tables, verifies and swaps.
    Rebuild,
    /// Brings a replaced generation up to date and swaps it back.
    Rollback,
    /// Compares every row with a fold of its stream.
    Verify,
    /// Has dead letters tried again.
    Redrive,
    /// Judges the whole log by the invariants of the business.
    Audit,
}

impl OperationKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rebuild, Self::Rollback, Self::Verify, Self::Redrive, Self::Audit];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Rollback => "rollback",
            Self::Verify => "verify",
            Self::Redrive => "redrive",
            Self::Audit => "audit",
        }
    }
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Nobody has begun.
    Planned,
    /// Somebody works on it, or will go on with it when its lease has ended.
    Running,
    /// It waits for a person.
    Paused,
    /// It came to its end.
    Succeeded,
    /// It cannot come to its end; what it had begun was cleared away.
    Failed,
    /// A person called it off; what it had begun was cleared away.
    Cancelled,
}

impl OperationState {
    const ALL: [Self; 6] = [Self::Planned, Self::Running, Self::Paused, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will happen any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Planned | Self::Running | Self::Paused => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// What a person wants of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// That it goes on.
    Run,
    /// That it rests.
    Pause,
    /// That it ends and leaves nothing behind.
    Cancel,
}

impl Wanted {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Cancel => "cancel",
        }
    }

    fn from_name(name: &str) -> Self {
        [Self::Pause, Self::Cancel].into_iter().find(|wanted| wanted.as_str() == name).unwrap_or(Self::Run)
    }
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OperationProgress {
    /// What it does at present.
    #[schema(example = "replay")]
    pub stage: String,
    /// Units done: events, rows or letters.
    #[schema(example = 420_000)]
    pub done: u64,
    /// Units in all, once they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1_000_000)]
    pub total: Option<u64>,
    /// Units a second, of late.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rate_per_s: Option<f64>,
    /// Seconds to go at that rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub eta_s: Option<f64>,
}

/// A long act of an operator.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Operation {
    /// The operation.
    pub id: Uuid,
    /// What it does.
    pub kind: OperationKind,
    /// What it is about: a projection, a queue of dead letters, or the log.
    #[schema(example = "orders")]
    pub subject: String,
    /// Where it stands.
    pub state: OperationState,
    /// How far it is.
    pub progress: OperationProgress,
    /// Who asked for it.
    #[schema(example = "admin:01900000-0000-7000-8000-000000000003")]
    pub started_by: String,
    /// Why.
    pub reason: String,
    /// What went wrong, the first twenty.
    pub errors: Vec<String>,
    /// How much went wrong.
    pub errors_total: u64,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Object)]
    pub result: Option<Value>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last moved.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub finished_at: Option<DateTime<Utc>>,
    /// What it was told when it was made.
    #[serde(skip)]
    pub input: Value,
}
