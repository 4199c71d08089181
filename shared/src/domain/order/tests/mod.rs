//! Every rule and every refusal of an order.

mod access;
mod actions;
mod cancel;
mod create;
mod diagram;
mod dispute;
mod held;
mod pay;
mod properties;
mod rate;
mod refund;
mod transitions;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::test::TestFramework;
use uuid::Uuid;

use super::*;
use crate::domain::{
    Actor, EventSourced, Intent, Money, Rejection,
    ids::*,
    payment::{CaptureMode, FailureReason, Provider, ProviderChoice},
};

pub(super) const ORDER: OrderId = OrderId(Uuid::from_u128(1));
pub(super) const CUSTOMER: UserId = UserId(Uuid::from_u128(2));
pub(super) const COOK: UserId = UserId(Uuid::from_u128(3));
pub(super) const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(4));
pub(super) const DISH: DishId = DishId(Uuid::from_u128(5));

/// The moment of the order, and minutes after it.
pub(super) fn minute(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
}

pub(super) fn customer() -> Actor {
    Actor::Customer(CUSTOMER)
}

pub(super) fn cook() -> Actor {
    Actor::Producer { producer_id: KITCHEN, user_id: COOK }
}

pub(super) fn admin() -> Actor {
    Actor::Admin(UserId(Uuid::from_u128(9)))
}

pub(super) fn system() -> Actor {
    Actor::system("order_payment")
}

/// The one place that knows the aggregate's API.
#[track_caller]
pub(super) fn check(
    given: &[OrderEvent],
    (actor, at, command): (Actor, DateTime<Utc>, OrderCommand),
    then: Result<Vec<OrderEvent>, OrderError>,
) {
    let intent = Intent { actor, now: at, command };
    let actual = TestFramework::<Order>::with(()).given(given.to_vec()).when(intent).inspect_result();
    assert_eq!(actual, then);
}

/// The names of the events, or of the rule that forbids.
pub(super) fn names(
    given: &[OrderEvent],
    (actor, at, command): (Actor, DateTime<Utc>, OrderCommand),
) -> Result<Vec<&'static str>, &'static str> {
    let events = replay(given).decide(&Intent { actor, now: at, command }).map_err(|error| error.rule())?;
    Ok(events.iter().map(OrderEvent::type_name).collect())
}

pub(super) fn replay(events: &[OrderEvent]) -> Order {
    events.iter().fold(Order::default(), |mut order, event| {
        cqrs_es::Aggregate::apply(&mut order, event.clone());
        order
    })
}

pub(super) fn policy() -> OrderPolicy {
    OrderPolicy::default()
}

pub(super) fn attempt(attempt_no: u32) -> PaymentId {
    PaymentId::of_order_attempt(ORDER, attempt_no)
}

/// Two dishes at 100.00, 200.00 in all.
pub(super) fn created() -> OrderEvent {
    created_for(Money::rub(20_000), Money::rub(20_000), DeliveryType::Building)
}

pub(super) fn created_for(total_price: Money, amount_due: Money, delivery_type: DeliveryType) -> OrderEvent {
    let gift = total_price.sub(amount_due).unwrap();
    let item = OrderItem {
        line_no: 1,
        dish_id: DISH,
        dish_name: "borscht".into(),
        unit_price: total_price,
        quantity: 1,
        line_total: total_price,
        price_version: 1,
        price_source: PriceSource::Catalog,
    };
    let created = OrderCreated {
        customer_id: CUSTOMER,
        producer_id: KITCHEN,
        items: vec![item],
        delivery_type,
        delivery_fee: Money::rub(0),
        total_price,
        gift: gift.is_positive().then(|| GiftUse {
            gift_id: GiftId(Uuid::from_u128(6)),
            reservation_id: Uuid::from_u128(7),
            amount: gift,
        }),
        amount_due,
        commission_bps: 1_000,
        payment_deadline: minute(30),
        requested_for: None,
        pii_sealed: None,
        portions_taken: Vec::new(),
    };
    created.into()
}

pub(super) fn requested(attempt_no: u32) -> OrderEvent {
    let requested = OrderPaymentRequested {
        payment_id: attempt(attempt_no),
        attempt_no,
        amount_due: Money::rub(20_000),
        provider: None,
        return_url: "https://homefood.test/paid".into(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: minute(30),
    };
    requested.into()
}

pub(super) fn failed(attempt_no: u32, reason: FailureReason) -> OrderEvent {
    OrderPaymentAttemptFailed { payment_id: attempt(attempt_no), attempt_no, reason }.into()
}

pub(super) fn paid(funds: Funds) -> OrderEvent {
    paid_by(Money::rub(20_000), Money::rub(0), funds)
}

pub(super) fn paid_by(card_amount: Money, gift_amount: Money, funds: Funds) -> OrderEvent {
    let payment_id = card_amount.is_positive().then(|| attempt(1));
    OrderPaid { payment_id, card_amount, gift_amount, funds, accept_deadline: minute(20) }.into()
}

pub(super) fn cancelled(from_status: OrderStatus) -> OrderEvent {
    let cancelled = OrderCancelled {
        reason_code: CancelReason::CustomerRequest,
        reason_text: None,
        cancelled_by: "customer".into(),
        from_status,
        refund_required: from_status != OrderStatus::WaitingForPayment,
    };
    cancelled.into()
}

/// The shortest way to a status: delivered at minute 100, completed at minute 200.
pub(super) fn history(status: OrderStatus) -> Vec<OrderEvent> {
    history_with(status, Funds::Captured, DeliveryType::Building)
}

pub(super) fn history_with(status: OrderStatus, funds: Funds, delivery_type: DeliveryType) -> Vec<OrderEvent> {
    let is_fetched = delivery_type == DeliveryType::Pickup;
    let way = [
        (OrderStatus::WaitingForPayment, created_for(Money::rub(20_000), Money::rub(20_000), delivery_type)),
        (OrderStatus::WaitingForPayment, requested(1)),
        (OrderStatus::Paid, paid(funds)),
        (OrderStatus::Accepted, OrderAccepted { eta_minutes: 30, ready_by: minute(40) }.into()),
        (OrderStatus::Preparing, OrderPreparationStarted { note: None }.into()),
        (OrderStatus::Ready, OrderReady { note: None }.into()),
        (OrderStatus::OutForDelivery, OrderDispatched { note: None }.into()),
        (OrderStatus::Delivered, OrderDelivered { proof_ref: None, auto_complete_at: minute(100 + 24 * 60) }.into()),
        (OrderStatus::Completed, OrderCompleted { payout_due_at: minute(200 + 48 * 60) }.into()),
    ];
    let order_of = |status: OrderStatus| OrderStatus::ALL.iter().position(|it| *it == status);
    if status == OrderStatus::Cancelled {
        return [history_with(OrderStatus::Paid, funds, delivery_type), vec![cancelled(OrderStatus::Paid)]].concat();
    }
    way.into_iter()
        .filter(|(reached, _)| order_of(*reached) <= order_of(status))
        .filter(|(reached, _)| !(is_fetched && *reached == OrderStatus::OutForDelivery))
        .map(|(_, event)| event)
        .collect()
}
