//! Faults on demand: tests and demonstrations make a fold refuse one aggregate.

use std::{collections::HashSet, sync::Arc};

use parking_lot::RwLock;
use uuid::Uuid;

/// The aggregates that folds refuse. Clones share one set; empty outside development.
#[derive(Debug, Clone, Default)]
pub struct Failpoints {
    folds: Arc<RwLock<HashSet<(String, Uuid)>>>,
}

impl Failpoints {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads `<projection>:<aggregate id>`, several separated by commas.
    pub fn parse(text: &str) -> Result<Self, String> {
        let points = Self::default();
        for point in text.split(',').map(str::trim).filter(|point| !point.is_empty()) {
            let (projection, id) = point.split_once(':').ok_or_else(|| format!("{point:?} has no colon"))?;
            let id = Uuid::parse_str(id).map_err(|_| format!("{id:?} is not a UUID"))?;
            points.set_fold(projection, id);
        }
        Ok(points)
    }

    /// From now on the projection refuses this aggregate's events.
    pub fn set_fold(&self, projection: &str, aggregate_id: Uuid) {
        self.folds.write().insert((projection.to_owned(), aggregate_id));
    }

    /// From now on it takes them again.
    pub fn clear_fold(&self, projection: &str, aggregate_id: Uuid) {
        self.folds.write().remove(&(projection.to_owned(), aggregate_id));
    }

    /// Whether the projection is to refuse this aggregate.
    pub fn refuses(&self, projection: &str, aggregate_id: Uuid) -> bool {
        let folds = self.folds.read();
        !folds.is_empty() && folds.contains(&(projection.to_owned(), aggregate_id))
    }
}
