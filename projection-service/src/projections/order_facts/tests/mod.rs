//! Facts, stretches of time, and every report beside a fold of the log.

mod histories;
mod reference;

use chrono::{DateTime, TimeDelta, Utc};
use shared::domain::{
    DishId, Money, OrderId, ProducerId, RefundId, UserId,
    order::{DishRating, Fault, OrderCompleted, OrderRated, OrderRefundAuthorized, OrderStatus, RefundSource},
};
use uuid::Uuid;

use super::{
    OrderFact, OrderFacts, Outcome, Span, Width, cover,
    total::{divide, mean},
};
use crate::{
    engine::{Fold, FoldError, Projection},
    projections::samples::{self, DomainSample, Log},
};

const ORDER: Uuid = Uuid::from_u128(1);

struct Life {
    log: Log,
    fold: Fold<OrderFacts>,
}

impl Life {
    fn new() -> Self {
        let mut life = Self { log: Log::new(), fold: Fold::new(Default::default()) };
        life.takes(samples::created(UserId(Uuid::from_u128(2)), ProducerId(Uuid::from_u128(3))));
        life
    }

    #[track_caller]
    fn takes(&mut self, event: impl Into<DomainSample>) -> &OrderFact {
        let event = self.log.push(ORDER, event);
        self.fold.take(&event).unwrap();
        self.fact()
    }

    fn fact(&self) -> &OrderFact {
        self.fold.row(&OrderId(ORDER)).unwrap()
    }
}

pub(super) fn refund(kopecks: i64, gift_kopecks: i64) -> OrderRefundAuthorized {
    OrderRefundAuthorized {
        refund_id: RefundId(Uuid::now_v7()),
        source: RefundSource::Admin,
        source_id: Uuid::now_v7(),
        card_amount: Money::rub(kopecks),
        gift_amount: Money::rub(gift_kopecks),
        fault: Fault::None,
        payment_id: None,
    }
}

#[test]
fn a_fact_says_what_reports_count() {
    let mut life = Life::new();
    assert_eq!((life.fact().outcome, life.fact().lines.len()), (Outcome::Open, 1));
    assert!(life.takes(samples::paid(ORDER)).paid_at.is_some());
    assert!(life.takes(samples::delivered()).delivered_at.is_some());
    let fact = life.takes(OrderCompleted { payout_due_at: Utc::now() });
    assert!(fact.outcome == Outcome::Completed && fact.completed_at.is_some() && fact.cancelled_at.is_none());
    life.takes(refund(3_000, 500));
    assert_eq!(life.takes(refund(1_000, 0)).refunded, Money::rub(4_500));
    let per_item = vec![DishRating { dish_id: DishId(Uuid::from_u128(7)), rating: 4 }];
    let fact = life.takes(OrderRated { rating: 5, per_item, comment: None });
    assert_eq!((fact.rating, fact.lines[0].rating, fact.version), (Some(5), Some(4), 7));
}

#[test]
fn a_fact_of_a_cancelled_order_says_when() {
    let mut life = Life::new();
    let fact = life.takes(samples::cancelled(OrderStatus::WaitingForPayment));
    assert!(fact.outcome == Outcome::Cancelled && fact.cancelled_at.is_some() && fact.completed_at.is_none());
}

#[test]
fn what_counts_nowhere_is_passed_over_and_what_cannot_be_read_is_not() {
    let mut log = Log::new();
    assert!(OrderFacts::keys(&log.push(ORDER, samples::accepted())).is_empty());
    assert_eq!(OrderFacts::keys(&log.push(ORDER, samples::paid(ORDER))).len(), 1);
    let shape = DomainSample::from(samples::ready()).0;
    assert_eq!(OrderFacts::keys(&log.push_raw(ORDER, &shape, r#"{"note": 7}"#)).len(), 1);
}

#[test]
fn what_does_not_follow_is_refused_and_changes_nothing() {
    let mut life = Life::new();
    let before = life.fact().clone();
    for event in
        [life.log.events[0].clone(), life.log.push(ORDER, samples::created(UserId::default(), ProducerId::default()))]
    {
        assert!(matches!(life.fold.take(&event), Err(FoldError::OutOfPlace { .. })));
    }
    let mut huge = refund(0, 0);
    (huge.card_amount, huge.gift_amount) = (Money::rub(9_999_999_999), Money::rub(1));
    let huge = life.log.push(ORDER, huge);
    assert!(matches!(life.fold.take(&huge), Err(FoldError::Money(_))));
    let stranger = life.log.push(Uuid::from_u128(99), samples::paid(ORDER));
    assert!(life.fold.take(&stranger).is_err());
    assert_eq!(*life.fact(), before);
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_range_is_put_together_from_the_widest_stretches() {
    let spans = cover(at("2026-01-30T23:50:00Z"), at("2026-04-02T05:21:00Z"));
    let expected = [
        (Some(Width::FiveMinutes), "2026-01-30T23:50:00Z"),
        (Some(Width::Day), "2026-01-31T00:00:00Z"),
        (Some(Width::Month), "2026-02-01T00:00:00Z"),
        (Some(Width::Day), "2026-04-01T00:00:00Z"),
        (Some(Width::ThreeHours), "2026-04-02T00:00:00Z"),
        (Some(Width::Hour), "2026-04-02T03:00:00Z"),
        (Some(Width::Quarter), "2026-04-02T05:00:00Z"),
        (Some(Width::FiveMinutes), "2026-04-02T05:15:00Z"),
        (None, "2026-04-02T05:20:00Z"),
    ];
    assert_eq!(spans.iter().map(|span| (span.width, span.from)).collect::<Vec<_>>(), expected.map(|(w, t)| (w, at(t))));
    let within = cover(at("2026-01-01T00:01:00Z"), at("2026-01-01T00:02:00Z"));
    assert_eq!(within, [Span { width: None, from: at("2026-01-01T00:01:00Z"), to: at("2026-01-01T00:02:00Z") }]);
    assert_eq!(cover(at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")), []);
    assert!(cover(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC).len() == 1);
}

#[test]
fn the_parts_of_a_range_join_and_are_whole() {
    let start = at("2026-01-01T00:00:00Z");
    for seed in 0..5_000_i64 {
        let from = start + TimeDelta::minutes(seed * 7_919 % 200_000);
        let to = from + TimeDelta::seconds(seed * seed % 9_000_000);
        let spans = cover(from, to);
        assert!(spans.len() <= 13);
        let mut reached = from;
        for span in &spans {
            assert!(span.from == reached && span.from < span.to);
            if let Some(width) = span.width {
                assert!(width.floor(span.from) == span.from && width.floor(span.to) == span.to);
            }
            reached = span.to;
        }
        assert!(reached == to || spans.is_empty());
    }
}

#[test]
fn means_round_half_to_even_and_are_nothing_of_nothing() {
    assert_eq!(
        [(5, 2), (7, 2), (8, 3), (7, 3), (0, 5), (5, 0)].map(|(sum, count)| divide(sum, count)),
        [2, 4, 3, 2, 0, 0]
    );
    assert_eq!((mean(14, 3), mean(0, 0)), (4.67, 0.0));
}
