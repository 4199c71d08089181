//! What a viewer may do with an order now: the same rules as `decide`, told in advance.

use chrono::{DateTime, Utc};

use super::{DeliveryType, Order, OrderPolicy, OrderStatus, Stage, decide};
use crate::domain::Money;

/// An order as a read model knows it, and who looks at it when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// Where the order stands.
    pub status: OrderStatus,
    /// Who looks.
    pub viewer: Viewer,
    /// Where it is handed over.
    pub delivery_type: DeliveryType,
    /// Whether there is anything to pay by card.
    pub is_payable: bool,
    /// Whether an attempt to pay is open.
    pub has_active_attempt: bool,
    /// Attempts that failed, the provider's outages (`PROVIDER_UNAVAILABLE`) not counted.
    pub attempts_lost: usize,
    /// Attempts that were opened.
    pub attempts_opened: usize,
    /// When an unpaid order is called off.
    pub payment_deadline: DateTime<Utc>,
    /// When a paid order that no cook took on is called off.
    pub accept_deadline: Option<DateTime<Utc>>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// Whether the customer gave marks.
    pub rated: bool,
    /// When the cook's share may be released, once the order is complete.
    pub payout_due_at: Option<DateTime<Utc>>,
    /// Whether anything could go back.
    pub is_refundable: bool,
    /// Whether a dispute is open.
    pub has_open_dispute: bool,
    /// Disputes so far, the open one too.
    pub disputes: usize,
    /// Until when the last one may be appealed, once it is decided.
    pub appeal_before: Option<DateTime<Utc>>,
    /// The time of the look.
    pub now: DateTime<Utc>,
    /// The durations and limits in force.
    pub policy: OrderPolicy,
}

/// Which side of the order a viewer is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Who ordered.
    Customer,
    /// Who cooks.
    Producer,
    /// An administrator.
    Admin,
}

impl Viewer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Customer, Self::Producer, Self::Admin];

    fn party(self) -> decide::Party {
        match self {
            Self::Customer => decide::Party::Customer,
            Self::Producer => decide::Party::Producer,
            Self::Admin => decide::Party::Admin,
        }
    }
}

impl Order {
    /// The order as its own state has it; none while it was not placed.
    pub fn situation(&self, viewer: Viewer, policy: OrderPolicy, now: DateTime<Utc>) -> Option<Situation> {
        let placed = self.placed()?;
        Some(Situation {
            status: placed.status(),
            viewer,
            delivery_type: placed.terms.delivery_type,
            is_payable: placed.terms.amount_due.is_positive(),
            has_active_attempt: self.active_payment().is_some(),
            attempts_lost: self.payment_attempts_lost(),
            attempts_opened: self.attempts().len(),
            payment_deadline: placed.terms.payment_deadline,
            accept_deadline: self.accept_deadline(),
            completed_at: self.payout_due_at().map(|due| due - policy.payout_delay),
            rated: matches!(placed.stage, Stage::Completed { rated: true, .. }),
            payout_due_at: self.payout_due_at(),
            is_refundable: self.left_to_refund(false).is_some_and(Money::is_positive),
            has_open_dispute: self.open_dispute().is_some(),
            disputes: self.disputes().len(),
            appeal_before: self.disputes().last().and_then(|claim| claim.appeal_before),
            now,
            policy,
        })
    }
}

/// The names of what the viewer may do, in the order of an order's life.
pub fn allowed_actions(situation: &Situation) -> Vec<&'static str> {
    let is_cook = situation.viewer == Viewer::Producer;
    let is_customer = situation.viewer == Viewer::Customer;
    let status = situation.status;
    let is_fetched = situation.delivery_type == DeliveryType::Pickup;
    let before_hand_over = if is_fetched { OrderStatus::Ready } else { OrderStatus::OutForDelivery };
    let has_promise = [OrderStatus::Accepted, OrderStatus::Preparing, OrderStatus::Ready].contains(&status);
    let actions = [
        ("pay", is_customer && may_pay(situation)),
        (
            "accept",
            is_cook && status == OrderStatus::Paid && situation.accept_deadline.is_none_or(|it| situation.now < it),
        ),
        ("reject", is_cook && status == OrderStatus::Paid),
        ("start_preparation", is_cook && status == OrderStatus::Accepted),
        ("ready", is_cook && status == OrderStatus::Preparing),
        ("dispatch", is_cook && status == OrderStatus::Ready && !is_fetched),
        ("deliver", is_cook && status == before_hand_over),
        ("eta", is_cook && has_promise),
        ("complete", !is_cook && status == OrderStatus::Delivered),
        ("cancel", decide::may_cancel(situation.viewer.party(), status).is_ok()),
        ("rate", is_customer && may_rate(situation)),
        ("dispute", !is_cook && may_dispute(situation)),
    ];
    actions.into_iter().filter(|(_, is_allowed)| *is_allowed).map(|(name, _)| name).collect()
}

/// With an attempt open, paying means going on with that one.
fn may_pay(situation: &Situation) -> bool {
    let policy = &situation.policy;
    let may_open = situation.is_payable
        && situation.payment_deadline - situation.now >= policy.payment_time_left_min
        && situation.attempts_lost < policy.payment_attempts_max
        && situation.attempts_opened < policy.payment_attempts_opened_max;
    situation.status == OrderStatus::WaitingForPayment && (situation.has_active_attempt || may_open)
}

fn may_rate(situation: &Situation) -> bool {
    let in_time = |completed_at| situation.now <= completed_at + situation.policy.rating_window;
    situation.status == OrderStatus::Completed && !situation.rated && situation.completed_at.is_some_and(in_time)
}

/// Some reasons have rules of their own, which only the claim itself can be held against.
fn may_dispute(situation: &Situation) -> bool {
    let was_paid = match situation.status {
        OrderStatus::WaitingForPayment | OrderStatus::Cancelled => false,
        OrderStatus::Paid
        | OrderStatus::Accepted
        | OrderStatus::Preparing
        | OrderStatus::Ready
        | OrderStatus::OutForDelivery
        | OrderStatus::Delivered
        | OrderStatus::Completed => true,
    };
    let window = situation.appeal_before.or(situation.payout_due_at);
    let in_time = situation.viewer == Viewer::Admin || window.is_none_or(|closes| situation.now < closes);
    let is_first_or_appeal = !situation.has_open_dispute && situation.disputes < decide::DISPUTES_MAX;
    was_paid && situation.is_refundable && is_first_or_appeal && in_time
}
