//! Calling an order off: who may, from where, and for which reason.

use chrono::{DateTime, Utc};

use super::{Decision, Party, text::check_text};
use crate::domain::order::{CancelReason, Funds, OrderCancelled, OrderError, OrderStatus, Placed, RejectReason, Stage};

impl Placed {
    pub(super) fn reject(&self, reason_code: RejectReason, comment: Option<&str>) -> Decision {
        check_text(comment, "/comment")?;
        let Stage::Paid { .. } = self.stage else { return Err(OrderError::InvalidTransition) };
        let reason_text = match comment {
            Some(comment) => format!("{}: {comment}", reason_code.as_str()),
            None => reason_code.as_str().to_owned(),
        };
        Ok(self.cancelled(Party::Producer, CancelReason::ProducerRejected, Some(reason_text)))
    }

    pub(super) fn cancel(
        &self,
        party: Party,
        reason_code: Option<CancelReason>,
        reason_text: Option<&String>,
        now: DateTime<Utc>,
    ) -> Decision {
        check_text(reason_text.map(String::as_str), "/reason")?;
        let reason = reason_for(party, reason_code)?;
        match self.stage {
            Stage::Cancelled { .. } => return Err(OrderError::AlreadyCancelled),
            Stage::Completed { .. } => return Err(OrderError::AlreadyCompleted),
            Stage::WaitingForPayment
            | Stage::Paid { .. }
            | Stage::Accepted
            | Stage::Preparing
            | Stage::Ready
            | Stage::OutForDelivery
            | Stage::Delivered { .. } => {}
        }
        match party {
            Party::Customer | Party::Producer | Party::Admin => may_cancel(party, self.status())?,
            Party::System => self.system_may_cancel(reason, now)?,
        }
        Ok(self.cancelled(party, reason, reason_text.cloned()))
    }

    /// Timers and sagas come late and early, and repeat themselves: each reason is good in its own place only.
    fn system_may_cancel(&self, reason: CancelReason, now: DateTime<Utc>) -> Result<(), OrderError> {
        let only_held = self.receipt.is_some_and(|receipt| receipt.funds == Funds::Authorized);
        match (reason, self.stage) {
            (CancelReason::PaymentTimeout, Stage::WaitingForPayment) if now < self.terms.payment_deadline => {
                Err(OrderError::TooEarly)
            }
            (CancelReason::PaymentTimeout | CancelReason::PaymentFailed, Stage::WaitingForPayment) => Ok(()),
            // The hold was lifted or could not be captured: there is no money after all.
            (CancelReason::PaymentTimeout | CancelReason::PaymentFailed, stage) if only_held => before_delivery(stage),
            (CancelReason::ProducerTimeout, Stage::Paid { accept_deadline }) if now < accept_deadline => {
                Err(OrderError::TooEarly)
            }
            (CancelReason::ProducerTimeout, Stage::Paid { .. }) => Ok(()),
            (CancelReason::Dispute, Stage::WaitingForPayment) => Err(OrderError::InvalidTransition),
            (CancelReason::Dispute, stage) => before_delivery(stage),
            (CancelReason::ProducerTimeout, Stage::WaitingForPayment) => Err(OrderError::InvalidTransition),
            _ => Err(OrderError::CancellationWindowClosed),
        }
    }

    fn cancelled(
        &self,
        party: Party,
        reason_code: CancelReason,
        reason_text: Option<String>,
    ) -> Vec<super::OrderEvent> {
        let event = OrderCancelled {
            reason_code,
            reason_text,
            cancelled_by: party.name().to_owned(),
            from_status: self.status(),
            refund_required: self.refund_required(reason_code),
        };
        vec![event.into()]
    }

    /// Money that is only held is let go, not given back; it is taken when the cook accepts.
    fn refund_required(&self, reason: CancelReason) -> bool {
        let Some(receipt) = self.receipt else { return false };
        let no_money = matches!(reason, CancelReason::PaymentTimeout | CancelReason::PaymentFailed);
        match receipt.funds {
            Funds::Captured => receipt.card.is_positive() || receipt.gift.is_positive(),
            Funds::Authorized => receipt.gift.is_positive() || (self.status() != OrderStatus::Paid && !no_money),
        }
    }
}

/// The window in which people may cancel.
pub(in crate::domain::order) fn may_cancel(party: Party, status: OrderStatus) -> Result<(), OrderError> {
    let window: &[OrderStatus] = match party {
        Party::Customer => &[OrderStatus::WaitingForPayment, OrderStatus::Paid, OrderStatus::Accepted],
        Party::Producer => &[OrderStatus::Paid, OrderStatus::Accepted, OrderStatus::Preparing, OrderStatus::Ready],
        Party::Admin | Party::System => &[
            OrderStatus::WaitingForPayment,
            OrderStatus::Paid,
            OrderStatus::Accepted,
            OrderStatus::Preparing,
            OrderStatus::Ready,
            OrderStatus::OutForDelivery,
        ],
    };
    match status {
        status if window.contains(&status) => Ok(()),
        // The cook has nothing to give up yet.
        OrderStatus::WaitingForPayment => Err(OrderError::InvalidTransition),
        OrderStatus::Cancelled => Err(OrderError::AlreadyCancelled),
        OrderStatus::Completed => Err(OrderError::AlreadyCompleted),
        OrderStatus::Paid
        | OrderStatus::Accepted
        | OrderStatus::Preparing
        | OrderStatus::Ready
        | OrderStatus::OutForDelivery
        | OrderStatus::Delivered => Err(OrderError::CancellationWindowClosed),
    }
}

fn before_delivery(stage: Stage) -> Result<(), OrderError> {
    may_cancel(Party::System, stage.status())
}

/// The reason that is recorded: what was said, if this side may say it, else what follows from the side.
fn reason_for(party: Party, said: Option<CancelReason>) -> Result<CancelReason, OrderError> {
    let may_say: &[CancelReason] = match party {
        Party::Customer => &[CancelReason::CustomerRequest],
        Party::Producer => &[CancelReason::ProducerCancelled, CancelReason::DishUnavailable],
        Party::Admin => &[CancelReason::Admin, CancelReason::DishUnavailable],
        Party::System => &[
            CancelReason::PaymentTimeout,
            CancelReason::PaymentFailed,
            CancelReason::ProducerTimeout,
            CancelReason::Dispute,
        ],
    };
    match (party, said) {
        (_, Some(reason)) if may_say.contains(&reason) => Ok(reason),
        (Party::Customer | Party::Producer | Party::Admin, None) => Ok(may_say[0]),
        (_, Some(_)) | (Party::System, None) => Err(OrderError::InvalidValue { pointer: "/reason_code" }),
    }
}
