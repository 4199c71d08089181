//! What the bank's error codes mean: a table, to be added to as the bank adds codes.

use chrono::{DateTime, Days, FixedOffset, NaiveTime, TimeDelta, Utc};

use crate::providers::ErrorClass;

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Not just now; the same again may go through.
    Transient,
    /// The bank refuses this card or this payment; the same card may work next time.
    Declined,
    /// The card is lost, stolen or suspected: not this card again.
    DeclinedForGood,
    /// Our request is wrong.
    InvalidRequest,
    /// Our account is wrong.
    Config,
    /// The payment is not where we thought.
    StateConflict,
    /// Nobody knows what became of it.
    OutcomeUnknown,
    /// The merchant's account holds too little to give back from.
    NoFunds,
    /// A refund that may be asked for again in an hour.
    InAnHour,
    /// A refund that may be asked for again on the next day.
    NextDay,
    /// A refund that only a person can do.
    ByHand,
    /// The refusal says that it went well: only asking tells.
    Contradiction,
}

use Meaning::{
    ByHand, Config, Contradiction, Declined, DeclinedForGood, InAnHour, InvalidRequest, NextDay, NoFunds,
    OutcomeUnknown, StateConflict, Transient,
};

/// Codes from, to, and their meaning. The first line that fits counts, so exceptions stand before their range.
pub(super) const TABLE: &[(u16, u16, Meaning)] = &[
    (3, 3, Transient),
    (21, 21, Transient),
    (401, 402, Transient),
    (515, 515, Transient),
    (903, 903, Transient),
    (999, 999, Transient),
    (1096, 1096, Transient),
    (3040, 3040, Transient),
    (7999, 7999, Transient),
    (8002, 8002, Transient),
    (8004, 8004, Transient),
    (9001, 9001, Transient),
    (9999, 9999, Transient),
    (202, 202, Config),
    (204, 205, Config),
    (331, 331, Config),
    (411, 413, Config),
    (501, 501, Config),
    (648, 648, Config),
    (1003, 1003, Config),
    (2015, 2015, Config),
    (3001, 3001, Config),
    (3019, 3019, Config),
    (4, 4, StateConflict),
    (8, 8, StateConflict),
    (20, 20, StateConflict),
    (255, 255, StateConflict),
    (323, 326, StateConflict),
    (330, 330, StateConflict),
    (623, 623, StateConflict),
    (914, 914, StateConflict),
    (1076, 1076, StateConflict),
    (1018, 1018, OutcomeUnknown),
    (1085, 1085, Contradiction),
    (3002, 3002, NoFunds),
    (1502, 1502, NoFunds),
    (3029, 3029, InAnHour),
    (3032, 3032, InAnHour),
    (3042, 3042, InAnHour),
    (3030, 3030, NextDay),
    (3033, 3033, NextDay),
    (3041, 3041, NextDay),
    (3028, 3028, ByHand),
    (3031, 3031, ByHand),
    (5038, 5038, ByHand),
    (79, 79, ByHand),
    (1041, 1041, DeclinedForGood),
    (1004, 1004, DeclinedForGood),
    (1007, 1007, DeclinedForGood),
    (1043, 1043, DeclinedForGood),
    (1059, 1059, DeclinedForGood),
    (1063, 1063, DeclinedForGood),
    (1093, 1094, DeclinedForGood),
    (99, 103, Declined),
    (106, 106, Declined),
    (108, 108, Declined),
    (116, 116, Declined),
    (119, 120, Declined),
    (123, 123, Declined),
    (125, 125, Declined),
    (600, 600, Declined),
    (603, 603, Declined),
    (650, 650, Declined),
    (1207, 1207, Declined),
    (2014, 2014, Declined),
    (2200, 2200, Declined),
    (5036, 5036, Declined),
    (5043, 5043, Declined),
    (5060, 5067, Declined),
    (1001, 1099, Declined),
    (1, 2, InvalidRequest),
    (12, 12, InvalidRequest),
    (17, 17, InvalidRequest),
    (201, 201, InvalidRequest),
    (203, 203, InvalidRequest),
    (206, 262, InvalidRequest),
    (308, 335, InvalidRequest),
    (620, 620, InvalidRequest),
];

/// The bank says "cannot just now" and "wrong parameters" with one code.
const WRONG_PARAMETERS: &str = "Неверные параметры";
/// Asked for again after this long, for want of money and for want of patience.
const NO_FUNDS_REST: TimeDelta = TimeDelta::hours(6);
const SHORT_REST: TimeDelta = TimeDelta::hours(1);
/// The bank counts days as Moscow does.
const MOSCOW_SECS_EAST: i32 = 3 * 3_600;

/// What a code means; nothing if the table does not have it.
pub(super) fn meaning(code: &str, message: &str) -> Option<Meaning> {
    let number: u16 = code.parse().ok()?;
    if number == 9999 && message.contains(WRONG_PARAMETERS) {
        return Some(InvalidRequest);
    }
    TABLE.iter().find(|(from, to, _)| (*from..=*to).contains(&number)).map(|(_, _, meaning)| *meaning)
}

/// The class of a refusal with this code. What a person has to hear about is said here.
pub(super) fn class_of(code: &str, message: &str, now: DateTime<Utc>) -> ErrorClass {
    let alarm = |what: &'static str| tracing::error!(event = "provider_refusal", provider = "TBANK", code, "{what}");
    match meaning(code, message) {
        Some(Transient) => ErrorClass::Transient,
        Some(Declined) => ErrorClass::Declined { customer_retryable: true },
        Some(DeclinedForGood) => ErrorClass::Declined { customer_retryable: false },
        Some(InvalidRequest) => {
            alarm("the bank finds our request wrong: a defect of ours");
            ErrorClass::InvalidRequest
        }
        Some(Config) => {
            alarm("the bank refuses our account: nothing works until somebody acts");
            ErrorClass::Config
        }
        Some(StateConflict) => ErrorClass::StateConflict,
        Some(OutcomeUnknown) => ErrorClass::OutcomeUnknown,
        Some(NoFunds) => {
            alarm("the merchant's account is too low to give money back from: finance has to fill it");
            ErrorClass::RefundDeferred { until: Some(now + NO_FUNDS_REST) }
        }
        Some(InAnHour) => ErrorClass::RefundDeferred { until: Some(now + SHORT_REST) },
        Some(NextDay) => ErrorClass::RefundDeferred { until: next_day(now) },
        Some(ByHand) => {
            alarm("this refund has to be done by hand in the bank's cabinet");
            ErrorClass::RefundDeferred { until: None }
        }
        Some(Contradiction) => ErrorClass::Unlisted,
        None => {
            alarm("the bank refuses with a code that the table lacks");
            ErrorClass::Unlisted
        }
    }
}

/// Whether whoever was refused with this code may try the same card again.
pub(super) fn is_customer_retryable(code: &str) -> bool {
    meaning(code, "") != Some(DeclinedForGood)
}

fn next_day(now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let moscow = FixedOffset::east_opt(MOSCOW_SECS_EAST)?;
    let tomorrow = now.with_timezone(&moscow).date_naive().checked_add_days(Days::new(1))?;
    let midnight = tomorrow.and_time(NaiveTime::MIN).and_local_timezone(moscow).single()?;
    Some(midnight.with_timezone(&Utc) + SHORT_REST)
}
