//! What every event does to the row of an order.

use shared::{
    domain::{
        DisputeId, Money, OrderId, PaymentId, ProducerId, RefundId, UserId,
        dispute::{DisputeClaim, DisputeReason, OpenedBy},
        order::{
            Fault, Funds, OrderCompleted, OrderEtaChanged, OrderPaymentAttemptFailed, OrderPaymentRequested,
            OrderPayoutFrozen, OrderPayoutReleased, OrderPayoutUnfrozen, OrderRated, OrderRefundAuthorized,
            OrderRefundFailed, OrderRefundSettled, OrderStatus, PayoutWas, RefundPart, RefundSource,
        },
        payment::{CaptureMode, FailureReason},
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::{AttemptStatus, OrderRow, Orders, RefundStatus};
use crate::{
    engine::{Fold, FoldError, Projection},
    projections::samples::{self, DomainSample, Log},
};

const ORDER: Uuid = Uuid::from_u128(1);

struct Life {
    log: Log,
    fold: Fold<Orders>,
}

impl Life {
    fn new() -> Self {
        let mut life = Self { log: Log::new(), fold: Fold::new(Default::default()) };
        life.takes(samples::created(UserId(Uuid::from_u128(2)), ProducerId(Uuid::from_u128(3))));
        life
    }

    #[track_caller]
    fn takes(&mut self, event: impl Into<DomainSample>) -> &OrderRow {
        let event = self.log.push(ORDER, event);
        self.fold.take(&event).unwrap();
        let row = self.row();
        assert_eq!((row.version, row.updated_at), (event.sequence, event.occurred_at));
        row
    }

    fn row(&self) -> &OrderRow {
        self.fold.row(&OrderId(ORDER)).unwrap()
    }
}

fn attempt(attempt_no: u32) -> OrderPaymentRequested {
    OrderPaymentRequested {
        payment_id: PaymentId::of_order_attempt(OrderId(ORDER), attempt_no),
        attempt_no,
        amount_due: Money::rub(20_000),
        provider: None,
        return_url: "http://localhost".to_owned(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: chrono::Utc::now(),
    }
}

fn failure(attempt_no: u32, reason: FailureReason) -> OrderPaymentAttemptFailed {
    let payment_id = PaymentId::of_order_attempt(OrderId(ORDER), attempt_no);
    OrderPaymentAttemptFailed { payment_id, attempt_no, reason }
}

#[test]
fn an_order_lives_from_its_creation_to_its_marks() {
    let mut life = Life::new();
    assert_eq!((life.row().status, life.row().items.len()), (OrderStatus::WaitingForPayment, 1));
    assert_eq!(life.takes(attempt(1)).payment.as_ref().unwrap().status, AttemptStatus::Pending);
    let row = life.takes(samples::paid(ORDER));
    assert_eq!((row.status, row.payment.as_ref().unwrap().status), (OrderStatus::Paid, AttemptStatus::Succeeded));
    assert_eq!(row.payment.as_ref().unwrap().attempt_no, Some(1));
    assert!(row.paid_at.is_some() && row.accept_deadline.is_some());
    assert_eq!(life.takes(samples::accepted()).eta_minutes, Some(40));
    let later = OrderEtaChanged { eta_minutes: 55, ready_by: chrono::Utc::now() };
    let row = life.takes(later);
    assert_eq!((row.status, row.eta_minutes), (OrderStatus::Accepted, Some(55)));
    assert_eq!(life.takes(samples::started()).status, OrderStatus::Preparing);
    let row = life.takes(samples::ready());
    assert_eq!((row.status, row.note.as_deref()), (OrderStatus::Ready, Some("hot")));
    let row = life.takes(samples::dispatched());
    assert_eq!((row.status, row.note.as_deref()), (OrderStatus::OutForDelivery, Some("hot")));
    let row = life.takes(samples::delivered());
    assert!(row.status == OrderStatus::Delivered && row.auto_complete_at.is_some());
    let row = life.takes(OrderCompleted { payout_due_at: chrono::Utc::now() });
    assert!(row.status == OrderStatus::Completed && row.payout_due_at.is_some());
    life.takes(OrderPayoutReleased {
        gross: Money::rub(20_000),
        refunded: Money::rub(0),
        commission: Money::rub(2_000),
        producer_net: Money::rub(18_000),
    });
    assert_eq!(life.row().payout.as_ref().unwrap().producer_net, Money::rub(18_000));
    life.takes(OrderRated { rating: 5, per_item: vec![], comment: Some("wow".to_owned()) });
    assert_eq!(life.row().rating.as_ref().unwrap().rating, 5);
    assert!(life.row().cancelled_at.is_none());
}

#[test]
fn lost_attempts_are_counted_but_for_the_providers_outages() {
    let mut life = Life::new();
    life.takes(attempt(1));
    life.takes(failure(1, FailureReason::Declined));
    assert_eq!(life.row().payment.as_ref().unwrap().status, AttemptStatus::Failed);
    life.takes(attempt(2));
    life.takes(failure(2, FailureReason::ProviderUnavailable));
    life.takes(attempt(3));
    // A late failure of an old attempt does not touch the open one.
    let row = life.takes(failure(1, FailureReason::Expired));
    assert_eq!(row.payment.as_ref().unwrap().status, AttemptStatus::Pending);
    assert_eq!((row.attempts_opened, row.attempts_lost), (3, 2));
}

#[test]
fn money_that_is_only_held_and_gifts_show() {
    let mut life = Life::new();
    let mut paid = samples::paid(ORDER);
    paid.funds = Funds::Authorized;
    paid.gift_amount = Money::rub(5_000);
    let payment = life.takes(paid).payment.clone().unwrap();
    assert_eq!((payment.status, payment.gift_amount), (AttemptStatus::Authorized, Some(Money::rub(5_000))));
}

#[test]
fn a_cancelled_order_shows_why_and_what_goes_back() {
    let mut life = Life::new();
    life.takes(samples::paid(ORDER));
    let row = life.takes(samples::cancelled(OrderStatus::Paid));
    assert!(row.status == OrderStatus::Cancelled && row.cancellation.as_ref().unwrap().refund_required);
    let refund_id = RefundId(Uuid::from_u128(9));
    life.takes(OrderRefundAuthorized {
        refund_id,
        source: RefundSource::Cancellation,
        source_id: Uuid::from_u128(10),
        card_amount: Money::rub(20_000),
        gift_amount: Money::rub(0),
        fault: Fault::None,
        payment_id: None,
    });
    let statuses = |row: &OrderRow| (row.refunds[0].card_status, row.refunds[0].gift_status);
    assert_eq!(statuses(life.row()), (RefundStatus::Pending, RefundStatus::None));
    let failed = OrderRefundFailed { refund_id, part: RefundPart::Card, reason: "bank".to_owned() };
    assert_eq!(statuses(life.takes(failed)), (RefundStatus::Failed, RefundStatus::None));
    let row = life.takes(OrderRefundSettled { refund_id, part: RefundPart::Card });
    assert!(statuses(row) == (RefundStatus::Settled, RefundStatus::None) && row.refunds[0].settled_at.is_some());
}

#[test]
fn what_does_not_follow_is_refused_and_changes_nothing() {
    let mut life = Life::new();
    let before = life.row().clone();
    let refused = |life: &mut Life, event: &RecordedEvent| {
        assert!(matches!(life.fold.take(event), Err(FoldError::OutOfPlace { .. })));
        assert_eq!(*life.row(), before);
    };
    let again = life.log.push(ORDER, samples::created(UserId::default(), ProducerId::default()));
    refused(&mut life, &again);
    let first = life.log.events[0].clone();
    refused(&mut life, &first);
    let unknown = life.log.push(ORDER, OrderRefundSettled { refund_id: RefundId::default(), part: RefundPart::Card });
    refused(&mut life, &unknown);
    let stranger = life.log.push(Uuid::from_u128(99), samples::accepted());
    assert!(life.fold.take(&stranger).is_err());
    assert!(life.fold.row(&OrderId(Uuid::from_u128(99))).is_none());
}

#[test]
fn a_dispute_is_shown_with_its_order() {
    let mut life = Life::new();
    life.takes(samples::paid(ORDER));
    let dispute_id = DisputeId::of_order(OrderId(ORDER), 1);
    let claim = DisputeClaim {
        reason_code: DisputeReason::Late,
        description_sealed: None,
        claimed_amount: None,
        evidence: vec![],
        appeal_of: None,
    };
    let (payout_was, opened_by, refundable) = (PayoutWas::Held, OpenedBy::Customer, Money::rub(20_000));
    assert_eq!(life.row().refundable_minor(), 20_000);
    let row = life.takes(OrderPayoutFrozen { dispute_id, payout_was, opened_by, refundable, claim });
    assert_eq!((row.disputes[0].dispute_id, row.disputes[0].settled_at), (dispute_id, None));
    let later = chrono::Utc::now();
    let row = life.takes(OrderPayoutUnfrozen {
        dispute_id,
        refund_amount: Money::rub(500),
        appeal_before: later,
        auto_complete_at: Some(later),
        payout_due_at: None,
    });
    assert_eq!((row.disputes[0].refund_amount, row.auto_complete_at), (Some(Money::rub(500)), Some(later)));
    assert!(row.disputes[0].settled_at.is_some());
}

#[test]
fn a_row_survives_its_document() {
    let mut life = Life::new();
    life.takes(samples::paid(ORDER));
    let row = life.row();
    let copy: OrderRow = serde_json::from_str(&serde_json::to_string(row).unwrap()).unwrap();
    assert_eq!(copy, *row);
    assert!(Orders::keys(&life.log.events[0]).len() == 1);
}
