//! The transition table: what is in it happens, everything else says why not.

use super::*;

#[test]
fn each_history_leads_to_its_status() {
    for status in DisputeStatus::ALL {
        assert_eq!(replay(&history(status)).status(), Some(status));
    }
}

/// What a command makes of each status: an event, nothing (empty), or a rule (after a `!`).
#[test]
fn every_command_from_every_status_does_what_the_table_says() {
    const OVER: &str = "!dispute_already_resolved";
    const NOT: &str = "!invalid_transition";
    let none = DisputeCommand::AcceptOffer { offer_id: offer(1) };
    let declined = DisputeCommand::DeclineOffer { offer_id: offer(1) };
    let closed = DisputeCommand::CloseByCancellation { refund_amount: Money::rub(5) };
    let (shown, done) = ("dispute_evidence_submitted", "dispute_resolved");
    let table = [
        (customer(), request(claim(DisputeReason::Late, None), 1), ["", "", ""]),
        (customer(), showing(), [shown, shown, OVER]),
        (cook(), showing(), [shown, shown, OVER]),
        (cook(), responding(), ["dispute_responded", NOT, OVER]),
        (cook(), DisputeCommand::AcceptClaim, [done, done, OVER]),
        (cook(), offering(100), ["dispute_offer_made", "dispute_offer_made", OVER]),
        (customer(), none, ["!offer_not_found", "!offer_not_found", OVER]),
        (customer(), declined, ["!offer_not_found", "!offer_not_found", OVER]),
        (customer(), escalating(), ["dispute_escalated", NOT, OVER]),
        (cook(), escalating(), ["dispute_escalated", NOT, OVER]),
        (system(), silence(), ["!too_early", "", ""]),
        (system(), DisputeCommand::PassDecisionDeadline, ["", "!too_early", ""]),
        (admin(1), deciding(DisputeOutcome::Rejected, None), [NOT, done, OVER]),
        (admin(1), approving(), ["!nothing_to_approve", "!nothing_to_approve", OVER]),
        (customer(), DisputeCommand::Withdraw, [done, done, OVER]),
        (system(), closed, [done, done, ""]),
    ];
    for (actor, command, outcomes) in table {
        for (status, outcome) in DisputeStatus::ALL.into_iter().zip(outcomes) {
            let actual = names(&history(status), (actor.clone(), hour(3), command.clone()));
            let expected = match outcome.strip_prefix('!') {
                Some(rule) => Err(rule),
                None => Ok(outcome.split_whitespace().collect()),
            };
            assert_eq!(actual, expected, "{command:?} from {status:?}");
        }
    }
}

#[test]
fn opening_sets_the_deadlines() {
    let expected = DisputeOpened {
        dispute_id: dispute_id(),
        order_id: ORDER,
        customer_id: CUSTOMER,
        producer_id: KITCHEN,
        opened_by: OpenedBy::Customer,
        claim: claim(DisputeReason::Late, Some(5)),
        refundable: Money::rub(10),
        escalate_from: hour(2),
        response_due: hour(24),
    };
    let opening = request(claim(DisputeReason::Late, Some(5)), 10);
    check(&[], (system(), hour(0), opening), Ok(vec![expected.into()]));
}

#[test]
fn the_next_stage_has_its_own_deadline() {
    let mut history = opened();
    assert_eq!(replay(&history).response_due(), Some(hour(24)));
    happens(&mut history, (cook(), hour(5), responding()));
    let dispute = replay(&history);
    assert_eq!((dispute.response_due(), dispute.decision_due()), (None, Some(hour(5 + 72))));
}

#[test]
fn nothing_follows_a_decision() {
    let resolved = history(DisputeStatus::Resolved);
    let dispute = replay(&resolved);
    assert_eq!((dispute.response_due(), dispute.decision_due(), dispute.offer()), (None, None, None));
}
