//! What can be asked of a dispute.

use super::{DisputeClaim, DisputeOutcome, DisputePolicy, Evidence, OpenedBy, Stance};
use crate::domain::{
    Money,
    ids::{DisputeId, OfferId, OrderId, ProducerId, UserId},
    order::Fault,
};

/// A command for a dispute.
#[derive(Debug, Clone, PartialEq)]
pub enum DisputeCommand {
    /// Opens it, after the order let itself be claimed.
    Open(Box<OpenDispute>),
    /// Adds a piece of evidence.
    SubmitEvidence {
        /// The piece.
        evidence: Evidence,
    },
    /// The cook answers.
    Respond {
        /// The answer, sealed with the cook's key.
        message_sealed: String,
        /// Where the cook stands.
        stance: Stance,
        /// The durations in force.
        policy: DisputePolicy,
    },
    /// The cook gives in.
    AcceptClaim,
    /// The cook offers less than is claimed.
    MakeOffer {
        /// How much.
        amount: Money,
        /// A word with it, sealed with the cook's key.
        message_sealed: Option<String>,
    },
    /// The customer takes the offer.
    AcceptOffer {
        /// Which.
        offer_id: OfferId,
    },
    /// The customer does not want the offer.
    DeclineOffer {
        /// Which.
        offer_id: OfferId,
    },
    /// A side asks for a decision.
    Escalate {
        /// Why, for people.
        cause: Option<String>,
        /// The durations in force.
        policy: DisputePolicy,
    },
    /// The time for the cook to answer passed.
    PassResponseDeadline {
        /// The durations and limits in force.
        policy: DisputePolicy,
    },
    /// The time for an administrator to decide passed.
    PassDecisionDeadline,
    /// An administrator decides.
    Resolve(ResolveDispute),
    /// Another administrator agrees to the decision.
    ApproveResolution {
        /// The person behind the kitchen, if known: no party decides.
        producer_owner: Option<UserId>,
    },
    /// The customer lets it be.
    Withdraw,
    /// The order was called off, which settled what goes back.
    CloseByCancellation {
        /// What the cancellation gives back.
        refund_amount: Money,
    },
}

/// Everything that a dispute starts from; all of it is in the order's claim.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenDispute {
    /// The new dispute: `DisputeId::of_order`.
    pub dispute_id: DisputeId,
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: UserId,
    /// Who cooked.
    pub producer_id: ProducerId,
    /// Who opened it.
    pub opened_by: OpenedBy,
    /// What is claimed, and why.
    pub claim: DisputeClaim,
    /// What can go back.
    pub refundable: Money,
    /// The durations in force.
    pub policy: DisputePolicy,
}

/// A decision.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolveDispute {
    /// What it ends in; only the customer withdraws.
    pub outcome: DisputeOutcome,
    /// How much goes back, for `REFUND_PARTIAL`.
    pub refund_amount: Option<Money>,
    /// Who bears it.
    pub fault: Fault,
    /// Why, for people.
    pub comment: Option<String>,
    /// The person behind the kitchen, if known: no party decides.
    pub producer_owner: Option<UserId>,
    /// The limits in force.
    pub policy: DisputePolicy,
}
