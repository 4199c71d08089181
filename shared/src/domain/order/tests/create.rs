//! Placing an order.

use super::*;
use crate::domain::{Portion, PortionMove};
use serde_json::json;

pub(super) fn line(dish: u128, kopecks: i64, quantity: u32) -> RequestedLine {
    RequestedLine {
        dish_id: DishId(Uuid::from_u128(dish)),
        dish_name: format!("dish {dish}"),
        unit_price: Money::rub(kopecks),
        quantity,
        price_version: 3,
        available: true,
        producer_id: KITCHEN,
        portions_left: None,
    }
}

pub(super) fn request() -> CreateOrder {
    CreateOrder {
        order_id: ORDER,
        customer_id: CUSTOMER,
        producer: ProducerSnapshot {
            producer_id: KITCHEN,
            owner_user_id: COOK,
            active: true,
            open_now: true,
            delivery_types: vec![DeliveryType::Building, DeliveryType::Pickup],
            delivery_fee: Money::rub(5_000),
            commission_bps: 1_000,
        },
        lines: vec![line(50, 10_000, 2), line(51, 333, 3)],
        delivery_type: DeliveryType::Building,
        requested_for: None,
        expected_total: None,
        pii_sealed: Some("sealed".into()),
        gift: None,
        policy: policy(),
    }
}

fn placing(change: impl FnOnce(&mut CreateOrder)) -> (Actor, DateTime<Utc>, OrderCommand) {
    let mut request = request();
    change(&mut request);
    (customer(), minute(0), OrderCommand::Create(Box::new(request)))
}

#[track_caller]
fn refused(change: impl FnOnce(&mut CreateOrder), rule: &str) {
    assert_eq!(names(&[], placing(change)), Err(rule));
}

#[test]
fn placing_freezes_prices_and_adds_them_up() {
    let mut order = Order::default();
    let (actor, now, command) = placing(|_| {});
    let events = order.decide(&Intent { actor, now, command }).unwrap();
    let [OrderEvent::OrderCreated(created)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(created.items[1].line_total, Money::rub(999));
    assert_eq!(created.total_price, Money::rub(20_000 + 999 + 5_000));
    assert_eq!(created.amount_due, created.total_price);
    assert_eq!(created.payment_deadline, minute(30));
    assert_eq!(created.items.iter().map(|item| item.line_no).collect::<Vec<_>>(), [1, 2]);
    cqrs_es::Aggregate::apply(&mut order, events[0].clone());
    assert_eq!(order.total(), Some(created.total_price));
    assert_eq!(order.terms().unwrap().portions[0].quantity, 2);
}

#[test]
fn fetching_costs_no_delivery() {
    let order = placing(|request| {
        request.delivery_type = DeliveryType::Pickup;
        request.expected_total = Some(Money::rub(20_999));
    });
    assert_eq!(names(&[], order), Ok(vec!["order_created"]));
}

#[test]
fn placing_the_same_order_again_changes_nothing() {
    assert_eq!(names(&[created()], placing(|_| {})), Ok(vec![]));
}

#[test]
fn nobody_orders_for_somebody_else_but_the_system() {
    let (_, now, command) = placing(|_| {});
    let stranger = Actor::Customer(UserId(Uuid::from_u128(99)));
    check(&[], (stranger, now, command.clone()), Err(OrderError::PermissionDenied));
    assert_eq!(names(&[], (system(), now, command)), Ok(vec!["order_created"]));
}

#[test]
fn the_kitchen_has_to_sell_be_open_and_hand_over_that_way() {
    refused(|it| it.producer.active = false, "producer_inactive");
    refused(|it| it.producer.open_now = false, "producer_closed");
    refused(|it| it.delivery_type = DeliveryType::Address, "delivery_type_unsupported");
    refused(|it| it.lines[1].producer_id = ProducerId(Uuid::from_u128(77)), "mixed_producers");
    refused(|it| it.producer.owner_user_id = CUSTOMER, "self_purchase");
}

#[test]
fn the_dishes_have_to_be_there() {
    refused(|it| it.lines[0].available = false, "dish_unavailable");
    refused(|it| it.lines[0].portions_left = Some(1), "insufficient_portions");
    assert_eq!(names(&[], placing(|it| it.lines[0].portions_left = Some(2))), Ok(vec!["order_created"]));
}

#[test]
fn two_lines_of_one_dish_eat_from_one_pot() {
    let twice = |left| {
        placing(move |it| {
            it.lines = vec![line(50, 10_000, 2), line(50, 10_000, 2)];
            it.lines.iter_mut().for_each(|line| line.portions_left = Some(left));
        })
    };
    assert_eq!(names(&[], twice(3)), Err("insufficient_portions"));
    assert_eq!(names(&[], twice(4)), Ok(vec!["order_created"]));
}

#[test]
fn lines_and_quantities_have_limits() {
    let range = |pointer, max| OrderError::OutOfRange { pointer, min: 1, max };
    check(&[], placing(|it| it.lines.clear()), Err(range("/items", 20)));
    check(&[], placing(|it| it.lines = vec![line(50, 1_000, 1); 21]), Err(range("/items", 20)));
    check(&[], placing(|it| it.lines[0].quantity = 0), Err(range("/items", 99)));
    check(&[], placing(|it| it.lines[0].quantity = 100), Err(range("/items", 99)));
    assert_eq!(names(&[], placing(|it| it.lines = vec![line(50, 1_000, 99); 20])), Ok(vec!["order_created"]));
}

#[test]
fn a_meal_is_wanted_in_the_future_and_within_a_month() {
    let month = 30 * 24 * 60;
    for wanted in [minute(0), minute(month) + TimeDelta::seconds(1), DateTime::<Utc>::MAX_UTC] {
        let refused = Err(OrderError::InvalidValue { pointer: "/requested_for" });
        check(&[], placing(|it| it.requested_for = Some(wanted)), refused);
    }
    for wanted in [minute(300), minute(month)] {
        assert_eq!(names(&[], placing(|it| it.requested_for = Some(wanted))), Ok(vec!["order_created"]));
    }
}

#[test]
fn another_total_than_the_customer_saw_is_told_not_charged() {
    let changed = OrderError::PriceChanged { current_total: Money::rub(25_999) };
    let told = changed.extension();
    check(&[], placing(|it| it.expected_total = Some(Money::rub(25_998))), Err(changed));
    assert_eq!(told, Some(("current_total", json!({"amount": "259.99", "currency": "RUB"}))));
    refused(|it| it.expected_total = Some(Money::parse("259.99", "USD").unwrap()), "currency_mismatch");
}

#[test]
fn the_total_has_one_currency_and_limits() {
    refused(|it| it.lines[1].unit_price = Money::parse("1", "USD").unwrap(), "currency_mismatch");
    refused(|it| it.producer.delivery_fee = Money::parse("1", "USD").unwrap(), "currency_mismatch");
    refused(|it| it.policy.total_max_minor = 25_998, "order_limit_exceeded");
    refused(|it| it.lines[0] = line(50, 9_999_999_999, 99), "order_limit_exceeded");
    refused(|it| it.policy.payable_min_minor = 26_000, "amount_below_minimum");
}

/// A gift that pays so much of the order, reserved until minute 100.
fn gift(kopecks: i64) -> OrderGift {
    let share = GiftUse {
        gift_id: GiftId(Uuid::from_u128(6)),
        reservation_id: Uuid::from_u128(7),
        amount: Money::rub(kopecks),
    };
    OrderGift { share, reserved_until: minute(100), locked_delivery_fee: None }
}

#[test]
fn a_gift_lowers_what_is_due() {
    let (actor, now, command) = placing(|it| it.gift = Some(gift(20_000)));
    let events = Order::default().decide(&Intent { actor, now, command }).unwrap();
    let [OrderEvent::OrderCreated(created)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((created.total_price, created.amount_due), (Money::rub(25_999), Money::rub(5_999)));
    assert_eq!(created.gift, Some(gift(20_000).share));
    assert_eq!(replay(&events).gift(), Some(&gift(20_000).share));
}

#[test]
fn a_gift_may_pay_all_or_leave_what_a_card_can_pay() {
    assert_eq!(names(&[], placing(|it| it.gift = Some(gift(25_999)))), Ok(vec!["order_created"]));
    assert_eq!(names(&[], placing(|it| it.gift = Some(gift(24_999)))), Ok(vec!["order_created"]));
    refused(|it| it.gift = Some(gift(25_000)), "amount_below_minimum");
    refused(|it| it.gift = Some(gift(26_000)), "invalid_value");
    refused(|it| it.gift = Some(gift(0)), "invalid_value");
    refused(|it| it.gift.insert(gift(100)).share.amount = Money::parse("1", "USD").unwrap(), "currency_mismatch");
}

#[test]
fn a_gifts_share_has_to_be_held_as_long_as_the_order_waits() {
    let until = |minutes| placing(move |it| it.gift.insert(gift(20_000)).reserved_until = minute(minutes));
    assert_eq!(names(&[], until(30)), Ok(vec!["order_created"]));
    assert_eq!(names(&[], until(29)), Err("gift_reservation_over"));
}

#[test]
fn the_dish_of_a_gift_bears_the_locked_price_and_fee_however_it_is_handed_over() {
    let (_, now, command) = placing(|it| {
        it.delivery_type = DeliveryType::Pickup;
        it.gift.insert(gift(21_999)).locked_delivery_fee = Some(Money::rub(1_000));
    });
    let events = Order::default().decide(&Intent { actor: system(), now, command }).unwrap();
    let [OrderEvent::OrderCreated(created)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((created.delivery_fee, created.amount_due), (Money::rub(1_000), Money::rub(0)));
    assert!(created.items.iter().all(|item| item.price_source == PriceSource::GiftLock));
}

#[test]
fn an_order_is_quoted_by_the_rules_that_place_it() {
    assert_eq!(request().quote(minute(0)), Ok(Money::rub(25_999)));
    let mut closed = request();
    closed.producer.open_now = false;
    assert_eq!(closed.quote(minute(0)), Err(OrderError::ProducerClosed));
}

/// What an order placed like this takes.
fn takes(change: impl FnOnce(&mut CreateOrder)) -> Option<PortionMove> {
    let (actor, now, command) = placing(change);
    let events = Order::default().decide(&Intent { actor, now, command }).unwrap();
    Order::default().portions(&events)
}

#[test]
fn an_order_takes_portions_of_dishes_with_a_limit_each_dish_once() {
    assert_eq!(takes(|_| {}), None);
    let taken = takes(|it| {
        it.lines = vec![line(50, 10_000, 2), line(51, 333, 3), line(50, 10_000, 1)];
        it.lines[0].portions_left = Some(9);
        it.lines[2].portions_left = Some(9);
    });
    let portion = Portion { dish_id: DishId(Uuid::from_u128(50)), quantity: 3 };
    assert_eq!(taken, Some(PortionMove::Take(vec![portion])));
}

#[test]
fn portions_come_back_until_the_cook_begins_and_only_to_orders_that_took_some() {
    use OrderStatus::*;
    for status in OrderStatus::ALL {
        let mut events = history(status);
        let OrderEvent::OrderCreated(created) = &mut events[0] else { panic!("born of something else") };
        let portion = Portion { dish_id: DISH, quantity: 1 };
        created.portions_taken = vec![portion];
        let off = [cancelled(status)];
        let comes_back = replay(&events).portions(&off) == Some(PortionMove::GiveBack);
        assert_eq!(comes_back, [WaitingForPayment, Paid, Accepted].contains(&status), "{status:?}");
        assert_eq!(replay(&history(status)).portions(&off), None);
    }
}
