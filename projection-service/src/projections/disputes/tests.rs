//! What every event does to the row of a dispute.

use chrono::{DateTime, TimeDelta, Utc};
use shared::domain::{
    Actor, DisputeId, Money, OfferId, OrderId, ProducerId, UserId,
    dispute::{
        DecidedBy, DisputeClaim, DisputeEscalated, DisputeEvent, DisputeEvidenceSubmitted, DisputeOfferDeclined,
        DisputeOfferMade, DisputeOpened, DisputeOutcome, DisputeReason, DisputeResolutionProposed, DisputeResolved,
        DisputeResponded, DisputeSide, DisputeSlaBreached, DisputeStatus, EscalatedBy, Evidence, EvidenceKind,
        OpenedBy, Stance,
    },
    order::Fault,
};
use uuid::Uuid;

use super::{DisputeRow, Disputes, OfferStatus, SealedWords};
use crate::{engine::Fold, projections::samples::Log};

const DISPUTE: Uuid = Uuid::from_u128(1);
const ORDER: OrderId = OrderId(Uuid::from_u128(2));
const CUSTOMER: UserId = UserId(Uuid::from_u128(3));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(4));
const COOK: UserId = UserId(Uuid::from_u128(5));

struct Life {
    log: Log,
    fold: Fold<Disputes>,
}

fn due(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
}

fn cook() -> Actor {
    Actor::Producer { producer_id: KITCHEN, user_id: COOK }
}

fn evidence(text: &str) -> Evidence {
    Evidence { kind: EvidenceKind::Statement, text_sealed: Some(text.to_owned()), file_refs: vec!["0".repeat(64)] }
}

fn resolved(decided_by: DecidedBy) -> DisputeResolved {
    DisputeResolved {
        order_id: ORDER,
        outcome: DisputeOutcome::RefundPartial,
        refund_amount: Money::rub(3_000),
        fault: Fault::Producer,
        decided_by,
        comment: Some("so be it".into()),
        proposed_by: None,
    }
}

impl Life {
    fn new() -> Self {
        let mut life = Self { log: Log::new(), fold: Fold::new(Default::default()) };
        let claim = DisputeClaim {
            reason_code: DisputeReason::Quality,
            description_sealed: Some("cold".into()),
            claimed_amount: Some(Money::rub(5_000)),
            evidence: vec![evidence("spoon")],
            appeal_of: None,
        };
        life.takes(
            Actor::Customer(CUSTOMER),
            DisputeOpened {
                dispute_id: DisputeId(DISPUTE),
                order_id: ORDER,
                customer_id: CUSTOMER,
                producer_id: KITCHEN,
                opened_by: OpenedBy::Customer,
                claim,
                refundable: Money::rub(20_000),
                escalate_from: due(2),
                response_due: due(24),
            },
        );
        life
    }

    #[track_caller]
    fn takes(&mut self, actor: Actor, event: impl Into<DisputeEvent>) -> &DisputeRow {
        let event = self.log.push_dispute((DISPUTE, ORDER.0), actor, event);
        self.fold.take(&event).unwrap();
        let row = self.fold.row(&DisputeId(DISPUTE)).unwrap();
        assert_eq!((row.version, row.updated_at), (event.sequence, event.occurred_at));
        row
    }

    fn offers(&mut self, number: u32) -> &DisputeRow {
        let offer_id = OfferId::of_dispute(DisputeId(DISPUTE), number);
        let (amount, message_sealed) = (Money::rub(3_000), Some("please".to_owned()));
        self.takes(cook(), DisputeOfferMade { order_id: ORDER, offer_id, amount, message_sealed })
    }
}

#[test]
fn an_opened_dispute_waits_for_the_cook() {
    let mut life = Life::new();
    let row = life.takes(cook(), DisputeEvidenceSubmitted { side: DisputeSide::Producer, evidence: evidence("hot") });
    assert_eq!((row.status, row.claimed_amount), (DisputeStatus::Open, Money::rub(5_000)));
    assert_eq!(row.description, Some(SealedWords { subject: CUSTOMER, sealed: "cold".into() }));
    let subjects: Vec<_> = row.evidence.iter().map(|piece| (piece.side, piece.text.clone().unwrap().subject)).collect();
    assert_eq!(subjects, [(DisputeSide::Customer, CUSTOMER), (DisputeSide::Producer, COOK)]);
    assert!(row.producer_spoke);
}

#[test]
fn an_answer_or_an_escalation_puts_it_under_review() {
    let mut life = Life::new();
    let answer = DisputeResponded {
        order_id: ORDER,
        message_sealed: "it was hot".into(),
        stance: Stance::Contest,
        decision_due: due(96),
    };
    let row = life.takes(cook(), answer);
    assert_eq!((row.status, row.decision_due), (DisputeStatus::UnderReview, Some(due(96))));
    assert_eq!(row.response, Some(SealedWords { subject: COOK, sealed: "it was hot".into() }));
    let mut life = Life::new();
    let call = DisputeEscalated {
        order_id: ORDER,
        by: EscalatedBy::Customer,
        cause: Some("no".into()),
        decision_due: due(80),
    };
    let row = life.takes(Actor::Customer(CUSTOMER), call);
    assert_eq!((row.status, row.escalated_by), (DisputeStatus::UnderReview, Some(EscalatedBy::Customer)));
    let row = life.takes(Actor::system("deadlines"), DisputeSlaBreached { order_id: ORDER, decision_due: due(80) });
    assert!(row.is_late);
}

#[test]
fn an_offer_ends_with_an_answer_or_with_the_dispute() {
    let mut life = Life::new();
    assert_eq!(life.offers(1).offers[0].status, OfferStatus::Pending);
    let offer_id = OfferId::of_dispute(DisputeId(DISPUTE), 1);
    life.takes(Actor::Customer(CUSTOMER), DisputeOfferDeclined { order_id: ORDER, offer_id });
    life.offers(2);
    let row = life.takes(Actor::Customer(CUSTOMER), resolved(DecidedBy::Agreement));
    let offers: Vec<_> = row.offers.iter().map(|offer| offer.status).collect();
    assert_eq!(offers, [OfferStatus::Declined, OfferStatus::Accepted]);
    assert_eq!(row.status, DisputeStatus::Resolved);
    let mut life = Life::new();
    life.offers(1);
    let row = life.takes(Actor::Admin(COOK), resolved(DecidedBy::Admin));
    assert_eq!(row.offers[0].status, OfferStatus::Lapsed);
}

#[test]
fn a_proposal_waits_until_it_is_decided() {
    let mut life = Life::new();
    let proposed = DisputeResolutionProposed {
        outcome: DisputeOutcome::RefundPartial,
        refund_amount: Money::rub(3_000),
        fault: Fault::Producer,
        comment: None,
        proposed_by: COOK,
    };
    assert_eq!(life.takes(Actor::Admin(COOK), proposed).proposal.as_ref().unwrap().proposed_by, COOK);
    let row = life.takes(Actor::Admin(CUSTOMER), resolved(DecidedBy::Admin));
    assert_eq!(row.proposal, None);
    let resolution = row.resolution.as_ref().unwrap();
    assert_eq!((resolution.refund_amount, resolution.decided_by), (Money::rub(3_000), DecidedBy::Admin));
    assert_eq!(resolution.comment.as_deref(), Some("so be it"));
}
