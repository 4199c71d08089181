//! What an audit found.

use serde::Serialize;
use uuid::Uuid;

use super::laws::LAWS;
use crate::log::Position;

/// Violations of one invariant that are told one by one; the others are counted.
const EXAMPLES_MAX: usize = 20;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The event that broke it; none if something is missing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregate_id: Option<Uuid>,
    /// What is wrong.
    pub detail: String,
}

/// What is wrong at the end, and with which stream.
pub(super) type Left = (Option<Uuid>, String);

/// What became of one invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LawReport {
    /// 1 to 32.
    pub number: u8,
    /// In a few words.
    pub name: &'static str,
    /// How often it was broken.
    pub violations: u64,
    /// The first ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Violation>,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many events were read.
    pub events: u64,
    /// The position of the last one.
    pub position: Position,
    /// How often any invariant was broken.
    pub violations: u64,
    /// The position of the first event that broke one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_offending_position: Option<Position>,
    /// Each invariant.
    pub invariants: Vec<LawReport>,
}

impl Report {
    pub(super) fn new() -> Self {
        let invariants = LAWS
            .iter()
            .map(|law| LawReport { number: law.number, name: law.name, violations: 0, examples: Vec::new() })
            .collect();
        Self { events: 0, position: 0, violations: 0, first_offending_position: None, invariants }
    }

    pub(super) fn find(&mut self, number: u8, violation: Violation) {
        self.violations += 1;
        if self.first_offending_position.is_none() {
            self.first_offending_position = violation.position;
        }
        if let Some(law) = self.invariants.get_mut(usize::from(number).saturating_sub(1)) {
            law.violations += 1;
            if law.examples.len() < EXAMPLES_MAX {
                law.examples.push(violation);
            }
        }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations == 0
    }

    /// The numbers of the invariants that were broken.
    pub fn broken(&self) -> Vec<u8> {
        self.invariants.iter().filter(|law| law.violations > 0).map(|law| law.number).collect()
    }

    /// Every violation that is told, with the number of its invariant.
    pub fn examples(&self) -> impl Iterator<Item = (u8, &Violation)> {
        self.invariants.iter().flat_map(|law| law.examples.iter().map(|violation| (law.number, violation)))
    }
}
