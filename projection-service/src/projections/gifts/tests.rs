//! What every event does to the row of a gift, which has to say the same as the gift itself.

use cqrs_es::Aggregate;
use shared::{
    domain::{
        DomainEvent, GiftId, Money, OrderId, PaymentId, RefundId, UserId,
        gift::{
            CodeRef, DeliveryChannel, Gift, GiftActivated, GiftBlocked, GiftCancelReason, GiftCancelled, GiftConverted,
            GiftCreated, GiftCredited, GiftDelivered, GiftEvent, GiftExpired, GiftIssued, GiftKind,
            GiftPaymentAttemptFailed, GiftPaymentRequested, GiftRedeemed, GiftRefundCause, GiftRefundRequested,
            GiftRefundReverted, GiftRefundSettled, GiftReservationReleased, GiftReserved, GiftStatus, GiftUnblocked,
            ReleaseCause,
        },
        payment::FailureReason,
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::{GiftAttemptStatus, GiftRefundStatus, GiftRow, GiftUseStatus, Gifts};
use crate::{engine::Fold, projections::samples::Log};

const GIFT: Uuid = Uuid::from_u128(1);
const BUYER: UserId = UserId(Uuid::from_u128(2));
const HOLDER: UserId = UserId(Uuid::from_u128(3));
const ORDER: OrderId = OrderId(Uuid::from_u128(4));
const RESERVATION: Uuid = Uuid::from_u128(5);
const REFUND: RefundId = RefundId(Uuid::from_u128(6));

struct Life {
    log: Log,
    fold: Fold<Gifts>,
    gift: Gift,
}

fn rub(roubles: i64) -> Money {
    Money::rub(roubles * 100)
}

fn payment() -> PaymentId {
    PaymentId::of_gift_attempt(GiftId(GIFT), 1)
}

impl Life {
    fn new() -> Self {
        let mut life = Self { log: Log::new(), fold: Fold::new(Default::default()), gift: Gift::default() };
        life.takes(GiftCreated {
            buyer_id: BUYER,
            kind: GiftKind::Amount,
            value: rub(1_000),
            dish: None,
            recipient_user_id: None,
            deliver_at: None,
            payment_deadline: chrono::Utc::now(),
            pii_sealed: None,
        });
        life.takes(GiftPaymentRequested {
            payment_id: payment(),
            attempt_no: 1,
            amount: rub(1_000),
            provider: None,
            return_url: String::new(),
            expires_at: chrono::Utc::now(),
        });
        life
    }

    fn issued() -> Self {
        let mut life = Self::new();
        life.takes(GiftIssued {
            payment_id: payment(),
            value: rub(1_000),
            code_ref: CodeRef("0f".repeat(32)),
            last4: "7XYZ".into(),
            deliver_at: chrono::Utc::now(),
            remind_at: chrono::Utc::now(),
            expires_at: chrono::Utc::now(),
        });
        life
    }

    fn activated() -> Self {
        let mut life = Self::issued();
        life.takes(GiftActivated { activated_by: HOLDER, order_id: None, delivery_type: None, pii_sealed: None });
        life
    }

    fn push(&mut self, event: impl Into<GiftEvent>) -> std::sync::Arc<RecordedEvent> {
        let event = event.into();
        self.gift.apply(event.clone());
        let event = DomainEvent::Gift(event);
        let payload = serde_json::to_string(&event).unwrap();
        self.log.push_raw(GIFT, &event, &payload)
    }

    /// The row after the event: in status and in money it agrees with the gift.
    #[track_caller]
    fn takes(&mut self, event: impl Into<GiftEvent>) -> GiftRow {
        let event = self.push(event);
        self.fold.take(&event).unwrap();
        let row = self.fold.row(&GiftId(GIFT)).unwrap().clone();
        assert_eq!(Some(row.status), self.gift.status());
        assert_eq!(Some(row.purse), self.gift.purse());
        assert_eq!(row.is_blocked, self.gift.is_blocked());
        assert_eq!(Some(row.kind), self.gift.kind());
        assert_eq!(row.activated_by, self.gift.activated_by());
        row
    }
}

fn reserved(amount: Money) -> GiftReserved {
    GiftReserved {
        reservation_id: RESERVATION,
        order_id: ORDER,
        amount,
        until: chrono::Utc::now(),
        available_after: rub(0),
    }
}

fn redeemed(amount: Money) -> GiftRedeemed {
    GiftRedeemed { reservation_id: RESERVATION, order_id: ORDER, amount, available_after: rub(0) }
}

#[test]
fn a_gift_goes_from_its_payment_to_its_last_rouble_and_back() {
    assert!(Life::new().fold.row(&GiftId(GIFT)).unwrap().has_active_attempt());
    let mut life = Life::issued();
    let row = life.takes(GiftDelivered { channel: DeliveryChannel::Buyer });
    assert!(row.delivered_at.is_some() && row.last4.as_deref() == Some("7XYZ"));
    assert_eq!(row.attempts[0].status, GiftAttemptStatus::Paid);
    let mut life = Life::activated();
    assert_eq!(life.takes(reserved(rub(1_000))).uses[0].status, GiftUseStatus::Reserved);
    assert_eq!(life.takes(redeemed(rub(1_000))).status, GiftStatus::Redeemed);
    let credit = GiftCredited { refund_id: REFUND, order_id: ORDER, amount: rub(400), available_after: rub(400) };
    let row = life.takes(credit);
    assert_eq!((row.status, row.uses[0].credited), (GiftStatus::PartiallyRedeemed, rub(400)));
    assert_eq!(life.takes(GiftExpired { unspent: rub(400) }).status, GiftStatus::Expired);
}

#[test]
fn a_share_that_was_given_up_can_be_spent_again() {
    let mut life = Life::activated();
    life.takes(reserved(rub(300)));
    let row = life.takes(GiftReservationReleased {
        reservation_id: RESERVATION,
        order_id: ORDER,
        amount: rub(300),
        cause: ReleaseCause::OrderCancelled,
        available_after: rub(1_000),
    });
    assert_eq!((row.status, row.uses[0].status), (GiftStatus::Activated, GiftUseStatus::Released));
}

#[test]
fn money_goes_back_to_the_buyer_or_comes_back() {
    let request = |amount| GiftRefundRequested {
        refund_id: REFUND,
        amount,
        cause: GiftRefundCause::BuyerRequest,
        payment_id: payment(),
    };
    let mut life = Life::issued();
    assert_eq!(life.takes(request(rub(300))).refunds[0].status, GiftRefundStatus::Requested);
    let settled = life.takes(GiftRefundSettled { refund_id: REFUND, amount: rub(300) });
    assert_eq!(settled.refunds[0].status, GiftRefundStatus::Settled);
    let mut life = Life::issued();
    life.takes(GiftCancelled {
        reason_code: GiftCancelReason::BuyerRequest,
        reason_text: None,
        cancelled_by: "customer".into(),
        from_status: GiftStatus::Issued,
    });
    life.takes(request(rub(1_000)));
    let row = life.takes(GiftRefundReverted { refund_id: REFUND, amount: rub(1_000), reason: "3033".into() });
    assert_eq!((row.status, row.refunds[0].status), (GiftStatus::Cancelled, GiftRefundStatus::Reverted));
}

#[test]
fn it_can_be_blocked_converted_and_lose_an_attempt() {
    let mut life = Life::issued();
    life.takes(GiftBlocked { reason: "fraud".into() });
    life.takes(GiftUnblocked { reason: "checked".into() });
    life.takes(GiftConverted { to: GiftKind::Amount, value: rub(1_000) });
    let mut life = Life::new();
    let failed =
        GiftPaymentAttemptFailed { payment_id: payment(), attempt_no: 1, reason: FailureReason::ProviderUnavailable };
    let row = life.takes(failed);
    assert_eq!((row.attempts[0].status, row.attempts_lost()), (GiftAttemptStatus::Failed, 0));
}

#[test]
fn what_does_not_follow_is_refused_and_changes_nothing() {
    let mut life = Life::activated();
    let before = life.fold.row(&GiftId(GIFT)).unwrap().clone();
    for event in [life.push(redeemed(rub(1))), life.log.events[0].clone(), life.log.events[2].clone()] {
        assert!(life.fold.take(&event).is_err());
    }
    assert_eq!(*life.fold.row(&GiftId(GIFT)).unwrap(), before);
}

#[test]
fn no_document_knows_the_code() {
    let mut life = Life::activated();
    let row = life.takes(GiftDelivered { channel: DeliveryChannel::Feed });
    assert!(!serde_json::to_string(&row).unwrap().contains(&"0f".repeat(32)));
}
