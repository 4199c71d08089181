//! Does the steps of process managers and timers, each once.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use shared::{
    domain::{
        Actor, EventSourced, Intent, PaymentId, RefundId,
        dispute::Dispute,
        order::{Order, OrderCommand},
        payment::{Payment, PaymentCommand},
    },
    log::{LogError, RecordedEvent},
    runtime::Clock,
};
use uuid::Uuid;

use super::{
    PROCESS_MANAGERS,
    gift_desk::GiftDesk,
    step::{Effect, Policies, Step},
    turns::Turns,
};
use crate::{
    command_handler::{CommandError, CommandHandler, Handled, NoAnswer, Submission},
    event_log::{AppendError, AppendQueue, AppendRequest, NewTimer, ReceiptDraft},
};

/// The first rest before a step that found the log out of reach is tried again; it doubles up to [`REST_MAX`].
pub(super) const REST_MIN: Duration = Duration::from_millis(20);
pub(super) const REST_MAX: Duration = Duration::from_secs(5);
/// What another process that sends the same to a provider is given for it: longer than all calls of an effect may take.
const OTHERS_CALL: Duration = Duration::from_secs(10);
/// Commands of our own making leave a receipt; what they ask is fixed by what named them.
const OWN_FINGERPRINT: [u8; 32] = [0; 32];

/// Does what process managers want done outside.
#[async_trait]
pub trait Effects: Send + Sync {
    /// Does it and tells what the payment has to be told. `Err` holds how long to rest before trying again.
    async fn perform(
        &self,
        effect: Effect,
        payment: &Payment,
        cause: &Cause,
        run: &mut EffectRun,
    ) -> Result<Vec<PaymentCommand>, Duration>;
}

/// What is known of earlier tries of one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectRun {
    /// 1 for the first try of this run.
    pub attempt: u32,
    /// The Init try to go on with.
    pub init_try: u32,
    /// Whether the provider may have heard of it before: an earlier try, or a process that was killed.
    pub may_be_repeated: bool,
    /// Whether there may be another try in this run. A timer makes one: it has another date.
    pub may_rest: bool,
    /// The refund, and its epoch, that this run is about to send. Changed by [`Effects::perform`], it asks to be called
    /// again once its news is durable; whoever else finds the epoch submitted does not know whether it was sent.
    pub announced: Option<(RefundId, u32)>,
}

impl EffectRun {
    /// The first try of what follows from `cause`.
    pub fn of(cause: &Cause) -> Self {
        let (may_be_repeated, may_rest) = (cause.may_be_repeated, !cause.is_timer);
        Self { attempt: 1, init_try: 1, may_be_repeated, may_rest, announced: None }
    }

    /// Whether so many tries leave another one.
    pub fn has_another_of(&self, tries_max: u32) -> bool {
        self.may_rest && self.attempt < tries_max
    }
}

/// What a step follows from.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The process manager's name.
    pub manager: &'static str,
    /// The event, or the timer: names the commands that follow.
    pub source_id: Uuid,
    /// The event that stands in the log as the cause.
    pub causation_id: Uuid,
    /// The business flow.
    pub correlation_id: Uuid,
    /// The trace.
    pub traceparent: Option<Arc<str>>,
    /// Whether an earlier process may have begun with it.
    pub may_be_repeated: bool,
    /// Whether it is a timer: nobody rests in its name.
    pub is_timer: bool,
}

/// The step cannot be done, now or later, without a person.
#[derive(Debug, thiserror::Error)]
#[error("{manager}: {reason}")]
pub struct Poison {
    /// The process manager.
    pub manager: &'static str,
    /// What is wrong.
    pub reason: String,
}

/// Told about every command: the manager's name and `done`, `replayed` or `refused`.
pub type CommandObserver = Arc<dyn Fn(&'static str, &'static str) + Send + Sync>;

/// Does steps. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    /// Orders.
    pub orders: CommandHandler<Order>,
    /// Payments.
    pub payments: CommandHandler<Payment>,
    /// Gifts, and what is done with them beside asking them.
    pub gifts: GiftDesk,
    /// Disputes.
    pub disputes: CommandHandler<Dispute>,
    /// The outside.
    pub effects: Arc<dyn Effects>,
    /// The log.
    pub queue: AppendQueue,
    /// The time.
    pub clock: Clock,
    /// The settings.
    pub policies: Arc<Policies>,
    /// Metrics.
    pub observer: CommandObserver,
    /// Who deals with the providers.
    pub turns: Arc<Turns>,
}

impl Executor {
    /// Does everything that follows from an event.
    /// `may_be_repeated`: an earlier process may have begun with it.
    pub async fn react(&self, event: &RecordedEvent, may_be_repeated: bool) -> Result<(), Poison> {
        let situation = self.situation(event).await?;
        for manager in &PROCESS_MANAGERS {
            let steps = (manager.react)(event, &situation);
            if steps.is_empty() {
                continue;
            }
            let cause = Cause {
                manager: manager.name,
                source_id: event.event_id,
                causation_id: event.event_id,
                correlation_id: event.correlation_id,
                traceparent: event.metadata.traceparent.clone(),
                may_be_repeated,
                is_timer: false,
            };
            self.perform(&cause, event.aggregate_id, steps).await?;
        }
        Ok(())
    }

    /// Does the steps in order. A repetition finds the receipts of those that were done and goes on behind them.
    pub async fn perform(&self, cause: &Cause, aggregate_id: Uuid, steps: Vec<Step>) -> Result<(), Poison> {
        let mut asked = Vec::new();
        // Depth first: what follows from a no comes before the next step.
        let mut left: Vec<Step> = steps.into_iter().rev().collect();
        while let Some(step) = left.pop() {
            match step {
                Step::Order { order_id, command, otherwise } => {
                    let asks = (order_id.0, false);
                    // A new order begins a flow of its own, and gives it its name.
                    let is_new = matches!(command, OrderCommand::Create(_));
                    let own = Cause { correlation_id: order_id.0, ..cause.clone() };
                    let flow = if is_new { &own } else { cause };
                    if self.ask(&self.orders, flow, &mut asked, asks, command).await? == Answer::No {
                        left.extend(otherwise.into_iter().rev());
                    }
                }
                Step::Payment { payment_id, command, otherwise } => {
                    // If it exists after all, the log says so and it is read.
                    let is_new = matches!(command, PaymentCommand::Initiate(_)) && !cause.may_be_repeated;
                    let asks = (payment_id.0, is_new);
                    if self.ask(&self.payments, cause, &mut asked, asks, command).await? == Answer::No {
                        left.extend(otherwise.into_iter().rev());
                    }
                }
                Step::Gift { gift_id, act, otherwise } => {
                    if self.do_with_gift(cause, &mut asked, gift_id, act).await? == Answer::No {
                        left.extend(otherwise.into_iter().rev());
                    }
                }
                Step::Dispute { dispute_id, command } => {
                    self.ask(&self.disputes, cause, &mut asked, (dispute_id.0, false), command).await?;
                }
                Step::Alarm { kind } => self.alarm(cause, aggregate_id, kind),
                Step::Effect(effect) => self.act(effect, cause).await?,
                Step::Arm { kind, due_at } => {
                    let timer_id = Uuid::new_v5(&cause.source_id, kind.as_str().as_bytes());
                    let timer = NewTimer {
                        timer_id,
                        kind: kind.as_str(),
                        aggregate_id,
                        correlation_id: cause.correlation_id,
                        causation_id: cause.causation_id,
                        due_at,
                    };
                    self.arm(cause, timer).await?;
                }
            }
        }
        Ok(())
    }

    /// Says what a person has to look at, where people and machines see it.
    fn alarm(&self, cause: &Cause, aggregate_id: Uuid, kind: &'static str) {
        tracing::error!(event = "alarm", kind, manager = cause.manager, aggregate.id = %aggregate_id, "look at this");
        (self.observer)(cause.manager, "alarm");
    }

    /// Has a command done once, however often its cause is followed.
    pub(super) async fn ask<A: EventSourced>(
        &self,
        handler: &CommandHandler<A>,
        cause: &Cause,
        asked: &mut Vec<Uuid>,
        (aggregate_id, is_new): (Uuid, bool),
        command: A::Action,
    ) -> Result<Answer, Poison> {
        let before = asked.iter().filter(|earlier| **earlier == aggregate_id).count();
        asked.push(aggregate_id);
        let receipt = Some(OWN_FINGERPRINT);
        let names = (command_id(cause, aggregate_id, before), receipt);
        self.submit(handler, cause, names, (aggregate_id, is_new), command).await
    }

    async fn submit<A: EventSourced>(
        &self,
        handler: &CommandHandler<A>,
        cause: &Cause,
        (command_id, fingerprint): (Uuid, Option<[u8; 32]>),
        (aggregate_id, is_new): (Uuid, bool),
        command: A::Action,
    ) -> Result<Answer, Poison> {
        let submission = Submission {
            aggregate_id,
            is_new,
            command_id,
            fingerprint,
            expected_version: None,
            correlation_id: cause.correlation_id,
            causation_id: cause.causation_id,
            request_id: None,
            traceparent: cause.traceparent.clone(),
            intent: Intent { actor: Actor::system(cause.manager), now: self.clock.now(), command },
        };
        let mut rest = REST_MIN;
        loop {
            match handler.execute(submission.clone(), &NoAnswer).await {
                Ok(Handled::Done(done)) => {
                    let answer = if done.is_news { Answer::Yes } else { Answer::Known };
                    return Ok(self.tell(cause, "done", answer));
                }
                Ok(Handled::Replayed(_)) => return Ok(self.tell(cause, "replayed", Answer::Yes)),
                Err(CommandError::Refused(error)) => {
                    tracing::debug!(manager = cause.manager, aggregate.id = %aggregate_id, %error, "command refused");
                    return Ok(self.tell(cause, "refused", Answer::No));
                }
                Err(error) => self.rest_or_give_up(cause.manager, &error, &mut rest).await?,
            }
        }
    }

    fn tell(&self, cause: &Cause, result: &'static str, answer: Answer) -> Answer {
        (self.observer)(cause.manager, result);
        answer
    }

    /// Does something at the provider and writes down what came of it. One effect on a payment at a time: whoever comes
    /// second finds what the first one wrote.
    async fn act(&self, effect: Effect, cause: &Cause) -> Result<(), Poison> {
        let payment_id = effect.payment_id();
        let mut run = EffectRun::of(cause);
        loop {
            let turn = self.turns.take(payment_id.0).await;
            let rest = loop {
                let Some(payment) = self.load(&self.payments, payment_id.0).await? else { return Ok(()) };
                let announced = run.announced;
                match self.effects.perform(effect, &payment, cause, &mut run).await {
                    Ok(news) => {
                        let is_known = self.write_down(cause, payment_id, news).await?;
                        // Another process, which led until a moment ago, announced the same and sends it: what comes of
                        // that is looked at when it has had its time.
                        if is_known && run.announced != announced {
                            run.announced = None;
                            break OTHERS_CALL;
                        }
                    }
                    Err(rest) => break rest,
                }
                if run.announced == announced {
                    return Ok(());
                }
            };
            drop(turn);
            self.turns.rest(rest).await;
            run.attempt += 1;
            run.may_be_repeated = true;
        }
    }

    /// News leaves no receipt: the payment itself tells news that it knows from other news, and following the same cause
    /// again may well bring other news. Says whether the payment knew any of it.
    async fn write_down(&self, cause: &Cause, id: PaymentId, news: Vec<PaymentCommand>) -> Result<bool, Poison> {
        let mut is_known = false;
        for command in news {
            let answer = self.submit(&self.payments, cause, (Uuid::now_v7(), None), (id.0, false), command).await?;
            is_known |= answer == Answer::Known;
        }
        Ok(is_known)
    }

    async fn arm(&self, cause: &Cause, timer: NewTimer) -> Result<(), Poison> {
        let mut rest = REST_MIN;
        loop {
            let request = AppendRequest {
                command_id: Uuid::new_v5(&timer.timer_id, b"arm"),
                receipt: Some(ReceiptDraft {
                    fingerprint: OWN_FINGERPRINT,
                    status: Some(204),
                    data: None,
                    sequence: 0,
                }),
                stream: None,
                timers: vec![timer.clone()],
                portions: None,
                ticket: None,
            };
            match self.queue.append(request).await {
                Ok(_) => return Ok(()),
                Err(error) => {
                    let error = CommandError::<std::convert::Infallible>::from(error);
                    self.rest_or_give_up(cause.manager, &error, &mut rest).await?;
                }
            }
        }
    }

    /// Rests if trying again may help.
    pub(super) async fn rest_or_give_up<E: std::fmt::Display>(
        &self,
        manager: &'static str,
        error: &CommandError<E>,
        rest: &mut Duration,
    ) -> Result<(), Poison> {
        let may_help = match error {
            CommandError::LostRace => true,
            CommandError::Append(AppendError::Full | AppendError::OutcomeUnknown(_) | AppendError::Closed) => true,
            CommandError::Append(AppendError::Rejected(_) | AppendError::TooLarge { .. }) => false,
            CommandError::Log(LogError::Database(_)) => true,
            CommandError::Log(LogError::Unreadable { .. } | LogError::EndsEarly { .. }) => false,
            CommandError::Refused(_) | CommandError::VersionMismatch { .. } => false,
        };
        let reason = describe(error);
        if !may_help {
            return Err(Poison { manager, reason });
        }
        tracing::warn!(manager, reason, rest_ms = rest.as_millis(), "step is tried again");
        tokio::time::sleep(*rest).await;
        *rest = (*rest * 2).min(REST_MAX);
        Ok(())
    }
}

fn describe<E: std::fmt::Display>(error: &CommandError<E>) -> String {
    match error {
        CommandError::Refused(error) => error.to_string(),
        CommandError::VersionMismatch { current } => format!("the version is {current} now"),
        CommandError::LostRace => "others changed the same thing at the same time".to_owned(),
        CommandError::Append(error) => error.to_string(),
        CommandError::Log(error) => error.to_string(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    /// It was so before; nothing changed.
    Known,
    No,
}

/// Names what `cause` asks of an aggregate, after `before` other commands to it. The name does not depend on what is
/// asked of others: a second time, part of that may not be asked any more.
fn command_id(cause: &Cause, aggregate_id: Uuid, before: usize) -> Uuid {
    Uuid::new_v5(&cause.source_id, format!("{}:{aggregate_id}:{before}", cause.manager).as_bytes())
}
