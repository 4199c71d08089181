//! What a command makes happen. Pure: time, prices and policy come with the command.

mod access;
mod cancel;
mod create;
mod dispute;
mod fulfil;
mod pay;
mod rate;
mod refund;
mod text;

use super::{Order, OrderCommand, OrderError, OrderEvent, Placed};
use crate::domain::Intent;
pub(super) use access::Party;
pub(super) use cancel::may_cancel;
pub(super) use create::quote;
pub(super) use dispute::DISPUTES_MAX;
pub(super) use pay::attempts_lost;

/// What happens, or why nothing does.
type Decision = Result<Vec<OrderEvent>, OrderError>;

/// Who may ask comes first, then whether the order is theirs, then the rules of the business.
pub(super) fn decide(order: &Order, intent: &Intent<OrderCommand>) -> Decision {
    let party = access::authorise(&intent.actor, &intent.command)?;
    match (order, &intent.command) {
        (Order::NotPlaced, OrderCommand::Create(request)) => create::place(request, &intent.actor, intent.now),
        (Order::NotPlaced, _) => Err(OrderError::NotFound),
        (Order::Placed(placed), command) => {
            placed.is_known_to(&intent.actor)?;
            placed.decide(command, party, intent)
        }
    }
}

impl Placed {
    fn decide(&self, command: &OrderCommand, party: Party, intent: &Intent<OrderCommand>) -> Decision {
        let now = intent.now;
        match command {
            // The same order again: it is placed, so there is nothing to record.
            OrderCommand::Create(_) => Ok(vec![]),
            OrderCommand::RequestPayment(request) => self.request_payment(request, now),
            OrderCommand::RecordPaymentFailure { payment_id, reason } => self.payment_failed(*payment_id, *reason),
            OrderCommand::MarkPaid(paid) => self.mark_paid(paid, now),
            OrderCommand::RemindProducer => self.remind_producer(now),
            OrderCommand::Accept { eta_minutes } => self.accept(*eta_minutes, now),
            OrderCommand::Reject { reason_code, comment } => self.reject(*reason_code, comment.as_deref()),
            OrderCommand::StartPreparation { note } => self.start_preparation(note.as_ref()),
            OrderCommand::MarkReady { note } => self.mark_ready(note.as_ref()),
            OrderCommand::Dispatch { note } => self.dispatch(note.as_ref()),
            OrderCommand::MarkDelivered { proof_ref, policy } => self.deliver(proof_ref.as_ref(), policy, now),
            OrderCommand::Complete { policy } => self.complete(party, policy, now),
            OrderCommand::Cancel { reason_code, reason_text } => {
                self.cancel(party, *reason_code, reason_text.as_ref(), now)
            }
            OrderCommand::AuthorizeRefund(request) => self.authorize_refund(request, party),
            OrderCommand::SettleRefund { refund_id, part } => self.settle_refund(*refund_id, *part),
            OrderCommand::RecordRefundFailure { refund_id, part, reason } => {
                self.refund_failed(*refund_id, *part, reason)
            }
            OrderCommand::ClaimDispute(request) => self.claim_dispute(request, party, now),
            OrderCommand::SettleDispute(settlement) => self.settle_dispute(settlement, now),
            OrderCommand::ReleasePayout => self.release_payout(now),
            OrderCommand::Rate(marks) => self.rate(marks, now),
            OrderCommand::AdjustEta { eta_minutes } => self.adjust_eta(*eta_minutes, now),
        }
    }
}
