//! Every rule and every refusal of a gift.

mod access;
mod actions;
mod activate;
mod buy;
mod close;
mod code;
mod diagram;
mod properties;
mod refund;
mod spend;
mod table;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::*;
use crate::domain::{
    Actor, EventSourced, Intent, Money, Rejection,
    ids::*,
    order::DeliveryType,
    payment::{FailureReason, Provider, ProviderChoice},
};

pub(super) const GIFT: GiftId = GiftId(Uuid::from_u128(1));
pub(super) const BUYER: UserId = UserId(Uuid::from_u128(2));
pub(super) const HOLDER: UserId = UserId(Uuid::from_u128(3));
pub(super) const STRANGER: UserId = UserId(Uuid::from_u128(4));
pub(super) const COOK: UserId = UserId(Uuid::from_u128(5));
pub(super) const YEAR_MINUTES: i64 = 365 * 24 * 60;
/// When the gifts of these tests expire: a year after they were paid at minute 10.
pub(super) const END: i64 = 10 + YEAR_MINUTES;

pub(super) type Asked = (Actor, DateTime<Utc>, GiftCommand);

/// The moment of the purchase, and minutes after it.
pub(super) fn minute(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
}

pub(super) fn customer(id: UserId) -> Actor {
    Actor::Customer(id)
}

pub(super) fn admin() -> Actor {
    Actor::Admin(UserId(Uuid::from_u128(9)))
}

pub(super) fn system() -> Actor {
    Actor::system("gift_purchase")
}

pub(super) fn policy() -> GiftPolicy {
    GiftPolicy::default()
}

pub(super) fn rub(roubles: i64) -> Money {
    Money::rub(roubles * 100)
}

/// What happens, or the rule that forbids it.
pub(super) fn ask(given: &[GiftEvent], (actor, now, command): Asked) -> Result<Vec<GiftEvent>, GiftError> {
    replay(given).decide(&Intent { actor, now, command })
}

/// The names of the events, or of the rule that forbids.
pub(super) fn names(given: &[GiftEvent], asked: Asked) -> Result<Vec<&'static str>, &'static str> {
    let events = ask(given, asked).map_err(|error| error.rule())?;
    Ok(events.iter().map(GiftEvent::type_name).collect())
}

/// The history with what follows from the command.
#[track_caller]
pub(super) fn after(given: &[GiftEvent], asked: Asked) -> Vec<GiftEvent> {
    let new = ask(given, asked).expect("the command is accepted");
    [given.to_vec(), new].concat()
}

pub(super) fn replay(events: &[GiftEvent]) -> Gift {
    events.iter().fold(Gift::default(), |mut gift, event| {
        cqrs_es::Aggregate::apply(&mut gift, event.clone());
        gift
    })
}

pub(super) fn pots(events: &[GiftEvent]) -> [i64; 5] {
    let purse = replay(events).purse().unwrap();
    Pot::ALL.map(|pot| purse.amount(pot).minor() / 100)
}

pub(super) fn code_ref() -> CodeRef {
    CodeRef("right".into())
}

pub(super) fn attempt(attempt_no: u32) -> PaymentId {
    PaymentId::of_gift_attempt(GIFT, attempt_no)
}

pub(super) fn order(no: u128) -> OrderId {
    OrderId(Uuid::from_u128(100 + no))
}

pub(super) fn reservation(order_id: OrderId) -> Uuid {
    GIFT.reservation_for(order_id)
}

/// Two portions at 400 roubles, and 200 for bringing them.
pub(super) fn dish() -> GiftDish {
    GiftDish {
        dish_id: DishId(Uuid::from_u128(6)),
        dish_name: "borscht".into(),
        producer_id: ProducerId(Uuid::from_u128(7)),
        quantity: 2,
        unit_price: rub(400),
        price_version: 3,
        delivery_fee: rub(200),
    }
}

pub(super) fn purchase(change: impl FnOnce(&mut PurchaseGift)) -> Asked {
    let mut request = PurchaseGift {
        gift_id: GIFT,
        buyer_id: BUYER,
        wish: GiftWish::Amount(rub(1_000)),
        recipient_user_id: None,
        deliver_at: None,
        pii_sealed: Some("sealed".into()),
        return_url: "https://homefood.test/paid".into(),
        provider: ProviderChoice::own(Provider::DevFake),
        policy: policy(),
    };
    change(&mut request);
    (customer(BUYER), minute(0), GiftCommand::Purchase(Box::new(request)))
}

pub(super) fn issue(payment_id: PaymentId, amount: Money) -> Asked {
    let request = IssueGift { payment_id, amount, code_ref: code_ref(), last4: "7XYZ".into(), policy: policy() };
    (system(), minute(10), GiftCommand::Issue(request))
}

pub(super) fn activate(user_id: UserId, at: i64) -> Asked {
    activate_with(user_id, at, None)
}

pub(super) fn activate_with(user_id: UserId, at: i64, delivery: Option<DishDelivery>) -> Asked {
    let request = ActivateGift { gift_id: GIFT, code_ref: Some(code_ref()), delivery };
    (customer(user_id), minute(at), GiftCommand::Activate(Box::new(request)))
}

pub(super) fn delivery() -> DishDelivery {
    DishDelivery {
        delivery_type: DeliveryType::Building,
        pii_sealed: Some("sealed".into()),
        state: DishState {
            available: true,
            open_now: true,
            delivery_types: vec![DeliveryType::Building, DeliveryType::Pickup],
            owner_user_id: Some(COOK),
        },
    }
}

pub(super) fn reserve(order_id: OrderId, total: Money, at: i64) -> Asked {
    reserve_with(order_id, total, at, |_| {})
}

pub(super) fn reserve_with(order_id: OrderId, total: Money, at: i64, change: impl FnOnce(&mut ReserveGift)) -> Asked {
    let mut request = ReserveGift {
        reservation_id: reservation(order_id),
        order_id,
        customer_id: HOLDER,
        code_ref: None,
        purpose: ReservePurpose::Order { wanted: None },
        total,
        payment_deadline: minute(at + 30),
        policy: policy(),
    };
    change(&mut request);
    (system(), minute(at), GiftCommand::Reserve(request))
}

pub(super) fn redeem(order_id: OrderId, at: i64) -> Asked {
    (system(), minute(at), GiftCommand::Redeem { reservation_id: reservation(order_id) })
}

pub(super) fn release(order_id: OrderId, cause: ReleaseCause, at: i64) -> Asked {
    (system(), minute(at), GiftCommand::Release { reservation_id: reservation(order_id), cause })
}

pub(super) fn refund_id(no: u128) -> RefundId {
    RefundId(Uuid::from_u128(1_000 + no))
}

pub(super) fn credit(order_id: OrderId, no: u128, amount: Money, at: i64) -> Asked {
    (system(), minute(at), GiftCommand::Credit { refund_id: refund_id(no), order_id, amount })
}

pub(super) fn expire(at: i64) -> Asked {
    (system(), minute(at), GiftCommand::Expire)
}

pub(super) fn cancel(actor: Actor, reason_code: Option<GiftCancelReason>, at: i64) -> Asked {
    (actor, minute(at), GiftCommand::Cancel { reason_code, reason_text: None })
}

pub(super) fn refund(actor: Actor, no: u128, amount: Option<Money>, at: i64) -> Asked {
    let cause = match actor {
        Actor::Customer(_) => GiftRefundCause::BuyerRequest,
        Actor::Admin(_) => GiftRefundCause::Admin,
        _ => GiftRefundCause::Expiry,
    };
    let request = RequestGiftRefund { refund_id: refund_id(no), amount, cause };
    (actor, minute(at), GiftCommand::RequestRefund(request))
}

pub(super) fn convert(user_id: UserId, code_ref: Option<CodeRef>, dish_available: bool) -> Asked {
    (customer(user_id), minute(60), GiftCommand::Convert(ConvertGift { code_ref, dish_available }))
}

pub(super) fn bought() -> Vec<GiftEvent> {
    after(&[], purchase(|_| {}))
}

pub(super) fn issued() -> Vec<GiftEvent> {
    after(&bought(), issue(attempt(1), rub(1_000)))
}

pub(super) fn activated() -> Vec<GiftEvent> {
    after(&issued(), activate(HOLDER, 20))
}

/// 600 of 1000 were spent for order 1.
pub(super) fn half_spent() -> Vec<GiftEvent> {
    let reserved = after(&activated(), reserve(order(1), rub(600), 30));
    after(&reserved, redeem(order(1), 31))
}

pub(super) fn dish_issued() -> Vec<GiftEvent> {
    let bought = after(&[], purchase(|it| it.wish = GiftWish::Dish { dish: dish(), available: true }));
    after(&bought, issue(attempt(1), rub(1_000)))
}

pub(super) fn dish_activated() -> Vec<GiftEvent> {
    after(&dish_issued(), activate_with(HOLDER, 20, Some(delivery())))
}

/// The shortest way to a status.
pub(super) fn history(status: GiftStatus) -> Vec<GiftEvent> {
    match status {
        GiftStatus::PendingPayment => bought(),
        GiftStatus::Issued => issued(),
        GiftStatus::Activated => activated(),
        GiftStatus::PartiallyRedeemed => half_spent(),
        GiftStatus::Redeemed => {
            let reserved = after(&half_spent(), reserve(order(2), rub(400), 40));
            after(&reserved, redeem(order(2), 41))
        }
        GiftStatus::Expired => after(&activated(), expire(END)),
        GiftStatus::Cancelled => after(&issued(), cancel(customer(BUYER), None, 20)),
    }
}
