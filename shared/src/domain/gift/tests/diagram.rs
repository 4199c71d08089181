//! The diagram in docs/states is what happens.

use proptest::prelude::*;

use super::*;
use crate::diagram::{Diagram, check as check_page, random_lives};

fn life(events: Vec<GiftEvent>) -> Vec<(&'static str, String)> {
    let mut gift = Gift::default();
    let after = |event: GiftEvent| {
        let name = event.type_name();
        cqrs_es::Aggregate::apply(&mut gift, event);
        let status = serde_json::to_value(gift.status().unwrap()).unwrap();
        (name, status.as_str().unwrap().to_owned())
    };
    events.into_iter().map(after).collect()
}

#[test]
fn the_diagram_of_the_gift_is_what_the_gift_does() {
    let mut diagram = Diagram::default();
    for steps in random_lives(&prop::collection::vec(properties::any_step(), 0..150)) {
        diagram.add(life(properties::live(steps)));
    }
    // A dish whose order was refused, and one that was ordered.
    let first_order = OrderId::of_dish_gift(GIFT, 1);
    let cause = "insufficient_portions".into();
    let revert = (system(), minute(21), GiftCommand::RevertActivation { order_id: first_order, cause });
    diagram.add(life(after(&dish_activated(), revert)));
    check_page("gift", &diagram);
}
