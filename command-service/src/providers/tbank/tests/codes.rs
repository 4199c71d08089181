//! Every code that the business lists has the class that it lists.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::codes::{TABLE, class_of, is_customer_retryable, meaning};
use crate::providers::ErrorClass;

fn now() -> DateTime<Utc> {
    "2026-01-01T22:30:00Z".parse().unwrap()
}

/// As in the text of the business: codes, ranges, and exceptions that stand elsewhere.
const LISTED: &[(&str, &str)] = &[
    ("3 21 401 402 515 903 999 1096 3040 7999 8002 8004 9001 9999", "transient"),
    ("99-103 106 108 116 119 120 123 125 600 603 650 1207 2014 2200 5036 5043 5060-5067 1001-1099", "declined"),
    ("1 2 12 17 201 203 206-262 308-335 620", "invalid_request"),
    ("202 204 205 331 411-413 501 648 1003 2015 3001 3019", "config"),
    ("4 8 20 255 323-326 330 623 914 1076", "state_conflict"),
    ("1018", "outcome_unknown"),
    ("3002 1502 3029 3032 3042 3030 3033 3041 3028 3031 5038 79", "refund_deferred"),
    ("1085", "unlisted"),
];

fn codes(text: &str) -> Vec<u16> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        from.parse::<u16>().unwrap()..=to.parse::<u16>().unwrap()
    };
    text.split(' ').flat_map(range).collect()
}

/// Whether another line names this very code, or a narrower range with it, so that it is an exception here.
fn is_exception(code: u16, class: &str) -> bool {
    let parts = |wanted: bool| {
        let lines = LISTED.iter().filter(move |(_, other)| (*other == class) == wanted);
        lines
            .flat_map(|(text, _)| text.split(' '))
            .map(codes)
            .filter(|codes| codes.contains(&code))
            .map(|codes| codes.len())
    };
    parts(false).min() < parts(true).min() && parts(false).min().is_some()
}

#[test]
fn every_listed_code_has_its_class() {
    for (text, class) in LISTED {
        for code in codes(text).into_iter().filter(|code| !is_exception(*code, class)) {
            let found = class_of(&code.to_string(), "", now()).as_str();
            assert_eq!(found, *class, "code {code}");
        }
    }
}

#[test]
fn the_table_lists_nothing_else() {
    let listed: Vec<u16> = LISTED.iter().flat_map(|(text, _)| codes(text)).collect();
    for (from, to, _) in TABLE {
        for code in *from..=*to {
            assert!(listed.contains(&code), "{code}");
        }
    }
}

#[test]
fn one_code_means_two_things_by_its_message() {
    assert_eq!(class_of("9999", "Неверные параметры. Поле Amount", now()), ErrorClass::InvalidRequest);
    assert_eq!(class_of("9999", "Попробуйте позже", now()), ErrorClass::Transient);
}

#[test]
fn codes_that_nobody_listed_are_asked_about() {
    for code in ["0", "7", "65535", "65536", "-1", "banana", "", "99999999999999"] {
        assert_eq!(class_of(code, "", now()), ErrorClass::Unlisted, "{code}");
        assert_eq!(meaning(code, ""), None, "{code}");
    }
}

#[test]
fn a_lost_or_suspicious_card_is_not_to_be_tried_again() {
    for code in ["1041", "1004", "1007", "1043", "1059", "1063", "1093", "1094"] {
        assert_eq!(class_of(code, "", now()), ErrorClass::Declined { customer_retryable: false }, "{code}");
        assert!(!is_customer_retryable(code));
    }
    assert_eq!(class_of("1051", "", now()), ErrorClass::Declined { customer_retryable: true });
    assert!(is_customer_retryable("1051") && is_customer_retryable("unheard of"));
}

#[test]
fn refunds_are_put_off_for_as_long_as_the_bank_wants() {
    let deferred = |code: &str| match class_of(code, "", now()) {
        ErrorClass::RefundDeferred { until } => until.map(|until| until - now()),
        other => panic!("{code}: {other:?}"),
    };
    for code in ["3002", "1502"] {
        assert_eq!(deferred(code), Some(TimeDelta::hours(6)));
    }
    for code in ["3029", "3032", "3042"] {
        assert_eq!(deferred(code), Some(TimeDelta::hours(1)));
    }
    // It is 01:30 in Moscow, so the next day begins in 22.5 hours.
    for code in ["3030", "3033", "3041"] {
        assert_eq!(deferred(code), Some(TimeDelta::minutes(22 * 60 + 30 + 60)));
    }
    for code in ["3028", "3031", "5038", "79"] {
        assert_eq!(deferred(code), None);
    }
}
