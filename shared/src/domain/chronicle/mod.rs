//! Hand-made logs for tests: what happened, event by event, in few words.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

mod disputes;
mod gifts;

pub(crate) use disputes::*;
pub(crate) use gifts::*;

use super::{Actor, DomainEvent, Money, dispute::DisputeEvent, gift::*, ids::*, order::*, payment::*};
use crate::log::{Metadata, RecordedEvent};

pub(crate) const ORDER: OrderId = OrderId(Uuid::from_u128(0x1001));
pub(crate) const GIFT: GiftId = GiftId(Uuid::from_u128(0x1002));
pub(crate) const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0x1003));
pub(crate) const CUSTOMER: UserId = UserId(Uuid::from_u128(0x1004));
pub(crate) const DISH: DishId = DishId(Uuid::from_u128(0x1005));

/// Minutes after the beginning.
pub(crate) fn minute(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
}

/// The order's payment of that attempt.
pub(crate) fn pay(attempt_no: u32) -> PaymentId {
    PaymentId::of_order_attempt(ORDER, attempt_no)
}

/// The gift's first payment.
pub(crate) fn gift_pay() -> PaymentId {
    PaymentId::of_gift_attempt(GIFT, 1)
}

/// The order's dispute of that number.
pub(crate) fn dispute(number: u32) -> DisputeId {
    DisputeId::of_order(ORDER, number)
}

/// A refund by a number.
pub(crate) fn refund(number: u128) -> RefundId {
    RefundId(Uuid::from_u128(0x2000 + number))
}

pub(crate) fn rub(kopecks: i64) -> Money {
    Money::rub(kopecks)
}

/// A log that grows by the event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chronicle {
    pub(crate) events: Vec<RecordedEvent>,
    sequences: HashMap<Uuid, u64>,
    minutes: i64,
}

impl Chronicle {
    fn add(mut self, aggregate_id: Uuid, flow: Uuid, domain: DomainEvent) -> Self {
        let position = self.events.len() as u64 + 1;
        let sequence = self.sequences.entry(aggregate_id).or_default();
        *sequence += 1;
        let command_id = Uuid::from_u128(0x9000_0000 + u128::from(position));
        self.events.push(RecordedEvent {
            position,
            event_id: Uuid::from_u128(0x8000_0000 + u128::from(position)),
            aggregate_type: domain.aggregate_type(),
            aggregate_id,
            sequence: *sequence,
            event_type: Cow::Borrowed(domain.type_name()),
            schema_version: domain.schema_version(),
            occurred_at: minute(self.minutes),
            recorded_at: minute(self.minutes),
            correlation_id: flow,
            causation_id: command_id,
            actor: Actor::system("chronicle"),
            metadata: Metadata { command_id, request_id: None, traceparent: None },
            payload: Arc::from(serde_json::to_string(&domain).expect("events are JSON")),
            event: Ok(domain),
        });
        self
    }

    /// Of the order.
    pub(crate) fn order(self, event: impl Into<OrderEvent>) -> Self {
        self.add(ORDER.0, ORDER.0, DomainEvent::Order(event.into()))
    }

    /// Of another order.
    pub(crate) fn order_of(self, id: OrderId, event: impl Into<OrderEvent>) -> Self {
        self.add(id.0, id.0, DomainEvent::Order(event.into()))
    }

    /// Of the order's payment of that attempt.
    pub(crate) fn pay(self, attempt_no: u32, event: impl Into<PaymentEvent>) -> Self {
        self.add(pay(attempt_no).0, ORDER.0, DomainEvent::Payment(event.into()))
    }

    /// Of the gift.
    pub(crate) fn gift(self, event: impl Into<GiftEvent>) -> Self {
        self.add(GIFT.0, GIFT.0, DomainEvent::Gift(event.into()))
    }

    /// Of the gift's payment.
    pub(crate) fn gift_pay(self, event: impl Into<PaymentEvent>) -> Self {
        self.add(gift_pay().0, GIFT.0, DomainEvent::Payment(event.into()))
    }

    /// Of the order's dispute of that number.
    pub(crate) fn dispute(self, number: u32, event: impl Into<DisputeEvent>) -> Self {
        self.add(dispute(number).0, ORDER.0, DomainEvent::Dispute(event.into()))
    }

    /// Time goes on.
    pub(crate) fn later(mut self, minutes: i64) -> Self {
        self.minutes += minutes;
        self
    }

    /// Only the first events.
    pub(crate) fn until(mut self, events: usize) -> Self {
        self.events.truncate(events);
        self
    }

    /// Something is wrong with the newest event.
    pub(crate) fn but(mut self, change: impl FnOnce(&mut RecordedEvent)) -> Self {
        change(self.events.last_mut().expect("there is an event"));
        self
    }
}

/// An order of one dish, without a gift.
pub(crate) fn created(kopecks: i64) -> OrderCreated {
    OrderCreated {
        customer_id: CUSTOMER,
        producer_id: KITCHEN,
        items: vec![OrderItem {
            line_no: 1,
            dish_id: DISH,
            dish_name: "borscht".into(),
            unit_price: rub(kopecks),
            quantity: 1,
            line_total: rub(kopecks),
            price_version: 1,
            price_source: PriceSource::Catalog,
        }],
        delivery_type: DeliveryType::Building,
        delivery_fee: rub(0),
        total_price: rub(kopecks),
        gift: None,
        amount_due: rub(kopecks),
        commission_bps: 1_000,
        payment_deadline: minute(30),
        requested_for: None,
        pii_sealed: None,
        portions_taken: Vec::new(),
    }
}

/// An order that the gift pays a part of.
pub(crate) fn created_with_gift(kopecks: i64, share: i64) -> OrderCreated {
    let reservation_id = GIFT.reservation_for(ORDER);
    OrderCreated {
        gift: Some(GiftUse { gift_id: GIFT, reservation_id, amount: rub(share) }),
        amount_due: rub(kopecks - share),
        ..created(kopecks)
    }
}

pub(crate) fn requested(attempt_no: u32, kopecks: i64) -> OrderPaymentRequested {
    OrderPaymentRequested {
        payment_id: pay(attempt_no),
        attempt_no,
        amount_due: rub(kopecks),
        provider: None,
        return_url: "https://shop.test".into(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: minute(30),
    }
}

pub(crate) fn initiated(attempt_no: u32, kopecks: i64) -> PaymentInitiated {
    PaymentInitiated {
        purpose: Purpose::Order { order_id: ORDER },
        amount: rub(kopecks),
        provider: Provider::DevFake,
        provider_order_ref: pay(attempt_no).provider_order_ref(1),
        return_url: "https://shop.test".into(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: minute(30),
    }
}

pub(crate) fn authorized(kopecks: i64) -> PaymentAuthorized {
    PaymentAuthorized {
        provider_payment_id: "bank-1".into(),
        amount: rub(kopecks),
        source: EvidenceSource::Poll,
        capture_before: minute(10_000),
        late: false,
    }
}

pub(crate) fn succeeded(kopecks: i64) -> PaymentSucceeded {
    let (amount, source) = (rub(kopecks), EvidenceSource::Webhook);
    PaymentSucceeded { provider_payment_id: "bank-1".into(), amount, source, late: false }
}

pub(crate) fn applied() -> PaymentApplied {
    PaymentApplied { target: Purpose::Order { order_id: ORDER } }
}

pub(crate) fn unapplied() -> PaymentUnapplied {
    PaymentUnapplied { cause: UnappliedCause::Late }
}

pub(crate) fn paid(attempt_no: u32, card: i64, gift: i64) -> OrderPaid {
    OrderPaid {
        payment_id: (card > 0).then(|| pay(attempt_no)),
        card_amount: rub(card),
        gift_amount: rub(gift),
        funds: Funds::Captured,
        accept_deadline: minute(45),
    }
}

pub(crate) fn cancelled(from_status: OrderStatus, refund_required: bool) -> OrderCancelled {
    let (reason_code, cancelled_by) = (CancelReason::CustomerRequest, "customer".into());
    OrderCancelled { reason_code, reason_text: None, cancelled_by, from_status, refund_required }
}

pub(crate) fn owed(number: u128, card: i64, gift: i64) -> OrderRefundAuthorized {
    OrderRefundAuthorized {
        refund_id: refund(number),
        source: RefundSource::Cancellation,
        source_id: Uuid::from_u128(number),
        card_amount: rub(card),
        gift_amount: rub(gift),
        fault: Fault::None,
        payment_id: (card > 0).then(|| pay(1)),
    }
}

pub(crate) fn asked_back(refund_id: RefundId, kopecks: i64, source: PaymentRefundSource) -> PaymentRefundRequested {
    PaymentRefundRequested { refund_id, amount: rub(kopecks), source }
}

pub(crate) fn arrived(refund_id: RefundId, kopecks: i64) -> PaymentRefundSucceeded {
    PaymentRefundSucceeded { refund_id, amount: rub(kopecks), epoch: 1 }
}

pub(crate) fn settled(number: u128, part: RefundPart) -> OrderRefundSettled {
    OrderRefundSettled { refund_id: refund(number), part }
}

pub(crate) fn released(gross: i64, refunded: i64, commission: i64) -> OrderPayoutReleased {
    OrderPayoutReleased {
        gross: rub(gross),
        refunded: rub(refunded),
        commission: rub(commission),
        producer_net: rub(gross - refunded - commission),
    }
}

/// An order of so much, paid by card.
pub(crate) fn paid_by_card(kopecks: i64) -> Chronicle {
    Chronicle::default()
        .order(created(kopecks))
        .order(requested(1, kopecks))
        .pay(1, initiated(1, kopecks))
        .pay(1, succeeded(kopecks))
        .order(paid(1, kopecks, 0))
        .pay(1, applied())
}

/// Handed over and completed; the share may be released two days later.
pub(crate) fn completed(log: Chronicle) -> Chronicle {
    let ready_by = minute(60);
    log.order(OrderAccepted { eta_minutes: 30, ready_by })
        .order(OrderPreparationStarted { note: None })
        .order(OrderReady { note: None })
        .order(OrderDispatched { note: None })
        .order(OrderDelivered { proof_ref: None, auto_complete_at: minute(1_500) })
        .later(100)
        .order(OrderCompleted { payout_due_at: minute(100 + 2_880) })
}

/// A paid order that was called off, with its money back.
pub(crate) fn given_back(kopecks: i64) -> Chronicle {
    paid_by_card(kopecks)
        .order(cancelled(OrderStatus::Paid, true))
        .order(owed(1, kopecks, 0))
        .pay(1, asked_back(refund(1), kopecks, PaymentRefundSource::OrderRefund))
        .pay(1, arrived(refund(1), kopecks))
        .order(settled(1, RefundPart::Card))
}

/// Money that came when nobody wanted it any more, and went back.
pub(crate) fn late_money(kopecks: i64) -> Chronicle {
    let unapplied_refund = RefundId::of_unapplied(pay(1));
    Chronicle::default()
        .order(created(kopecks))
        .order(requested(1, kopecks))
        .pay(1, initiated(1, kopecks))
        .order(cancelled(OrderStatus::WaitingForPayment, false))
        .pay(1, unapplied())
        .pay(1, succeeded(kopecks))
        .pay(1, asked_back(unapplied_refund, kopecks, PaymentRefundSource::Unapplied))
        .pay(1, arrived(unapplied_refund, kopecks))
}
