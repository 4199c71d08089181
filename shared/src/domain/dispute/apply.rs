//! What events do to a dispute. It accepts every history, in every order: facts are not argued with.

use std::sync::Arc;

use super::{Dispute, DisputeEvent, DisputeOpened, DisputeResolved, DisputeSide, Offer, Opened, Stage, Terms};

impl Dispute {
    pub(super) fn evolve(&mut self, event: DisputeEvent) {
        match (self, event) {
            (dispute @ Self::NotOpened, DisputeEvent::DisputeOpened(opened)) => {
                *dispute = Self::Opened(Opened::new(opened));
            }
            (Self::NotOpened, _) => {}
            (Self::Opened(opened), event) => opened.evolve(event),
        }
    }
}

impl Opened {
    fn new(opened: DisputeOpened) -> Self {
        Self {
            terms: Arc::new(Terms {
                dispute_id: opened.dispute_id,
                order_id: opened.order_id,
                customer_id: opened.customer_id,
                producer_id: opened.producer_id,
                opened_by: opened.opened_by,
                reason: opened.claim.reason_code,
                claimed: opened.claim.claimed_amount.unwrap_or(opened.refundable),
                refundable: opened.refundable,
                escalate_from: opened.escalate_from,
            }),
            stage: Stage::Open { response_due: opened.response_due },
            offer: None,
            offers_made: 0,
            pieces_of_evidence: u32::try_from(opened.claim.evidence.len()).unwrap_or(u32::MAX),
            producer_spoke: false,
            proposal: None,
        }
    }

    fn evolve(&mut self, event: DisputeEvent) {
        match event {
            // A dispute is opened once.
            DisputeEvent::DisputeOpened(_) => {}
            DisputeEvent::DisputeEvidenceSubmitted(submitted) => {
                self.pieces_of_evidence = self.pieces_of_evidence.saturating_add(1);
                self.producer_spoke |= submitted.side == DisputeSide::Producer;
            }
            DisputeEvent::DisputeResponded(responded) => {
                self.producer_spoke = true;
                self.stage = Stage::UnderReview { decision_due: responded.decision_due, is_late: false };
            }
            DisputeEvent::DisputeEscalated(escalated) => {
                self.stage = Stage::UnderReview { decision_due: escalated.decision_due, is_late: false };
            }
            DisputeEvent::DisputeOfferMade(made) => {
                self.producer_spoke = true;
                self.offers_made = self.offers_made.saturating_add(1);
                self.offer = Some(Offer { offer_id: made.offer_id, amount: made.amount });
            }
            DisputeEvent::DisputeOfferDeclined(_) => self.offer = None,
            DisputeEvent::DisputeResolutionProposed(proposed) => self.proposal = Some(proposed),
            DisputeEvent::DisputeSlaBreached(_) => self.be_late(),
            DisputeEvent::DisputeResolved(resolved) => self.resolve(&resolved),
        }
    }

    fn be_late(&mut self) {
        if let Stage::UnderReview { is_late, .. } = &mut self.stage {
            *is_late = true;
        }
    }

    fn resolve(&mut self, resolved: &DisputeResolved) {
        (self.offer, self.proposal) = (None, None);
        self.stage = Stage::Resolved {
            outcome: resolved.outcome,
            refund_amount: resolved.refund_amount,
            fault: resolved.fault,
            decided_by: resolved.decided_by,
        };
    }
}
