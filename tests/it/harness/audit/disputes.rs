//! Disputes in the log: claimed before they are open, decided once, and what they grant is owed once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use shared::{
    domain::{
        DisputeId, DomainEvent, Money,
        dispute::{DecidedBy, DisputeEvent, DisputeOutcome, DisputeResolved},
        order::{OrderEvent, RefundSource},
    },
    log::RecordedEvent,
};
use uuid::Uuid;

#[derive(Debug, Default)]
struct Order {
    claims: Vec<DisputeId>,
    /// What could go back when each was claimed.
    refundable: HashMap<DisputeId, Money>,
    open: Option<DisputeId>,
    frozen: bool,
    /// What disputes had authorised back.
    granted: HashMap<Uuid, i64>,
}

#[derive(Debug, Default)]
struct Books {
    orders: HashMap<Uuid, Order>,
    opened: HashSet<DisputeId>,
    resolved: HashMap<DisputeId, (Uuid, DisputeResolved)>,
}

pub fn check(events: &[Arc<RecordedEvent>]) {
    let mut books = Books::default();
    for event in events {
        match event.event.as_ref().unwrap() {
            DomainEvent::Order(news) => books.order(event.position, event.aggregate_id, news),
            DomainEvent::Dispute(news) => books.dispute(event.position, DisputeId(event.aggregate_id), news),
            DomainEvent::Payment(_) | DomainEvent::Gift(_) => {}
        }
    }
    for (id, order) in &books.orders {
        assert!(order.claims.len() <= 2, "order {id} has too many disputes: {order:?}");
        let claims = order.claims.iter().filter(|claim| !books.resolved.contains_key(claim));
        assert_eq!(claims.count(), usize::from(order.open.is_some()), "order {id}: {order:?}");
        assert!(!order.frozen || order.open.is_some(), "order {id} is frozen for ever: {order:?}");
        assert!(order.claims.iter().all(|claim| books.opened.contains(claim)), "order {id} was claimed for nothing");
    }
    for (id, (order, resolved)) in &books.resolved {
        check_grant(*id, &books.orders[order], resolved);
    }
}

fn check_grant(id: DisputeId, order: &Order, resolved: &DisputeResolved) {
    let nothing = matches!(resolved.outcome, DisputeOutcome::Rejected | DisputeOutcome::Withdrawn);
    assert_eq!(nothing, resolved.refund_amount.is_zero(), "{resolved:?}");
    let granted = order.granted.get(&id.0).copied().unwrap_or_default();
    let by_cancellation = resolved.decided_by == DecidedBy::OrderCancelled;
    let most = if by_cancellation { 0 } else { resolved.refund_amount.minor() };
    assert!(granted <= most, "dispute {id} gave {granted}: {resolved:?}");
}

impl Books {
    fn order(&mut self, position: u64, id: Uuid, news: &OrderEvent) {
        let order = self.orders.entry(id).or_default();
        match news {
            OrderEvent::OrderPayoutFrozen(frozen) => {
                assert!(order.open.is_none(), "position {position}: two disputes at once");
                order.claims.push(frozen.dispute_id);
                order.refundable.insert(frozen.dispute_id, frozen.refundable);
                (order.open, order.frozen) = (Some(frozen.dispute_id), true);
            }
            OrderEvent::OrderPayoutUnfrozen(unfrozen) => {
                assert_eq!(order.open.take(), Some(unfrozen.dispute_id), "position {position}");
                order.frozen = false;
                assert!(self.resolved.contains_key(&unfrozen.dispute_id), "position {position}: nobody decided");
            }
            OrderEvent::OrderPayoutReleased(_) => {
                assert!(order.open.is_none(), "position {position}: released under a dispute");
            }
            OrderEvent::OrderRefundAuthorized(refund) if refund.source == RefundSource::Dispute => {
                let amount = refund.card_amount.minor() + refund.gift_amount.minor();
                let again = order.granted.insert(refund.source_id, amount);
                assert!(again.is_none(), "position {position}: one dispute, two refunds");
            }
            _ => {}
        }
    }

    fn dispute(&mut self, position: u64, id: DisputeId, news: &DisputeEvent) {
        assert!(!self.resolved.contains_key(&id), "position {position}: something follows a decision");
        match news {
            DisputeEvent::DisputeOpened(opened) => {
                let order = self.orders.get(&opened.order_id.0);
                let claimed = order.is_some_and(|order| order.claims.contains(&id));
                assert!(claimed, "position {position}: opened before the order was claimed");
                let at_claim = order.and_then(|order| order.refundable.get(&id));
                assert_eq!(at_claim, Some(&opened.refundable), "position {position}: opened about another amount");
                self.opened.insert(id);
            }
            DisputeEvent::DisputeResolved(resolved) => {
                self.resolved.insert(id, (resolved.order_id.0, resolved.clone()));
            }
            _ => {}
        }
    }
}
