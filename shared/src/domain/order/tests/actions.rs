//! What is offered is what would be taken.

use super::*;
use crate::domain::dispute::{DisputeClaim, DisputeReason};

fn probe(action: &str, order: &Order) -> OrderCommand {
    match action {
        "pay" => OrderCommand::RequestPayment(RequestPayment {
            order_id: ORDER,
            provider: ProviderChoice::own(Provider::DevFake),
            return_url: String::new(),
            capture_mode: None,
            policy: policy(),
        }),
        "cancel" => OrderCommand::Cancel { reason_code: None, reason_text: None },
        "accept" => OrderCommand::Accept { eta_minutes: 5 },
        "reject" => OrderCommand::Reject { reason_code: RejectReason::Other, comment: None },
        "start_preparation" => OrderCommand::StartPreparation { note: None },
        "ready" => OrderCommand::MarkReady { note: None },
        "dispatch" => OrderCommand::Dispatch { note: None },
        "deliver" => OrderCommand::MarkDelivered { proof_ref: None, policy: policy() },
        "complete" => OrderCommand::Complete { policy: policy() },
        "rate" => OrderCommand::Rate(Rate { rating: 5, per_item: vec![], comment: None, policy: policy() }),
        "dispute" => {
            let appeal_of = order.disputes().last().map(|claim| claim.dispute_id);
            dispute::claiming(DisputeClaim { appeal_of, ..dispute::claim(DisputeReason::Late) })
        }
        "eta" => OrderCommand::AdjustEta { eta_minutes: 5 },
        other => panic!("unknown action {other}"),
    }
}

const ACTIONS: [&str; 12] = [
    "pay",
    "cancel",
    "accept",
    "reject",
    "start_preparation",
    "ready",
    "dispatch",
    "deliver",
    "complete",
    "rate",
    "eta",
    "dispute",
];

fn histories() -> Vec<Vec<OrderEvent>> {
    let mut histories = Vec::new();
    for delivery_type in [DeliveryType::Building, DeliveryType::Pickup, DeliveryType::Address] {
        for funds in [Funds::Captured, Funds::Authorized] {
            histories.extend(OrderStatus::ALL.map(|status| history_with(status, funds, delivery_type)));
        }
    }
    let lost = |reason, times| {
        let each = (1..=times).flat_map(move |no| [requested(no), failed(no, reason)]);
        std::iter::once(created()).chain(each).collect::<Vec<_>>()
    };
    histories.push(vec![created()]);
    histories.push(vec![created_for(Money::rub(500), Money::rub(0), DeliveryType::Building)]);
    histories.push(lost(FailureReason::Declined, 4));
    histories.push(lost(FailureReason::Declined, 5));
    histories.push(lost(FailureReason::ProviderUnavailable, 19));
    histories.push(lost(FailureReason::ProviderUnavailable, 20));
    let rated = OrderRated { rating: 5, per_item: vec![], comment: None };
    histories.push([history(OrderStatus::Completed), vec![rated.into()]].concat());
    for number in 1..=2 {
        for is_decided in [false, true] {
            histories.push(disputed(number, is_decided));
        }
    }
    histories
}

/// A complete order in its dispute number `number`.
fn disputed(number: u32, is_decided: bool) -> Vec<OrderEvent> {
    let mut log = history(OrderStatus::Completed);
    for dispute in 1..=number {
        let frozen = OrderPayoutFrozen {
            dispute_id: DisputeId::of_order(ORDER, dispute),
            payout_was: PayoutWas::Held,
            opened_by: crate::domain::dispute::OpenedBy::Customer,
            refundable: Money::rub(20_000),
            claim: dispute::claim(DisputeReason::Late),
        };
        log.push(frozen.into());
        if dispute < number || is_decided {
            let unfrozen = OrderPayoutUnfrozen {
                dispute_id: DisputeId::of_order(ORDER, dispute),
                refund_amount: Money::rub(0),
                appeal_before: minute(7 * 24 * 60),
                auto_complete_at: None,
                payout_due_at: Some(minute(200 + 48 * 60)),
            };
            log.push(unfrozen.into());
        }
    }
    log
}

#[test]
fn what_is_offered_is_taken_and_what_is_not_offered_is_refused() {
    let moments = [
        0,
        19,
        20,
        27,
        28,
        29,
        40,
        200,
        7 * 24 * 60 - 1,
        7 * 24 * 60,
        200 + 48 * 60,
        200 + 30 * 24 * 60,
        201 + 30 * 24 * 60,
    ]
    .map(minute);
    for given in histories() {
        let order = replay(&given);
        for (viewer, actor) in Viewer::ALL.into_iter().zip([customer(), cook(), admin()]) {
            for now in moments {
                let offered = allowed_actions(&order.situation(viewer, policy(), now).unwrap());
                for action in ACTIONS {
                    let taken =
                        order.decide(&Intent { actor: actor.clone(), now, command: probe(action, &order) }).is_ok();
                    let status = order.status();
                    assert_eq!(offered.contains(&action), taken, "{viewer:?} {action} from {status:?} at {now}");
                }
            }
        }
    }
}
