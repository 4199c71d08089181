//! What is told in advance is what is decided.

use super::*;

fn viewers() -> [(DisputeViewer, Actor); 3] {
    [(DisputeViewer::Customer, customer()), (DisputeViewer::Producer, cook()), (DisputeViewer::Admin, admin(2))]
}

fn command(action: &str, offer_id: OfferId) -> DisputeCommand {
    match action {
        "evidence" => showing(),
        "respond" => responding(),
        "accept_claim" => DisputeCommand::AcceptClaim,
        "offer" => offering(100),
        "accept_offer" => DisputeCommand::AcceptOffer { offer_id },
        "decline_offer" => DisputeCommand::DeclineOffer { offer_id },
        "escalate" => escalating(),
        "withdraw" => DisputeCommand::Withdraw,
        "resolve" => deciding(DisputeOutcome::Rejected, None),
        "approve_resolution" => approving(),
        other => panic!("{other}"),
    }
}

const ACTIONS: [&str; 10] = [
    "evidence",
    "respond",
    "accept_claim",
    "offer",
    "accept_offer",
    "decline_offer",
    "escalate",
    "withdraw",
    "resolve",
    "approve_resolution",
];

fn histories() -> Vec<Vec<DisputeEvent>> {
    let mut offered = opened();
    happens(&mut offered, (cook(), hour(1), offering(100)));
    let mut proposed = history(DisputeStatus::UnderReview);
    happens(&mut proposed, (admin(1), hour(2), deciding(DisputeOutcome::RefundFull, None)));
    let mut silent = opened_for(DisputeReason::Late, None);
    happens(&mut silent, (system(), hour(24), silence()));
    let bank = opened_for(DisputeReason::Bank, Some(100_000));
    let all = DisputeStatus::ALL.into_iter().map(history);
    all.chain([offered, proposed, silent, bank]).collect()
}

#[test]
fn whatever_is_allowed_is_decided_so_and_whatever_is_not_is_refused() {
    for given in histories() {
        let dispute = replay(&given);
        for now in [hour(1), hour(2), hour(25), hour(100)] {
            for (viewer, actor) in viewers() {
                let offer_id = dispute.offer().map_or(offer(9), |offer| offer.offer_id);
                let told = allowed_actions(&Proceedings {
                    status: dispute.status().unwrap(),
                    viewer,
                    is_chargeback: dispute.terms().unwrap().reason == DisputeReason::Bank,
                    has_offer: dispute.offer().is_some(),
                    may_approve: dispute.proposal().is_some(),
                    producer_spoke: dispute.opened().unwrap().producer_spoke,
                    escalate_from: dispute.terms().unwrap().escalate_from,
                    evidence_until: dispute.response_due().or(dispute.decision_due()),
                    now,
                });
                for action in ACTIONS {
                    let decided = names(&given, (actor.clone(), now, command(action, offer_id)));
                    assert_eq!(told.contains(&action), decided.is_ok(), "{viewer:?} {action} at {now}: {decided:?}");
                }
            }
        }
    }
}
