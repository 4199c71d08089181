//! Who may ask what of a dispute.

use crate::domain::{
    Actor,
    dispute::{DisputeCommand, DisputeError, Opened},
};

/// The side somebody is on. Strangers have none: to them the dispute does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    Customer,
    Producer,
    Admin,
    System,
}

/// The actor's side, if actors of that kind may ask this at all.
pub(super) fn authorise(actor: &Actor, command: &DisputeCommand) -> Result<Party, DisputeError> {
    let party = match actor {
        Actor::Customer(_) => Party::Customer,
        Actor::Producer { .. } => Party::Producer,
        Actor::Admin(_) => Party::Admin,
        Actor::System(_) => Party::System,
        Actor::Provider(_) => return Err(DisputeError::PermissionDenied),
    };
    if parties(command).contains(&party) { Ok(party) } else { Err(DisputeError::PermissionDenied) }
}

fn parties(command: &DisputeCommand) -> &'static [Party] {
    match command {
        // Whoever the order let claim it.
        DisputeCommand::Open(_) => &[Party::Customer, Party::Admin, Party::System],
        DisputeCommand::SubmitEvidence { .. } | DisputeCommand::Escalate { .. } => &[Party::Customer, Party::Producer],
        DisputeCommand::Respond { .. } | DisputeCommand::AcceptClaim | DisputeCommand::MakeOffer { .. } => {
            &[Party::Producer]
        }
        DisputeCommand::AcceptOffer { .. } | DisputeCommand::DeclineOffer { .. } | DisputeCommand::Withdraw => {
            &[Party::Customer]
        }
        DisputeCommand::Resolve(_) | DisputeCommand::ApproveResolution { .. } => &[Party::Admin],
        DisputeCommand::PassResponseDeadline { .. }
        | DisputeCommand::PassDecisionDeadline
        | DisputeCommand::CloseByCancellation { .. } => &[Party::System],
    }
}

impl Opened {
    /// Somebody else's dispute is no dispute: the answer must not tell that it exists.
    pub(super) fn is_known_to(&self, actor: &Actor) -> Result<(), DisputeError> {
        let known = match actor {
            Actor::Customer(user_id) => *user_id == self.terms.customer_id,
            Actor::Producer { producer_id, .. } => *producer_id == self.terms.producer_id,
            Actor::Admin(_) | Actor::System(_) => true,
            Actor::Provider(_) => false,
        };
        if known { Ok(()) } else { Err(DisputeError::NotFound) }
    }
}
