//! The diagram in docs/states is what happens.

use super::*;
use crate::diagram::{Diagram, check as check_page, random_lives};

fn life(events: Vec<DisputeEvent>) -> Vec<(&'static str, String)> {
    let mut dispute = Dispute::default();
    let after = |event: DisputeEvent| {
        let name = event.type_name();
        cqrs_es::Aggregate::apply(&mut dispute, event);
        let status = serde_json::to_value(dispute.status().unwrap()).unwrap();
        (name, status.as_str().unwrap().to_owned())
    };
    events.into_iter().map(after).collect()
}

#[test]
fn the_diagram_of_the_dispute_is_what_the_dispute_does() {
    let mut diagram = Diagram::default();
    for commands in random_lives(&properties::any_life()) {
        diagram.add(life(properties::live(commands)));
    }
    check_page("dispute", &diagram);
}
