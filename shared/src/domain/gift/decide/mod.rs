//! What a command makes happen. Pure: time, codes, prices and policy come with the command.

mod access;
mod activate;
mod buy;
mod close;
mod refund;
mod spend;

use super::{Bought, Gift, GiftCommand, GiftError, GiftEvent};
use crate::domain::Intent;
use access::Party;

/// What happens, or why nothing does.
type Decision = Result<Vec<GiftEvent>, GiftError>;

const TEXT_CHARS_MAX: usize = 500;

/// Who may ask comes first, then whether the gift is theirs, then the rules of the business.
pub(super) fn decide(gift: &Gift, intent: &Intent<GiftCommand>) -> Decision {
    let party = access::authorise(&intent.actor, &intent.command)?;
    match (gift, &intent.command) {
        (Gift::NotBought, GiftCommand::Purchase(request)) => buy::purchase(request, &intent.actor, intent.now),
        (Gift::NotBought, _) => Err(GiftError::NotFound),
        (Gift::Bought(bought), command) => {
            bought.is_theirs_to_ask(&intent.actor, command)?;
            bought.decide(command, party, intent)
        }
    }
}

impl Bought {
    fn decide(&self, command: &GiftCommand, party: Party, intent: &Intent<GiftCommand>) -> Decision {
        let now = intent.now;
        match command {
            // The same gift again: it was chosen, so there is nothing to record.
            GiftCommand::Purchase(_) => Ok(vec![]),
            GiftCommand::RequestPayment(request) => self.request_payment(request, now),
            GiftCommand::RecordPaymentFailure { payment_id, reason } => Ok(self.payment_failed(*payment_id, *reason)),
            GiftCommand::Issue(request) => self.issue_to(request, now),
            GiftCommand::RecordDelivery { channel } => self.delivered(*channel),
            GiftCommand::Remind { policy } => self.remind(policy, now),
            GiftCommand::Cancel { reason_code, reason_text } => {
                self.cancel(party, *reason_code, reason_text.as_ref(), now)
            }
            GiftCommand::Activate(request) => self.activate(request, &intent.actor, now),
            GiftCommand::RevertActivation { order_id, cause } => self.revert_activation(*order_id, cause),
            GiftCommand::Convert(request) => self.convert(request, &intent.actor, now),
            GiftCommand::Reserve(request) => self.reserve(request, now),
            GiftCommand::Redeem { reservation_id } => self.redeem(*reservation_id),
            GiftCommand::Release { reservation_id, cause } => self.release(*reservation_id, *cause, now),
            GiftCommand::Credit { refund_id, order_id, amount } => self.credit(*refund_id, *order_id, *amount, now),
            GiftCommand::Expire => self.expire(now),
            GiftCommand::RequestRefund(request) => self.request_refund(request, party),
            GiftCommand::SettleRefund { refund_id } => self.settle_refund(*refund_id),
            GiftCommand::RevertRefund { refund_id, reason } => self.revert_refund(*refund_id, reason),
            GiftCommand::Block { reason } => self.block(reason),
            GiftCommand::Unblock { reason } => self.unblock(reason),
        }
    }
}

/// A text that people wrote.
fn check_text(text: &str, pointer: &'static str) -> Result<(), GiftError> {
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(GiftError::TooLong { pointer, max: TEXT_CHARS_MAX });
    }
    Ok(())
}
