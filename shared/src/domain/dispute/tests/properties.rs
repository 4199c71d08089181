//! What holds whatever is asked, in whatever order.

use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = (usize, DisputeCommand)> {
    let outcomes = [DisputeOutcome::RefundFull, DisputeOutcome::RefundPartial, DisputeOutcome::Rejected];
    let command = prop_oneof![
        2 => Just(showing()),
        1 => Just(responding()),
        1 => Just(DisputeCommand::AcceptClaim),
        4 => (1i64..60_000).prop_map(offering),
        2 => (1u32..6).prop_map(|number| DisputeCommand::AcceptOffer { offer_id: offer(number) }),
        4 => (1u32..6).prop_map(|number| DisputeCommand::DeclineOffer { offer_id: offer(number) }),
        1 => Just(escalating()),
        1 => Just(silence()),
        1 => Just(DisputeCommand::PassDecisionDeadline),
        2 => (prop::sample::select(outcomes.to_vec()), prop::option::of(0i64..2_100_000))
            .prop_map(|(outcome, kopecks)| deciding(outcome, kopecks)),
        2 => Just(approving()),
        1 => Just(DisputeCommand::Withdraw),
        1 => (0i64..3).prop_map(|kopecks| DisputeCommand::CloseByCancellation { refund_amount: Money::rub(kopecks) }),
    ];
    (0usize..5, command)
}

pub(super) fn live(commands: Vec<(i64, (usize, DisputeCommand))>) -> Vec<DisputeEvent> {
    let actors = [customer(), cook(), admin(1), admin(2), system()];
    let mut log = opened();
    let mut dispute = replay(&log);
    let mut now = hour(0);
    for (later, (first, command)) in commands {
        now += TimeDelta::hours(later);
        let asked = (first..first + actors.len()).find_map(|n| {
            let actor = actors[n % actors.len()].clone();
            dispute.decide(&Intent { actor, now, command: command.clone() }).ok()
        });
        for event in asked.unwrap_or_default() {
            cqrs_es::Aggregate::apply(&mut dispute, event.clone());
            log.push(event);
        }
    }
    log
}

pub(super) fn any_life() -> impl Strategy<Value = Vec<(i64, (usize, DisputeCommand))>> {
    prop::collection::vec((0i64..9, any_command()), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_dispute_is_decided_once_and_nothing_follows(commands in any_life()) {
        let log = live(commands);
        let decisions = log.iter().filter(|event| event.type_name() == "dispute_resolved").count();
        prop_assert!(decisions <= 1);
        let decided_last = matches!(log.last(), Some(DisputeEvent::DisputeResolved(_)));
        prop_assert_eq!(decisions == 1, decided_last);
        if let Some(DisputeEvent::DisputeResolved(resolved)) = log.last() {
            let nothing = matches!(resolved.outcome, DisputeOutcome::Rejected | DisputeOutcome::Withdrawn);
            prop_assert_eq!(nothing, resolved.refund_amount.is_zero());
            prop_assert!(resolved.refund_amount.minor() <= 2_000_000);
            let by_one = resolved.decided_by == DecidedBy::Admin && resolved.proposed_by.is_none();
            prop_assert!(!by_one || resolved.refund_amount.minor() <= 1_000_000, "one decided alone");
        }
    }

    #[test]
    fn a_snapshot_is_as_good_as_the_history(commands in any_life()) {
        let dispute = replay(&live(commands));
        let snapshot = serde_json::to_value(&dispute).unwrap();
        prop_assert_eq!(serde_json::from_value::<Dispute>(snapshot).unwrap(), dispute);
    }

    #[test]
    fn every_history_can_be_applied_in_any_order(
        commands in any_life(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        birth_first in any::<bool>(),
        (who, asked) in any_command(),
    ) {
        let log = [live(commands), DisputeStatus::ALL.map(history).concat()].concat();
        let mut shuffled: Vec<_> = order.iter().map(|index| index.get(&log).clone()).collect();
        if birth_first {
            shuffled.insert(0, opened()[0].clone());
        }
        let actors = [customer(), cook(), admin(1), admin(2), system()];
        let answer = replay(&shuffled).decide(&Intent { actor: actors[who].clone(), now: hour(50), command: asked });
        prop_assert!(answer.is_ok() || answer.is_err(), "neither applying nor deciding panics");
    }
}
