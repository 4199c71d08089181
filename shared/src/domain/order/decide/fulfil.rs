//! From the cook's yes to the payout.

use chrono::{DateTime, Utc};

use super::{Decision, Party, text::check_text, text::ready_by};
use crate::domain::order::{
    DeliveryType, OrderAccepted, OrderCompleted, OrderDelivered, OrderDispatched, OrderError, OrderEtaChanged,
    OrderPayoutReleased, OrderPolicy, OrderPreparationStarted, OrderProducerReminded, OrderReady, Payout, Placed,
    Stage,
};

impl Placed {
    /// Whoever has answered, or has no time left to, needs no reminder.
    pub(super) fn remind_producer(&self, now: DateTime<Utc>) -> Decision {
        match self.stage {
            Stage::Paid { accept_deadline } if now < accept_deadline => {
                Ok(vec![OrderProducerReminded { accept_deadline }.into()])
            }
            Stage::Paid { .. }
            | Stage::WaitingForPayment
            | Stage::Accepted
            | Stage::Preparing
            | Stage::Ready
            | Stage::OutForDelivery
            | Stage::Delivered { .. }
            | Stage::Completed { .. }
            | Stage::Cancelled { .. } => Err(OrderError::InvalidTransition),
        }
    }

    pub(super) fn accept(&self, eta_minutes: u32, now: DateTime<Utc>) -> Decision {
        let ready_by = ready_by(eta_minutes, now)?;
        let Stage::Paid { accept_deadline } = self.stage else { return Err(OrderError::InvalidTransition) };
        if now >= accept_deadline {
            return Err(OrderError::AcceptanceDeadlinePassed);
        }
        Ok(vec![OrderAccepted { eta_minutes, ready_by }.into()])
    }

    pub(super) fn adjust_eta(&self, eta_minutes: u32, now: DateTime<Utc>) -> Decision {
        let ready_by = ready_by(eta_minutes, now)?;
        match self.stage {
            Stage::Accepted | Stage::Preparing | Stage::Ready => {
                Ok(vec![OrderEtaChanged { eta_minutes, ready_by }.into()])
            }
            Stage::WaitingForPayment
            | Stage::Paid { .. }
            | Stage::OutForDelivery
            | Stage::Delivered { .. }
            | Stage::Completed { .. }
            | Stage::Cancelled { .. } => Err(OrderError::InvalidTransition),
        }
    }

    pub(super) fn start_preparation(&self, note: Option<&String>) -> Decision {
        check_text(note.map(String::as_str), "/note")?;
        self.only_from(Stage::Accepted)?;
        Ok(vec![OrderPreparationStarted { note: note.cloned() }.into()])
    }

    pub(super) fn mark_ready(&self, note: Option<&String>) -> Decision {
        check_text(note.map(String::as_str), "/note")?;
        self.only_from(Stage::Preparing)?;
        Ok(vec![OrderReady { note: note.cloned() }.into()])
    }

    pub(super) fn dispatch(&self, note: Option<&String>) -> Decision {
        check_text(note.map(String::as_str), "/note")?;
        self.only_from(Stage::Ready)?;
        match self.terms.delivery_type {
            DeliveryType::Building | DeliveryType::Address => Ok(vec![OrderDispatched { note: note.cloned() }.into()]),
            // Nobody carries what the customer fetches.
            DeliveryType::Pickup => Err(OrderError::InvalidTransition),
        }
    }

    pub(super) fn deliver(&self, proof_ref: Option<&String>, policy: &OrderPolicy, now: DateTime<Utc>) -> Decision {
        check_text(proof_ref.map(String::as_str), "/proof_ref")?;
        match self.terms.delivery_type {
            DeliveryType::Building | DeliveryType::Address => self.only_from(Stage::OutForDelivery)?,
            DeliveryType::Pickup => self.only_from(Stage::Ready)?,
        }
        let auto_complete_at = now + policy.auto_complete_after;
        Ok(vec![OrderDelivered { proof_ref: proof_ref.cloned(), auto_complete_at }.into()])
    }

    pub(super) fn complete(&self, party: Party, policy: &OrderPolicy, now: DateTime<Utc>) -> Decision {
        match self.stage {
            Stage::Delivered { auto_complete_at } if party == Party::System && now < auto_complete_at => {
                Err(OrderError::TooEarly)
            }
            Stage::Delivered { .. } if party == Party::System && self.open_claim().is_some() => {
                Err(OrderError::DisputeOpen)
            }
            Stage::Delivered { .. } => Ok(vec![OrderCompleted { payout_due_at: now + policy.payout_delay }.into()]),
            // The customer was faster than the timer, or the timer rang twice.
            Stage::Completed { .. } if party == Party::System => Ok(vec![]),
            Stage::WaitingForPayment
            | Stage::Paid { .. }
            | Stage::Accepted
            | Stage::Preparing
            | Stage::Ready
            | Stage::OutForDelivery
            | Stage::Completed { .. }
            | Stage::Cancelled { .. } => Err(OrderError::InvalidTransition),
        }
    }

    pub(super) fn release_payout(&self, now: DateTime<Utc>) -> Decision {
        let Stage::Completed { payout_due_at, .. } = self.stage else { return Err(OrderError::InvalidTransition) };
        match self.payout {
            Payout::Held if now < payout_due_at => Err(OrderError::TooEarly),
            Payout::Held => Ok(vec![self.payout_share()?.into()]),
            Payout::Frozen => Err(OrderError::PayoutFrozen),
            // The timer rang twice.
            Payout::Released => Ok(vec![]),
            Payout::None | Payout::Voided => Err(OrderError::InvalidTransition),
        }
    }

    /// The cook's share of what was paid and not authorised back, less the commission.
    fn payout_share(&self) -> Result<OrderPayoutReleased, OrderError> {
        let (paid, authorised) = (self.money_paid(), self.money_authorised_back()?);
        let gross = paid.card.add(paid.gift)?;
        let refunded = authorised.card.add(authorised.gift)?;
        let net = gross.sub(refunded)?;
        let commission = net.basis_points(self.terms.commission_bps);
        Ok(OrderPayoutReleased { gross, refunded, commission, producer_net: net.sub(commission)? })
    }

    fn only_from(&self, stage: Stage) -> Result<(), OrderError> {
        if self.stage == stage { Ok(()) } else { Err(OrderError::InvalidTransition) }
    }
}
