//! What a viewer may do with a dispute now: the same rules as `decide`, told in advance.

use chrono::{DateTime, Utc};

use super::DisputeStatus;

/// A dispute as a read model knows it, and who looks at it when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proceedings {
    /// Where it stands.
    pub status: DisputeStatus,
    /// Who looks.
    pub viewer: DisputeViewer,
    /// Whether the bank took the money back: then only an administrator decides.
    pub is_chargeback: bool,
    /// Whether an offer waits for an answer.
    pub has_offer: bool,
    /// Whether a decision waits for another administrator's consent, and the viewer did not propose it.
    pub may_approve: bool,
    /// Whether the cook said anything.
    pub producer_spoke: bool,
    /// From when the customer may ask for a decision.
    pub escalate_from: DateTime<Utc>,
    /// Until when evidence is taken, while the dispute is not decided.
    pub evidence_until: Option<DateTime<Utc>>,
    /// The time of the look.
    pub now: DateTime<Utc>,
}

/// Which side of a dispute a viewer is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeViewer {
    /// Who ordered.
    Customer,
    /// Who cooked.
    Producer,
    /// An administrator.
    Admin,
}

/// The names of what the viewer may do.
pub fn allowed_actions(it: &Proceedings) -> Vec<&'static str> {
    let is_open = it.status == DisputeStatus::Open;
    let is_live = it.status != DisputeStatus::Resolved;
    let is_customer = it.viewer == DisputeViewer::Customer;
    let is_cook = it.viewer == DisputeViewer::Producer;
    let is_admin = it.viewer == DisputeViewer::Admin;
    let may_ask = is_cook || (is_customer && (it.producer_spoke || it.now >= it.escalate_from));
    let actions = [
        ("evidence", is_live && !is_admin && it.evidence_until.is_some_and(|until| it.now < until)),
        ("respond", is_cook && is_open),
        ("accept_claim", is_cook && is_live),
        ("offer", is_cook && is_live && !it.has_offer && !it.is_chargeback),
        ("accept_offer", is_customer && is_live && it.has_offer),
        ("decline_offer", is_customer && is_live && it.has_offer),
        ("escalate", is_open && may_ask),
        ("withdraw", is_customer && is_live && !it.is_chargeback),
        ("resolve", is_admin && it.status == DisputeStatus::UnderReview),
        ("approve_resolution", is_admin && is_live && it.may_approve),
    ];
    actions.into_iter().filter(|(_, is_allowed)| *is_allowed).map(|(name, _)| name).collect()
}
