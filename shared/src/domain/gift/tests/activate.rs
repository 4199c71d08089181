//! Taking a gift, and what becomes of a dish that is gone.

use super::*;

fn revert(order_id: OrderId) -> Asked {
    (system(), minute(21), GiftCommand::RevertActivation { order_id, cause: "insufficient_portions".into() })
}

fn dish_order(activation_no: u32) -> OrderId {
    OrderId::of_dish_gift(GIFT, activation_no)
}

#[test]
fn whoever_has_the_code_takes_it_once() {
    assert_eq!(replay(&activated()).activated_by(), Some(HOLDER));
    assert_eq!(names(&activated(), activate(HOLDER, 30)), Err("gift_already_activated"));
    assert_eq!(names(&issued(), activate(BUYER, 30)), Ok(vec!["gift_activated"]), "a gift to oneself");
}

#[test]
fn until_the_end_but_not_after_it() {
    assert_eq!(names(&issued(), activate(HOLDER, END)), Ok(vec!["gift_activated"]));
    assert_eq!(names(&issued(), activate(HOLDER, END + 1)), Err("gift_expired"));
}

#[test]
fn what_went_back_to_the_buyer_cannot_be_taken() {
    let log = after(&issued(), refund(customer(BUYER), 1, None, 15));
    assert_eq!(names(&log, activate(HOLDER, 20)), Err("gift_insufficient_balance"));
}

#[test]
fn a_dish_asks_for_its_order() {
    let log = dish_activated();
    let GiftEvent::GiftActivated(activated) = log.last().unwrap() else { panic!("{log:?}") };
    assert_eq!(activated.order_id, Some(dish_order(1)));
    assert_eq!(activated.delivery_type, Some(DeliveryType::Building));
    assert_eq!(activated.pii_sealed.as_deref(), Some("sealed"));
    assert_eq!(names(&dish_issued(), activate(HOLDER, 20)), Err("invalid_value"), "say where to bring it");
}

#[test]
fn a_dish_has_to_be_there_when_it_is_taken() {
    let asked = |user, change: fn(&mut DishDelivery)| {
        let mut delivery = delivery();
        change(&mut delivery);
        names(&dish_issued(), activate_with(user, 20, Some(delivery)))
    };
    assert_eq!(asked(HOLDER, |it| it.state.available = false), Err("gift_dish_unavailable"));
    assert_eq!(asked(HOLDER, |it| it.state.open_now = false), Err("producer_closed"));
    assert_eq!(asked(HOLDER, |it| it.delivery_type = DeliveryType::Address), Err("delivery_type_unsupported"));
    assert_eq!(asked(COOK, |_| {}), Err("gift_restricted"), "no cook is given his own dish");
}

#[test]
fn a_dish_pays_for_its_own_order_only_and_is_spent_by_it() {
    let total = rub(1_000);
    let as_dish = |order_id, total| reserve_with(order_id, total, 21, |it| it.purpose = ReservePurpose::Dish);
    let log = dish_activated();
    assert_eq!(names(&log, reserve(dish_order(1), total, 21)), Err("gift_restricted"));
    assert_eq!(names(&log, as_dish(order(1), total)), Err("gift_restricted"));
    assert_eq!(names(&log, as_dish(dish_order(1), rub(1_001))), Err("gift_insufficient_balance"));
    assert_eq!(names(&activated(), as_dish(dish_order(1), total)), Err("gift_restricted"));
    let reserved = after(&log, as_dish(dish_order(1), total));
    assert_eq!(names(&reserved, revert(dish_order(1))), Err("gift_in_use"));
    let redeemed = after(&reserved, redeem(dish_order(1), 22));
    assert_eq!(replay(&redeemed).status(), Some(GiftStatus::Redeemed));
    assert_eq!(names(&redeemed, revert(dish_order(1))), Err("invalid_transition"));
}

#[test]
fn a_refused_order_gives_the_dish_back_to_the_code() {
    let reverted = after(&dish_activated(), revert(dish_order(1)));
    assert_eq!(replay(&reverted).status(), Some(GiftStatus::Issued));
    assert_eq!(names(&reverted, revert(dish_order(1))), Ok(vec![]), "once");
    let again = after(&reverted, activate_with(STRANGER, 30, Some(delivery())));
    assert_eq!(replay(&again).dish_order().unwrap().order_id, dish_order(2), "another order, another reservation");
    assert_eq!(names(&again, revert(dish_order(1))), Ok(vec![]), "late news of the first order");
    assert_eq!(names(&activated(), revert(dish_order(1))), Ok(vec![]), "an amount asks for no order");
}

#[test]
fn a_dish_that_is_gone_becomes_its_value() {
    assert_eq!(names(&dish_issued(), convert(HOLDER, Some(code_ref()), true)), Err("gift_dish_available"));
    let converted = after(&dish_issued(), convert(HOLDER, Some(code_ref()), false));
    assert!(matches!(converted.last(), Some(GiftEvent::GiftConverted(it)) if it.value == rub(1_000)));
    assert_eq!(names(&converted, convert(HOLDER, Some(code_ref()), false)), Ok(vec![]), "once");
    let taken = after(&converted, activate(HOLDER, 70));
    assert_eq!(names(&taken, reserve(order(1), rub(600), 80)), Ok(vec!["gift_reserved"]));
}

#[test]
fn who_has_taken_it_converts_without_the_code_and_nobody_else_does() {
    assert_eq!(names(&dish_activated(), convert(HOLDER, None, false)), Ok(vec!["gift_converted"]));
    assert_eq!(names(&dish_activated(), convert(STRANGER, Some(code_ref()), false)), Err("gift_not_found"));
    assert_eq!(names(&dish_issued(), convert(HOLDER, None, false)), Err("gift_not_found"));
    assert_eq!(names(&issued(), convert(HOLDER, Some(code_ref()), false)), Err("invalid_transition"));
}

#[test]
fn a_dish_that_was_refunded_can_be_spent_as_money() {
    let as_dish = reserve_with(dish_order(1), rub(1_000), 21, |it| it.purpose = ReservePurpose::Dish);
    let reserved = after(&dish_activated(), as_dish);
    assert_eq!(names(&reserved, convert(HOLDER, None, false)), Err("gift_in_use"));
    let redeemed = after(&reserved, redeem(dish_order(1), 22));
    assert_eq!(names(&redeemed, convert(HOLDER, None, false)), Err("invalid_transition"), "nothing is left");
    let back = after(&redeemed, credit(dish_order(1), 1, rub(1_000), 23));
    assert_eq!(names(&back, convert(HOLDER, None, true)), Ok(vec!["gift_converted"]));
}
