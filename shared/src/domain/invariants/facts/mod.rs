//! What is remembered of a log while it is judged. It is folded here and not by the aggregates: who judges them must not
//! trust them.

mod dispute;
mod flow;
mod gift;
mod order;
mod payment;

pub(super) use dispute::DisputeFacts;
pub(super) use flow::FlowFacts;
pub(super) use gift::{GiftFacts, Share};
pub(super) use order::{ClaimFacts, OrderFacts, OwedRefund};
pub(super) use payment::PaymentFacts;

use std::collections::{BTreeMap, HashMap};

use iso_currency::Currency;
use uuid::Uuid;

use crate::{
    domain::{
        AggregateType, DomainEvent, Money,
        dispute::DisputeEvent,
        gift::GiftEvent,
        ids::{DishId, DisputeId, GiftId, OrderId, PaymentId},
        ledger::Ledger,
        order::OrderEvent,
        payment::PaymentEvent,
    },
    log::{Position, RecordedEvent},
};

/// A stream's place: what its next event must follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamFacts {
    pub(super) sequence: u64,
    pub(super) position: Position,
    pub(super) aggregate_type: AggregateType,
    pub(super) flow: Uuid,
}

/// Everything that is remembered.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The least that a card pays; nothing if it is not known.
    pub(super) payable_min_minor: i64,
    pub(super) position: Position,
    pub(super) streams: HashMap<Uuid, StreamFacts>,
    pub(super) flows: HashMap<Uuid, FlowFacts>,
    pub(super) orders: HashMap<OrderId, OrderFacts>,
    pub(super) payments: HashMap<PaymentId, PaymentFacts>,
    pub(super) gifts: HashMap<GiftId, GiftFacts>,
    pub(super) disputes: HashMap<DisputeId, DisputeFacts>,
    /// What orders that were not called off in time eat up of each dish with a limit.
    pub(super) portions: HashMap<DishId, i64>,
    pub(super) ledger: Ledger,
    ledger_error: Option<String>,
    /// What the providers should hold for us, counted without the books.
    cleared: BTreeMap<&'static str, (Currency, i64)>,
}

impl Facts {
    /// Remembers what the event says.
    pub(super) fn take(&mut self, event: &RecordedEvent, domain: &DomainEvent) {
        self.ledger_error = self.ledger.take(event).err().map(|error| error.to_string());
        let place = event.position;
        match domain {
            DomainEvent::Order(news) => self.take_order(OrderId(event.aggregate_id), event, news),
            DomainEvent::Payment(news) => self.take_payment(PaymentId(event.aggregate_id), place, news),
            DomainEvent::Gift(news) => self.take_gift(GiftId(event.aggregate_id), news),
            DomainEvent::Dispute(news) => self.take_dispute(DisputeId(event.aggregate_id), news),
        }
    }

    fn take_order(&mut self, id: OrderId, event: &RecordedEvent, news: &OrderEvent) {
        if let OrderEvent::OrderCreated(created) = news {
            for taken in &created.portions_taken {
                *self.portions.entry(taken.dish_id).or_default() += i64::from(taken.quantity);
            }
            self.orders.entry(id).or_insert_with(|| OrderFacts::new(created));
        }
        let Some(order) = self.orders.get_mut(&id) else { return };
        for freed in order.portions_set_free(news) {
            *self.portions.entry(freed.dish_id).or_default() -= i64::from(freed.quantity);
        }
        order.take(event.position, news);
    }

    fn take_payment(&mut self, id: PaymentId, position: Position, news: &PaymentEvent) {
        if let PaymentEvent::PaymentInitiated(initiated) = news {
            self.payments.entry(id).or_insert_with(|| PaymentFacts::new(initiated));
        }
        match news {
            PaymentEvent::PaymentSucceeded(succeeded) => self.clear(succeeded.amount, 1),
            PaymentEvent::PaymentRefundSucceeded(refund) => self.clear(refund.amount, -1),
            PaymentEvent::PaymentChargebackRecorded(act) => self.clear(act.amount, -1),
            PaymentEvent::PaymentExternalRefundRecorded(act) => self.clear(act.amount, -1),
            _ => {}
        }
        if let Some(payment) = self.payments.get_mut(&id) {
            payment.take(position, news);
        }
        if let (PaymentEvent::PaymentApplied(_), Some(order_id)) =
            (news, self.payments.get(&id).and_then(PaymentFacts::order_id))
            && let Some(order) = self.orders.get_mut(&order_id)
        {
            order.applied.get_or_insert(id);
        }
    }

    fn clear(&mut self, amount: Money, sign: i64) {
        let (_, minor) = self.cleared.entry(amount.currency().code()).or_insert((amount.currency(), 0));
        *minor = minor.saturating_add(sign.saturating_mul(amount.minor()));
    }

    fn take_gift(&mut self, id: GiftId, news: &GiftEvent) {
        if let GiftEvent::GiftCreated(created) = news {
            self.gifts.entry(id).or_insert_with(|| GiftFacts::new(created));
        }
        if let Some(gift) = self.gifts.get_mut(&id) {
            gift.take(news);
        }
    }

    fn take_dispute(&mut self, id: DisputeId, news: &DisputeEvent) {
        if let DisputeEvent::DisputeOpened(opened) = news {
            self.disputes.entry(id).or_insert_with(|| DisputeFacts::new(opened));
        }
        if let Some(dispute) = self.disputes.get_mut(&id) {
            dispute.take(news);
        }
    }

    /// Remembers the event's own place, whatever it says.
    pub(super) fn place(&mut self, event: &RecordedEvent) {
        self.position = event.position;
        let (sequence, position, aggregate_type) = (event.sequence, event.position, event.aggregate_type);
        let is_open = self.is_open(event);
        let place = StreamFacts { sequence, position, aggregate_type, flow: event.correlation_id };
        self.streams.insert(event.aggregate_id, place);
        self.flows.entry(event.correlation_id).or_default().take(event, is_open);
    }

    /// Whether more is going to happen to the stream of the event by itself.
    fn is_open(&self, event: &RecordedEvent) -> bool {
        match event.aggregate_type {
            AggregateType::Order => self.orders.get(&OrderId(event.aggregate_id)).is_some_and(|order| !order.is_over()),
            AggregateType::Payment => {
                self.payments.get(&PaymentId(event.aggregate_id)).is_some_and(|payment| !payment.is_over())
            }
            AggregateType::Gift => self.gifts.get(&GiftId(event.aggregate_id)).is_some_and(|gift| !gift.is_over()),
            AggregateType::Dispute => {
                self.disputes.get(&DisputeId(event.aggregate_id)).is_some_and(|dispute| dispute.resolved == 0)
            }
        }
    }

    /// What is wrong with the books after the event, if anything is.
    pub(super) fn books_are_wrong(&self, event: &RecordedEvent) -> Option<String> {
        if let Some(error) = &self.ledger_error {
            return Some(format!("it cannot be booked: {error}"));
        }
        // Only an event of a payment changes what the providers hold.
        if event.aggregate_type != AggregateType::Payment {
            return None;
        }
        let clearing = crate::domain::ledger::Account::PspClearing;
        self.cleared.values().find_map(|(currency, minor)| {
            let booked = self.ledger.balances().minor(clearing, *currency);
            (booked != *minor).then(|| format!("psp_clearing is {booked}, but {minor} came and did not go"))
        })
    }

    /// The books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How many streams are remembered.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Where the stream's newest event stands.
    pub(super) fn last_position(&self, id: Uuid) -> Option<Position> {
        self.streams.get(&id).map(|stream| stream.position)
    }
}
