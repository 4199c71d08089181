//! Who may ask what of a payment: nobody but the system's own parts, the provider's voice, and administrators.

use crate::domain::{
    Actor,
    payment::{PaymentCommand, PaymentError},
};

pub(super) fn authorise(actor: &Actor, command: &PaymentCommand) -> Result<(), PaymentError> {
    let may = match actor {
        Actor::System(_) => {
            !matches!(command, PaymentCommand::ResolveIntegrity { .. } | PaymentCommand::ResolveRefund { .. })
        }
        Actor::Provider(_) => is_news(command),
        Actor::Admin(_) => matches!(
            command,
            PaymentCommand::Capture { .. }
                | PaymentCommand::RecordChargeback(_)
                | PaymentCommand::RecordExternalRefund(_)
                | PaymentCommand::ResolveIntegrity { .. }
                | PaymentCommand::ResolveRefund { .. }
        ),
        Actor::Customer(_) | Actor::Producer { .. } => false,
    };
    if may { Ok(()) } else { Err(PaymentError::PermissionDenied) }
}

/// Whether it tells what happened, rather than asking for something to happen.
fn is_news(command: &PaymentCommand) -> bool {
    match command {
        PaymentCommand::RecordSession { .. }
        | PaymentCommand::RecordProviderStatus(_)
        | PaymentCommand::FailInit { .. }
        | PaymentCommand::PostponeCapture { .. }
        | PaymentCommand::RecordAbortOutcome(_)
        | PaymentCommand::RecordRefundResult { .. } => true,
        PaymentCommand::Initiate(_)
        | PaymentCommand::Capture { .. }
        | PaymentCommand::Abort { .. }
        | PaymentCommand::MarkApplied
        | PaymentCommand::MarkUnapplied { .. }
        | PaymentCommand::RecordChargeback(_)
        | PaymentCommand::RecordExternalRefund(_)
        | PaymentCommand::ResolveIntegrity { .. }
        | PaymentCommand::ResolveRefund { .. }
        | PaymentCommand::RequestRefund { .. } => false,
    }
}
