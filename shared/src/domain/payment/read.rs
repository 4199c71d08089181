//! What the shell may read of a payment.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    BankActKind, FailureReason, Initiated, Integrity, IntegrityDecision, KnownBankAct, Operation, Payment,
    PaymentRefundSource, PaymentStatus, Purpose, Refund, RefundState, Session, Stage, Terms, Use,
};
use crate::domain::{
    Money,
    ids::{RefundId, UserId},
};

/// The refund whose turn it is, and the epoch to do it under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextRefund {
    /// The refund.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Names the act towards the provider together with the refund id.
    pub epoch: u32,
}

impl Payment {
    /// The payment, if it exists.
    pub fn initiated(&self) -> Option<&Initiated> {
        match self {
            Self::NotInitiated => None,
            Self::Initiated(payment) => Some(payment),
        }
    }

    /// Where it stands.
    pub fn status(&self) -> Option<PaymentStatus> {
        self.initiated().map(Initiated::status)
    }

    /// What was asked for.
    pub fn terms(&self) -> Option<&Terms> {
        self.initiated().map(|payment| payment.terms.as_ref())
    }

    /// What the money is for.
    pub fn purpose(&self) -> Option<Purpose> {
        self.terms().map(|terms| terms.purpose)
    }

    /// How much was asked for.
    pub fn amount(&self) -> Option<Money> {
        self.terms().map(|terms| terms.amount)
    }

    /// How much was taken.
    pub fn captured(&self) -> Option<Money> {
        self.initiated().and_then(Initiated::captured)
    }

    /// How much is held on the card, and until when it may be taken.
    pub fn authorized(&self) -> Option<(Money, DateTime<Utc>)> {
        match self.initiated()?.stage {
            Stage::Authorized { amount, capture_before } => Some((amount, capture_before)),
            _ => None,
        }
    }

    /// The page to pay on.
    pub fn session(&self) -> Option<&Session> {
        self.initiated().and_then(|payment| payment.session.as_deref())
    }

    /// The provider's own id, as soon as anything told it.
    pub fn provider_payment_id(&self) -> Option<&str> {
        self.initiated().and_then(|payment| payment.provider_payment_id.as_deref())
    }

    /// The capture that is under way: how much, and the name of the act towards the provider.
    pub fn in_flight_capture(&self) -> Option<(Money, Uuid)> {
        match self.initiated()?.operation? {
            Operation::Capture { amount, operation_id } => Some((amount, operation_id)),
            Operation::Abort => None,
        }
    }

    /// Whether it is being called off.
    pub fn is_aborting(&self) -> bool {
        self.initiated().is_some_and(|payment| payment.operation == Some(Operation::Abort))
    }

    /// Why it came to nothing, if it did.
    pub fn failure(&self) -> Option<FailureReason> {
        match self.initiated()?.stage {
            Stage::Failed { reason } => Some(reason),
            _ => None,
        }
    }

    /// Whether the money bought what it was for.
    pub fn is_applied(&self) -> bool {
        self.initiated().is_some_and(|payment| payment.used == Use::Applied)
    }

    /// Whether the money came for nothing and goes back.
    pub fn is_unapplied(&self) -> bool {
        self.initiated().is_some_and(|payment| matches!(payment.used, Use::Unapplied(_)))
    }

    /// Whether the provider contradicted what was asked, and nobody has looked yet.
    pub fn is_on_hold(&self) -> bool {
        self.initiated().is_some_and(Initiated::is_on_hold)
    }

    /// What one administrator proposed to do about the provider's contradiction, and who.
    pub fn integrity_proposal(&self) -> Option<(IntegrityDecision, UserId)> {
        match &self.initiated()?.integrity {
            Integrity::OnHold(hold) => hold.proposal,
            Integrity::Sound | Integrity::Resolved(_) => None,
        }
    }

    /// What the bank did without us, the first first.
    pub fn bank_acts(&self) -> &[KnownBankAct] {
        self.initiated().map_or(&[], |payment| &payment.bank_acts)
    }

    /// Whether the provider has nothing more to say of it: no refund in flight and an end reached.
    pub fn is_settled(&self) -> bool {
        match self.status() {
            Some(PaymentStatus::Failed | PaymentStatus::Refunded) => true,
            Some(PaymentStatus::Succeeded | PaymentStatus::PartiallyRefunded) => {
                self.refunds().iter().all(|refund| refund.state.is_over())
            }
            Some(
                PaymentStatus::Initiated
                | PaymentStatus::AwaitingCustomer
                | PaymentStatus::Processing
                | PaymentStatus::Authorized,
            )
            | None => false,
        }
    }

    /// Every refund, the first first.
    pub fn refunds(&self) -> &[Refund] {
        self.initiated().map_or(&[], |payment| &payment.refunds)
    }

    /// The refund that the provider has in hand, or that nobody knows the outcome of.
    pub fn in_flight_refund(&self) -> Option<&Refund> {
        self.initiated().and_then(Initiated::in_flight_refund)
    }

    /// The refunds that wait for their turn.
    pub fn queued_refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds().iter().filter(|refund| refund.state == RefundState::Requested)
    }

    /// The refund to do now: the first that waits, else the first refused one whose time to try again has come. `None`
    /// while another operation is under way or the payment is on hold.
    pub fn next_refund(&self, now: DateTime<Utc>) -> Option<NextRefund> {
        let payment = self.initiated()?;
        if payment.is_on_hold() || payment.operation.is_some() || payment.in_flight_refund().is_some() {
            return None;
        }
        let next = |refund: &Refund, epoch| NextRefund { refund_id: refund.refund_id, amount: refund.amount, epoch };
        let waiting = self.queued_refunds().find(|refund| payment.leaves(refund.amount)).map(|refund| next(refund, 1));
        waiting.or_else(|| {
            payment.refunds.iter().find_map(|refund| match refund.state {
                // What has taken its place meanwhile (another refund, a chargeback) leaves nothing to send.
                RefundState::Failed { epoch, retry_at: Some(retry_at) }
                    if retry_at <= now && payment.has_room_for(refund.amount) =>
                {
                    Some(next(refund, epoch.saturating_add(1)))
                }
                RefundState::Failed { .. }
                | RefundState::Requested
                | RefundState::Submitted { .. }
                | RefundState::Unknown { .. }
                | RefundState::Succeeded
                | RefundState::BackAlready => None,
            })
        })
    }

    /// The refund whose turn it would be and that has nothing left to be sent of: the customer's bank took the money
    /// first, or another refund did.
    pub fn crowded_out(&self, now: DateTime<Utc>) -> Option<NextRefund> {
        let payment = self.initiated()?;
        if payment.is_on_hold() || payment.operation.is_some() || payment.in_flight_refund().is_some() {
            return None;
        }
        payment.refunds.iter().find_map(|refund| {
            let epoch = match refund.state {
                RefundState::Requested if !payment.leaves(refund.amount) => 1,
                RefundState::Failed { epoch, retry_at: Some(retry_at) }
                    if retry_at <= now && !payment.has_room_for(refund.amount) =>
                {
                    epoch.saturating_add(1)
                }
                RefundState::Requested
                | RefundState::Failed { .. }
                | RefundState::Submitted { .. }
                | RefundState::Unknown { .. }
                | RefundState::Succeeded
                | RefundState::BackAlready => return None,
            };
            Some(NextRefund { refund_id: refund.refund_id, amount: refund.amount, epoch })
        })
    }
}

impl Initiated {
    /// Where it stands.
    pub fn status(&self) -> PaymentStatus {
        match self.stage {
            Stage::Initiated => PaymentStatus::Initiated,
            Stage::AwaitingCustomer => PaymentStatus::AwaitingCustomer,
            Stage::Processing => PaymentStatus::Processing,
            Stage::Authorized { .. } => PaymentStatus::Authorized,
            Stage::Succeeded { .. } if self.is_all_refunded() => PaymentStatus::Refunded,
            Stage::Succeeded { .. } if self.refunded_minor() > 0 => PaymentStatus::PartiallyRefunded,
            Stage::Succeeded { .. } => PaymentStatus::Succeeded,
            Stage::Failed { .. } => PaymentStatus::Failed,
        }
    }

    /// How much was taken.
    pub fn captured(&self) -> Option<Money> {
        match self.stage {
            Stage::Succeeded { captured } => Some(captured),
            Stage::Initiated
            | Stage::AwaitingCustomer
            | Stage::Processing
            | Stage::Authorized { .. }
            | Stage::Failed { .. } => None,
        }
    }

    pub(super) fn refund(&self, refund_id: RefundId) -> Option<&Refund> {
        self.refunds.iter().find(|refund| refund.refund_id == refund_id)
    }

    pub(super) fn in_flight_refund(&self) -> Option<&Refund> {
        self.refunds
            .iter()
            .find(|refund| matches!(refund.state, RefundState::Submitted { .. } | RefundState::Unknown { .. }))
    }

    pub(super) fn is_all_refunded(&self) -> bool {
        self.captured().is_some_and(|captured| self.refunded_minor() >= captured.minor())
    }

    pub(super) fn is_on_hold(&self) -> bool {
        matches!(self.integrity, Integrity::OnHold(_))
    }

    /// What went back, by us and by the bank alone, in minor units of the payment's own currency.
    pub(super) fn refunded_minor(&self) -> i64 {
        let by_us = self.sum_minor(|state| state == RefundState::Succeeded);
        by_us.saturating_add(self.bank_minor(BankActKind::Refund))
    }

    /// Whether so much more may go back.
    pub(super) fn has_room_for(&self, amount: Money) -> bool {
        let captured = self.captured().map_or(0, Money::minor);
        self.refunds_claimed_minor().saturating_add(amount.minor()) <= captured
    }

    /// What went back or may yet go back, and what the customer's bank took back: no more than came can go.
    pub(super) fn refunds_claimed_minor(&self) -> i64 {
        self.refunds_asked_minor().saturating_add(self.bank_minor(BankActKind::Chargeback))
    }

    /// What went back or may yet go back. What a chargeback leaves of it is seen when it is to be sent: it is owed either
    /// way.
    pub(super) fn refunds_asked_minor(&self) -> i64 {
        let by_us = self.sum_minor(|state| !matches!(state, RefundState::Failed { .. } | RefundState::BackAlready));
        by_us.saturating_add(self.bank_minor(BankActKind::Refund))
    }

    /// Whether what is gone leaves so much to be sent.
    fn leaves(&self, amount: Money) -> bool {
        let captured = self.captured().map_or(0, Money::minor);
        let gone = self.refunded_minor().saturating_add(self.bank_minor(BankActKind::Chargeback));
        gone.saturating_add(amount.minor()) <= captured
    }

    /// Whether what the bank took or gave back without us is so much, beside the refunds that it stands for already.
    pub(super) fn is_back_without_us(&self, amount: Money) -> bool {
        let by_bank = self.bank_minor(BankActKind::Refund).saturating_add(self.bank_minor(BankActKind::Chargeback));
        let settled = self.sum_minor(|state| state == RefundState::BackAlready);
        by_bank.saturating_sub(settled) >= amount.minor()
    }

    pub(super) fn bank_minor(&self, kind: BankActKind) -> i64 {
        let of_kind = self.bank_acts.iter().filter(|act| act.kind == kind);
        of_kind.fold(0, |sum, act| sum.saturating_add(act.amount.minor()))
    }

    fn sum_minor(&self, counts: impl Fn(RefundState) -> bool) -> i64 {
        let counted = self.refunds.iter().filter(|refund| counts(refund.state));
        counted.fold(0, |sum, refund| sum.saturating_add(refund.amount.minor()))
    }
}

impl Refund {
    /// Whether somebody waits for it. What a gift was refused for good is on the gift again, and goes back as another.
    pub fn is_owed(&self) -> bool {
        match self.state {
            RefundState::Failed { retry_at: None, .. } => self.source != PaymentRefundSource::GiftRefund,
            RefundState::Requested
            | RefundState::Submitted { .. }
            | RefundState::Unknown { .. }
            | RefundState::Failed { retry_at: Some(_), .. } => true,
            RefundState::Succeeded | RefundState::BackAlready => false,
        }
    }
}

impl RefundState {
    /// Whether the customer has the money.
    pub fn is_over(self) -> bool {
        match self {
            Self::Succeeded | Self::BackAlready => true,
            Self::Requested | Self::Submitted { .. } | Self::Unknown { .. } | Self::Failed { .. } => false,
        }
    }
}
