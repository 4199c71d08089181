//! Who may ask what, and strangers to whom a dispute does not exist.

use super::*;

fn commands() -> Vec<(DisputeCommand, &'static str)> {
    vec![
        (request(claim(DisputeReason::Late, None), 1), "customer admin system"),
        (showing(), "customer producer"),
        (responding(), "producer"),
        (DisputeCommand::AcceptClaim, "producer"),
        (offering(100), "producer"),
        (DisputeCommand::AcceptOffer { offer_id: offer(1) }, "customer"),
        (DisputeCommand::DeclineOffer { offer_id: offer(1) }, "customer"),
        (escalating(), "customer producer"),
        (silence(), "system"),
        (DisputeCommand::PassDecisionDeadline, "system"),
        (deciding(DisputeOutcome::Rejected, None), "admin"),
        (approving(), "admin"),
        (DisputeCommand::Withdraw, "customer"),
        (DisputeCommand::CloseByCancellation { refund_amount: Money::rub(0) }, "system"),
    ]
}

fn actors() -> [Actor; 5] {
    [customer(), cook(), admin(1), system(), Actor::Provider("tbank".into())]
}

#[test]
fn a_kind_of_actor_that_may_never_ask_is_denied_whatever_the_dispute() {
    for (command, who) in commands() {
        for actor in actors() {
            let may = who.split(' ').any(|kind| kind == actor.kind());
            for given in [vec![], history(DisputeStatus::UnderReview)] {
                let denied = names(&given, (actor.clone(), hour(3), command.clone())) == Err("permission_denied");
                assert_eq!(denied, !may, "{} asks {command:?}", actor.kind());
            }
        }
    }
}

#[test]
fn to_a_stranger_the_dispute_does_not_exist() {
    let stranger = Actor::Customer(UserId(Uuid::from_u128(99)));
    let other_cook = Actor::Producer { producer_id: ProducerId(Uuid::from_u128(98)), user_id: COOK };
    for (command, who) in commands() {
        for (actor, kind) in [(&stranger, "customer"), (&other_cook, "producer")] {
            if who.contains(kind) {
                let actual = names(&opened(), (actor.clone(), hour(3), command.clone()));
                assert_eq!(actual, Err("dispute_not_found"), "{kind} asks {command:?}");
            }
        }
    }
}

#[test]
fn what_nobody_opened_does_not_exist() {
    for (command, _) in commands().into_iter().skip(1) {
        for actor in actors() {
            let actual = names(&[], (actor, hour(3), command.clone()));
            assert!(matches!(actual, Err("dispute_not_found" | "permission_denied")), "{command:?}: {actual:?}");
        }
    }
    assert_eq!(DisputeError::NotFound.kind(), RejectionKind::NotFound);
    assert_eq!(DisputeError::OfferPending.kind(), RejectionKind::Rule);
    assert_eq!(DisputeError::InvalidValue { pointer: "/amount" }.pointer(), Some("/amount".into()));
}
