//! When a kitchen is open, in its own time zone.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Spans of one day.
const SPANS_MAX: usize = 8;

/// Opening hours by weekday (`mon` … `sun`), each a list of `["09:00", "21:00"]`. No weekday at all means always open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct OpeningHours(HashMap<String, Vec<(String, String)>>);

impl OpeningHours {
    /// Whether every day is one of the week's, and every span begins before it ends.
    pub fn is_well_formed(&self) -> bool {
        const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let is_span = |(from, until): &(String, String)| match (time(from), time(until)) {
            (Some(from), Some(until)) => from < until,
            _ => false,
        };
        self.0
            .iter()
            .all(|(day, spans)| DAYS.contains(&day.as_str()) && spans.len() <= SPANS_MAX && spans.iter().all(is_span))
    }

    /// Whether the kitchen is open at `instant`. Hours that cannot be read count as closed.
    pub fn is_open(&self, timezone: &str, instant: DateTime<Utc>) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Ok(timezone) = timezone.parse::<Tz>() else { return false };
        let local = instant.with_timezone(&timezone);
        let weekday = local.weekday().to_string().to_lowercase();
        let Some(spans) = self.0.get(&weekday) else { return false };
        spans.iter().any(|(from, until)| match (time(from), time(until)) {
            (Some(from), Some(until)) => from <= local.time() && local.time() < until,
            _ => false,
        })
    }
}

fn time(text: &str) -> Option<NaiveTime> {
    if text == "24:00" {
        return NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999);
    }
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(hours: &str, instant: &str) -> bool {
        let hours: OpeningHours = serde_json::from_str(hours).unwrap();
        hours.is_open("Europe/Moscow", instant.parse().unwrap())
    }

    #[test]
    fn hours_are_read_in_the_kitchens_time_zone() {
        let mondays = r#"{"mon": [["09:00", "12:00"], ["13:00", "24:00"]]}"#;
        // Monday, 2026-11-23; Moscow is three hours ahead of UTC.
        assert!(is_open(mondays, "2026-11-23T06:00:00Z"));
        assert!(!is_open(mondays, "2026-11-23T05:59:59Z"));
        assert!(!is_open(mondays, "2026-11-23T09:30:00Z"));
        assert!(is_open(mondays, "2026-11-23T20:59:59Z"));
        assert!(!is_open(mondays, "2026-11-24T07:00:00Z"));
    }

    #[test]
    fn hours_are_of_the_weeks_days_and_begin_before_they_end() {
        let fits = |hours: &str| serde_json::from_str::<OpeningHours>(hours).unwrap().is_well_formed();
        assert!(fits(r#"{"mon": [["09:00", "12:00"], ["13:00", "24:00"]], "sun": []}"#) && fits("{}"));
        for wrong in [
            r#"{"someday": []}"#,
            r#"{"mon": [["12:00", "09:00"]]}"#,
            r#"{"mon": [["9", "12:00"]]}"#,
            r#"{"mon": [["24:00", "24:00"]]}"#,
        ] {
            assert!(!fits(wrong), "{wrong}");
        }
    }

    #[test]
    fn no_hours_at_all_mean_always_open() {
        assert!(is_open("{}", "2026-11-23T03:00:00Z"));
    }
}
