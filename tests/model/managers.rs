//! Process managers and timers at work, one step at a time, so that anything may happen between two steps; a crash makes
//! them begin anew. What they react is the real thing; how the steps are done follows the executor.

use command_service::{
    event_log::NewTimer,
    process_managers::{Cause, Effect, EffectRun, Effects, GiftAct, PROCESS_MANAGERS, Step, is_relevant, on_timer},
    timers::TimerKind,
};
use shared::{
    domain::{
        Actor, DomainEvent, PaymentId,
        dispute::Dispute,
        gift::Gift,
        order::{Order, OrderEvent},
        payment::{Payment, PaymentCommand},
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use crate::{
    gifts,
    mutants::Mutant,
    rng::Rng,
    world::{Answer, From, World},
};

/// Something to do.
#[derive(Debug, Clone)]
pub enum Do {
    /// Of a process manager of the service.
    Step(Step),
    /// What came of an effect, to be written down.
    WriteDown(PaymentId, PaymentCommand),
    /// What is about to be done, to be written down before it is done in the same turn.
    Announce(Effect, PaymentCommand),
}

/// What follows from an event or a timer, half done.
#[derive(Debug, Clone)]
pub struct Work {
    /// The flow that it holds up; none for a timer.
    pub flow: Option<Uuid>,
    /// The event that it follows from.
    pub event: Option<usize>,
    pub timer: Option<NewTimer>,
    /// By manager, in order; each a stack.
    todo: Vec<(Cause, Vec<Do>)>,
    asked: Vec<Uuid>,
    run: EffectRun,
    /// The payment whose turn it has.
    turn: Option<PaymentId>,
}

impl World {
    /// Takes up the next event of a flow that is not worked on.
    pub fn take_up(&mut self, rng: &mut Rng) -> bool {
        let in_hand: Vec<Uuid> = self.works.iter().filter_map(|work| work.flow).collect();
        let free: Vec<Uuid> = self.waiting.keys().copied().filter(|flow| !in_hand.contains(flow)).collect();
        if free.is_empty() {
            return false;
        }
        let flow = rng.pick(&free);
        let Some(queue) = self.waiting.get_mut(&flow) else { return false };
        let at = queue.remove(0);
        if queue.is_empty() {
            self.waiting.remove(&flow);
        }
        self.begin(flow, at, false);
        true
    }

    fn begin(&mut self, flow: Uuid, at: usize, may_be_repeated: bool) {
        let event = self.log[at].clone();
        if let (Some(Mutant::PortionsGivenBackTwice), Ok(DomainEvent::Order(OrderEvent::OrderCancelled(_)))) =
            (self.mutant, &event.event)
        {
            self.pots.give_back(event.aggregate_id);
        }
        let mut todo = Vec::new();
        if event.event.as_ref().is_ok_and(is_relevant) {
            let situation = self.situation(&event);
            for manager in &PROCESS_MANAGERS {
                let steps = (manager.react)(&event, &situation);
                let steps: Vec<Do> = steps.into_iter().map(Do::Step).rev().collect();
                todo.push((cause_of(&event, manager.name, may_be_repeated), steps));
            }
        }
        todo.retain(|(_, steps)| !steps.is_empty());
        if !todo.is_empty() {
            self.works.push(Work::new(Some(flow), Some(at), None, todo));
        }
    }

    /// Fires a timer that is due; most are then gone, some fire again.
    pub fn fire(&mut self, rng: &mut Rng) -> bool {
        let now = self.clock.now();
        let due: Vec<usize> = (0..self.timers.len()).filter(|at| self.timers[*at].due_at <= now).collect();
        if due.is_empty() {
            return false;
        }
        let timer = self.timers.remove(rng.pick(&due));
        if rng.percent(10) {
            self.timers.push(timer.clone());
        }
        self.begin_timer(timer);
        true
    }

    fn begin_timer(&mut self, timer: NewTimer) {
        let kind = TimerKind::from_name(timer.kind).unwrap();
        let mut situation = self.empty_situation();
        match kind {
            TimerKind::OrderPaymentDeadline
            | TimerKind::ProducerAccept
            | TimerKind::OrderAutoComplete
            | TimerKind::PayoutRelease
            | TimerKind::ProducerRemind
            | TimerKind::StuckFulfilment => {
                situation.order = self.orders.get(&timer.aggregate_id).map(|held| held.state.clone());
                if let Some(active) = situation.order.as_ref().and_then(Order::active_payment) {
                    situation.payment = self.payments.get(&active.0).map(|held| held.state.clone());
                }
            }
            TimerKind::GiftPaymentDeadline
            | TimerKind::GiftDeliver
            | TimerKind::GiftRemind
            | TimerKind::GiftExpiry
            | TimerKind::GiftReservationTtl => self.situate_gift(&mut situation, timer.aggregate_id),
            TimerKind::DisputeResponse | TimerKind::DisputeDecision => {}
            TimerKind::CaptureLimit
            | TimerKind::RefundRetry
            | TimerKind::AbortRetry
            | TimerKind::CaptureRetry
            | TimerKind::PaymentPoll => {
                situation.payment = self.payments.get(&timer.aggregate_id).map(|held| held.state.clone());
            }
        }
        let steps = on_timer(kind, timer.aggregate_id, round(&timer), &situation);
        let cause = Cause {
            manager: "deadlines",
            source_id: timer.timer_id,
            causation_id: timer.causation_id,
            correlation_id: timer.correlation_id,
            traceparent: None,
            may_be_repeated: true,
            is_timer: true,
        };
        let todo = vec![(cause, steps.into_iter().map(Do::Step).rev().collect())];
        self.works.push(Work::new(None, None, Some(timer), todo));
    }

    /// Does one step of some work.
    pub async fn work(&mut self, rng: &mut Rng) -> bool {
        if self.works.is_empty() {
            return false;
        }
        let at = rng.below(self.works.len());
        let mut work = self.works.swap_remove(at);
        self.step(&mut work).await;
        work.todo.retain(|(_, steps)| !steps.is_empty());
        if work.todo.is_empty() {
            self.end_turn(&mut work);
        } else {
            self.works.push(work);
        }
        true
    }

    async fn step(&mut self, work: &mut Work) {
        let Some((cause, steps)) = work.todo.first_mut() else { return };
        let cause = cause.clone();
        let Some(next) = steps.pop() else { return };
        match next {
            Do::Step(Step::Order { order_id, command, otherwise }) => {
                let from = work.from(&cause, order_id.0);
                if self.submit::<Order>(order_id.0, &from, command) == Answer::No {
                    work.push(otherwise.into_iter().map(Do::Step));
                }
            }
            Do::Step(Step::Payment { payment_id, command, otherwise }) => {
                let from = work.from(&cause, payment_id.0);
                if self.submit::<Payment>(payment_id.0, &from, command) == Answer::No {
                    work.push(otherwise.into_iter().map(Do::Step));
                }
            }
            Do::Step(Step::Dispute { dispute_id, command }) => {
                let from = work.from(&cause, dispute_id.0);
                self.submit::<Dispute>(dispute_id.0, &from, command);
            }
            Do::Step(Step::Gift { gift_id, act, otherwise }) => {
                let command = match act {
                    GiftAct::Ask(command) => *command,
                    GiftAct::Issue { payment_id, amount } => gifts::issue(payment_id, amount, self.policies.gift),
                    // There is no vault.
                    GiftAct::EraseCode => return,
                };
                let from = work.from(&cause, gift_id.0);
                if self.submit::<Gift>(gift_id.0, &from, command) == Answer::No {
                    work.push(otherwise.into_iter().map(Do::Step));
                }
            }
            // Whoever is called finds it: see `World::clear_up`.
            Do::Step(Step::Alarm { .. }) => {}
            Do::Step(Step::Arm { kind, due_at }) => {
                let timer = NewTimer {
                    timer_id: Uuid::new_v5(&cause.source_id, kind.as_str().as_bytes()),
                    kind: kind.as_str(),
                    aggregate_id: work.subject(self),
                    correlation_id: cause.correlation_id,
                    causation_id: cause.causation_id,
                    due_at,
                };
                // Arming leaves a receipt.
                if self.armed.insert(timer.timer_id) {
                    self.timers.push(timer);
                }
            }
            Do::Step(Step::Effect(effect)) => self.act(effect, &cause, work).await,
            Do::WriteDown(payment_id, command) => {
                let command_id = self.fresh_id();
                let from = From { command_id, leaves_receipt: false, ..work.named(&cause, command_id) };
                self.submit::<Payment>(payment_id.0, &from, command);
                self.end_turn(work);
            }
            Do::Announce(effect, command) => {
                let command_id = self.fresh_id();
                let from = From { command_id, leaves_receipt: false, ..work.named(&cause, command_id) };
                self.submit::<Payment>(effect.payment_id().0, &from, command);
                self.perform(effect, &cause, work).await;
            }
        }
    }

    /// Talks to the bank, and writes down later what came of it. Somebody else may have the payment's turn.
    async fn act(&mut self, effect: Effect, cause: &Cause, work: &mut Work) {
        let payment_id = effect.payment_id();
        if !self.payments.contains_key(&payment_id.0) {
            return;
        }
        if !self.busy.insert(payment_id) {
            work.push([Do::Step(Step::Effect(effect))].into_iter());
            return;
        }
        work.turn = Some(payment_id);
        self.perform(effect, cause, work).await;
    }

    async fn perform(&mut self, effect: Effect, cause: &Cause, work: &mut Work) {
        let payment_id = effect.payment_id();
        let payment = self.payments[&payment_id.0].state.clone();
        let announced = work.run.announced;
        match self.desk.perform(effect, &payment, cause, &mut work.run).await {
            Ok(news) if news.is_empty() => self.end_turn(work),
            Ok(news) if work.run.announced != announced => {
                work.push(news.into_iter().map(|command| Do::Announce(effect, command)));
            }
            Ok(news) => work.push(news.into_iter().map(|command| Do::WriteDown(payment_id, command))),
            Err(_) => {
                self.end_turn(work);
                work.run.attempt += 1;
                work.run.may_be_repeated = true;
                work.push([Do::Step(Step::Effect(effect))].into_iter());
            }
        }
    }

    fn end_turn(&mut self, work: &mut Work) {
        if let Some(payment_id) = work.turn.take() {
            self.busy.remove(&payment_id);
        }
    }

    /// The process is killed: what is half done begins anew, and what is behind the checkpoint is done again.
    pub fn crash(&mut self) {
        for mut work in std::mem::take(&mut self.works) {
            self.end_turn(&mut work);
            if let (Some(flow), Some(at)) = (work.flow, work.event) {
                self.begin(flow, at, true);
            }
            if let Some(timer) = work.timer {
                self.timers.push(timer);
            }
        }
        self.read_side.crash();
    }

    /// An event that was followed long ago is followed again.
    pub fn repeat(&mut self, rng: &mut Rng) {
        if self.log.is_empty() {
            return;
        }
        let at = rng.below(self.log.len());
        let flow = self.log[at].correlation_id;
        let in_hand = self.works.iter().any(|work| work.flow == Some(flow));
        let is_waiting = self.waiting.get(&flow).is_some_and(|queue| queue.contains(&at));
        if !in_hand && !is_waiting {
            self.begin(flow, at, true);
        }
    }
}

impl Work {
    fn new(flow: Option<Uuid>, event: Option<usize>, timer: Option<NewTimer>, todo: Vec<(Cause, Vec<Do>)>) -> Self {
        let run = EffectRun::of(&todo[0].0);
        Self { flow, event, timer, todo, asked: Vec::new(), run, turn: None }
    }

    fn push(&mut self, more: impl DoubleEndedIterator<Item = Do>) {
        if let Some((_, steps)) = self.todo.first_mut() {
            steps.extend(more.rev());
        }
    }

    /// The name of a command: as the executor names it.
    fn from(&mut self, cause: &Cause, aggregate_id: Uuid) -> From {
        let before = self.asked.iter().filter(|asked| **asked == aggregate_id).count();
        self.asked.push(aggregate_id);
        let name = format!("{}:{aggregate_id}:{before}", cause.manager);
        self.named(cause, Uuid::new_v5(&cause.source_id, name.as_bytes()))
    }

    fn named(&self, cause: &Cause, command_id: Uuid) -> From {
        From {
            command_id,
            leaves_receipt: true,
            flow: cause.correlation_id,
            causation_id: cause.causation_id,
            actor: Actor::system(cause.manager),
        }
    }

    fn subject(&self, world: &World) -> Uuid {
        let of_event = self.event.map(|at| world.log[at].aggregate_id);
        of_event.or(self.timer.as_ref().map(|timer| timer.aggregate_id)).unwrap_or_default()
    }
}

/// How often the deadline was put off, as the scheduler counts it.
fn round(timer: &NewTimer) -> u32 {
    let next = |id: &Uuid| Some(Uuid::new_v5(id, timer.kind.as_bytes()));
    let rounds = std::iter::successors(next(&timer.causation_id), next).zip(0..100);
    rounds.into_iter().find(|(id, _)| *id == timer.timer_id).map_or(100, |(_, round)| round)
}

fn cause_of(event: &RecordedEvent, manager: &'static str, may_be_repeated: bool) -> Cause {
    Cause {
        manager,
        source_id: event.event_id,
        causation_id: event.event_id,
        correlation_id: event.correlation_id,
        traceparent: None,
        may_be_repeated,
        is_timer: false,
    }
}
