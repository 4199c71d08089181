//! The ends of a gift: called off, expired, blocked; and what its holder is told before.

use chrono::{DateTime, Utc};

use super::{Decision, Party, check_text};
use crate::domain::gift::{
    Bought, DeliveryChannel, GiftBlocked, GiftCancelReason, GiftCancelled, GiftDelivered, GiftError, GiftExpired,
    GiftPolicy, GiftRefundCause, GiftReminded, GiftStage, GiftStatus, GiftUnblocked,
};

impl Bought {
    pub(super) fn cancel(
        &self,
        party: Party,
        reason_code: Option<GiftCancelReason>,
        reason_text: Option<&String>,
        now: DateTime<Utc>,
    ) -> Decision {
        if let Some(text) = reason_text {
            check_text(text, "/reason")?;
        }
        let reason_code = reason_for(party, reason_code)?;
        self.may_cancel(party, reason_code, now)?;
        let cancelled = GiftCancelled {
            reason_code,
            reason_text: reason_text.cloned(),
            cancelled_by: party.name().to_owned(),
            from_status: self.status(),
        };
        let mut events = vec![cancelled.into()];
        let cause = self.issue.as_ref().map(|issue| issue.payment_id.0).unwrap_or_default();
        events.extend(self.send_back("cancel", cause, self.available(), GiftRefundCause::Cancellation));
        Ok(events)
    }

    fn may_cancel(&self, party: Party, reason: GiftCancelReason, now: DateTime<Utc>) -> Result<(), GiftError> {
        match (self.stage, party) {
            (GiftStage::PendingPayment, Party::System)
                if reason == GiftCancelReason::PaymentTimeout && now < self.terms.payment_deadline =>
            {
                Err(GiftError::TooEarly)
            }
            (GiftStage::PendingPayment, Party::Customer | Party::Admin | Party::System) => Ok(()),
            // A gift under suspicion pays nobody.
            (GiftStage::Issued, Party::Customer) if self.is_blocked => Err(GiftError::Blocked),
            (GiftStage::Issued, Party::Customer) => Ok(()),
            (GiftStage::Issued, Party::Admin | Party::System) => Err(GiftError::InvalidTransition),
            (GiftStage::Activated, _) => Err(GiftError::AlreadyActivated),
            (GiftStage::Expired, _) => Err(GiftError::Expired),
            (GiftStage::Cancelled, _) => Err(GiftError::AlreadyCancelled),
        }
    }

    pub(super) fn expire(&self, now: DateTime<Utc>) -> Decision {
        let Some(issue) = &self.issue else { return Err(GiftError::InvalidTransition) };
        match self.status() {
            GiftStatus::PendingPayment => return Err(GiftError::InvalidTransition),
            // There is nothing left that could expire, or it has.
            GiftStatus::Redeemed | GiftStatus::Expired | GiftStatus::Cancelled => return Ok(vec![]),
            GiftStatus::Issued | GiftStatus::Activated | GiftStatus::PartiallyRedeemed => {}
        }
        if now < issue.expires_at {
            return Err(GiftError::TooEarly);
        }
        Ok(vec![GiftExpired { unspent: self.available() }.into()])
    }

    pub(super) fn remind(&self, policy: &GiftPolicy, now: DateTime<Utc>) -> Decision {
        let Some(issue) = &self.issue else { return Err(GiftError::InvalidTransition) };
        let is_open = matches!(self.stage, GiftStage::Issued | GiftStage::Activated);
        let Some(remind_at) = issue.remind_at.filter(|_| is_open && !self.is_blocked) else { return Ok(vec![]) };
        if now < remind_at {
            return Err(GiftError::TooEarly);
        }
        if self.available().is_zero() || now >= issue.expires_at {
            return Ok(vec![]);
        }
        let next_at = Some(issue.expires_at - policy.reminders_before[1]).filter(|next_at| *next_at > now);
        Ok(vec![GiftReminded { expires_at: issue.expires_at, available: self.available(), next_at }.into()])
    }

    pub(super) fn delivered(&self, channel: DeliveryChannel) -> Decision {
        match (&self.issue, self.stage) {
            (None, _) => Err(GiftError::InvalidTransition),
            // Told once, or there is nobody left to tell.
            (Some(issue), _) if issue.is_delivered => Ok(vec![]),
            (Some(_), GiftStage::Cancelled | GiftStage::Expired) => Ok(vec![]),
            (Some(_), GiftStage::PendingPayment | GiftStage::Issued | GiftStage::Activated) => {
                Ok(vec![GiftDelivered { channel }.into()])
            }
        }
    }

    pub(super) fn block(&self, reason: &str) -> Decision {
        check_text(reason, "/reason")?;
        if self.is_blocked { Ok(vec![]) } else { Ok(vec![GiftBlocked { reason: reason.to_owned() }.into()]) }
    }

    pub(super) fn unblock(&self, reason: &str) -> Decision {
        check_text(reason, "/reason")?;
        if self.is_blocked { Ok(vec![GiftUnblocked { reason: reason.to_owned() }.into()]) } else { Ok(vec![]) }
    }
}

/// The reason that is recorded: what was said, if this side may say it, else what follows from the side.
fn reason_for(party: Party, said: Option<GiftCancelReason>) -> Result<GiftCancelReason, GiftError> {
    let may_say: &[GiftCancelReason] = match party {
        Party::Customer => &[GiftCancelReason::BuyerRequest],
        Party::Admin => &[GiftCancelReason::Admin],
        Party::System => &[GiftCancelReason::PaymentTimeout, GiftCancelReason::PaymentFailed],
    };
    match (party, said) {
        (_, Some(reason)) if may_say.contains(&reason) => Ok(reason),
        (Party::Customer | Party::Admin, None) => Ok(may_say[0]),
        (_, Some(_)) | (Party::System, None) => Err(GiftError::InvalidValue { pointer: "/reason_code" }),
    }
}
