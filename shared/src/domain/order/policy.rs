//! The durations and limits that orders are decided by: settings, with the defaults of the business.

use chrono::TimeDelta;

use crate::domain::money::MINOR_MAX;

/// Travels inside the commands that need it, so that a decision reads no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderPolicy {
    /// How long an order waits for its payment.
    pub payment_window: TimeDelta,
    /// With less than this left before the payment deadline no attempt is opened any more.
    pub payment_time_left_min: TimeDelta,
    /// Attempts that a customer may lose; the provider's outages do not count.
    pub payment_attempts_max: usize,
    /// Attempts in all, outages included: the bound of an order's memory.
    pub payment_attempts_opened_max: usize,
    /// How long a paid order waits for the cook.
    pub acceptance_window: TimeDelta,
    /// A cook who has not looked at a paid order is reminded after this.
    pub remind_after: TimeDelta,
    /// A pre-order may be accepted until this long before it is wanted.
    pub preorder_lead: TimeDelta,
    /// How far ahead a meal may be ordered.
    pub preorder_ahead: TimeDelta,
    /// How long after its promised time a meal that was not handed over is an alarm.
    pub stuck_after: TimeDelta,
    /// How long after the delivery the cook sees whom the meal was for.
    pub contact_shown_after_delivery: TimeDelta,
    /// A delivered order completes by itself after this.
    pub auto_complete_after: TimeDelta,
    /// From completion to the release of the cook's share.
    pub payout_delay: TimeDelta,
    /// How long after completion marks are taken.
    pub rating_window: TimeDelta,
    /// How long after its promised time a meal may be said not to have come.
    pub not_received_after: TimeDelta,
    /// How long after a decision the dispute may be appealed.
    pub appeal_window: TimeDelta,
    /// The least that can be paid by card, in minor units.
    pub payable_min_minor: i64,
    /// The most that one order may cost, in minor units.
    pub total_max_minor: i64,
}

impl Default for OrderPolicy {
    fn default() -> Self {
        Self {
            payment_window: TimeDelta::minutes(30),
            payment_time_left_min: TimeDelta::minutes(2),
            payment_attempts_max: 5,
            payment_attempts_opened_max: 20,
            acceptance_window: TimeDelta::minutes(15),
            remind_after: TimeDelta::minutes(2),
            preorder_lead: TimeDelta::hours(2),
            preorder_ahead: TimeDelta::days(30),
            stuck_after: TimeDelta::hours(2),
            contact_shown_after_delivery: TimeDelta::hours(24),
            auto_complete_after: TimeDelta::hours(24),
            payout_delay: TimeDelta::hours(48),
            rating_window: TimeDelta::days(30),
            not_received_after: TimeDelta::minutes(60),
            appeal_window: TimeDelta::days(7),
            payable_min_minor: 1_000,
            total_max_minor: MINOR_MAX,
        }
    }
}
