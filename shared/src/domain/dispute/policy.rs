//! The durations and limits that disputes are decided by: settings, with the defaults of the business.

use chrono::TimeDelta;

use crate::domain::Money;

/// Travels inside the commands that need it, so that a decision reads no settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DisputePolicy {
    /// How long a dispute waits for the cook.
    pub response_window: TimeDelta,
    /// How long it waits for an administrator.
    pub decision_window: TimeDelta,
    /// How long the two should talk before the customer may ask for a decision.
    pub talk_first: TimeDelta,
    /// Up to this much a silent cook has agreed.
    pub silence_grants_max: Money,
    /// Above this much two administrators decide.
    pub one_decides_max: Money,
}

impl Default for DisputePolicy {
    fn default() -> Self {
        Self {
            response_window: TimeDelta::hours(24),
            decision_window: TimeDelta::hours(72),
            talk_first: TimeDelta::hours(2),
            silence_grants_max: Money::rub(300_000),
            one_decides_max: Money::rub(1_000_000),
        }
    }
}
