//! Who may ask what of an order.

use crate::domain::{
    Actor,
    order::{OrderCommand, OrderError, Placed},
};

/// The side somebody is on. Strangers have none: to them the order does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::order) enum Party {
    Customer,
    Producer,
    Admin,
    System,
}

impl Party {
    /// The name that the log knows it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Producer => "producer",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }
}

/// The actor's side, if actors of that kind may ask this at all.
pub(super) fn authorise(actor: &Actor, command: &OrderCommand) -> Result<Party, OrderError> {
    let party = match actor {
        Actor::Customer(_) => Party::Customer,
        Actor::Producer { .. } => Party::Producer,
        Actor::Admin(_) => Party::Admin,
        Actor::System(_) => Party::System,
        Actor::Provider(_) => return Err(OrderError::PermissionDenied),
    };
    if parties(command).contains(&party) { Ok(party) } else { Err(OrderError::PermissionDenied) }
}

fn parties(command: &OrderCommand) -> &'static [Party] {
    match command {
        OrderCommand::Create(_) => &[Party::Customer, Party::System],
        OrderCommand::RequestPayment(_) | OrderCommand::Rate(_) => &[Party::Customer],
        OrderCommand::Accept { .. }
        | OrderCommand::Reject { .. }
        | OrderCommand::StartPreparation { .. }
        | OrderCommand::MarkReady { .. }
        | OrderCommand::Dispatch { .. }
        | OrderCommand::MarkDelivered { .. }
        | OrderCommand::AdjustEta { .. } => &[Party::Producer],
        OrderCommand::Complete { .. } => &[Party::Customer, Party::Admin, Party::System],
        OrderCommand::Cancel { .. } => &[Party::Customer, Party::Producer, Party::Admin, Party::System],
        OrderCommand::ClaimDispute(_) => &[Party::Customer, Party::Admin, Party::System],
        OrderCommand::AuthorizeRefund(_) => &[Party::Admin, Party::System],
        OrderCommand::RecordPaymentFailure { .. }
        | OrderCommand::MarkPaid(_)
        | OrderCommand::SettleRefund { .. }
        | OrderCommand::RecordRefundFailure { .. }
        | OrderCommand::RemindProducer
        | OrderCommand::SettleDispute(_)
        | OrderCommand::ReleasePayout => &[Party::System],
    }
}

impl Placed {
    /// Somebody else's order is no order: the answer must not tell that it exists.
    pub(super) fn is_known_to(&self, actor: &Actor) -> Result<(), OrderError> {
        let known = match actor {
            Actor::Customer(user_id) => *user_id == self.terms.customer_id,
            Actor::Producer { producer_id, .. } => *producer_id == self.terms.producer_id,
            Actor::Admin(_) | Actor::System(_) => true,
            Actor::Provider(_) => false,
        };
        if known { Ok(()) } else { Err(OrderError::NotFound) }
    }
}
