//! What events do to a payment. It accepts every history, in every order: facts are not argued with.

use std::sync::Arc;

use super::{
    BankActKind, Hold, Initiated, Integrity, IntegrityDecision, KnownBankAct, Operation, Payment, PaymentEvent,
    PaymentInitiated, PaymentRefundRequested, PaymentSessionOpened, ProviderStatus, Refund, RefundProposal,
    RefundState, Session, Stage, Terms, Use,
};
use crate::domain::{
    Money,
    ids::{PaymentId, RefundId},
};

impl Payment {
    pub(super) fn evolve(&mut self, event: PaymentEvent) {
        match (self, event) {
            (payment @ Self::NotInitiated, PaymentEvent::PaymentInitiated(initiated)) => {
                *payment = Self::Initiated(Initiated::new(initiated));
            }
            (Self::NotInitiated, _) => {}
            (Self::Initiated(payment), event) => payment.evolve(event),
        }
    }
}

impl Initiated {
    fn new(initiated: PaymentInitiated) -> Self {
        let payment_id = PaymentId::parse_provider_order_ref(&initiated.provider_order_ref).map(|(id, _)| id);
        Self {
            terms: Arc::new(Terms {
                payment_id: payment_id.unwrap_or_default(),
                purpose: initiated.purpose,
                amount: initiated.amount,
                provider: initiated.provider,
                provider_order_ref: initiated.provider_order_ref,
                return_url: initiated.return_url,
                capture_mode: initiated.capture_mode,
                expires_at: initiated.expires_at,
            }),
            stage: Stage::Initiated,
            rank: 0,
            provider_payment_id: None,
            session: None,
            operation: None,
            used: Use::Open,
            integrity: Integrity::Sound,
            aborts_postponed: 0,
            captures_postponed: 0,
            bank_acts: Vec::new(),
            refunds: Vec::new(),
        }
    }

    fn evolve(&mut self, event: PaymentEvent) {
        match event {
            // A payment is born once.
            PaymentEvent::PaymentInitiated(_) => {}
            PaymentEvent::PaymentSessionOpened(opened) => self.opened(opened),
            PaymentEvent::PaymentProcessing(processing) => {
                self.provider_payment_id = Some(processing.provider_payment_id);
                self.reach(ProviderStatus::Processing, Stage::Processing);
            }
            PaymentEvent::PaymentAuthorized(authorized) => {
                self.provider_payment_id = Some(authorized.provider_payment_id);
                let (amount, capture_before) = (authorized.amount, authorized.capture_before);
                self.reach(ProviderStatus::Authorized, Stage::Authorized { amount, capture_before });
            }
            PaymentEvent::PaymentCaptureRequested(requested) => {
                let (amount, operation_id) = (requested.amount, requested.operation_id);
                self.operation = Some(Operation::Capture { amount, operation_id });
            }
            PaymentEvent::PaymentSucceeded(succeeded) => {
                self.provider_payment_id = Some(succeeded.provider_payment_id);
                self.operation = None;
                self.reach(ProviderStatus::Confirmed, Stage::Succeeded { captured: succeeded.amount });
            }
            PaymentEvent::PaymentFailed(failed) => {
                self.operation = None;
                self.stage = Stage::Failed { reason: failed.reason };
            }
            PaymentEvent::PaymentAbortRequested(_) => self.operation = Some(Operation::Abort),
            PaymentEvent::PaymentAbortPostponed(_) => {
                self.aborts_postponed = self.aborts_postponed.saturating_add(1);
            }
            PaymentEvent::PaymentCapturePostponed(_) => {
                self.captures_postponed = self.captures_postponed.saturating_add(1);
            }
            PaymentEvent::PaymentApplied(_) => self.used = Use::Applied,
            PaymentEvent::PaymentUnapplied(unapplied) => self.used = Use::Unapplied(unapplied.cause),
            PaymentEvent::PaymentRefundRequested(requested) => self.refunds.push(Refund::new(&requested)),
            PaymentEvent::PaymentRefundSubmitted(refund) => {
                self.set_refund(refund.refund_id, RefundState::Submitted { epoch: refund.epoch });
            }
            PaymentEvent::PaymentRefundSucceeded(refund) => self.gone_back(refund.refund_id),
            PaymentEvent::PaymentRefundFailed(refund) => {
                let (epoch, retry_at) = (refund.epoch, refund.retry_at);
                self.set_refund(refund.refund_id, RefundState::Failed { epoch, retry_at });
            }
            PaymentEvent::PaymentRefundUnknown(refund) => {
                self.set_refund(refund.refund_id, RefundState::Unknown { epoch: refund.epoch });
            }
            PaymentEvent::PaymentRefundResolutionProposed(proposed) => {
                let (epoch, finding, proposed_by) = (proposed.epoch, proposed.finding, proposed.proposed_by);
                self.set_proposal(proposed.refund_id, Some(RefundProposal { epoch, finding, proposed_by }));
            }
            PaymentEvent::PaymentRefundResolved(resolved) if resolved.back_already.is_some() => {
                self.set_refund(resolved.refund_id, RefundState::BackAlready);
            }
            PaymentEvent::PaymentRefundResolved(resolved) => self.set_proposal(resolved.refund_id, None),
            PaymentEvent::PaymentIntegrityViolated(violated) => {
                let (field, actual) = (violated.field, violated.actual);
                self.integrity = Integrity::OnHold(Box::new(Hold { field, actual, proposal: None }));
            }
            PaymentEvent::PaymentIntegrityResolutionProposed(proposed) => {
                if let Integrity::OnHold(hold) = &mut self.integrity {
                    hold.proposal = Some((proposed.decision, proposed.proposed_by));
                }
            }
            PaymentEvent::PaymentIntegrityResolved(resolved) => self.resolved(resolved.decision),
            PaymentEvent::PaymentChargebackRecorded(chargeback) => {
                self.bank_did(BankActKind::Chargeback, chargeback.amount, chargeback.registry_ref);
            }
            PaymentEvent::PaymentExternalRefundRecorded(refund) => {
                self.bank_did(BankActKind::Refund, refund.amount, refund.registry_ref);
                if let Some(refund_id) = refund.stands_for {
                    self.set_refund(refund_id, RefundState::BackAlready);
                }
                self.count_what_is_gone();
            }
        }
    }

    fn opened(&mut self, opened: PaymentSessionOpened) {
        self.provider_payment_id = Some(opened.provider_payment_id.clone());
        self.session = Some(Box::new(Session {
            provider_payment_id: opened.provider_payment_id,
            payment_url: opened.payment_url,
            init_try: opened.init_try,
        }));
        self.stage = Stage::AwaitingCustomer;
    }

    fn reach(&mut self, status: ProviderStatus, stage: Stage) {
        self.rank = self.rank.max(status.rank().unwrap_or(0));
        self.stage = stage;
    }

    fn gone_back(&mut self, refund_id: RefundId) {
        self.set_refund(refund_id, RefundState::Succeeded);
        self.count_what_is_gone();
    }

    fn bank_did(&mut self, kind: BankActKind, amount: Money, registry_ref: String) {
        self.bank_acts.push(KnownBankAct { kind, amount, registry_ref });
    }

    /// The id that the provider gave is the payment's id from now on, if that was what did not fit.
    fn resolved(&mut self, decision: IntegrityDecision) {
        if let Integrity::OnHold(hold) = &mut self.integrity
            && hold.field == "provider_payment_id"
        {
            self.provider_payment_id = Some(std::mem::take(&mut hold.actual));
        }
        self.integrity = Integrity::Resolved(decision);
    }

    fn count_what_is_gone(&mut self) {
        let status = if self.is_all_refunded() { ProviderStatus::Refunded } else { ProviderStatus::PartiallyRefunded };
        self.rank = self.rank.max(status.rank().unwrap_or(0));
    }

    fn set_proposal(&mut self, refund_id: RefundId, proposal: Option<RefundProposal>) {
        for refund in self.refunds.iter_mut().filter(|refund| refund.refund_id == refund_id) {
            refund.proposal = proposal;
        }
    }

    fn set_refund(&mut self, refund_id: RefundId, state: RefundState) {
        for refund in self.refunds.iter_mut().filter(|refund| refund.refund_id == refund_id) {
            refund.state = state;
            // It is over, or begins anew: what somebody said before is about something else.
            if matches!(state, RefundState::Succeeded | RefundState::BackAlready | RefundState::Failed { .. }) {
                refund.proposal = None;
            }
        }
    }
}

impl Refund {
    fn new(requested: &PaymentRefundRequested) -> Self {
        Self {
            refund_id: requested.refund_id,
            amount: requested.amount,
            source: requested.source,
            state: RefundState::Requested,
            proposal: None,
        }
    }
}
