//! What a command makes happen. Pure: time, reports and policy come with the command.

mod access;
mod bank;
mod initiate;
mod integrity;
mod operate;
mod refund;
mod report;
mod resolve;
mod settle;

use super::{Initiated, Payment, PaymentCommand, PaymentError, PaymentEvent};
use crate::domain::Intent;

/// What happens, or why nothing does.
type Decision = Result<Vec<PaymentEvent>, PaymentError>;

/// Who may ask comes first, then the rules of the business.
pub(super) fn decide(payment: &Payment, intent: &Intent<PaymentCommand>) -> Decision {
    access::authorise(&intent.actor, &intent.command)?;
    match (payment, &intent.command) {
        (Payment::NotInitiated, PaymentCommand::Initiate(request)) => initiate::open(request),
        (Payment::NotInitiated, _) => Err(PaymentError::NotFound),
        (Payment::Initiated(payment), _) => payment.decide(intent),
    }
}

impl Initiated {
    fn decide(&self, intent: &Intent<PaymentCommand>) -> Decision {
        let now = intent.now;
        match &intent.command {
            // The same payment again: it exists, so there is nothing to record.
            PaymentCommand::Initiate(_) => Ok(vec![]),
            PaymentCommand::RecordSession { provider_payment_id, payment_url, init_try } => {
                Ok(self.open_session(provider_payment_id, payment_url, *init_try))
            }
            PaymentCommand::FailInit { reason, code } => Ok(self.fail_init(*reason, code.as_ref())),
            PaymentCommand::RecordProviderStatus(record) => {
                // The bank counts from when it held the money, which was before the page died, however late we hear of it.
                let hold_ends = now.min(self.terms.expires_at) + record.policy.hold;
                self.hear(&record.report, hold_ends)
            }
            PaymentCommand::Capture { amount, operation_id } => self.capture(*amount, *operation_id, now),
            PaymentCommand::PostponeCapture { because } => Ok(self.not_captured(because, now)),
            PaymentCommand::Abort { cause } => self.abort(cause),
            PaymentCommand::RecordAbortOutcome(outcome) => self.aborted(outcome, now),
            PaymentCommand::MarkApplied => self.mark_applied(),
            PaymentCommand::MarkUnapplied { cause } => self.mark_unapplied(*cause),
            PaymentCommand::RequestRefund { refund_id, amount, source } => {
                self.request_refund(*refund_id, *amount, *source)
            }
            PaymentCommand::RecordChargeback(act) => self.charged_back(act),
            PaymentCommand::RecordExternalRefund(act) => self.refunded_without_us(act),
            PaymentCommand::ResolveIntegrity { decision } => self.resolve_integrity(*decision, &intent.actor),
            PaymentCommand::ResolveRefund { refund_id, finding, reason } => {
                self.resolve_refund(*refund_id, *finding, reason, intent)
            }
            PaymentCommand::RecordRefundResult { refund_id, epoch, outcome } => {
                self.refund_result(*refund_id, *epoch, outcome)
            }
        }
    }
}
