//! The durations and limits that gifts are decided by: settings, with the defaults of the business.

use chrono::TimeDelta;

/// Travels inside the commands that need it, so that a decision reads no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiftPolicy {
    /// The least that may be given, in minor units.
    pub value_min_minor: i64,
    /// The most that may be given, in minor units.
    pub value_max_minor: i64,
    /// How far ahead the day of delivery may lie.
    pub deliver_ahead_max: TimeDelta,
    /// How long a gift waits for its payment.
    pub payment_window: TimeDelta,
    /// With less than this left before the payment deadline no attempt is opened any more.
    pub payment_time_left_min: TimeDelta,
    /// Attempts that a buyer may lose; the provider's outages do not count.
    pub payment_attempts_max: usize,
    /// Attempts in all, outages included.
    pub payment_attempts_opened_max: usize,
    /// How long a gift may be spent after it was paid.
    pub validity: TimeDelta,
    /// How long before it expires its holder is reminded, first and again.
    pub reminders_before: [TimeDelta; 2],
    /// How much longer than its order may wait for money a reservation lives.
    pub reservation_grace: TimeDelta,
    /// How many orders may reserve from one gift: the bound of a gift's memory.
    pub uses_max: usize,
    /// The least that can be paid by card, in minor units.
    pub payable_min_minor: i64,
}

impl Default for GiftPolicy {
    fn default() -> Self {
        Self {
            value_min_minor: 10_000,
            value_max_minor: 5_000_000,
            deliver_ahead_max: TimeDelta::days(90),
            payment_window: TimeDelta::minutes(30),
            payment_time_left_min: TimeDelta::minutes(2),
            payment_attempts_max: 5,
            payment_attempts_opened_max: 20,
            validity: TimeDelta::days(365),
            reminders_before: [TimeDelta::days(30), TimeDelta::days(7)],
            reservation_grace: TimeDelta::minutes(70),
            uses_max: 200,
            payable_min_minor: 1_000,
        }
    }
}
