//! Reports over many orders: an administrator or analyst asks for all of them, a cook for those of the own kitchen.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use shared::{
    domain::{Currency, ProducerId},
    web::{Caller, Envelope, Principal, Problem, Role, ValidQuery},
};
use utoipa::IntoParams;

use super::{
    ReadState,
    access::unavailable,
    documents::{DailyRevenueAnswer, OrderReportAnswer, PopularDishesAnswer, ReportProblems, TopProducersAnswer},
    freshness::Wanted,
    pages,
};
use crate::projections::{
    ORDER_FACTS,
    order_facts::{ALWAYS, Basis, Question},
};

const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 100;
const DAYS_DEFAULT: u32 = 30;
const DAYS_MAX: u32 = 366;
/// Where the marketplace is.
const ZONE_DEFAULT: Tz = Tz::Europe__Moscow;

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RangeQuery {
    /// Placed at or after this instant; from the beginning if left out.
    from: Option<DateTime<Utc>>,
    /// Placed before this instant; up to the newest if left out.
    to: Option<DateTime<Utc>>,
    /// In this currency: an ISO 4217 code.
    #[param(default = "RUB")]
    currency: Option<String>,
    /// Answer from the view as it is when it does not catch up in time.
    allow_stale: Option<bool>,
}

/// Which orders, and how many rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TopQuery {
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// Placed at or after this instant; from the beginning if left out.
    from: Option<DateTime<Utc>>,
    /// Placed before this instant; up to the newest if left out.
    to: Option<DateTime<Utc>>,
    /// In this currency: an ISO 4217 code.
    #[param(default = "RUB")]
    currency: Option<String>,
    /// Answer from the view as it is when it does not catch up in time.
    allow_stale: Option<bool>,
}

/// Which days, and which instant of an order decides on its day.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DailyQuery {
    /// 1 to 366, the present day included.
    #[param(minimum = 1, maximum = 366, default = 30)]
    days: Option<u32>,
    /// An order is of the day it was placed on (if left out), or of the day it was completed on.
    #[param(inline)]
    basis: Option<Basis>,
    /// The time zone of the days: an IANA name.
    #[param(default = "Europe/Moscow")]
    tz: Option<String>,
    /// In this currency: an ISO 4217 code.
    #[param(default = "RUB")]
    currency: Option<String>,
    /// Answer from the view as it is when it does not catch up in time.
    allow_stale: Option<bool>,
}

/// The orders of a range, counted and added up.
#[utoipa::path(
    get, path = "/analytics/orders", operation_id = "get_order_analytics", tag = "analytics",
    security(("bearer" = [])),
    params(RangeQuery),
    responses((status = 200, description = "The sums", body = OrderReportAnswer), ReportProblems)
)]
pub(super) async fn get_order_analytics(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<RangeQuery>,
) -> Result<Response, Problem> {
    let question = question(&caller, (query.from, query.to), query.currency.as_deref())?;
    let seen = state.catch_up(wanted, query.allow_stale, &[ORDER_FACTS]).await?;
    let report = state.reports.totals(question).await.map_err(unavailable)?;
    Ok(seen.answer(Envelope::new(report)))
}

/// The kitchens with orders in a range, the most revenue first.
///
/// Kitchens with the same revenue are in order of their ids.
#[utoipa::path(
    get, path = "/analytics/top-producers", operation_id = "list_top_producers", tag = "analytics",
    security(("bearer" = [])),
    params(TopQuery),
    responses((status = 200, description = "The kitchens", body = TopProducersAnswer), ReportProblems)
)]
pub(super) async fn list_top_producers(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<TopQuery>,
) -> Result<Response, Problem> {
    let limit = at_most("/limit", query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let question = question(&caller, (query.from, query.to), query.currency.as_deref())?;
    let seen = state.catch_up(wanted, query.allow_stale, &[ORDER_FACTS]).await?;
    let rows = state.reports.top_producers(question, i64::from(limit)).await.map_err(unavailable)?;
    Ok(seen.answer(Envelope::new(rows)))
}

/// The dishes that were ordered in a range, in the most orders first.
///
/// Dishes in as many orders are in order of their ids.
#[utoipa::path(
    get, path = "/analytics/popular-dishes", operation_id = "list_popular_dishes", tag = "analytics",
    security(("bearer" = [])),
    params(TopQuery),
    responses((status = 200, description = "The dishes", body = PopularDishesAnswer), ReportProblems)
)]
pub(super) async fn list_popular_dishes(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<TopQuery>,
) -> Result<Response, Problem> {
    let limit = at_most("/limit", query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let question = question(&caller, (query.from, query.to), query.currency.as_deref())?;
    let seen = state.catch_up(wanted, query.allow_stale, &[ORDER_FACTS]).await?;
    let rows = state.reports.popular_dishes(question, i64::from(limit)).await.map_err(unavailable)?;
    Ok(seen.answer(Envelope::new(rows)))
}

/// What each of the last days brought, days without orders included; the present day is the last.
#[utoipa::path(
    get, path = "/analytics/daily-revenue", operation_id = "list_daily_revenue", tag = "analytics",
    security(("bearer" = [])),
    params(DailyQuery),
    responses((status = 200, description = "One entry per day, in order", body = DailyRevenueAnswer), ReportProblems)
)]
pub(super) async fn list_daily_revenue(
    State(state): State<ReadState>,
    Caller(caller): Caller,
    wanted: Wanted,
    ValidQuery(query): ValidQuery<DailyQuery>,
) -> Result<Response, Problem> {
    let count = at_most("/days", query.days, DAYS_DEFAULT, DAYS_MAX)?;
    let zone = query.tz.as_deref().map_or(Ok(ZONE_DEFAULT), |name| {
        let unknown = |_| Problem::validation("/tz", "unknown", "tz must be a time zone's IANA name, as Europe/Moscow");
        name.parse::<Tz>().map_err(unknown)
    })?;
    let asked = (scope_of(&caller)?, currency(query.currency.as_deref())?, query.basis.unwrap_or(Basis::Created));
    let seen = state.catch_up(wanted, query.allow_stale, &[ORDER_FACTS]).await?;
    let (days, end) = last_days(state.clock.now(), zone, count);
    let rows = state.reports.daily_revenue(asked, &days, end).await.map_err(unavailable)?;
    Ok(seen.answer(Envelope::new(rows)))
}

fn question(
    caller: &Principal,
    (from, to): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    code: Option<&str>,
) -> Result<Question, Problem> {
    let (from, to) = (from.unwrap_or(ALWAYS.0), to.unwrap_or(ALWAYS.1));
    pages::range(Some(from), Some(to))?;
    Ok(Question { producer_id: scope_of(caller)?, currency: currency(code)?, from, to })
}

/// Whose orders: everybody's, or one kitchen's.
fn scope_of(caller: &Principal) -> Result<Option<ProducerId>, Problem> {
    caller.require_any(&[Role::Admin, Role::Analyst, Role::Producer])?;
    if caller.is(Role::Admin) || caller.is(Role::Analyst) {
        return Ok(None);
    }
    caller.kitchen().map(Some)
}

fn currency(code: Option<&str>) -> Result<Currency, Problem> {
    let known = code.map_or(Some(Currency::RUB), Currency::from_code).filter(|known| known.exponent().is_some());
    known.ok_or_else(|| Problem::validation("/currency", "unknown", "currency must be an ISO 4217 code, as RUB"))
}

fn at_most(pointer: &'static str, asked: Option<u32>, default: u32, most: u32) -> Result<u32, Problem> {
    let asked = asked.unwrap_or(default);
    if (1..=most).contains(&asked) {
        return Ok(asked);
    }
    let name = pointer.trim_start_matches('/');
    Err(Problem::validation(pointer, "out_of_range", format!("{name} must be 1 to {most}")))
}

/// The last days in a zone with their beginnings, and where the last of them ends.
fn last_days(now: DateTime<Utc>, zone: Tz, count: u32) -> (Vec<(NaiveDate, DateTime<Utc>)>, DateTime<Utc>) {
    let today = now.with_timezone(&zone).date_naive();
    let day = |back: u32| today.checked_sub_days(Days::new(u64::from(back))).unwrap_or(today);
    let days = (0..count).rev().map(day).map(|date| (date, beginning(date, zone))).collect();
    let tomorrow = today.checked_add_days(Days::new(1)).unwrap_or(today);
    (days, beginning(tomorrow, zone))
}

/// The first instant of a day. Some days begin later than at midnight, since the clocks go forward then.
fn beginning(date: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = date.and_time(NaiveTime::MIN);
    let quarters = (0..=96).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
    let mut instants = quarters.filter_map(|local| zone.from_local_datetime(&local).earliest());
    instants.next().map_or(midnight.and_utc(), |instant| instant.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: Tz, date: &str, begins: &str) {
        let begins: DateTime<Utc> = begins.parse().unwrap();
        assert_eq!(beginning(date.parse().unwrap(), zone), begins, "{date} in {zone}");
    }

    #[test]
    fn a_day_begins_when_its_zone_says() {
        check(Tz::Europe__Moscow, "2026-11-22", "2026-11-21T21:00:00Z");
        check(Tz::Asia__Kathmandu, "2026-11-22", "2026-11-21T18:15:00Z");
        check(Tz::America__New_York, "2026-11-02", "2026-11-02T05:00:00Z");
        // Midnight comes twice, and does not come at all.
        check(Tz::America__Havana, "2026-11-01", "2026-11-01T04:00:00Z");
        check(Tz::America__Havana, "2026-03-08", "2026-03-08T05:00:00Z");
        // A day that a zone left out begins with the next.
        check(Tz::Pacific__Apia, "2011-12-30", "2011-12-30T10:00:00Z");
    }

    #[test]
    fn every_zone_has_days_of_whole_quarter_hours() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        for zone in chrono_tz::TZ_VARIANTS {
            let (days, end) = last_days(now, zone, DAYS_MAX);
            assert_eq!(days.len(), 366, "{zone}");
            let starts: Vec<_> = days.iter().map(|(_, start)| *start).chain([end]).collect();
            assert!(starts.is_sorted() && starts[365] <= now && now < end, "{zone}");
            assert!(starts.iter().all(|start| start.timestamp() % 900 == 0), "{zone}");
        }
    }
}
