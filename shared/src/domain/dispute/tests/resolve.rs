//! The one decision: by whom, how much, and when two have to agree.

use super::*;
use DisputeOutcome::*;

fn decided(given: &[DisputeEvent], command: DisputeCommand) -> Result<Vec<&'static str>, &'static str> {
    names(given, (admin(1), hour(3), command))
}

#[test]
fn a_cook_who_gives_in_pays_what_was_claimed_or_all_of_it() {
    let give_in = || (cook(), hour(1), DisputeCommand::AcceptClaim);
    let part = resolved(RefundPartial, 50_000, Fault::Producer, DecidedBy::Producer);
    check(&opened(), give_in(), Ok(vec![part]));
    let all = resolved(RefundFull, 2_000_000, Fault::Producer, DecidedBy::Producer);
    check(&opened_for(DisputeReason::Late, None), give_in(), Ok(vec![all]));
}

#[test]
fn who_withdraws_gets_nothing() {
    let nothing = resolved(Withdrawn, 0, Fault::None, DecidedBy::Customer);
    check(&opened(), (customer(), hour(1), DisputeCommand::Withdraw), Ok(vec![nothing]));
}

#[test]
fn an_administrator_gives_a_part_or_nothing() {
    let given = history(DisputeStatus::UnderReview);
    for (kopecks, fits) in [(0, false), (1, true), (1_000_000, true), (2_000_000, false), (-1, false)] {
        let answer = decided(&given, deciding(RefundPartial, Some(kopecks)));
        assert_eq!(answer, if fits { Ok(vec!["dispute_resolved"]) } else { Err("invalid_value") }, "{kopecks}");
    }
    assert_eq!(decided(&given, deciding(RefundPartial, None)), Err("invalid_value"));
    assert_eq!(decided(&given, deciding(Rejected, Some(1))), Err("invalid_value"));
    assert_eq!(decided(&given, deciding(Rejected, Some(0))), Ok(vec!["dispute_resolved"]));
    assert_eq!(decided(&given, deciding(RefundFull, Some(1))), Err("invalid_value"));
    let withdrawn = Err(DisputeError::InvalidValue { pointer: "/outcome" });
    check(&given, (admin(1), hour(3), deciding(Withdrawn, None)), withdrawn);
    let rejected = resolved(Rejected, 0, Fault::Producer, DecidedBy::Admin);
    check(&given, (admin(1), hour(3), deciding(Rejected, None)), Ok(vec![rejected]));
}

#[test]
fn above_ten_thousand_two_have_to_agree() {
    let mut history = history(DisputeStatus::UnderReview);
    assert_eq!(decided(&history, deciding(RefundPartial, Some(1_000_000))), Ok(vec!["dispute_resolved"]));
    let large = || deciding(RefundPartial, Some(1_000_001));
    happens(&mut history, (admin(1), hour(3), large()));
    assert_eq!(history.last().unwrap().type_name(), "dispute_resolution_proposed");
    assert_eq!(decided(&history, large()), Ok(vec![]), "it waits already");
    assert_eq!(names(&history, (admin(1), hour(4), approving())), Err("approval_required"));
    let expected = DisputeResolved {
        order_id: ORDER,
        outcome: RefundPartial,
        refund_amount: Money::rub(1_000_001),
        fault: Fault::Producer,
        decided_by: DecidedBy::Admin,
        comment: None,
        proposed_by: Some(UserId(Uuid::from_u128(91))),
    };
    check(&history, (admin(2), hour(4), approving()), Ok(vec![expected.into()]));
}

#[test]
fn another_proposal_takes_the_place_of_the_first() {
    let mut history = history(DisputeStatus::UnderReview);
    happens(&mut history, (admin(1), hour(3), deciding(RefundFull, None)));
    happens(&mut history, (admin(2), hour(4), deciding(RefundPartial, Some(1_500_000))));
    assert_eq!(replay(&history).proposal().unwrap().refund_amount, Money::rub(1_500_000));
    assert_eq!(names(&history, (admin(2), hour(5), approving())), Err("approval_required"));
    assert_eq!(names(&history, (admin(1), hour(5), approving())), Ok(vec!["dispute_resolved"]));
    let small = deciding(Rejected, None);
    assert_eq!(names(&history, (admin(3), hour(5), small)), Ok(vec!["dispute_resolved"]), "one decides on less");
}

#[test]
fn who_is_a_party_decides_nothing() {
    let mut history = history(DisputeStatus::UnderReview);
    for party in [CUSTOMER, COOK] {
        let answer = names(&history, (Actor::Admin(party), hour(3), deciding(Rejected, None)));
        assert_eq!(answer, Err("party_cannot_decide"));
    }
    happens(&mut history, (admin(1), hour(3), deciding(RefundFull, None)));
    for party in [CUSTOMER, COOK] {
        assert_eq!(names(&history, (Actor::Admin(party), hour(3), approving())), Err("party_cannot_decide"));
    }
}

#[test]
fn of_a_chargeback_no_more_is_granted_than_the_bank_took() {
    let mut history = opened_for(DisputeReason::Bank, Some(50_000));
    happens(&mut history, (cook(), hour(1), responding()));
    assert_eq!(decided(&history, deciding(RefundPartial, Some(50_000))), Err("invalid_value"));
    let all = resolved(RefundPartial, 50_000, Fault::Producer, DecidedBy::Admin);
    check(&history, (admin(1), hour(3), deciding(RefundFull, None)), Ok(vec![all]));
}

#[test]
fn a_cancellation_settles_the_dispute() {
    let close =
        |kopecks| (system(), hour(3), DisputeCommand::CloseByCancellation { refund_amount: Money::rub(kopecks) });
    let all = resolved(RefundFull, 7_000, Fault::None, DecidedBy::OrderCancelled);
    check(&opened(), close(7_000), Ok(vec![all]));
    let nothing = resolved(Rejected, 0, Fault::None, DecidedBy::OrderCancelled);
    check(&opened(), close(0), Ok(vec![nothing]));
    check(&opened(), close(-1), Err(DisputeError::InvalidValue { pointer: "/refund_amount" }));
}

#[test]
fn long_comments_are_refused_with_their_field() {
    let DisputeCommand::Resolve(mut decision) = deciding(Rejected, None) else { unreachable!() };
    decision.comment = Some("x".repeat(501));
    let command = DisputeCommand::Resolve(decision);
    let refused = Err(DisputeError::TooLong { pointer: "/comment", max: 500 });
    check(&history(DisputeStatus::UnderReview), (admin(1), hour(3), command), refused);
}
