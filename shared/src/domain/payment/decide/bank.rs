//! What a bank did without us: it is a fact, written down once.

use super::Decision;
use crate::domain::{
    Money,
    ids::RefundId,
    payment::{
        BankAct, BankActKind, Initiated, PaymentChargebackRecorded, PaymentError, PaymentEvent,
        PaymentExternalRefundRecorded, ProviderStatus, RefundState,
    },
};

/// Acts that are kept of one payment.
const ACTS_MAX: usize = 50;
const REF_CHARS_MAX: usize = 100;

impl Initiated {
    pub(super) fn charged_back(&self, act: &BankAct) -> Decision {
        if self.is_known(BankActKind::Chargeback, act)? {
            return Ok(vec![]);
        }
        let taken = self.bank_minor(BankActKind::Chargeback).saturating_add(act.amount.minor());
        if self.captured().is_some_and(|captured| taken > captured.minor()) {
            return Err(PaymentError::ChargebackExceedsCaptured);
        }
        let (amount, registry_ref) = (act.amount, act.registry_ref.clone());
        Ok(vec![PaymentChargebackRecorded { amount, registry_ref }.into()])
    }

    pub(super) fn refunded_without_us(&self, act: &BankAct) -> Decision {
        if self.is_known(BankActKind::Refund, act)? {
            return Ok(vec![]);
        }
        // What the bank has in hand for us may be what was seen there.
        if self.in_flight_refund().is_some() {
            return Err(PaymentError::RefundInFlight);
        }
        let gone = self.refunded_minor().saturating_add(act.amount.minor());
        if self.captured().is_some_and(|captured| gone > captured.minor()) {
            return Err(PaymentError::RefundExceedsCaptured);
        }
        let (amount, registry_ref) = (act.amount, act.registry_ref.clone());
        let stands_for = self.refused_refund_of(amount);
        Ok(vec![PaymentExternalRefundRecorded { amount, registry_ref, stands_for }.into()])
    }

    /// The refund of ours that was given back at the bank: refused there, of the same amount, and still owed. One that
    /// waits for a person comes first, since a person did it; one that is only put off would be sent again by itself.
    fn refused_refund_of(&self, amount: Money) -> Option<RefundId> {
        let refused = |waits_for_people: bool| {
            self.refunds.iter().find(|refund| match refund.state {
                RefundState::Failed { retry_at, .. } => {
                    retry_at.is_none() == waits_for_people && refund.amount == amount && refund.is_owed()
                }
                RefundState::Requested
                | RefundState::Submitted { .. }
                | RefundState::Unknown { .. }
                | RefundState::Succeeded
                | RefundState::BackAlready => false,
            })
        };
        refused(true).or_else(|| refused(false)).map(|refund| refund.refund_id)
    }

    /// Whether the act is written down already; refused if it cannot be.
    fn is_known(&self, kind: BankActKind, act: &BankAct) -> Result<bool, PaymentError> {
        let captured = self.captured().ok_or(PaymentError::InvalidTransition)?;
        let registry_ref = act.registry_ref.trim();
        if registry_ref.is_empty() {
            return Err(PaymentError::InvalidValue { pointer: "/registry_ref" });
        }
        if registry_ref.chars().count() > REF_CHARS_MAX {
            return Err(PaymentError::TooLong { pointer: "/registry_ref", max: REF_CHARS_MAX });
        }
        if act.amount.currency() != captured.currency() {
            return Err(PaymentError::CurrencyMismatch);
        }
        if !act.amount.is_positive() {
            return Err(PaymentError::InvalidValue { pointer: "/amount" });
        }
        match self.bank_acts.iter().find(|known| known.registry_ref == act.registry_ref) {
            Some(known) if (known.kind, known.amount) == (kind, act.amount) => Ok(true),
            Some(_) => Err(PaymentError::RegistryRefUsed),
            None if self.bank_acts.len() >= ACTS_MAX => Err(PaymentError::BankActsExhausted),
            None => Ok(false),
        }
    }

    /// All of it is back, and nothing that we asked for is open: somebody gave it back at the bank. Of a part nobody can
    /// say how much; an administrator writes that down.
    pub(super) fn hear_foreign_refund(&self, captured: Money, status: ProviderStatus) -> Vec<PaymentEvent> {
        let nothing_open = self.refunds.iter().all(|refund| refund.state.is_over());
        let rest = captured.minor() - self.refunded_minor();
        let charged_back = self.bank_minor(BankActKind::Chargeback);
        if status != ProviderStatus::Refunded || !nothing_open || rest <= charged_back {
            return vec![];
        }
        let Ok(amount) = Money::from_minor(rest - charged_back, captured.currency()) else { return vec![] };
        let registry_ref = "told by the provider".to_owned();
        vec![PaymentExternalRefundRecorded { amount, registry_ref, stands_for: None }.into()]
    }
}
