//! 1, 2, 3 and 30: streams, their births, causes, and commands that are done once.

use uuid::Uuid;

use super::{Moment, Verdict, hold, transitions};
use crate::domain::{
    AggregateType, DomainEvent,
    dispute::DisputeEvent,
    gift::GiftEvent,
    ids::{DisputeId, GiftId, OrderId, PaymentId},
    order::OrderEvent,
    payment::PaymentEvent,
};

/// 1: positions and sequences go on without a hole, ids are new, and the tables allow the event.
pub(super) fn is_gapless_and_legal(now: &Moment<'_>) -> Verdict {
    let event = now.event;
    let expected = now.before.position + 1;
    hold(event.position == expected, || format!("position {} follows {}", event.position, now.before.position))?;
    let stream = now.before.streams.get(&event.aggregate_id);
    let sequence = stream.map_or(0, |stream| stream.sequence);
    hold(event.sequence == sequence + 1, || format!("sequence {} follows {sequence}", event.sequence))?;
    let is_same_type = stream.is_none_or(|stream| stream.aggregate_type == event.aggregate_type);
    hold(is_same_type, || "the stream has two types".to_owned())?;
    let flow = now.before.flows.get(&event.correlation_id);
    hold(!flow.is_some_and(|flow| flow.knows_event(event.event_id)), || format!("event id {} again", event.event_id))?;
    hold(allows(now), || "the state does not allow it".to_owned())
}

/// Of a stream that was not born yet another invariant says what it may begin with.
fn allows(now: &Moment<'_>) -> bool {
    let id = now.event.aggregate_id;
    match now.domain {
        DomainEvent::Order(event) => {
            now.before.orders.get(&OrderId(id)).is_none_or(|order| transitions::order_allows(order, event))
        }
        DomainEvent::Payment(event) => {
            now.before.payments.get(&PaymentId(id)).is_none_or(|payment| transitions::payment_allows(payment, event))
        }
        DomainEvent::Gift(event) => {
            now.before.gifts.get(&GiftId(id)).is_none_or(|gift| transitions::gift_allows(gift, event))
        }
        DomainEvent::Dispute(event) => {
            now.before.disputes.get(&DisputeId(id)).is_none_or(|dispute| transitions::dispute_allows(dispute, event))
        }
    }
}

/// 2: the cause is the event's own command, or an event that was before: of its flow, or, where an order and a gift have to
/// do with each other, of the other's. (A stream stays in the flow it was born in, whoever asks something of it.) Once all
/// streams of a flow are over its names are forgotten, and a late cause is taken on trust.
pub(super) fn has_a_cause(now: &Moment<'_>) -> Verdict {
    let event = now.event;
    let knows = |flow: Uuid| now.before.flows.get(&flow).is_some_and(|flow| flow.may_know_event(event.causation_id));
    let is_command = event.causation_id == event.metadata.command_id;
    let is_known = is_command || knows(event.correlation_id) || neighbours(now).into_iter().any(knows);
    hold(is_known, || format!("its cause {} is neither its command nor an event that was before", event.causation_id))
}

/// The flows of the orders that a gift pays, or of the gift that pays an order.
fn neighbours(now: &Moment<'_>) -> Vec<Uuid> {
    let id = now.event.aggregate_id;
    let streams: Vec<Uuid> = match now.event.aggregate_type {
        AggregateType::Gift => {
            let gift = now.before.gifts.get(&GiftId(id));
            gift.into_iter().flat_map(|gift| gift.reservations.values().map(|(order_id, _, _)| order_id.0)).collect()
        }
        AggregateType::Order => {
            let known = now.before.orders.get(&OrderId(id)).and_then(|order| order.gift);
            let born_of = match now.domain {
                DomainEvent::Order(OrderEvent::OrderCreated(created)) => created.gift.as_ref().map(|gift| gift.gift_id),
                _ => None,
            };
            known.map(|(gift_id, _, _)| gift_id).or(born_of).map(|gift_id| gift_id.0).into_iter().collect()
        }
        AggregateType::Payment | AggregateType::Dispute => Vec::new(),
    };
    streams.iter().filter_map(|stream| now.before.streams.get(stream)).map(|stream| stream.flow).collect()
}

/// 3: a stream begins with its birth, and is born once.
pub(super) fn is_born_once(now: &Moment<'_>) -> Verdict {
    let is_new = !now.before.streams.contains_key(&now.event.aggregate_id);
    let is_birth = match now.domain {
        DomainEvent::Order(event) => matches!(event, OrderEvent::OrderCreated(_)),
        DomainEvent::Payment(event) => matches!(event, PaymentEvent::PaymentInitiated(_)),
        DomainEvent::Gift(event) => matches!(event, GiftEvent::GiftCreated(_)),
        DomainEvent::Dispute(event) => matches!(event, DisputeEvent::DisputeOpened(_)),
    };
    let belongs = now.domain.aggregate_type() == now.event.aggregate_type;
    hold(belongs, || format!("it does not belong to a stream of type {}", name(now.event.aggregate_type)))?;
    hold(is_new == is_birth, || {
        if is_new { "the stream begins with it" } else { "the stream is born again" }.to_owned()
    })
}

fn name(aggregate_type: AggregateType) -> &'static str {
    aggregate_type.as_str()
}

/// 30: one command makes one append. Command ids are remembered while their flow is open.
pub(super) fn command_is_done_once(now: &Moment<'_>) -> Verdict {
    let command_id = now.event.metadata.command_id;
    let flow = now.before.flows.get(&now.event.correlation_id);
    let again = flow.is_some_and(|flow| flow.was_done_before(command_id, now.event.position));
    hold(!again, || format!("command {command_id} was done before"))
}
