//! Which event tells whom what.

use shared::{
    domain::{
        Actor, DisputeId, Money, OfferId, OrderId, PaymentId, ProducerId, RefundId, UserId,
        dispute::{
            DisputeClaim, DisputeEscalated, DisputeEvent, DisputeOfferDeclined, DisputeOfferMade, DisputeReason,
            EscalatedBy, OpenedBy,
        },
        order::{
            CancelReason, OrderCompleted, OrderPaymentAttemptFailed, OrderPayoutFrozen, OrderPayoutReleased,
            OrderPayoutUnfrozen, OrderProducerReminded, OrderRated, OrderRefundSettled, OrderStatus, PayoutWas,
            RefundPart,
        },
        payment::FailureReason,
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::{EntryKind, Feed, FeedKey, Recipient};
use crate::{
    engine::{Fold, FoldError, Projection},
    projections::samples::{self, DomainSample, Log},
};

const ORDER: Uuid = Uuid::from_u128(1);
const ANNA: UserId = UserId(Uuid::from_u128(2));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(3));
const DISPUTE: Uuid = Uuid::from_u128(4);

struct Life {
    log: Log,
    fold: Fold<Feed>,
}

impl Life {
    fn new() -> Self {
        let mut life = Self { log: Log::new(), fold: Fold::new(Default::default()) };
        assert_eq!(life.tells(samples::created(ANNA, KITCHEN)), Vec::<String>::new());
        life
    }

    /// What the event tells: `anna PAID<WAITING_FOR_PAYMENT` or `kitchen new_order`.
    #[track_caller]
    fn tells(&mut self, event: impl Into<DomainSample>) -> Vec<String> {
        let event = self.log.push(ORDER, event);
        self.told(&event)
    }

    /// What an event of the order's dispute tells.
    #[track_caller]
    fn tells_of_dispute(&mut self, event: impl Into<DisputeEvent>) -> Vec<String> {
        let event = self.log.push_dispute((DISPUTE, ORDER), Actor::system("test"), event);
        self.told(&event)
    }

    #[track_caller]
    fn told(&mut self, event: &RecordedEvent) -> Vec<String> {
        self.fold.take(event).unwrap();
        let mut row = self.fold.row(&FeedKey::Order(OrderId(ORDER))).unwrap().clone();
        let told = row.entries().iter().map(|entry| {
            assert_eq!((entry.position, entry.occurred_at), (event.position, event.occurred_at));
            let whom = match entry.recipient {
                Recipient::User(id) if id == ANNA => "anna",
                Recipient::Producer(id) if id == KITCHEN => "kitchen",
                other => panic!("{other:?}"),
            };
            match &entry.kind {
                EntryKind::OrderStatusUpdate(update) => {
                    assert_eq!(update.version, event.sequence);
                    let name = |status| serde_json::to_value(status).unwrap().as_str().unwrap().to_owned();
                    let reason = update.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
                    format!("{whom} {}<{}{reason}", name(update.status), name(update.previous_status))
                }
                EntryKind::Notification(notification) => {
                    assert_eq!(notification.order_id, Some(OrderId(ORDER)));
                    format!("{whom} {}", serde_json::to_value(notification.kind).unwrap().as_str().unwrap())
                }
            }
        });
        let told = told.collect();
        // As the engine does between batches.
        Feed::settle(&mut row);
        self.fold = Fold::new([(FeedKey::Order(OrderId(ORDER)), Some(row))].into());
        told
    }
}

#[test]
fn both_parties_hear_of_every_step_from_the_payment_on() {
    let mut life = Life::new();
    let failed =
        OrderPaymentAttemptFailed { payment_id: PaymentId::default(), attempt_no: 1, reason: FailureReason::Declined };
    assert_eq!(life.tells(failed), ["anna payment_failed"]);
    let paid = ["anna PAID<WAITING_FOR_PAYMENT", "kitchen PAID<WAITING_FOR_PAYMENT", "kitchen new_order"];
    assert_eq!(life.tells(samples::paid(ORDER)), paid);
    assert_eq!(life.tells(samples::accepted()), ["anna ACCEPTED<PAID", "kitchen ACCEPTED<PAID"]);
    assert_eq!(life.tells(samples::started()), ["anna PREPARING<ACCEPTED", "kitchen PREPARING<ACCEPTED"]);
    assert_eq!(life.tells(samples::ready()), ["anna READY<PREPARING", "kitchen READY<PREPARING", "anna order_ready"]);
    let dispatched = ["anna OUT_FOR_DELIVERY<READY", "kitchen OUT_FOR_DELIVERY<READY"];
    assert_eq!(life.tells(samples::dispatched()), dispatched);
    let delivered = ["anna DELIVERED<OUT_FOR_DELIVERY", "kitchen DELIVERED<OUT_FOR_DELIVERY", "anna order_delivered"];
    assert_eq!(life.tells(samples::delivered()), delivered);
    let completed = OrderCompleted { payout_due_at: chrono::Utc::now() };
    assert_eq!(life.tells(completed), ["anna COMPLETED<DELIVERED", "kitchen COMPLETED<DELIVERED"]);
    let nothing = Money::rub(0);
    let payout = OrderPayoutReleased { gross: nothing, refunded: nothing, commission: nothing, producer_net: nothing };
    assert_eq!(life.tells(payout), ["kitchen payout_released"]);
    assert!(life.tells(OrderRated { rating: 5, per_item: vec![], comment: None }).is_empty());
}

#[test]
fn an_order_that_was_never_paid_ends_without_the_kitchen() {
    let mut life = Life::new();
    let told = life.tells(samples::cancelled(OrderStatus::WaitingForPayment));
    assert_eq!(told, ["anna CANCELLED<WAITING_FOR_PAYMENT CUSTOMER_REQUEST", "anna order_cancelled"]);
}

#[test]
fn both_hear_of_a_paid_order_that_is_called_off_and_one_of_the_money() {
    let mut life = Life::new();
    life.tells(samples::paid(ORDER));
    let mut cancelled = samples::cancelled(OrderStatus::Paid);
    cancelled.reason_code = CancelReason::ProducerTimeout;
    let told = life.tells(cancelled);
    let expected = [
        "anna CANCELLED<PAID PRODUCER_TIMEOUT",
        "kitchen CANCELLED<PAID PRODUCER_TIMEOUT",
        "anna order_cancelled",
        "kitchen order_cancelled",
    ];
    assert_eq!(told, expected);
    let settled = OrderRefundSettled { refund_id: RefundId::default(), part: RefundPart::Card };
    assert_eq!(life.tells(settled), ["anna refund_settled"]);
}

#[test]
fn a_stored_row_carries_no_entries() {
    let mut life = Life::new();
    let event = life.log.push(ORDER, samples::paid(ORDER));
    life.fold.take(&event).unwrap();
    let document = serde_json::to_value(life.fold.row(&FeedKey::Order(OrderId(ORDER))).unwrap()).unwrap();
    assert!(document.get("entries").is_none());
}

#[test]
fn the_two_of_a_dispute_hear_of_each_other() {
    let mut life = Life::new();
    life.tells(samples::paid(ORDER));
    let reminded = OrderProducerReminded { accept_deadline: chrono::Utc::now() };
    assert_eq!(life.tells(reminded), ["kitchen new_order"]);
    let frozen = OrderPayoutFrozen {
        dispute_id: DisputeId(DISPUTE),
        payout_was: PayoutWas::Held,
        opened_by: OpenedBy::Customer,
        refundable: Money::rub(20_000),
        claim: DisputeClaim {
            reason_code: DisputeReason::Late,
            description_sealed: None,
            claimed_amount: None,
            evidence: vec![],
            appeal_of: None,
        },
    };
    assert_eq!(life.tells(frozen), ["kitchen dispute_opened"]);
    let (order_id, offer_id) = (OrderId(ORDER), OfferId::of_dispute(DisputeId(DISPUTE), 1));
    let offer = DisputeOfferMade { order_id, offer_id, amount: Money::rub(100), message_sealed: None };
    assert_eq!(life.tells_of_dispute(offer), ["anna dispute_updated"]);
    assert_eq!(life.tells_of_dispute(DisputeOfferDeclined { order_id, offer_id }), ["kitchen dispute_updated"]);
    let call = |order_id| DisputeEscalated {
        order_id,
        by: EscalatedBy::System,
        cause: None,
        decision_due: chrono::Utc::now(),
    };
    assert_eq!(life.tells_of_dispute(call(order_id)), ["anna dispute_updated", "kitchen dispute_updated"]);
    assert!(life.tells_of_dispute(call(OrderId(Uuid::from_u128(77)))).is_empty(), "another order of the same flow");
    let unfrozen = OrderPayoutUnfrozen {
        dispute_id: DisputeId(DISPUTE),
        refund_amount: Money::rub(0),
        appeal_before: chrono::Utc::now(),
        auto_complete_at: None,
        payout_due_at: None,
    };
    assert_eq!(life.tells(unfrozen), ["anna dispute_resolved", "kitchen dispute_resolved"]);
}

#[test]
fn what_a_dispute_of_an_unknown_order_has_to_tell_waits_for_the_order() {
    let mut life = Life::new();
    let offer_id = OfferId::of_dispute(DisputeId(DISPUTE), 1);
    let offer = DisputeOfferMade { order_id: OrderId(ORDER), offer_id, amount: Money::rub(100), message_sealed: None };
    let event = life.log.push_dispute((DISPUTE, ORDER), Actor::system("test"), offer);
    let refused = Fold::<Feed>::new(Default::default()).take(&event);
    assert!(matches!(refused, Err(FoldError::OutOfPlace { .. })), "{refused:?}");
}
