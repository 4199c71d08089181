//! Who may ask what: the access table, and strangers to whom an order does not exist.

use super::*;
use crate::domain::dispute::DisputeReason;

fn commands() -> Vec<(OrderCommand, &'static str)> {
    let request = RequestPayment {
        order_id: ORDER,
        provider: ProviderChoice::own(Provider::DevFake),
        return_url: String::new(),
        capture_mode: None,
        policy: policy(),
    };
    let mark = MarkPaid {
        payment_id: None,
        card_amount: Money::rub(0),
        gift_amount: Money::rub(0),
        funds: Funds::Captured,
        policy: policy(),
    };
    let refund = AuthorizeRefund {
        refund_id: RefundId::default(),
        source: RefundSource::Admin,
        source_id: Uuid::nil(),
        amount: RefundAmount::Rest,
        fault: Fault::None,
    };
    let (refund_id, part) = (RefundId::default(), RefundPart::Card);
    let reason = FailureReason::Declined;
    vec![
        (OrderCommand::Create(Box::new(create::request())), "customer system"),
        (OrderCommand::RequestPayment(request), "customer"),
        (OrderCommand::RecordPaymentFailure { payment_id: attempt(1), reason }, "system"),
        (OrderCommand::MarkPaid(mark), "system"),
        (OrderCommand::Accept { eta_minutes: 1 }, "producer"),
        (OrderCommand::Reject { reason_code: RejectReason::Other, comment: None }, "producer"),
        (OrderCommand::StartPreparation { note: None }, "producer"),
        (OrderCommand::MarkReady { note: None }, "producer"),
        (OrderCommand::Dispatch { note: None }, "producer"),
        (OrderCommand::MarkDelivered { proof_ref: None, policy: policy() }, "producer"),
        (OrderCommand::AdjustEta { eta_minutes: 1 }, "producer"),
        (OrderCommand::Complete { policy: policy() }, "customer admin system"),
        (OrderCommand::Cancel { reason_code: None, reason_text: None }, "customer producer admin system"),
        (OrderCommand::AuthorizeRefund(refund), "admin system"),
        (OrderCommand::SettleRefund { refund_id, part }, "system"),
        (OrderCommand::RecordRefundFailure { refund_id, part, reason: String::new() }, "system"),
        (dispute::claiming(dispute::claim(DisputeReason::Late)), "customer admin system"),
        (dispute::settling(1, 0), "system"),
        (OrderCommand::RemindProducer, "system"),
        (OrderCommand::ReleasePayout, "system"),
        (OrderCommand::Rate(Rate { rating: 5, per_item: vec![], comment: None, policy: policy() }), "customer"),
    ]
}

fn actors() -> [Actor; 5] {
    [customer(), cook(), admin(), system(), Actor::Provider("tbank".into())]
}

#[test]
fn a_kind_of_actor_that_may_never_ask_is_denied_whatever_the_order() {
    for (command, who) in commands() {
        for actor in actors() {
            let may = who.split(' ').any(|kind| kind == actor.kind());
            for given in [vec![], history(OrderStatus::Paid)] {
                let denied = names(&given, (actor.clone(), minute(1), command.clone())) == Err("permission_denied");
                assert_eq!(denied, !may, "{} asks {command:?}", actor.kind());
            }
        }
    }
}

#[test]
fn to_a_stranger_the_order_does_not_exist() {
    let stranger = Actor::Customer(UserId(Uuid::from_u128(99)));
    let other_cook = Actor::Producer { producer_id: ProducerId(Uuid::from_u128(98)), user_id: COOK };
    for (command, who) in commands() {
        for (actor, kind) in [(&stranger, "customer"), (&other_cook, "producer")] {
            if who.contains(kind) {
                let given = history(OrderStatus::Paid);
                let actual = names(&given, (actor.clone(), minute(1), command.clone()));
                assert_eq!(actual, Err("order_not_found"), "{kind} asks {command:?}");
            }
        }
    }
}

#[test]
fn what_nobody_placed_does_not_exist() {
    for (command, _) in commands().into_iter().skip(1) {
        for actor in actors() {
            let actual = names(&[], (actor, minute(1), command.clone()));
            assert!(matches!(actual, Err("order_not_found" | "permission_denied")), "{command:?}: {actual:?}");
        }
    }
}

#[test]
fn an_administrator_gives_refunds_in_their_own_name_only() {
    let refund = AuthorizeRefund {
        refund_id: RefundId::default(),
        source: RefundSource::Dispute,
        source_id: Uuid::nil(),
        amount: RefundAmount::Rest,
        fault: Fault::None,
    };
    let command = OrderCommand::AuthorizeRefund(refund);
    check(&history(OrderStatus::Paid), (admin(), minute(1), command), Err(OrderError::PermissionDenied));
}
