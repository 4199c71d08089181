//! The durations and limits that payments are decided by: settings, with the defaults of the business.

use chrono::TimeDelta;

/// Travels inside the commands that need it, so that a decision reads no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentPolicy {
    /// The least that a provider takes, in minor units.
    pub amount_min_minor: i64,
    /// How long money may be held on a card before it is taken or let go: a day less than the bank allows.
    pub hold: TimeDelta,
}

impl Default for PaymentPolicy {
    fn default() -> Self {
        Self { amount_min_minor: 1_000, hold: TimeDelta::days(6) }
    }
}
