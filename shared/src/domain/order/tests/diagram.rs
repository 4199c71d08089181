//! The diagram in docs/states is what happens.

use proptest::prelude::*;

use super::*;
use crate::diagram::{Diagram, check as check_page, random_lives};

fn life(events: Vec<OrderEvent>) -> Vec<(&'static str, String)> {
    let mut order = Order::default();
    let after = |event: OrderEvent| {
        let name = event.type_name();
        cqrs_es::Aggregate::apply(&mut order, event);
        let status = serde_json::to_value(order.status().unwrap()).unwrap();
        (name, status.as_str().unwrap().to_owned())
    };
    events.into_iter().map(after).collect()
}

#[test]
fn the_diagram_of_the_order_is_what_the_order_does() {
    let mut diagram = Diagram::default();
    for steps in random_lives(&prop::collection::vec(properties::any_step(), 0..120)) {
        diagram.add(life(properties::live(steps)));
    }
    diagram.add(life(history_with(OrderStatus::Completed, Funds::Captured, DeliveryType::Pickup)));
    check_page("order", &diagram);
}
