//! The diagram in docs/states is what happens.

use proptest::prelude::*;

use super::*;
use crate::diagram::{Diagram, check as check_page, random_lives};

fn life(events: Vec<PaymentEvent>) -> Vec<(&'static str, String)> {
    let mut payment = Payment::default();
    let after = |event: PaymentEvent| {
        let name = event.type_name();
        cqrs_es::Aggregate::apply(&mut payment, event);
        let status = serde_json::to_value(payment.status().unwrap()).unwrap();
        (name, status.as_str().unwrap().to_owned())
    };
    events.into_iter().map(after).collect()
}

#[test]
fn the_diagram_of_the_payment_is_what_the_payment_does() {
    let mut diagram = Diagram::default();
    for commands in random_lives(&prop::collection::vec(properties::any_command(), 0..80)) {
        diagram.add(life(properties::live(commands)));
    }
    check_page("payment", &diagram);
}
