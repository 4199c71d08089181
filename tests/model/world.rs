//! The marketplace in memory: the log, the aggregates as the log has them, receipts, timers and the auditor that looks at
//! every event.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use command_service::{
    event_log::{NewEvent, NewTimer},
    payment_desk::PaymentDesk,
    process_managers::Policies,
    providers::{BreakerSettings, GuardSettings, GuardedProvider, RetrySettings},
    timers::armed_by,
};
use serde_json::Value;
use shared::{
    domain::{
        Actor, DomainEvent, Intent, PaymentId,
        dispute::{Dispute, DisputePolicy},
        gift::{Gift, GiftPolicy},
        invariants::Auditor,
        order::{Order, OrderPolicy},
        payment::{Payment, PaymentPolicy, Provider},
    },
    log::{Metadata, RecordedEvent},
    runtime::Clock,
};
use uuid::Uuid;

use crate::{
    bank::Bank,
    export,
    managers::Work,
    mutants::{self, Mutable, Mutant},
    people::LIMITED,
    pots::Pots,
    read_side::ReadSide,
    rng::Rng,
};

/// An aggregate as the log has it.
#[derive(Debug, Clone, Default)]
pub struct Held<A> {
    pub state: A,
    pub sequence: u64,
    pub flow: Uuid,
}

/// Everything.
pub struct World {
    pub clock: Clock,
    pub log: Vec<Arc<RecordedEvent>>,
    pub auditor: Auditor,
    pub orders: BTreeMap<Uuid, Held<Order>>,
    pub payments: BTreeMap<Uuid, Held<Payment>>,
    pub gifts: BTreeMap<Uuid, Held<Gift>>,
    pub disputes: BTreeMap<Uuid, Held<Dispute>>,
    pub timers: Vec<NewTimer>,
    pub works: Vec<Work>,
    /// Events that process managers have not taken up, by flow.
    pub waiting: BTreeMap<Uuid, Vec<usize>>,
    /// Payments that somebody deals with at the bank.
    pub busy: HashSet<PaymentId>,
    pub bank: Arc<Bank>,
    pub desk: PaymentDesk,
    pub policies: Policies,
    pub read_side: ReadSide,
    pub mutant: Option<Mutant>,
    /// A dispute's freeze that is on its way, with a planted defect only.
    pub late_freezes: Vec<(Uuid, DomainEvent)>,
    /// What banks did and nobody has written down yet.
    pub registry: Vec<(PaymentId, shared::domain::Money, String)>,
    /// Deadlines that were put off once, each.
    pub armed: HashSet<Uuid>,
    /// What is left of the dishes that have a limit.
    pub pots: Pots,
    /// What was asked and what came of it, for other models; empty unless somebody wants it.
    pub transcript: Option<Vec<Value>>,
    receipts: HashSet<Uuid>,
    counter: u64,
}

/// Where the aggregates of one kind are kept.
pub trait Kept: Mutable + Default {
    fn all(world: &World) -> &BTreeMap<Uuid, Held<Self>>;
    fn all_mut(world: &mut World) -> &mut BTreeMap<Uuid, Held<Self>>;
}

macro_rules! kept {
    ($($aggregate:ty => $field:ident),*) => {$(
        impl Kept for $aggregate {
            fn all(world: &World) -> &BTreeMap<Uuid, Held<Self>> {
                &world.$field
            }

            fn all_mut(world: &mut World) -> &mut BTreeMap<Uuid, Held<Self>> {
                &mut world.$field
            }
        }
    )*};
}

kept! { Order => orders, Payment => payments, Gift => gifts, Dispute => disputes }

/// Where a command comes from.
#[derive(Debug, Clone)]
pub struct From {
    pub command_id: Uuid,
    /// Whether a repetition finds that it was done.
    pub leaves_receipt: bool,
    pub flow: Uuid,
    pub causation_id: Uuid,
    pub actor: Actor,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
}

impl World {
    pub fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let start = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
        let clock = Clock::stopped_at(start);
        let bank = Arc::new(Bank::new(clock.clone(), seed, mutant));
        // One try each: what retries would hide happens.
        let retry = RetrySettings { attempts_max: 1, ..RetrySettings::default() };
        // Most of the time; a breaker that is open hides what calls do.
        let failures_to_open = if seed.is_multiple_of(4) { 5 } else { 1_000 };
        let breaker = BreakerSettings { failures_to_open, ..BreakerSettings::default() };
        let settings = GuardSettings { retry, breaker };
        let guarded = GuardedProvider::new(Arc::clone(&bank) as Arc<_>, settings, clock.clone(), Arc::new(()));
        let desk = PaymentDesk::new(vec![Arc::new(guarded)], clock.clone(), PaymentPolicy::default());
        let policies = Policies {
            order: OrderPolicy::default(),
            dispute: DisputePolicy::default(),
            payment: PaymentPolicy::default(),
            gift: GiftPolicy { value_min_minor: 100, ..GiftPolicy::default() },
            default_provider: Provider::DevFake,
            enabled_providers: vec![Provider::DevFake],
            payment_grace: TimeDelta::minutes(10),
        };
        Self {
            clock,
            log: Vec::new(),
            auditor: Auditor::with_payable_min(OrderPolicy::default().payable_min_minor),
            orders: BTreeMap::new(),
            payments: BTreeMap::new(),
            gifts: BTreeMap::new(),
            disputes: BTreeMap::new(),
            timers: Vec::new(),
            works: Vec::new(),
            waiting: BTreeMap::new(),
            busy: HashSet::new(),
            bank,
            desk,
            policies,
            read_side: ReadSide::default(),
            mutant,
            late_freezes: Vec::new(),
            registry: Vec::new(),
            armed: HashSet::new(),
            pots: Pots::new(&[LIMITED], mutant == Some(Mutant::PortionsGivenBackTwice)),
            transcript: None,
            receipts: HashSet::new(),
            counter: 0,
        }
    }

    /// A new id; the same in every run of the same steps.
    pub fn fresh_id(&mut self) -> Uuid {
        self.counter += 1;
        Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000 + u128::from(self.counter))
    }

    /// Somebody asks an aggregate, as the command handler would have it.
    pub fn submit<A: Kept>(&mut self, id: Uuid, from: &From, command: A::Action) -> Answer {
        let knows_it = from.leaves_receipt && self.receipts.contains(&from.command_id);
        if knows_it && self.mutant != Some(Mutant::BothDedupeLayersOff) {
            return Answer::Yes;
        }
        let state = A::all(self).get(&id).map(|held| held.state.clone()).unwrap_or_default();
        let intent = Intent { actor: from.actor.clone(), now: self.clock.now(), command };
        self.counter += 1;
        let mut decision = mutants::decide(&state, self.mutant, &intent, self.counter);
        let portions = decision.as_ref().ok().and_then(|events| state.portions(events));
        if portions.is_some_and(|asked| !self.pots.turn(id, &asked)) {
            decision = Err(A::short_of_portions().unwrap());
        }
        if let Some(transcript) = &mut self.transcript {
            transcript.push(export::line::<A>(id, &intent, &decision));
        }
        match decision {
            Ok(events) => {
                if from.leaves_receipt {
                    self.receipts.insert(from.command_id);
                }
                // Where ids are not looked at, each time is another command to the log.
                let mut from = from.clone();
                if knows_it {
                    from.command_id = self.fresh_id();
                }
                for event in events {
                    self.append::<A>(id, &from, event);
                }
                Answer::Yes
            }
            Err(_) => Answer::No,
        }
    }

    pub fn append<A: Kept>(&mut self, id: Uuid, from: &From, event: A::Event) {
        let event_id = self.fresh_id();
        let domain = A::to_domain_event(event.clone());
        let flow = A::all(self).get(&id).map_or(from.flow, |held| held.flow);
        let held = A::all_mut(self).entry(id).or_insert_with(|| Held { flow, ..Held::default() });
        held.state.apply(event);
        held.sequence += 1;
        let (sequence, metadata) =
            (held.sequence, Metadata { command_id: from.command_id, request_id: None, traceparent: None });
        let new = NewEvent {
            event_id,
            payload: Arc::from(serde_json::to_string(&domain).unwrap()),
            event: domain,
            occurred_at: self.clock.now(),
            correlation_id: flow,
            causation_id: from.causation_id,
            actor: from.actor.clone(),
            metadata,
        };
        self.timers.extend(armed_by(id, &new, &OrderPolicy::default()));
        self.record(id, sequence, new);
    }

    fn record(&mut self, id: Uuid, sequence: u64, new: NewEvent) {
        let recorded = RecordedEvent {
            position: self.log.len() as u64 + 1,
            event_id: new.event_id,
            aggregate_type: new.event.aggregate_type(),
            aggregate_id: id,
            sequence,
            event_type: Cow::Borrowed(new.event.type_name()),
            schema_version: new.event.schema_version(),
            occurred_at: new.occurred_at,
            recorded_at: new.occurred_at,
            correlation_id: new.correlation_id,
            causation_id: new.causation_id,
            actor: new.actor,
            metadata: new.metadata,
            payload: new.payload,
            event: Ok(new.event),
        };
        self.auditor.take(&recorded);
        self.waiting.entry(recorded.correlation_id).or_default().push(self.log.len());
        self.log.push(Arc::new(recorded));
    }

    /// A command of a person or of the provider, named anew each time.
    pub fn by_somebody(&mut self, actor: Actor, flow: Uuid) -> From {
        let command_id = self.fresh_id();
        From { command_id, leaves_receipt: true, flow, causation_id: command_id, actor }
    }

    /// The pages that customers were shown.
    pub fn shown_pages(&self) -> Vec<String> {
        let sessions = self.payments.values().filter_map(|held| held.state.session());
        sessions.map(|session| session.provider_payment_id.clone()).collect()
    }

    /// Time goes on.
    pub fn advance(&mut self, rng: &mut Rng) {
        let minutes = if rng.percent(70) { 1 } else { rng.pick(&[5, 16, 31, 61, 24 * 60, 49 * 60]) };
        self.clock.advance(TimeDelta::minutes(minutes));
    }

    /// What the invariants say so far.
    pub fn is_sound(&self) -> bool {
        self.auditor.report().is_clean()
    }
}
