//! Every rule and every refusal of a dispute.

mod access;
mod actions;
mod diagram;
mod properties;
mod resolve;
mod talk;
mod transitions;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::test::TestFramework;
use uuid::Uuid;

use super::*;
use crate::domain::{Actor, EventSourced, Intent, Money, Rejection, RejectionKind, ids::*, order::Fault};

pub(super) const ORDER: OrderId = OrderId(Uuid::from_u128(1));
pub(super) const CUSTOMER: UserId = UserId(Uuid::from_u128(2));
pub(super) const COOK: UserId = UserId(Uuid::from_u128(3));
pub(super) const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(4));

/// The moment of the opening, and hours after it.
pub(super) fn hour(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
}

pub(super) fn customer() -> Actor {
    Actor::Customer(CUSTOMER)
}

pub(super) fn cook() -> Actor {
    Actor::Producer { producer_id: KITCHEN, user_id: COOK }
}

pub(super) fn admin(n: u128) -> Actor {
    Actor::Admin(UserId(Uuid::from_u128(90 + n)))
}

pub(super) fn system() -> Actor {
    Actor::system("dispute")
}

pub(super) fn dispute_id() -> DisputeId {
    DisputeId::of_order(ORDER, 1)
}

pub(super) fn policy() -> DisputePolicy {
    DisputePolicy::default()
}

type Asked = (Actor, DateTime<Utc>, DisputeCommand);

/// The one place that knows the aggregate's API.
#[track_caller]
pub(super) fn check(
    given: &[DisputeEvent],
    (actor, at, command): Asked,
    then: Result<Vec<DisputeEvent>, DisputeError>,
) {
    let intent = Intent { actor, now: at, command };
    let actual = TestFramework::<Dispute>::with(()).given(given.to_vec()).when(intent).inspect_result();
    assert_eq!(actual, then);
}

/// The names of the events, or of the rule that forbids.
pub(super) fn names(given: &[DisputeEvent], (actor, at, command): Asked) -> Result<Vec<&'static str>, &'static str> {
    let events = replay(given).decide(&Intent { actor, now: at, command }).map_err(|error| error.rule())?;
    Ok(events.iter().map(DisputeEvent::type_name).collect())
}

pub(super) fn replay(events: &[DisputeEvent]) -> Dispute {
    events.iter().fold(Dispute::default(), |mut dispute, event| {
        cqrs_es::Aggregate::apply(&mut dispute, event.clone());
        dispute
    })
}

/// Adds to the history what the command makes happen; it must be something.
#[track_caller]
pub(super) fn happens(history: &mut Vec<DisputeEvent>, (actor, now, command): Asked) {
    let events = replay(history).decide(&Intent { actor, now, command }).unwrap();
    assert!(!events.is_empty());
    history.extend(events);
}

pub(super) fn claim(reason_code: DisputeReason, kopecks: Option<i64>) -> DisputeClaim {
    DisputeClaim {
        reason_code,
        description_sealed: Some("sealed".into()),
        claimed_amount: kopecks.map(Money::rub),
        evidence: vec![],
        appeal_of: None,
    }
}

pub(super) fn request(claim: DisputeClaim, refundable: i64) -> DisputeCommand {
    DisputeCommand::Open(Box::new(OpenDispute {
        dispute_id: dispute_id(),
        order_id: ORDER,
        customer_id: CUSTOMER,
        producer_id: KITCHEN,
        opened_by: OpenedBy::Customer,
        claim,
        refundable: Money::rub(refundable),
        policy: policy(),
    }))
}

/// A dispute over so much of an order of 20 000.00.
pub(super) fn opened_for(reason: DisputeReason, kopecks: Option<i64>) -> Vec<DisputeEvent> {
    let mut history = Vec::new();
    happens(&mut history, (customer(), hour(0), request(claim(reason, kopecks), 2_000_000)));
    history
}

/// 500.00 of 20 000.00 are claimed.
pub(super) fn opened() -> Vec<DisputeEvent> {
    opened_for(DisputeReason::Late, Some(50_000))
}

pub(super) fn responding() -> DisputeCommand {
    DisputeCommand::Respond { message_sealed: "sealed".into(), stance: Stance::Contest, policy: policy() }
}

pub(super) fn escalating() -> DisputeCommand {
    DisputeCommand::Escalate { cause: None, policy: policy() }
}

pub(super) fn offering(kopecks: i64) -> DisputeCommand {
    DisputeCommand::MakeOffer { amount: Money::rub(kopecks), message_sealed: None }
}

pub(super) fn offer(number: u32) -> OfferId {
    OfferId::of_dispute(dispute_id(), number)
}

pub(super) fn showing() -> DisputeCommand {
    let evidence = Evidence { kind: EvidenceKind::Photo, text_sealed: None, file_refs: vec!["0".repeat(64)] };
    DisputeCommand::SubmitEvidence { evidence }
}

pub(super) fn deciding(outcome: DisputeOutcome, kopecks: Option<i64>) -> DisputeCommand {
    DisputeCommand::Resolve(ResolveDispute {
        outcome,
        refund_amount: kopecks.map(Money::rub),
        fault: Fault::Producer,
        comment: None,
        producer_owner: Some(COOK),
        policy: policy(),
    })
}

pub(super) fn approving() -> DisputeCommand {
    DisputeCommand::ApproveResolution { producer_owner: Some(COOK) }
}

pub(super) fn silence() -> DisputeCommand {
    DisputeCommand::PassResponseDeadline { policy: policy() }
}

/// The shortest way to a status.
pub(super) fn history(status: DisputeStatus) -> Vec<DisputeEvent> {
    let mut history = opened();
    match status {
        DisputeStatus::Open => {}
        DisputeStatus::UnderReview => happens(&mut history, (cook(), hour(1), responding())),
        DisputeStatus::Resolved => happens(&mut history, (customer(), hour(1), DisputeCommand::Withdraw)),
    }
    history
}

pub(super) fn resolved(outcome: DisputeOutcome, kopecks: i64, fault: Fault, decided_by: DecidedBy) -> DisputeEvent {
    DisputeResolved {
        order_id: ORDER,
        outcome,
        refund_amount: Money::rub(kopecks),
        fault,
        decided_by,
        comment: None,
        proposed_by: None,
    }
    .into()
}
