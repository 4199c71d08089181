//! What money is good for once it came: applied, or unapplied and sent back.

use super::Decision;
use crate::domain::{
    ids::RefundId,
    payment::{
        Initiated, Operation, PaymentApplied, PaymentError, PaymentEvent, PaymentRefundRequested, PaymentRefundSource,
        PaymentRefundSucceeded, PaymentSucceeded, PaymentUnapplied, Stage, UnappliedCause, Use,
    },
};

impl Initiated {
    /// On hold too: the order has the money booked already, nothing moves, and whoever looks has to know.
    pub(super) fn mark_applied(&self) -> Decision {
        match (self.used, self.stage) {
            (Use::Applied, _) => Ok(vec![]),
            (Use::Unapplied(_), _) => Err(PaymentError::AlreadyUnapplied),
            (Use::Open, Stage::Succeeded { .. } | Stage::Authorized { .. }) => {
                Ok(vec![PaymentApplied { target: self.terms.purpose }.into()])
            }
            (Use::Open, Stage::Initiated | Stage::AwaitingCustomer | Stage::Processing | Stage::Failed { .. }) => {
                Err(PaymentError::InvalidTransition)
            }
        }
    }

    pub(super) fn mark_unapplied(&self, cause: UnappliedCause) -> Decision {
        match (self.used, self.stage) {
            (Use::Unapplied(_), _) => Ok(vec![]),
            (Use::Applied, _) => Err(PaymentError::AlreadyApplied),
            (Use::Open, Stage::Succeeded { .. } | Stage::Authorized { .. }) => {
                Ok(vec![PaymentUnapplied { cause }.into()])
            }
            (Use::Open, Stage::Initiated | Stage::AwaitingCustomer | Stage::Processing | Stage::Failed { .. }) => {
                Err(PaymentError::InvalidTransition)
            }
        }
    }

    /// Whether money that comes now has nothing to buy, as was decided before it came.
    pub(super) fn is_unwanted(&self) -> bool {
        match self.used {
            Use::Open => self.operation == Some(Operation::Abort),
            Use::Applied => false,
            Use::Unapplied(_) => true,
        }
    }

    /// The money was taken.
    pub(super) fn money_taken(&self, succeeded: PaymentSucceeded) -> Vec<PaymentEvent> {
        if self.is_unwanted() { self.refuse_money(succeeded) } else { vec![succeeded.into()] }
    }

    /// We learn of the money only now that it is gone again: calling the attempt off sent it back.
    pub(super) fn money_came_and_went(&self, succeeded: PaymentSucceeded) -> Vec<PaymentEvent> {
        // The order has this money booked and owes the refund itself; the provider's next report settles that one.
        if self.used == Use::Applied {
            return vec![succeeded.into()];
        }
        let (refund_id, amount) = (RefundId::of_unapplied(self.terms.payment_id), succeeded.amount);
        let mut events = self.refuse_money(succeeded);
        events.push(PaymentRefundSucceeded { refund_id, amount, epoch: 1 }.into());
        events
    }

    /// That the money buys nothing is said before that it came, and in one decision: nobody may spend it in between.
    fn refuse_money(&self, succeeded: PaymentSucceeded) -> Vec<PaymentEvent> {
        let refund = PaymentRefundRequested {
            refund_id: RefundId::of_unapplied(self.terms.payment_id),
            amount: succeeded.amount,
            source: PaymentRefundSource::Unapplied,
        };
        match self.used {
            Use::Open => {
                vec![PaymentUnapplied { cause: UnappliedCause::Late }.into(), succeeded.into(), refund.into()]
            }
            // It was said before.
            Use::Applied | Use::Unapplied(_) => vec![succeeded.into(), refund.into()],
        }
    }
}
