//! A sequence of steps: run, judged at every event and at the end, and made as short as it can be if it fails.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::TimeDelta;
use serde_json::Value;
use shared::{
    domain::{
        DomainEvent,
        invariants::{Outside, Rest},
        order::{Funds, Order, OrderEvent},
    },
    log::RecordedEvent,
};

use crate::{export, gifts, mutants::Mutant, rng::Rng, world::World};

/// Rounds of coming to rest; what is still moving then moves for ever.
const ROUNDS_MAX: usize = 500;
const WORKS_MAX: usize = 5_000;

/// Counted beside the events: a dispute about an order whose money is held and that no cook has taken on.
pub const HELD_AND_DISPUTED: &str = "held money disputed";

/// Counted beside the events: orders that found too little left, and orders that gave their portions back.
pub const PORTIONS_SHORT: &str = "portions short";
pub const PORTIONS_BACK: &str = "portions given back";

/// What a sequence led to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What is wrong, if anything is.
    pub failure: Option<String>,
    /// How often each kind of event happened.
    pub events: BTreeMap<&'static str, u64>,
    /// The log, for people, if something is wrong.
    pub story: Vec<String>,
    /// The sequence for other models, if it is wanted.
    pub export: Option<Value>,
}

/// The steps of a sequence: the seed of each.
pub fn steps(seed: u64) -> Vec<u64> {
    let mut rng = Rng::new(seed);
    let length = 30 + rng.below(170);
    (0..length).map(|_| rng.next()).collect()
}

/// Runs the steps.
pub fn run(seed: u64, steps: &[u64], mutant: Option<Mutant>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run_async(World::new(seed, mutant), seed, steps))
}

/// Runs the steps and writes down what was asked, what came of it, and who has what in the end.
pub fn export(seed: u64, steps: &[u64]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut world = World::new(seed, None);
    world.transcript = Some(Vec::new());
    runtime.block_on(run_async(world, seed, steps))
}

async fn run_async(mut world: World, seed: u64, steps: &[u64]) -> Outcome {
    begin(&mut world, &mut Rng::new(seed));
    let mut failure = broken(&world);
    for step in steps {
        if failure.is_some() {
            break;
        }
        let mut rng = Rng::new(*step);
        world.bank.reseed(rng.next(), world.shown_pages());
        failure = act(&mut world, &mut rng).await.or_else(|| broken(&world));
    }
    let mut events = BTreeMap::new();
    if failure.is_none() {
        failure = come_to_rest(&mut world).await.err();
    }
    for event in &world.log {
        *events.entry(event.event.as_ref().map_or("unreadable", DomainEvent::type_name)).or_default() += 1;
    }
    *events.entry(PORTIONS_SHORT).or_default() += world.pots.short;
    *events.entry(PORTIONS_BACK).or_default() += world.pots.given_back;
    *events.entry(HELD_AND_DISPUTED).or_default() += disputes_about_held_money(&world.log);
    let log = world.log.clone();
    let export = export::sequence(seed, &world);
    if failure.is_none() {
        failure = judge(world);
    }
    let story = if failure.is_some() { log.iter().map(|event| line(event)).collect() } else { Vec::new() };
    Outcome { failure, events, story, export }
}

fn disputes_about_held_money(log: &[Arc<RecordedEvent>]) -> u64 {
    let mut held = HashSet::new();
    let mut disputed = 0;
    for event in log {
        match &event.event {
            Ok(DomainEvent::Order(OrderEvent::OrderPaid(paid))) if paid.funds == Funds::Authorized => {
                held.insert(event.aggregate_id);
            }
            Ok(DomainEvent::Order(OrderEvent::OrderAccepted(_) | OrderEvent::OrderCancelled(_))) => {
                held.remove(&event.aggregate_id);
            }
            Ok(DomainEvent::Order(OrderEvent::OrderPayoutFrozen(_))) => {
                disputed += u64::from(held.contains(&event.aggregate_id));
            }
            Ok(_) | Err(_) => {}
        }
    }
    disputed
}

fn line(event: &RecordedEvent) -> String {
    let id = event.aggregate_id.simple().to_string();
    format!(
        "{:>4} {} {}.. {} by {}: {}",
        event.position,
        event.occurred_at.format("%d %H:%M"),
        &id[..8],
        event.event_type,
        event.actor,
        event.payload
    )
}

fn begin(world: &mut World, rng: &mut Rng) {
    if rng.percent(50) {
        gifts::give(world, rng.pick(&[10_000, 30_000, 100_000]));
    }
    world.place(rng);
    if rng.percent(40) {
        world.place(rng);
    }
}

/// One step, of anybody.
async fn act(world: &mut World, rng: &mut Rng) -> Option<String> {
    match rng.below(100) {
        0..14 => world.ask_order(rng),
        14..19 => world.cook_on(rng),
        19..24 => world.complain(rng),
        24..29 => world.ask_dispute(rng),
        29..40 => {
            let bank = Arc::clone(&world.bank);
            bank.happen(rng);
        }
        40..46 => world.hear(rng).await,
        46..49 => world.poll_any(rng).await,
        49..51 => world.advance(rng),
        51..55 => {
            world.fire(rng);
        }
        55..70 => {
            world.take_up(rng);
        }
        70..90 => {
            world.work(rng).await;
        }
        90 => world.crash(),
        91 => world.repeat(rng),
        92 => world.place(rng),
        93 if rng.percent(20) => world.charge_back(rng),
        93 if rng.percent(50) => world.clear_up(),
        93 => world.import(),
        94 if rng.percent(20) => world.expire(rng),
        95 => freeze_late(world),
        _ => {
            // A message about any event arrives: the newest, or one that was lost long ago.
            let position = rng.below(world.log.len() + 1);
            return world.read_side.deliver(position, &world.log).err();
        }
    }
    None
}

/// The planted defect's second half.
fn freeze_late(world: &mut World) {
    let Some((id, DomainEvent::Order(event))) = world.late_freezes.pop() else { return };
    let OrderEvent::OrderPayoutFrozen(_) = &event else { return };
    let is_held = world.orders.get(&id).is_some_and(|held| held.state.payout() == shared::domain::order::Payout::Held);
    if is_held {
        let from = world.by_somebody(shared::domain::Actor::system("dispute"), id);
        world.append::<Order>(id, &from, event);
    }
}

fn broken(world: &World) -> Option<String> {
    if world.is_sound() {
        return None;
    }
    let found = world.auditor.report().examples().map(|(number, violation)| {
        let position = violation.position.unwrap_or(0);
        format!("invariant {number} at {position}: {}", violation.detail)
    });
    Some(found.collect::<Vec<_>>().join("; "))
}

/// The bank calms down, everybody does what is left to do, and time goes on until nothing is due any more.
async fn come_to_rest(world: &mut World) -> Result<(), String> {
    world.bank.calm_down();
    let mut rng = Rng::new(7);
    for _ in 0..ROUNDS_MAX {
        settle(world, &mut rng).await?;
        world.import();
        while let Some(news) = world.bank.take_certain() {
            world.take_in(news).await;
        }
        while !world.late_freezes.is_empty() {
            freeze_late(world);
        }
        let payments: Vec<_> = world.payments.keys().copied().collect();
        for id in payments {
            world.poll(id).await;
        }
        settle(world, &mut rng).await?;
        world.clear_up();
        settle(world, &mut rng).await?;
        let next = world.timers.iter().map(|timer| timer.due_at).min();
        let is_quiet = world.works.is_empty() && world.waiting.is_empty();
        match next {
            Some(due_at) => {
                let ahead = due_at - world.clock.now();
                // Longer than a breaker stays open.
                world.clock.advance(ahead.max(TimeDelta::minutes(2)));
            }
            None if is_quiet && world.registry.is_empty() => return Ok(()),
            None => world.clock.advance(TimeDelta::minutes(2)),
        }
    }
    let kinds: Vec<_> = world.timers.iter().map(|timer| timer.kind).collect();
    Err(format!("it does not come to rest: timers {kinds:?}, registry {:?}", world.registry))
}

async fn settle(world: &mut World, rng: &mut Rng) -> Result<(), String> {
    for round in 1..=WORKS_MAX {
        let did = world.work(rng).await | world.take_up(rng) | world.fire(rng);
        if let Some(wrong) = broken(world) {
            return Err(wrong);
        }
        if !did {
            return Ok(());
        }
        // Somebody waits for the provider: its breaker closes in time.
        if round % 40 == 0 {
            world.clock.advance(TimeDelta::seconds(61));
        }
    }
    Err("work without an end".to_owned())
}

fn judge(mut world: World) -> Option<String> {
    world.auditor.judge_rest(&Rest { now: Some(world.clock.now()), ..Rest::default() });
    let (bank, pots) = (Some(world.bank.books()), Some(world.pots.books()));
    world.auditor.judge_outside(&Outside { bank, pots, ..Outside::default() });
    let wrong = broken(&world);
    let read = world.read_side.deliver(world.log.len(), &world.log);
    wrong.or(read.err()).or_else(|| world.read_side.compare(&world.log).err())
}

/// The same failure with as few steps as can be found.
pub fn shrink(seed: u64, mut failing: Vec<u64>, mutant: Option<Mutant>) -> (Vec<u64>, Outcome) {
    let mut outcome = run(seed, &failing, mutant);
    let mut chunk = failing.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut got_shorter = false;
        while at < failing.len() {
            let end = (at + chunk).min(failing.len());
            let without = [&failing[..at], &failing[end..]].concat();
            let shorter = run(seed, &without, mutant);
            if shorter.failure.is_some() {
                (failing, outcome, got_shorter) = (without, shorter, true);
            } else {
                at = end;
            }
        }
        if chunk == 1 && !got_shorter {
            return (failing, outcome);
        }
        chunk = (chunk / 2).max(1);
    }
}
