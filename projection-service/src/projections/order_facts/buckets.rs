//! Stretches of time: how any range is put together from a few whole ones.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, TimeZone, Utc};

/// In seconds.
const FIVE_MINUTES_SECS: i64 = 5 * 60;
/// The offset of every time zone is a multiple of it, so every local day is made of whole quarter hours.
const QUARTER_SECS: i64 = 15 * 60;
const HOUR_SECS: i64 = 60 * 60;
/// Where most people live, Moscow included, days begin at a multiple of it.
const THREE_HOURS_SECS: i64 = 3 * HOUR_SECS;
const DAY_SECS: i64 = 24 * 60 * 60;

/// How long a stretch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// Five minutes: what is left at the ends of a range is looked up order by order, so it must be short.
    FiveMinutes,
    /// A quarter of an hour.
    Quarter,
    /// An hour.
    Hour,
    /// An eighth of a day, UTC.
    ThreeHours,
    /// A day, UTC.
    Day,
    /// A calendar month, UTC.
    Month,
}

impl Width {
    /// From the widest.
    pub const ALL: [Self; 6] = [Self::Month, Self::Day, Self::ThreeHours, Self::Hour, Self::Quarter, Self::FiveMinutes];

    /// The stable name, as in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "FIVE_MINUTES",
            Self::Quarter => "QUARTER",
            Self::Hour => "HOUR",
            Self::ThreeHours => "THREE_HOURS",
            Self::Day => "DAY",
            Self::Month => "MONTH",
        }
    }

    /// The beginning of the stretch that `at` lies in.
    pub fn floor(self, at: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::FiveMinutes => cut(at, FIVE_MINUTES_SECS),
            Self::Quarter => cut(at, QUARTER_SECS),
            Self::Hour => cut(at, HOUR_SECS),
            Self::ThreeHours => cut(at, THREE_HOURS_SECS),
            Self::Day => cut(at, DAY_SECS),
            Self::Month => {
                let first = NaiveDate::from_ymd_opt(at.year(), at.month(), 1).unwrap_or(NaiveDate::MIN);
                Utc.from_utc_datetime(&first.and_time(chrono::NaiveTime::MIN))
            }
        }
    }

    /// The first beginning of a stretch at or after `at`.
    pub fn ceil(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let floor = self.floor(at);
        if floor == at {
            return at;
        }
        match self {
            Self::FiveMinutes => floor + TimeDelta::seconds(FIVE_MINUTES_SECS),
            Self::Quarter => floor + TimeDelta::seconds(QUARTER_SECS),
            Self::Hour => floor + TimeDelta::seconds(HOUR_SECS),
            Self::ThreeHours => floor + TimeDelta::seconds(THREE_HOURS_SECS),
            Self::Day => floor + TimeDelta::seconds(DAY_SECS),
            Self::Month => floor.checked_add_months(Months::new(1)).unwrap_or(DateTime::<Utc>::MAX_UTC),
        }
    }
}

fn cut(at: DateTime<Utc>, secs: i64) -> DateTime<Utc> {
    let floor = at.timestamp().div_euclid(secs) * secs;
    DateTime::from_timestamp(floor, 0).unwrap_or(at)
}

/// All the time that an order can be of, and that Postgres can hold.
pub const ALWAYS: (DateTime<Utc>, DateTime<Utc>) = (
    NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date").and_hms_opt(0, 0, 0).expect("a time").and_utc(),
    NaiveDate::from_ymd_opt(9999, 1, 1).expect("a date").and_hms_opt(0, 0, 0).expect("a time").and_utc(),
);

/// A part of a range: whole stretches of one width, or less than one, in which facts are looked at one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// None: not a whole stretch of any width.
    pub width: Option<Width>,
    /// From here on.
    pub from: DateTime<Utc>,
    /// Up to here, and not here.
    pub to: DateTime<Utc>,
}

/// Any range [from, to) as few parts (two a width and one more), each of the widest stretches that fit.
pub fn cover(from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Span> {
    let mut spans = Vec::new();
    cover_with(&Width::ALL, from.max(ALWAYS.0), to.min(ALWAYS.1), &mut spans);
    spans
}

fn cover_with(widths: &[Width], from: DateTime<Utc>, to: DateTime<Utc>, spans: &mut Vec<Span>) {
    if from >= to {
        return;
    }
    let Some((width, finer)) = widths.split_first() else {
        spans.push(Span { width: None, from, to });
        return;
    };
    let (inner_from, inner_to) = (width.ceil(from), width.floor(to));
    if inner_from >= inner_to {
        return cover_with(finer, from, to, spans);
    }
    cover_with(finer, from, inner_from, spans);
    spans.push(Span { width: Some(*width), from: inner_from, to: inner_to });
    cover_with(finer, inner_to, to, spans);
}
