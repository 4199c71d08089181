//! Money that goes back: the next refund of a payment is sent, or left to people, and cases are kept.

use shared::domain::{
    Money, PaymentId, RefundId,
    payment::{BankActKind, NextRefund, Payment, PaymentCommand, RefundOutcome, RefundState},
};

use super::{Done, PaymentDesk};
use crate::{
    cases::CaseKind,
    process_managers::EffectRun,
    providers::{CallCtx, RefundAttempt, RefundNames, Refunded, refund},
};

/// The code of a refund that is not sent because the bank took the money back itself.
const TAKEN_BACK: &str = "taken_back_by_the_bank";

impl PaymentDesk {
    /// Does the next refund, or clears up the one that is in doubt.
    pub(super) async fn give_back(
        &self,
        payment_id: PaymentId,
        payment: &Payment,
        ctx: &CallCtx,
        run: &mut EffectRun,
    ) -> Done {
        let (Some(terms), Some(id)) = (payment.terms(), payment.provider_payment_id()) else { return Ok(Vec::new()) };
        let Some(provider) = self.provider(terms.provider) else { return Ok(Vec::new()) };
        let (turn, sent_before) = match (in_flight(payment), payment.next_refund(self.clock.now())) {
            (Some(turn), _) => (turn, run.announced != Some((turn.refund_id, turn.epoch))),
            (None, Some(turn)) if provider.capabilities().idempotent_refund == RefundNames::Recognised => {
                (turn, run.may_be_repeated)
            }
            (None, Some(turn)) => return Ok(announce(turn, run)),
            (None, None) => return Ok(self.leave_to_people(payment_id, payment).await),
        };
        let NextRefund { refund_id, amount, epoch } = turn;
        let attempt = RefundAttempt {
            provider_payment_id: id.to_owned(),
            refund_id,
            epoch,
            amount,
            takes_the_rest: left_after(payment, amount) == Some(0),
            sent_before,
        };
        let done = refund(provider, ctx, &attempt).await;
        self.keep_case((payment_id, payment), &attempt, &done).await;
        let outcome = done.outcome;
        Ok(vec![PaymentCommand::RecordRefundResult { refund_id, epoch, outcome }])
    }

    /// Money that the customer's bank took back itself is not sent a second time: people say whether it was the refund.
    async fn leave_to_people(&self, id: PaymentId, payment: &Payment) -> Vec<PaymentCommand> {
        let Some(NextRefund { refund_id, epoch, .. }) = payment.crowded_out(self.clock.now()) else {
            self.close_what_the_bank_did(id, payment).await;
            return Vec::new();
        };
        if let Some(cases) = &self.cases {
            let detail = format!("refund {refund_id}: {TAKEN_BACK}: the bank took the money back itself");
            cases.open(id, CaseKind::RefundRefused, &detail).await;
        }
        let outcome = RefundOutcome::Failed { code: Some(TAKEN_BACK.to_owned()), retry_at: None };
        vec![PaymentCommand::RecordRefundResult { refund_id, epoch, outcome }]
    }

    /// A refund that a clerk gave in the bank's cabinet waits for nobody any more.
    async fn close_what_the_bank_did(&self, id: PaymentId, payment: &Payment) {
        let refunds = payment.refunds();
        let by_bank = refunds.iter().any(|refund| refund.state == RefundState::BackAlready);
        let waits = refunds.iter().any(|refund| refund.state.waits_for_people());
        if let Some(cases) = self.cases.as_ref().filter(|_| by_bank && !waits) {
            cases.clear_up(id, CaseKind::RefundRefused).await;
        }
    }

    /// Opens a case for a person, or closes it.
    async fn keep_case(&self, (id, payment): (PaymentId, &Payment), attempt: &RefundAttempt, done: &Refunded) {
        let Some(cases) = &self.cases else { return };
        let refund_id = attempt.refund_id;
        match &done.outcome {
            _ if done.is_parked => {
                let detail = format!("refund {refund_id}, epoch {}: look whether the bank did it", attempt.epoch);
                cases.open(id, CaseKind::RefundAmbiguous, &detail).await;
            }
            RefundOutcome::Failed { code, retry_at: None } => {
                let code = code.as_deref().unwrap_or("no code");
                cases.open(id, CaseKind::RefundRefused, &format!("refund {refund_id}: {code}")).await;
            }
            // Only what was in doubt or refused before can have left a case; it is the payment's, not this refund's.
            RefundOutcome::Succeeded
                if (attempt.sent_before || attempt.epoch > 1) && !others_wait(payment, refund_id) =>
            {
                cases.clear_up(id, CaseKind::RefundAmbiguous).await;
                cases.clear_up(id, CaseKind::RefundRefused).await;
            }
            RefundOutcome::Succeeded
            | RefundOutcome::Failed { .. }
            | RefundOutcome::Submitted
            | RefundOutcome::Unknown => {}
        }
    }
}

/// Whether another refund of the payment waits for a person.
fn others_wait(payment: &Payment, refund_id: RefundId) -> bool {
    payment.refunds().iter().any(|refund| refund.refund_id != refund_id && refund.state.waits_for_people())
}

/// The refund that the provider has in hand or may have.
fn in_flight(payment: &Payment) -> Option<NextRefund> {
    let refund = payment.in_flight_refund()?;
    match refund.state {
        RefundState::Unknown { epoch } | RefundState::Submitted { epoch } => {
            Some(NextRefund { refund_id: refund.refund_id, amount: refund.amount, epoch })
        }
        RefundState::Requested | RefundState::Succeeded | RefundState::BackAlready | RefundState::Failed { .. } => None,
    }
}

/// Where the bank may not recognise the name of a refund, it is durable that it is about to be sent before it is sent:
/// what is not written down was not sent, whoever is killed in between.
fn announce(turn: NextRefund, run: &mut EffectRun) -> Vec<PaymentCommand> {
    let NextRefund { refund_id, epoch, .. } = turn;
    let name = Some((refund_id, epoch));
    // The payment did not want it after all.
    if run.announced == name {
        return Vec::new();
    }
    run.announced = name;
    vec![PaymentCommand::RecordRefundResult { refund_id, epoch, outcome: RefundOutcome::Submitted }]
}

fn left_after(payment: &Payment, amount: Money) -> Option<i64> {
    let refunded = payment.refunds().iter().filter(|refund| refund.state == RefundState::Succeeded);
    let refunded: i64 = refunded.map(|refund| refund.amount.minor()).sum();
    let by_bank = payment.bank_acts().iter().filter(|act| act.kind == BankActKind::Refund);
    let by_bank: i64 = by_bank.map(|act| act.amount.minor()).sum();
    Some(payment.captured()?.minor() - refunded - by_bank - amount.minor())
}
