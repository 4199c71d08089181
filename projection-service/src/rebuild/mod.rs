//! Rebuilding a projection without disturbing anybody: a new generation of its tables is filled beside the live ones,
//! compared with them, and takes their place in one transaction. The old one is kept and can come back.
//!
//! ```text
//! begin ─▶ replay ─▶ index ─▶ catch up ─▶ verify ─▶ swap
//!          (whole streams,    (in order of    │ a difference: a person decides
//!           any process       the log)        ▼
//!           goes on)                        paused
//! ```
//!
//! The live tables are always those in `public`. The generation's own are reached by a search path, so the projection's
//! statements fill them unchanged. What is filled and how far it is commit together.

mod audit;
mod audit_job;
mod bulk;
mod compare;
mod generations;
mod job;
mod refusals;
mod swap;
mod telling;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;

use shared::{
    log::LogReader,
    runtime::{Clock, Metrics, settings::DomainSettings},
};
use sqlx::PgPool;

pub use audit::{Audit, HealError};
pub use audit_job::AuditJob;
pub(crate) use audit_job::report;
pub use compare::Difference;
pub use generations::{GenerationState, GenerationView, forget, list};
pub use job::{Rebuild, RebuildInput, SwapWhen};
pub(crate) use refusals::discarded;

use crate::engine::{LetterPolicy, Models};

/// What rebuilds and audits work with.
#[derive(Clone)]
pub struct RebuildParts {
    /// Where the live tables are.
    pub db: PgPool,
    /// The log.
    pub log: LogReader,
    /// The projections.
    pub models: Models,
    /// Dates letters, and tells what the feed still keeps.
    pub clock: Clock,
    /// For letters of what a new generation refuses.
    pub letters: LetterPolicy,
    /// Tells how far rebuilds are.
    pub metrics: Arc<Metrics>,
    /// What the feed keeps and the auditor judges by.
    pub domain: DomainSettings,
    /// Events in memory at a time, twice: one page is folded while the next is read.
    pub page_events: u32,
}
