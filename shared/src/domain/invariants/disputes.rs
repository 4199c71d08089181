//! 21 to 23: disputes, and the cook's share while they last.

use super::{
    Facts, Moment, Rest, Verdict,
    facts::{ClaimFacts, OrderFacts},
    hold,
    report::Left,
};
use crate::domain::{
    DomainEvent,
    dispute::{DecidedBy, DisputeEvent, DisputeOutcome},
    ids::{DisputeId, OrderId},
    order::{OrderEvent, OrderPayoutUnfrozen, OrderRefundAuthorized, OrderStatus, RefundSource},
};

/// Disputes of one order: one, and its appeal.
const DISPUTES_MAX: usize = 2;

/// 21: a dispute follows its claim, is resolved at most once, and nothing follows that; an order has one open at a time
/// and two in all.
pub(super) fn is_resolved_once(now: &Moment<'_>) -> Verdict {
    match now.domain {
        DomainEvent::Dispute(event) => {
            let dispute_id = DisputeId(now.event.aggregate_id);
            let dispute = now.before.disputes.get(&dispute_id);
            hold(dispute.is_none_or(|dispute| dispute.resolved == 0), || "the dispute was resolved before".to_owned())?;
            let DisputeEvent::DisputeOpened(opened) = event else { return Ok(()) };
            let order = now.before.orders.get(&opened.order_id);
            let is_claimed = order.is_some_and(|it| it.claims.iter().any(|claim| claim.dispute_id == dispute_id));
            hold(is_claimed, || format!("order {} was not claimed for it", opened.order_id))
        }
        DomainEvent::Order(OrderEvent::OrderPayoutFrozen(frozen)) => {
            let Some(order) = now.before.orders.get(&OrderId(now.event.aggregate_id)) else { return Ok(()) };
            let open = order.open_claim().map(|claim| claim.dispute_id);
            hold(open.is_none(), || format!("dispute {open:?} is open"))?;
            let again = order.claims.iter().any(|claim| claim.dispute_id == frozen.dispute_id);
            hold(!again && order.claims.len() < DISPUTES_MAX, || "too many disputes".to_owned())
        }
        DomainEvent::Order(_) | DomainEvent::Payment(_) | DomainEvent::Gift(_) => Ok(()),
    }
}

/// 22: what was decided is what is refunded, as far as it is left, in one refund.
pub(super) fn moves_what_was_decided(now: &Moment<'_>) -> Verdict {
    let order = || now.before.orders.get(&OrderId(now.event.aggregate_id));
    match now.domain {
        DomainEvent::Dispute(DisputeEvent::DisputeResolved(resolved)) => {
            let is_nothing = matches!(resolved.outcome, DisputeOutcome::Rejected | DisputeOutcome::Withdrawn);
            let agrees = is_nothing == resolved.refund_amount.is_zero()
                // A cancellation may have had nothing to give back.
                || resolved.decided_by == DecidedBy::OrderCancelled;
            hold(agrees, || format!("{:?} gives {}", resolved.outcome, resolved.refund_amount))
        }
        DomainEvent::Order(OrderEvent::OrderRefundAuthorized(refund)) if refund.source == RefundSource::Dispute => {
            order().map_or(Ok(()), |order| is_what_was_decided(now.before, order, refund))
        }
        DomainEvent::Order(OrderEvent::OrderPayoutUnfrozen(unfrozen)) => {
            order().map_or(Ok(()), |order| was_granted(now.before, order, unfrozen))
        }
        DomainEvent::Order(_) | DomainEvent::Payment(_) | DomainEvent::Gift(_) | DomainEvent::Dispute(_) => Ok(()),
    }
}

fn is_what_was_decided(facts: &Facts, order: &OrderFacts, refund: &OrderRefundAuthorized) -> Verdict {
    let dispute_id = DisputeId(refund.source_id);
    let claim = order.claims.iter().find(|claim| claim.dispute_id == dispute_id);
    let Some(claim) = claim else { return Err(format!("dispute {dispute_id} claims nothing")) };
    let expected = granted(facts, order, claim);
    let amount = refund.card_amount.minor() + refund.gift_amount.minor();
    hold(amount == expected && amount > 0, || format!("{amount} is granted, {expected} was decided and is left"))
}

/// At the end of a claim its refund was authorised, unless there was nothing to grant.
fn was_granted(facts: &Facts, order: &OrderFacts, unfrozen: &OrderPayoutUnfrozen) -> Verdict {
    let is_its = |source, id| source == RefundSource::Dispute && id == unfrozen.dispute_id.0;
    let refund = order.refunds.iter().find(|refund| is_its(refund.source, refund.source_id));
    let amount = refund.map_or(0, |refund| refund.card.minor() + refund.gift.minor());
    hold(amount == unfrozen.refund_amount.minor(), || format!("{amount} was granted, not {}", unfrozen.refund_amount))?;
    let Some(claim) = order.claims.iter().find(|claim| claim.dispute_id == unfrozen.dispute_id) else { return Ok(()) };
    let expected = granted(facts, order, claim);
    hold(refund.is_some() || expected == 0, || format!("{expected} was decided and is not granted"))
}

/// What a decision grants of what is left now, in minor units.
fn granted(facts: &Facts, order: &OrderFacts, claim: &ClaimFacts) -> i64 {
    let decision = facts.disputes.get(&claim.dispute_id).and_then(|dispute| dispute.decision);
    let decided = match decision {
        Some((_, DecidedBy::OrderCancelled)) | None => 0,
        Some((amount, _)) => amount.minor(),
    };
    let ((card_paid, gift_paid), (card, gift)) = (order.paid_minor(), order.owed_minor());
    let card_left = if order.is_let_go() { 0 } else { card_paid - card };
    let left = if claim.is_the_banks { card_left } else { card_left + gift_paid - gift };
    decided.min(left)
}

/// 23: the share is released once, in its time, and not while a dispute claims it.
pub(super) fn frozen_is_frozen(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Order(OrderEvent::OrderPayoutReleased(_)) = now.domain else { return Ok(()) };
    let order_id = OrderId(now.event.aggregate_id);
    let Some(order) = now.before.orders.get(&order_id) else { return Ok(()) };
    let claim = order.open_claim().map(|claim| claim.dispute_id);
    hold(claim.is_none(), || format!("dispute {claim:?} claims it"))?;
    let unresolved =
        |claim: &ClaimFacts| now.before.disputes.get(&claim.dispute_id).is_some_and(|dispute| dispute.resolved == 0);
    hold(!order.claims.iter().any(unresolved), || "a dispute is open".to_owned())?;
    hold(order.released.is_none(), || "it was released before".to_owned())?;
    let is_time = order.payout_due_at.is_some_and(|due| now.event.occurred_at >= due);
    hold(order.status == OrderStatus::Completed && is_time, || format!("it is due at {:?}", order.payout_due_at))
}

/// 23, at rest: a share is frozen if and only if a dispute is open.
pub(super) fn claims_are_disputes(facts: &Facts, rest: &Rest) -> Vec<Left> {
    let mut left = Vec::new();
    for (id, order) in facts.orders.iter().filter(|(id, _)| !rest.excused.contains(&id.0)) {
        for claim in order.claims.iter().filter(|claim| claim.is_open) {
            let is_open = facts.disputes.get(&claim.dispute_id).is_some_and(|dispute| dispute.resolved == 0);
            if !is_open && !rest.excused.contains(&claim.dispute_id.0) {
                left.push((Some(id.0), format!("frozen for dispute {}, which is not open", claim.dispute_id)));
            }
        }
    }
    let unclaimed = facts.disputes.iter().filter(|(_, dispute)| dispute.resolved == 0).filter(|(id, dispute)| {
        let order = facts.orders.get(&dispute.order_id);
        !order.is_some_and(|order| order.claims.iter().any(|claim| claim.is_open && claim.dispute_id == **id))
    });
    left.extend(unclaimed.map(|(id, _)| (Some(id.0), "an open dispute without a claim".to_owned())));
    left.sort();
    left
}
