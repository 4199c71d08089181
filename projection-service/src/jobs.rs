//! Which job does which kind of operation.

use std::sync::Arc;

use crate::{
    dead_letters::Redrive,
    engine::{Models, RunnerParts},
    operations::{Job, JobError, MakeJob, OperationKind},
};

/// Makes the jobs of one process.
pub(crate) fn maker(parts: RunnerParts, _models: Models) -> MakeJob {
    Arc::new(move |kind, run| {
        Ok::<Box<dyn Job>, JobError>(match kind {
            OperationKind::Redrive => Box::new(Redrive::new(parts.clock.clone(), run)?),
            OperationKind::Rebuild | OperationKind::Rollback | OperationKind::Verify => {
                return Err(JobError::Failed("not yet".to_owned()));
            }
        })
    })
}
