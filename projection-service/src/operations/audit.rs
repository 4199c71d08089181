//! The audit of the whole log as an operation: every event is judged by the invariants of the business.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::{
    domain::invariants::{Auditor, LawReport},
    log::{LogReader, Position, audit},
    runtime::{Metrics, metrics::Invariant},
};

use super::job::{Job, JobError, Progress, Run, Step};
use crate::rebuild::RebuildParts;

/// What such an operation is about.
pub const LOG: &str = "log";

/// Events that are judged between two looks at what the operator wants.
const STEP_EVENTS: Position = 20_000;
/// Violations that are told one by one.
const NAMED_MAX: usize = 20;

/// Judges the log up to where it was when the work began. What it knows of the log is in memory alone, so whoever goes
/// on with it, after a kill or a pause, begins anew.
pub struct LogAudit {
    log: LogReader,
    metrics: Arc<Metrics>,
    auditor: Auditor,
    position: Position,
    head: Option<Position>,
}

impl LogAudit {
    /// The job; it needs nothing from its operation.
    pub fn new(parts: &RebuildParts) -> Self {
        let auditor = Auditor::with_payable_min(parts.domain.order_payable_min_minor);
        Self { log: parts.log.clone(), metrics: Arc::clone(&parts.metrics), auditor, position: 0, head: None }
    }

    /// Names what was found, and raises the alarm.
    async fn tell(&self, run: &Run) -> Result<(), JobError> {
        let report = self.auditor.report();
        for (number, violation) in report.examples().take(NAMED_MAX) {
            let place = violation.position.map_or_else(String::new, |position| format!(" at position {position}"));
            run.note(&format!("invariant {number} is broken{place}: {}", violation.detail)).await?;
        }
        for law in &report.invariants {
            let label = Invariant { n: u32::from(law.number) };
            self.metrics.invariant_violations.get_or_create(&label).inc_by(law.violations);
        }
        if let Some(position) = report.first_offending_position {
            tracing::error!(
                event = "invariants_broken",
                violations = report.violations,
                position,
                "the log is not as it must be"
            );
        }
        Ok(())
    }

    fn result(&self) -> Value {
        let report = self.auditor.report();
        let broken: Vec<&LawReport> = report.invariants.iter().filter(|law| law.violations > 0).collect();
        json!({
            "events": report.events,
            "position": report.position,
            "violations": report.violations,
            "first_offending_position": report.first_offending_position,
            "broken": broken,
        })
    }
}

#[async_trait]
impl Job for LogAudit {
    async fn step(&mut self, run: &Run) -> Result<Step, JobError> {
        let head = match self.head {
            Some(head) => head,
            None => *self.head.insert(self.log.head().await?),
        };
        let end = head.min(self.position + STEP_EVENTS);
        audit(&self.log, &mut self.auditor, end, |_, _| ()).await?;
        self.position = end;
        let progress = Progress { stage: "judging".to_owned(), done: end, total: Some(head) };
        if end < head {
            return Ok(Step::More(progress));
        }
        self.tell(run).await?;
        Ok(Step::Done(progress, self.result()))
    }

    async fn clear(&mut self, _: &Run) -> Result<(), JobError> {
        Ok(())
    }
}
