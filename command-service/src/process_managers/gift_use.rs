//! A gift and the orders that it pays: shares are redeemed with their orders, and a dish that was given is ordered.

use shared::{
    domain::{
        DomainEvent, GiftId, OrderId,
        gift::{
            Gift, GiftActivated, GiftCommand, GiftEvent, GiftReserved, ReleaseCause, ReserveGift, ReservePurpose,
            UsageState,
        },
        order::{CreateOrder, GiftUse, OrderCommand, OrderEvent, OrderGift, RequestedLine},
    },
    log::RecordedEvent,
};

use super::step::{GiftAct, Situation, Step};

/// What stands in the log when a dish vanished between its activation and its order.
const DISH_GONE: &str = "gift_dish_unavailable";
/// And when the order was refused for another reason.
const ORDER_REFUSED: &str = "order_refused";

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Order(order_event)) => on_order(order_event, situation),
        Ok(DomainEvent::Gift(gift_event)) => {
            let Some(gift) = &situation.gift else { return Vec::new() };
            on_gift(GiftId(event.aggregate_id), gift_event, gift, situation)
        }
        Ok(DomainEvent::Payment(_) | DomainEvent::Dispute(_)) | Err(_) => Vec::new(),
    }
}

fn on_order(event: &OrderEvent, situation: &Situation) -> Vec<Step> {
    let Some(order) = &situation.order else { return Vec::new() };
    let Some(share) = order.gift() else { return Vec::new() };
    let reservation_id = share.reservation_id;
    match event {
        OrderEvent::OrderPaid(_) => {
            let act = GiftAct::Ask(Box::new(GiftCommand::Redeem { reservation_id }));
            // The order is paid with a share that the gift does not give: the platform would pay it, so a person looks.
            let otherwise = vec![Step::Alarm { kind: "gift_share_not_redeemed" }];
            vec![Step::Gift { gift_id: share.gift_id, act, otherwise }]
        }
        // What was paid comes back as a refund.
        OrderEvent::OrderCancelled(_) if order.receipt().is_none() => {
            let cause = ReleaseCause::OrderCancelled;
            vec![Step::gift(share.gift_id, GiftCommand::Release { reservation_id, cause })]
        }
        _ => Vec::new(),
    }
}

fn on_gift(gift_id: GiftId, event: &GiftEvent, gift: &Gift, situation: &Situation) -> Vec<Step> {
    match event {
        GiftEvent::GiftActivated(activated) => reserve_dish(gift_id, activated, gift, situation),
        GiftEvent::GiftReserved(reserved) => order_dish(gift_id, reserved, gift, situation),
        _ => Vec::new(),
    }
}

/// As with any order, the gift's share is held before the order is placed.
fn reserve_dish(gift_id: GiftId, activated: &GiftActivated, gift: &Gift, situation: &Situation) -> Vec<Step> {
    let (Some(order_id), Some(terms)) = (activated.order_id, gift.terms()) else { return Vec::new() };
    let reserve = ReserveGift {
        reservation_id: gift_id.reservation_for(order_id),
        order_id,
        customer_id: activated.activated_by,
        code_ref: None,
        purpose: ReservePurpose::Dish,
        total: terms.value,
        payment_deadline: situation.now + situation.policies.order.payment_window,
        policy: situation.policies.gift,
    };
    let act = GiftAct::Ask(Box::new(GiftCommand::Reserve(reserve)));
    vec![Step::Gift { gift_id, act, otherwise: vec![revert(gift_id, order_id, ORDER_REFUSED)] }]
}

fn order_dish(gift_id: GiftId, reserved: &GiftReserved, gift: &Gift, situation: &Situation) -> Vec<Step> {
    let (Some(wish), Some(customer_id)) = (gift.dish_order(), gift.activated_by()) else { return Vec::new() };
    let order_id = reserved.order_id;
    if wish.order_id != order_id {
        return Vec::new();
    }
    let give_back = |why| {
        let (reservation_id, cause) = (reserved.reservation_id, ReleaseCause::OrderRefused);
        vec![Step::gift(gift_id, GiftCommand::Release { reservation_id, cause }), revert(gift_id, order_id, why)]
    };
    // Refused before this process began, and half given back: what was refused then might be taken on now, unpaid.
    let is_given_up = gift.usage(reserved.reservation_id).is_some_and(|usage| usage.state == UsageState::Released);
    if is_given_up {
        return vec![revert(gift_id, order_id, ORDER_REFUSED)];
    }
    let given = gift.terms().and_then(|terms| terms.dish.as_ref());
    let (Some(given), Some(now)) = (given, &situation.dish) else { return give_back(DISH_GONE) };
    let locked = RequestedLine {
        unit_price: given.unit_price,
        price_version: given.price_version,
        dish_name: given.dish_name.clone(),
        ..now.line.clone()
    };
    let create = CreateOrder {
        order_id,
        customer_id,
        producer: now.producer.clone(),
        lines: vec![locked],
        delivery_type: wish.delivery_type,
        requested_for: None,
        expected_total: None,
        pii_sealed: wish.pii_sealed.clone(),
        gift: Some(OrderGift {
            share: GiftUse { gift_id, reservation_id: reserved.reservation_id, amount: reserved.amount },
            reserved_until: reserved.until,
            locked_delivery_fee: Some(given.delivery_fee),
        }),
        policy: situation.policies.order,
    };
    let enough = now.line.portions_left.is_none_or(|left| left >= i64::from(now.line.quantity));
    let why = if now.line.available && now.producer.active && enough { ORDER_REFUSED } else { DISH_GONE };
    vec![Step::Order { order_id, command: OrderCommand::Create(Box::new(create)), otherwise: give_back(why) }]
}

fn revert(gift_id: GiftId, order_id: OrderId, why: &str) -> Step {
    Step::gift(gift_id, GiftCommand::RevertActivation { order_id, cause: why.to_owned() })
}
