//! Complaints: disputes of people, and what two administrators find in the bank's books.

use shared::domain::{
    Actor, DisputeId, Money, OrderId, RefundId, UserId,
    dispute::{
        Dispute, DisputeClaim, DisputeCommand, DisputeOutcome, DisputeReason, OpenDispute, OpenedBy, ResolveDispute,
        Stance,
    },
    order::{ClaimDispute, Fault, Funds, Order, OrderCommand, OrderStatus},
    payment::{Payment, PaymentCommand, RefundFinding, RefundState},
};
use uuid::Uuid;

use crate::{
    mutants::Mutant,
    people::{ADMIN, CUSTOMER, KITCHEN, admin, any, cook, customer},
    rng::Rng,
    world::World,
};

const OTHER_ADMIN: UserId = UserId(Uuid::from_u128(6));

impl World {
    /// The customer complains.
    pub fn complain(&mut self, rng: &mut Rng) {
        let held = self.orders.iter().find(|(_, held)| is_held(&held.state)).map(|(id, _)| *id);
        let Some(id) = held.filter(|_| rng.percent(40)).or_else(|| any(&self.orders, rng)) else { return };
        let left = self.orders[&id].state.receipt().map_or(0, |receipt| receipt.card.minor() + receipt.gift.minor());
        let claimed = Some(Money::rub(rng.pick(&[1_000, left / 2, left]).max(1))).filter(|_| rng.percent(70));
        let claim = DisputeClaim {
            reason_code: rng.pick(&[DisputeReason::Late, DisputeReason::WrongItem, DisputeReason::Partial]),
            description_sealed: None,
            claimed_amount: claimed,
            evidence: vec![],
            appeal_of: self.orders[&id].state.disputes().last().map(|claim| claim.dispute_id),
        };
        let command = ClaimDispute { order_id: OrderId(id), claim: claim.clone(), policy: self.policies.order };
        let actor = if rng.percent(80) { customer() } else { admin() };
        if self.mutant == Some(Mutant::FreezeBySaga) {
            return self.open_first(id, actor, command);
        }
        let from = self.by_somebody(actor, id);
        self.submit::<Order>(id, &from, OrderCommand::ClaimDispute(Box::new(command)));
    }

    /// The planted defect: the dispute is there at once, the freeze comes when it comes.
    fn open_first(&mut self, id: Uuid, actor: Actor, claim: ClaimDispute) {
        use shared::domain::{DomainEvent, EventSourced, Intent};
        let Some(held) = self.orders.get(&id) else { return };
        let intent =
            Intent { actor, now: self.clock.now(), command: OrderCommand::ClaimDispute(Box::new(claim.clone())) };
        let Ok(events) = held.state.decide(&intent) else { return };
        for event in events {
            let shared::domain::order::OrderEvent::OrderPayoutFrozen(frozen) = &event else { continue };
            let request = OpenDispute {
                dispute_id: frozen.dispute_id,
                order_id: OrderId(id),
                customer_id: CUSTOMER,
                producer_id: KITCHEN,
                opened_by: OpenedBy::Customer,
                claim: claim.claim.clone(),
                refundable: frozen.refundable,
                policy: self.policies.dispute,
            };
            let dispute_id = frozen.dispute_id.0;
            let from = self.by_somebody(Actor::system("dispute"), id);
            self.submit::<Dispute>(dispute_id, &from, DisputeCommand::Open(Box::new(request)));
            self.late_freezes.push((id, DomainEvent::Order(event)));
        }
    }

    /// Somebody asks something of a dispute.
    pub fn ask_dispute(&mut self, rng: &mut Rng) {
        let Some(id) = any(&self.disputes, rng) else { return };
        let policy = self.policies.dispute;
        let (actor, command) = match rng.below(10) {
            0 => {
                let (message_sealed, stance) = ("no".to_owned(), Stance::Contest);
                (cook(), DisputeCommand::Respond { message_sealed, stance, policy })
            }
            1 => (cook(), DisputeCommand::AcceptClaim),
            2 => (cook(), DisputeCommand::MakeOffer { amount: Money::rub(500), message_sealed: None }),
            3 => {
                let offer_id = shared::domain::OfferId::of_dispute(DisputeId(id), 1);
                (customer(), DisputeCommand::AcceptOffer { offer_id })
            }
            4 => (customer(), DisputeCommand::Withdraw),
            5 => (customer(), DisputeCommand::Escalate { cause: None, policy }),
            _ => (admin(), DisputeCommand::Resolve(resolution(self, rng))),
        };
        let from = self.by_somebody(actor, id);
        self.submit::<Dispute>(id, &from, command);
    }

    /// Two administrators look into the bank's books about refunds that a chargeback overtook.
    pub fn clear_up(&mut self) {
        let overtaken: Vec<(Uuid, RefundId, Uuid)> = self
            .payments
            .iter()
            .filter(|(_, held)| !held.state.bank_acts().is_empty())
            .flat_map(|(id, held)| held.state.refunds().iter().map(move |refund| (*id, held.flow, refund)))
            .filter(|(_, _, refund)| matches!(refund.state, RefundState::Failed { retry_at: None, .. }))
            .map(|(id, flow, refund)| (id, refund.refund_id, flow))
            .collect();
        for (id, refund_id, flow) in overtaken {
            for admin_id in [ADMIN, OTHER_ADMIN] {
                let from = self.by_somebody(Actor::Admin(admin_id), flow);
                let (finding, reason) = (RefundFinding::Done, "it is the chargeback".to_owned());
                self.submit::<Payment>(id, &from, PaymentCommand::ResolveRefund { refund_id, finding, reason });
            }
        }
    }
}

/// Whether its money is held and no cook has taken it on.
fn is_held(order: &Order) -> bool {
    let is_held = order.receipt().is_some_and(|receipt| receipt.funds == Funds::Authorized);
    is_held && order.status() == Some(OrderStatus::Paid)
}

fn resolution(world: &World, rng: &mut Rng) -> ResolveDispute {
    let outcome = rng.pick(&[DisputeOutcome::RefundFull, DisputeOutcome::RefundPartial, DisputeOutcome::Rejected]);
    let refund_amount = (outcome == DisputeOutcome::RefundPartial).then(|| Money::rub(rng.pick(&[500, 3_000, 9_000])));
    ResolveDispute {
        outcome,
        refund_amount,
        fault: rng.pick(&[Fault::Producer, Fault::Platform]),
        comment: None,
        producer_owner: None,
        policy: world.policies.dispute,
    }
}
