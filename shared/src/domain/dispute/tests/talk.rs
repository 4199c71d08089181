//! Evidence, answers, offers, and calls for a decision.

use super::*;

#[test]
fn evidence_is_taken_until_the_stages_deadline() {
    let a_moment = TimeDelta::microseconds(1);
    for (status, due) in [(DisputeStatus::Open, hour(24)), (DisputeStatus::UnderReview, hour(73))] {
        for actor in [customer(), cook()] {
            let at = |when| names(&history(status), (actor.clone(), when, showing()));
            assert_eq!(at(due - a_moment), Ok(vec!["dispute_evidence_submitted"]));
            assert_eq!(at(due), Err("evidence_deadline_passed"));
        }
    }
}

#[test]
fn evidence_says_who_brought_it() {
    for (actor, side) in [(customer(), DisputeSide::Customer), (cook(), DisputeSide::Producer)] {
        let DisputeCommand::SubmitEvidence { evidence } = showing() else { unreachable!() };
        let expected = DisputeEvidenceSubmitted { side, evidence };
        check(&opened(), (actor, hour(1), showing()), Ok(vec![expected.into()]));
    }
}

#[test]
fn evidence_is_words_or_up_to_ten_files_by_their_hash() {
    let bring = |text_sealed: Option<&str>, file_refs: Vec<String>| {
        let evidence =
            Evidence { kind: EvidenceKind::Statement, text_sealed: text_sealed.map(str::to_owned), file_refs };
        names(&opened(), (customer(), hour(1), DisputeCommand::SubmitEvidence { evidence }))
    };
    let hash = || "0123456789abcdef".repeat(4);
    assert!(bring(Some("sealed"), vec![]).is_ok());
    assert!(bring(None, vec![hash(); 10]).is_ok());
    assert_eq!(bring(None, vec![]), Err("invalid_value"));
    assert_eq!(bring(None, vec![hash(); 11]), Err("invalid_value"));
    for wrong in ["", "0123", &"g".repeat(64), &"A".repeat(64), &"0".repeat(65)] {
        assert_eq!(bring(Some("sealed"), vec![wrong.to_owned()]), Err("invalid_value"), "{wrong}");
    }
    assert_eq!(bring(Some(&"x".repeat(16_385)), vec![]), Err("invalid_value"));
}

#[test]
fn a_hundred_pieces_of_evidence_are_enough() {
    let mut history = opened();
    for _ in 0..100 {
        happens(&mut history, (customer(), hour(1), showing()));
    }
    assert_eq!(names(&history, (cook(), hour(1), showing())), Err("evidence_limit_reached"));
    assert!(serde_json::to_vec(&replay(&history)).unwrap().len() < 2_000, "the dispute stays small");
}

#[test]
fn the_customer_talks_first_and_the_cook_may_ask_at_once() {
    let a_moment = TimeDelta::microseconds(1);
    let ask = |given: &[DisputeEvent], actor, at| names(given, (actor, at, escalating()));
    assert_eq!(ask(&opened(), customer(), hour(2) - a_moment), Err("too_early"));
    assert_eq!(ask(&opened(), customer(), hour(2)), Ok(vec!["dispute_escalated"]));
    assert_eq!(ask(&opened(), cook(), hour(0)), Ok(vec!["dispute_escalated"]));
    for word in [offering(100), showing()] {
        let mut answered = opened();
        happens(&mut answered, (cook(), hour(0), word));
        assert_eq!(ask(&answered, customer(), hour(0)), Ok(vec!["dispute_escalated"]), "the cook has spoken");
    }
    let long = DisputeCommand::Escalate { cause: Some("x".repeat(501)), policy: policy() };
    check(&opened(), (cook(), hour(3), long), Err(DisputeError::TooLong { pointer: "/cause", max: 500 }));
}

#[test]
fn one_offer_waits_at_a_time() {
    let mut history = opened();
    happens(&mut history, (cook(), hour(1), offering(20_000)));
    assert_eq!(replay(&history).offer().unwrap().amount, Money::rub(20_000));
    assert_eq!(names(&history, (cook(), hour(1), offering(30_000))), Err("offer_pending"));
    let decline = |number| (customer(), hour(2), DisputeCommand::DeclineOffer { offer_id: offer(number) });
    assert_eq!(names(&history, decline(2)), Err("offer_not_found"));
    happens(&mut history, decline(1));
    assert_eq!(names(&history, decline(1)), Err("offer_not_found"));
    happens(&mut history, (cook(), hour(3), offering(30_000)));
    let accept = |number| (customer(), hour(4), DisputeCommand::AcceptOffer { offer_id: offer(number) });
    assert_eq!(names(&history, accept(1)), Err("offer_not_found"));
    let agreed = resolved(DisputeOutcome::RefundPartial, 30_000, Fault::Producer, DecidedBy::Agreement);
    check(&history, accept(2), Ok(vec![agreed]));
}

#[test]
fn an_offer_is_something_less_than_the_claim() {
    for (kopecks, answer) in [(49_999, Ok(vec!["dispute_offer_made"])), (50_000, Err("offer_not_below_claim"))] {
        assert_eq!(names(&opened(), (cook(), hour(1), offering(kopecks))), answer);
    }
    check(&opened(), (cook(), hour(1), offering(0)), Err(DisputeError::InvalidValue { pointer: "/amount" }));
    let dollar = DisputeCommand::MakeOffer { amount: Money::parse("1", "USD").unwrap(), message_sealed: None };
    check(&opened(), (cook(), hour(1), dollar), Err(DisputeError::InvalidValue { pointer: "/amount" }));
    let mut history = opened();
    for number in 1..=20 {
        happens(&mut history, (cook(), hour(1), offering(100)));
        happens(&mut history, (customer(), hour(1), DisputeCommand::DeclineOffer { offer_id: offer(number) }));
    }
    assert_eq!(names(&history, (cook(), hour(1), offering(100))), Err("offer_limit_reached"));
}

#[test]
fn a_silent_cook_grants_what_is_small_and_nothing_else() {
    let passed = |given: &[DisputeEvent]| names(given, (system(), hour(24), silence()));
    let silent = opened_for(DisputeReason::Late, Some(300_000));
    let granted = resolved(DisputeOutcome::RefundPartial, 300_000, Fault::Producer, DecidedBy::SystemDeadline);
    check(&silent, (system(), hour(24), silence()), Ok(vec![granted]));
    assert_eq!(names(&silent, (system(), hour(23), silence())), Err("too_early"));
    assert_eq!(passed(&opened_for(DisputeReason::Late, Some(300_001))), Ok(vec!["dispute_escalated"]));
    assert_eq!(passed(&opened_for(DisputeReason::Late, None)), Ok(vec!["dispute_escalated"]), "all of it is claimed");
    assert_eq!(passed(&opened_for(DisputeReason::Bank, Some(1_000))), Ok(vec!["dispute_escalated"]));
    let mut spoken = silent;
    happens(&mut spoken, (cook(), hour(1), offering(100)));
    assert_eq!(passed(&spoken), Ok(vec!["dispute_escalated"]), "who makes an offer is not silent");
}

#[test]
fn the_alarm_that_nobody_decided_rings_once() {
    let mut history = history(DisputeStatus::UnderReview);
    let alarm = |at| (system(), at, DisputeCommand::PassDecisionDeadline);
    assert_eq!(names(&history, alarm(hour(72))), Err("too_early"));
    happens(&mut history, alarm(hour(73)));
    assert_eq!(history.last().unwrap().type_name(), "dispute_sla_breached");
    assert_eq!(names(&history, alarm(hour(74))), Ok(vec![]));
    let decided = (admin(1), hour(99), deciding(DisputeOutcome::Rejected, None));
    assert_eq!(names(&history, decided), Ok(vec!["dispute_resolved"]), "it can still be decided");
}

#[test]
fn what_the_bank_took_is_not_haggled_over() {
    let bank = opened_for(DisputeReason::Bank, Some(50_000));
    assert_eq!(names(&bank, (cook(), hour(1), offering(100))), Err("bank_dispute"));
    assert_eq!(names(&bank, (customer(), hour(1), DisputeCommand::Withdraw)), Err("bank_dispute"));
    assert_eq!(names(&bank, (cook(), hour(1), DisputeCommand::AcceptClaim)), Ok(vec!["dispute_resolved"]));
}
