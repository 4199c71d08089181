//! Which job does which kind of operation.

use std::sync::Arc;

use shared::runtime::Clock;

use crate::{
    dead_letters::Redrive,
    operations::{Job, JobError, LogAudit, MakeJob, OperationKind},
    rebuild::{AuditJob, Rebuild, RebuildParts},
};

/// Makes the jobs of one process.
pub(crate) fn maker(clock: Clock, rebuild: RebuildParts) -> MakeJob {
    Arc::new(move |kind, run| {
        Ok::<Box<dyn Job>, JobError>(match kind {
            OperationKind::Redrive => Box::new(Redrive::new(clock.clone(), run)?),
            OperationKind::Rebuild | OperationKind::Rollback => Box::new(Rebuild::new(rebuild.clone(), kind, run)?),
            OperationKind::Audit => Box::new(LogAudit::new(&rebuild)),
            OperationKind::Verify => Box::new(AuditJob::new(rebuild.clone(), run)?),
        })
    })
}
