//! What a command makes happen. Pure: time, limits and policy come with the command.

mod access;
mod offer;
mod resolve;
mod talk;

use chrono::{DateTime, Utc};

use super::{Dispute, DisputeCommand, DisputeError, DisputeEvent, DisputeOpened, OpenDispute, Opened, Stage};
use crate::domain::Intent;
use access::Party;

/// What happens, or why nothing does.
type Decision = Result<Vec<DisputeEvent>, DisputeError>;

const TEXT_CHARS_MAX: usize = 500;

/// Who may ask comes first, then whether the dispute is theirs, then the rules of the business.
pub(super) fn decide(dispute: &Dispute, intent: &Intent<DisputeCommand>) -> Decision {
    let party = access::authorise(&intent.actor, &intent.command)?;
    match (dispute, &intent.command) {
        (Dispute::NotOpened, DisputeCommand::Open(request)) => open(request, intent.now),
        (Dispute::NotOpened, _) => Err(DisputeError::NotFound),
        (Dispute::Opened(opened), _) => {
            opened.is_known_to(&intent.actor)?;
            opened.decide(party, intent)
        }
    }
}

fn open(request: &OpenDispute, now: DateTime<Utc>) -> Decision {
    let opened = DisputeOpened {
        dispute_id: request.dispute_id,
        order_id: request.order_id,
        customer_id: request.customer_id,
        producer_id: request.producer_id,
        opened_by: request.opened_by,
        claim: request.claim.clone(),
        refundable: request.refundable,
        escalate_from: now + request.policy.talk_first,
        response_due: now + request.policy.response_window,
    };
    Ok(vec![opened.into()])
}

impl Opened {
    fn decide(&self, party: Party, intent: &Intent<DisputeCommand>) -> Decision {
        let now = intent.now;
        match &intent.command {
            // The same dispute again: somebody finished opening it already.
            DisputeCommand::Open(_) => Ok(vec![]),
            DisputeCommand::SubmitEvidence { evidence } => self.submit_evidence(party, evidence, now),
            DisputeCommand::Respond { message_sealed, stance, policy } => {
                self.respond(message_sealed, *stance, now + policy.decision_window)
            }
            DisputeCommand::AcceptClaim => self.accept_claim(),
            DisputeCommand::MakeOffer { amount, message_sealed } => self.make_offer(*amount, message_sealed.as_ref()),
            DisputeCommand::AcceptOffer { offer_id } => self.accept_offer(*offer_id),
            DisputeCommand::DeclineOffer { offer_id } => self.decline_offer(*offer_id),
            DisputeCommand::Escalate { cause, policy } => self.escalate(party, cause.as_ref(), policy, now),
            DisputeCommand::PassResponseDeadline { policy } => self.pass_response_deadline(policy, now),
            DisputeCommand::PassDecisionDeadline => self.pass_decision_deadline(now),
            DisputeCommand::Resolve(decision) => self.resolve_as(decision, &intent.actor),
            DisputeCommand::ApproveResolution { producer_owner } => self.approve(*producer_owner, &intent.actor),
            DisputeCommand::Withdraw => self.withdraw(),
            DisputeCommand::CloseByCancellation { refund_amount } => self.close_by_cancellation(*refund_amount),
        }
    }

    fn is_not_decided(&self) -> Result<(), DisputeError> {
        match self.stage {
            Stage::Open { .. } | Stage::UnderReview { .. } => Ok(()),
            Stage::Resolved { .. } => Err(DisputeError::AlreadyResolved),
        }
    }
}

/// A text that people wrote.
fn check_text(text: Option<&str>, pointer: &'static str) -> Result<(), DisputeError> {
    match text {
        Some(text) if text.chars().count() > TEXT_CHARS_MAX => {
            Err(DisputeError::TooLong { pointer, max: TEXT_CHARS_MAX })
        }
        Some(_) | None => Ok(()),
    }
}
