//! What a viewer may do with a gift now: the same rules as `decide`, told in advance.

use chrono::{DateTime, Utc};

use super::{GiftKind, GiftPolicy, GiftStatus};
use crate::domain::Money;

/// A gift as a read model knows it, and who looks at it when.
#[derive(Debug, Clone, PartialEq)]
pub struct GiftSituation {
    /// Where the gift stands.
    pub status: GiftStatus,
    /// Who looks.
    pub viewer: GiftViewer,
    /// What it is now.
    pub kind: GiftKind,
    /// Whether nobody may use it.
    pub is_blocked: bool,
    /// What can be spent.
    pub available: Money,
    /// Whether an attempt to pay is open.
    pub has_active_attempt: bool,
    /// Attempts that failed, the provider's outages (`PROVIDER_UNAVAILABLE`) not counted.
    pub attempts_lost: usize,
    /// Attempts that were opened.
    pub attempts_opened: usize,
    /// When an unpaid gift is called off.
    pub payment_deadline: DateTime<Utc>,
    /// Until when it may be spent.
    pub expires_at: Option<DateTime<Utc>>,
    /// The time of the look.
    pub now: DateTime<Utc>,
    /// The durations and limits in force.
    pub policy: GiftPolicy,
}

/// Which side of the gift a viewer is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiftViewer {
    /// Who pays.
    Buyer,
    /// Who spends: named as the recipient, or signed in when it was activated.
    Recipient,
    /// An administrator.
    Admin,
}

/// The names of what the viewer may do, in the order of a gift's life.
pub fn allowed_gift_actions(situation: &GiftSituation) -> Vec<&'static str> {
    let is_buyer = situation.viewer == GiftViewer::Buyer;
    let is_recipient = situation.viewer == GiftViewer::Recipient;
    let is_admin = situation.viewer == GiftViewer::Admin;
    let status = situation.status;
    let is_issued = status == GiftStatus::Issued;
    let has_left = situation.available.is_positive();
    let is_open = !situation.is_blocked && situation.expires_at.is_some_and(|expires_at| situation.now <= expires_at);
    let is_held = matches!(status, GiftStatus::Activated | GiftStatus::PartiallyRedeemed);
    let is_amount = situation.kind == GiftKind::Amount;
    let is_paid = !matches!(status, GiftStatus::PendingPayment);
    let actions = [
        ("pay", is_buyer && may_pay(situation)),
        ("code", is_buyer && is_issued),
        ("activate", is_recipient && is_issued && is_open && has_left),
        ("spend", is_recipient && is_held && is_open && is_amount && has_left),
        // Whether the dish is gone is not known here; the gift asks again.
        ("convert", is_recipient && (is_issued || is_held) && is_open && !is_amount && has_left),
        ("cancel", may_cancel(situation)),
        ("refund", has_left && ((is_buyer && is_issued && !situation.is_blocked) || (is_admin && is_paid))),
        ("block", is_admin && !situation.is_blocked),
        ("unblock", is_admin && situation.is_blocked),
    ];
    actions.into_iter().filter(|(_, is_allowed)| *is_allowed).map(|(name, _)| name).collect()
}

/// With an attempt open, paying means going on with that one.
fn may_pay(situation: &GiftSituation) -> bool {
    let policy = &situation.policy;
    let may_open = situation.payment_deadline - situation.now >= policy.payment_time_left_min
        && situation.attempts_lost < policy.payment_attempts_max
        && situation.attempts_opened < policy.payment_attempts_opened_max;
    situation.status == GiftStatus::PendingPayment && (situation.has_active_attempt || may_open)
}

fn may_cancel(situation: &GiftSituation) -> bool {
    match (situation.viewer, situation.status) {
        (GiftViewer::Buyer | GiftViewer::Admin, GiftStatus::PendingPayment) => true,
        (GiftViewer::Buyer, GiftStatus::Issued) => !situation.is_blocked,
        _ => false,
    }
}
