//! What is remembered of a payment.

use crate::{
    domain::{
        Money,
        ids::{GiftId, OrderId, RefundId},
        payment::{PaymentEvent, PaymentInitiated, PaymentStatus, Purpose},
    },
    log::Position,
};

/// A payment.
#[derive(Debug, Clone)]
pub(crate) struct PaymentFacts {
    pub(crate) purpose: Purpose,
    pub(crate) amount: Money,
    pub(crate) authorized: Option<Money>,
    pub(crate) captured: Option<Money>,
    /// How much a capture asked for.
    pub(crate) capture_asked: Option<Money>,
    pub(crate) status: PaymentStatus,
    pub(crate) applied: u32,
    pub(crate) unapplied: u32,
    pub(crate) refunds: Vec<Back>,
    pub(crate) is_resolved: bool,
    /// What banks took or gave back without us, in minor units.
    pub(crate) bank_minor: i64,
    pub(crate) position: Position,
}

/// Money on its way back.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    pub(crate) refund_id: RefundId,
    pub(crate) amount: Money,
    pub(crate) has_failed: bool,
    pub(crate) succeeded: u32,
    /// The customer has it from the bank, as two people found or its own registry says.
    pub(crate) is_back_already: bool,
}

impl Back {
    pub(crate) fn is_over(&self) -> bool {
        self.succeeded > 0 || self.is_back_already
    }
}

impl PaymentFacts {
    pub(crate) fn new(initiated: &PaymentInitiated) -> Self {
        Self {
            purpose: initiated.purpose,
            amount: initiated.amount,
            authorized: None,
            captured: None,
            capture_asked: None,
            status: PaymentStatus::Initiated,
            applied: 0,
            unapplied: 0,
            refunds: Vec::new(),
            is_resolved: false,
            bank_minor: 0,
            position: 0,
        }
    }

    pub(crate) fn order_id(&self) -> Option<OrderId> {
        match self.purpose {
            Purpose::Order { order_id } => Some(order_id),
            Purpose::Gift { .. } => None,
        }
    }

    pub(crate) fn gift_id(&self) -> Option<GiftId> {
        match self.purpose {
            Purpose::Gift { gift_id } => Some(gift_id),
            Purpose::Order { .. } => None,
        }
    }

    /// What went back or may yet go back, in minor units.
    pub(crate) fn claimed_minor(&self) -> i64 {
        self.refunds.iter().filter(|back| !back.has_failed).map(|back| back.amount.minor()).sum()
    }

    /// What the refund would claim again if it is one that failed, in minor units.
    pub(crate) fn failed_minor(&self, refund_id: RefundId) -> i64 {
        let failed = self.refunds.iter().filter(|back| back.refund_id == refund_id && back.has_failed);
        failed.map(|back| back.amount.minor()).sum()
    }

    /// The refunds that the bank's own acts are said to stand for, in minor units.
    pub(crate) fn back_already_minor(&self) -> i64 {
        self.refunds.iter().filter(|back| back.is_back_already).map(|back| back.amount.minor()).sum()
    }

    /// What went back, in minor units.
    pub(crate) fn returned_minor(&self) -> i64 {
        self.refunds.iter().filter(|back| back.succeeded > 0).map(|back| back.amount.minor()).sum()
    }

    pub(crate) fn is_over(&self) -> bool {
        match self.captured {
            Some(_) => self.refunds.iter().all(Back::is_over),
            None => self.status == PaymentStatus::Failed,
        }
    }

    pub(crate) fn take(&mut self, position: Position, event: &PaymentEvent) {
        self.position = position;
        if let Some(status) = super::super::transitions::payment_status_after(event) {
            self.status = status;
        }
        match event {
            PaymentEvent::PaymentAuthorized(authorized) => self.authorized = Some(authorized.amount),
            PaymentEvent::PaymentCaptureRequested(asked) => self.capture_asked = Some(asked.amount),
            PaymentEvent::PaymentSucceeded(succeeded) => self.captured = Some(succeeded.amount),
            PaymentEvent::PaymentApplied(_) => self.applied += 1,
            PaymentEvent::PaymentUnapplied(_) => self.unapplied += 1,
            PaymentEvent::PaymentRefundRequested(refund) => self.refunds.push(Back {
                refund_id: refund.refund_id,
                amount: refund.amount,
                has_failed: false,
                succeeded: 0,
                is_back_already: false,
            }),
            PaymentEvent::PaymentRefundSubmitted(refund) => {
                self.change(refund.refund_id, |back| back.has_failed = false)
            }
            PaymentEvent::PaymentRefundUnknown(refund) => self.change(refund.refund_id, |back| back.has_failed = false),
            PaymentEvent::PaymentRefundFailed(refund) => self.change(refund.refund_id, |back| back.has_failed = true),
            PaymentEvent::PaymentRefundSucceeded(refund) => self.change(refund.refund_id, |back| {
                (back.has_failed, back.succeeded) = (false, back.succeeded + 1);
            }),
            PaymentEvent::PaymentRefundResolved(resolved) if resolved.back_already.is_some() => {
                self.change(resolved.refund_id, |back| back.is_back_already = true);
            }
            PaymentEvent::PaymentIntegrityResolved(_) => self.is_resolved = true,
            PaymentEvent::PaymentChargebackRecorded(act) => self.bank_minor += act.amount.minor(),
            PaymentEvent::PaymentExternalRefundRecorded(act) => {
                self.bank_minor += act.amount.minor();
                if let Some(refund_id) = act.stands_for {
                    self.change(refund_id, |back| back.is_back_already = true);
                }
            }
            PaymentEvent::PaymentInitiated(_)
            | PaymentEvent::PaymentSessionOpened(_)
            | PaymentEvent::PaymentProcessing(_)
            | PaymentEvent::PaymentFailed(_)
            | PaymentEvent::PaymentRefundResolutionProposed(_)
            | PaymentEvent::PaymentRefundResolved(_)
            | PaymentEvent::PaymentIntegrityViolated(_)
            | PaymentEvent::PaymentIntegrityResolutionProposed(_)
            | PaymentEvent::PaymentAbortPostponed(_)
            | PaymentEvent::PaymentCapturePostponed(_)
            | PaymentEvent::PaymentAbortRequested(_) => {}
        }
    }

    fn change(&mut self, refund_id: RefundId, change: impl Fn(&mut Back)) {
        self.refunds.iter_mut().filter(|back| back.refund_id == refund_id).for_each(change);
    }
}
