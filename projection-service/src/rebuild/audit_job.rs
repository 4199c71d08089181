//! The full pass of an audit as an operation: page after page, and then the sums.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    RebuildParts,
    audit::{Audit, Rows},
};
use crate::{
    engine::Drift,
    operations::{Job, JobError, Progress, Run, Step},
};

/// Drifts that are named.
const NAMED_MAX: usize = 20;

/// The full pass as an operation.
pub struct AuditJob {
    parts: RebuildParts,
    seen: Seen,
    audit: Option<Audit>,
    total: Option<u64>,
}

/// What has been seen so far; kept with the operation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Seen {
    after: Option<Uuid>,
    events: u64,
    drifted: u64,
    drifts: Vec<Drift>,
    /// Only the sums are left.
    all_rows: bool,
}

impl AuditJob {
    /// The job of this operation.
    pub fn new(parts: RebuildParts, run: &Run) -> Result<Self, JobError> {
        let seen = serde_json::from_value(run.input.clone()).map_err(|error| JobError::Failed(error.to_string()))?;
        Ok(Self { parts, seen, audit: None, total: None })
    }

    async fn open(&mut self, run: &Run) -> Result<(), JobError> {
        let unknown = || JobError::Failed(format!("there is no projection {:?}", run.subject));
        let model = self.parts.models.get(&run.subject).ok_or_else(unknown)?;
        let audit = Audit::open(&self.parts, model).await?;
        self.total = Some(self.parts.log.count(audit.sources.streams, self.parts.log.head().await?).await?);
        self.audit = Some(audit);
        Ok(())
    }

    async fn take(&mut self, run: &Run, name: &'static str, drifts: Vec<Drift>) -> Result<(), JobError> {
        for drift in &drifts {
            run.note(&format!("{} {} is {}", drift.table, drift.key, drift.what)).await?;
            report(&self.parts, name, drift);
        }
        self.seen.drifted += drifts.len() as u64;
        let room = NAMED_MAX.saturating_sub(self.seen.drifts.len());
        self.seen.drifts.extend(drifts.into_iter().take(room));
        Ok(())
    }
}

#[async_trait]
impl Job for AuditJob {
    async fn step(&mut self, run: &Run) -> Result<Step, JobError> {
        if self.audit.is_none() {
            self.open(run).await?;
        }
        let Some(audit) = &self.audit else { return Err(JobError::Again("no connection".to_owned())) };
        let name = audit.model.name();
        let total = |seen: &Seen| Some(self.total.unwrap_or_default().max(seen.events));
        if self.seen.all_rows {
            let drifts = audit.sums().await?;
            let progress = Progress { stage: "adding up".to_owned(), done: self.seen.events, total: total(&self.seen) };
            self.take(run, name, drifts).await?;
            let Seen { events, drifted, drifts, .. } = &self.seen;
            return Ok(Step::Done(progress, json!({"events": events, "drifted": drifted, "drifts": drifts})));
        }
        let checked = audit.check(Rows::Behind(self.seen.after)).await?;
        self.take(run, name, checked.drifts).await?;
        self.seen.events += checked.events;
        self.seen.all_rows = checked.last.is_none();
        self.seen.after = checked.last;
        run.remember(&json!(self.seen)).await?;
        let total = Some(self.total.unwrap_or_default().max(self.seen.events));
        Ok(Step::More(Progress { stage: "comparing".to_owned(), done: self.seen.events, total }))
    }

    async fn clear(&mut self, _: &Run) -> Result<(), JobError> {
        Ok(())
    }
}

/// Someone must look.
pub(crate) fn report(parts: &RebuildParts, projection: &'static str, drift: &Drift) {
    let label = shared::runtime::metrics::Projection { projection };
    parts.metrics.projection_drift.get_or_create(&label).inc();
    tracing::error!(
        event = "projection_drift",
        projection,
        table = drift.table,
        key = drift.key,
        what = drift.what,
        "a row is not what its events add up to; heal it or rebuild the projection"
    );
}
