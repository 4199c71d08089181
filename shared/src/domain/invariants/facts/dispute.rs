//! What is remembered of a dispute.

use chrono::{DateTime, Utc};

use crate::domain::{
    dispute::{DecidedBy, DisputeEvent, DisputeOpened},
    ids::OrderId,
    money::Money,
};

/// A dispute.
#[derive(Debug, Clone)]
pub(crate) struct DisputeFacts {
    pub(crate) order_id: OrderId,
    pub(crate) response_due: DateTime<Utc>,
    /// Whether the cook's answer is not waited for any more.
    pub(crate) is_under_review: bool,
    pub(crate) resolved: u32,
    pub(crate) decision: Option<(Money, DecidedBy)>,
}

impl DisputeFacts {
    pub(crate) fn new(opened: &DisputeOpened) -> Self {
        Self {
            order_id: opened.order_id,
            response_due: opened.response_due,
            is_under_review: false,
            resolved: 0,
            decision: None,
        }
    }

    pub(crate) fn take(&mut self, event: &DisputeEvent) {
        match event {
            DisputeEvent::DisputeResponded(_) | DisputeEvent::DisputeEscalated(_) => self.is_under_review = true,
            DisputeEvent::DisputeResolved(resolved) => {
                self.resolved += 1;
                self.decision = Some((resolved.refund_amount, resolved.decided_by));
            }
            DisputeEvent::DisputeOpened(_)
            | DisputeEvent::DisputeEvidenceSubmitted(_)
            | DisputeEvent::DisputeOfferMade(_)
            | DisputeEvent::DisputeOfferDeclined(_)
            | DisputeEvent::DisputeResolutionProposed(_)
            | DisputeEvent::DisputeSlaBreached(_) => {}
        }
    }
}
