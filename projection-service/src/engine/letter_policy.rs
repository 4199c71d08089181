//! When and how often a letter is tried again: at short intervals first, which a passing fault does not outlive, then at
//! long ones, then by a person.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The tries that come first.
#[derive(Debug, Clone, Copy)]
pub struct ShortRetry {
    /// Tries in all, with the one that failed.
    pub attempts: u32,
    /// The longest first wait; it doubles with each try.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl ShortRetry {
    fn retries(&self) -> i32 {
        i32::try_from(self.attempts.saturating_sub(1)).unwrap_or(i32::MAX)
    }

    /// The wait after so many retries: anything up to the doubled base, so that processes do not retry in step.
    fn wait(&self, retry_count: i32) -> TimeDelta {
        let longest = self.base.saturating_mul(1 << retry_count.clamp(0, 16)).min(self.cap);
        TimeDelta::from_std(longest.mul_f64(rand::random_range(0.0..=1.0))).unwrap_or(TimeDelta::days(1))
    }
}

/// When and how often letters are tried again.
#[derive(Debug, Clone, Copy)]
pub struct LetterPolicy {
    /// The tries that come first.
    pub short: ShortRetry,
    /// The wait before the first retry after those; it doubles with each.
    pub delay: TimeDelta,
    /// Retries after the short ones, before a person has to look.
    pub retries_max: i32,
}

impl LetterPolicy {
    /// When a letter that was retried `retry_count` times is tried again; none once it is parked.
    pub fn next_retry(&self, retry_count: i32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let long = retry_count - self.short.retries();
        if long < 0 {
            return Some(now + self.short.wait(retry_count));
        }
        (long < self.retries_max).then(|| now + self.delay * 2_i32.saturating_pow(long.clamp(0, 20) as u32))
    }

    /// How often a letter is tried again by itself.
    pub fn retries(&self) -> i32 {
        self.short.retries().saturating_add(self.retries_max)
    }

    /// Whether a letter that was retried so often has just outlived what passes by itself, or waits for a person: time to
    /// say so.
    pub(super) fn is_serious(&self, retry_count: i32) -> bool {
        retry_count == self.short.retries() || retry_count >= self.retries()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_waits_come_before_long_ones_and_each_doubles() {
        let short = ShortRetry { attempts: 3, base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        let policy = LetterPolicy { short, delay: TimeDelta::seconds(60), retries_max: 3 };
        let now = Utc::now();
        for (retry_count, least, most) in [(0, 0, 1), (1, 0, 2), (2, 60, 60), (3, 120, 120), (4, 240, 240)] {
            let wait = policy.next_retry(retry_count, now).unwrap() - now;
            assert!((TimeDelta::seconds(least)..=TimeDelta::seconds(most)).contains(&wait), "{retry_count}: {wait}");
        }
        assert_eq!((policy.next_retry(5, now), policy.next_retry(9, now), policy.retries()), (None, None, 5));
        let serious: Vec<i32> = (0..7).filter(|retry_count| policy.is_serious(*retry_count)).collect();
        assert_eq!(serious, [2, 5, 6]);
    }

    #[test]
    fn one_try_and_no_retries_park_at_once() {
        let short = ShortRetry { attempts: 1, base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        let policy = LetterPolicy { short, delay: TimeDelta::seconds(60), retries_max: 0 };
        assert_eq!(policy.next_retry(0, Utc::now()), None);
        assert!(policy.is_serious(0));
    }
}
