//! Who may ask what of a gift.

use crate::domain::{
    Actor,
    gift::{Bought, CodeRef, GiftCommand, GiftError},
    ids::UserId,
};

/// The side somebody is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    Customer,
    Admin,
    System,
}

impl Party {
    /// The name that the log knows it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }
}

/// The actor's side, if actors of that kind may ask this at all.
pub(super) fn authorise(actor: &Actor, command: &GiftCommand) -> Result<Party, GiftError> {
    let party = match actor {
        Actor::Customer(_) => Party::Customer,
        Actor::Admin(_) => Party::Admin,
        Actor::System(_) => Party::System,
        Actor::Producer { .. } | Actor::Provider(_) => return Err(GiftError::PermissionDenied),
    };
    if parties(command).contains(&party) { Ok(party) } else { Err(GiftError::PermissionDenied) }
}

fn parties(command: &GiftCommand) -> &'static [Party] {
    match command {
        GiftCommand::Purchase(_)
        | GiftCommand::RequestPayment(_)
        | GiftCommand::Activate(_)
        | GiftCommand::Convert(_) => &[Party::Customer],
        GiftCommand::Cancel { .. } | GiftCommand::RequestRefund(_) => &[Party::Customer, Party::Admin, Party::System],
        // A chargeback blocks a gift too.
        GiftCommand::Block { .. } => &[Party::Admin, Party::System],
        GiftCommand::Unblock { .. } => &[Party::Admin],
        GiftCommand::RecordPaymentFailure { .. }
        | GiftCommand::Issue(_)
        | GiftCommand::RecordDelivery { .. }
        | GiftCommand::Remind { .. }
        | GiftCommand::RevertActivation { .. }
        | GiftCommand::Reserve(_)
        | GiftCommand::Redeem { .. }
        | GiftCommand::Release { .. }
        | GiftCommand::Credit { .. }
        | GiftCommand::Expire
        | GiftCommand::SettleRefund { .. }
        | GiftCommand::RevertRefund { .. } => &[Party::System],
    }
}

impl Bought {
    /// What the buyer may ask is nobody else's: to them there is no such gift. Who holds the gift is judged with the code.
    pub(super) fn is_theirs_to_ask(&self, actor: &Actor, command: &GiftCommand) -> Result<(), GiftError> {
        let is_the_holders = matches!(command, GiftCommand::Activate(_) | GiftCommand::Convert(_));
        match actor {
            Actor::Customer(user_id) if !is_the_holders && *user_id != self.terms.buyer_id => Err(GiftError::NotFound),
            Actor::Customer(_) | Actor::Producer { .. } | Actor::Admin(_) | Actor::System(_) | Actor::Provider(_) => {
                Ok(())
            }
        }
    }

    /// Whether somebody may use the gift: who activated it, or, as long as nobody has, whom it was meant for, or who has
    /// the code of one that was meant for nobody in particular. What a stranger gets to hear is the same whether the code is wrong, the gift is somebody else's or
    /// it is blocked.
    pub(in crate::domain::gift) fn holder(&self, user_id: UserId, code_ref: Option<&CodeRef>) -> Result<(), GiftError> {
        let is_right = |code_ref| self.knows(code_ref);
        if self.is_blocked || code_ref.is_some_and(|code_ref| !is_right(code_ref)) {
            return Err(GiftError::NotFound);
        }
        match (self.activated_by, self.terms.recipient_user_id) {
            (Some(holder), _) if holder == user_id => Ok(()),
            (Some(_), _) => Err(GiftError::NotFound),
            (None, Some(recipient)) if recipient == user_id => Ok(()),
            (None, _) if code_ref.is_none() => Err(GiftError::NotFound),
            // The buyer knows of the gift, and that it is meant for somebody else.
            (None, Some(_)) if self.terms.buyer_id == user_id => Err(GiftError::Restricted),
            (None, Some(_)) => Err(GiftError::NotFound),
            (None, None) => Ok(()),
        }
    }
}
