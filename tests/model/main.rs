//! The model run: random interleavings of everything that people, banks, machines and time can do, against the real
//! aggregates, process managers, provider flows and folds, with the invariants asked at every event and at the end.
//!
//! A failure prints its seed and the steps that are left after shrinking; `MODEL_SEED` and `MODEL_SEQUENCES` choose another
//! beginning and another number.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod bank;
mod complaints;
mod export;
mod gifts;
mod managers;
mod mutants;
mod people;
mod pots;
mod read_side;
mod rng;
mod sequence;
mod situations;
mod world;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use mutants::Mutant;
use parking_lot::Mutex;
use rng::Rng;

/// Where the seeds begin unless somebody says otherwise: the same in every run, so that a failure is everybody's.
const SEED: u64 = 2_026;
const SEQUENCES: u64 = 10_000;
/// Sequences in which a planted defect has to be found.
const MUTANT_SEQUENCES: u64 = 4_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The first failing seed of so many, and how often each event happened.
fn search(first: u64, sequences: u64, mutant: Option<Mutant>) -> (Option<u64>, BTreeMap<&'static str, u64>) {
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let events = Mutex::new(BTreeMap::<&'static str, u64>::new());
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= sequences || failed.load(Ordering::Relaxed) < at {
                        return;
                    }
                    let seed = Rng::new(first.wrapping_add(at)).next();
                    let outcome = sequence::run(seed, &sequence::steps(seed), mutant);
                    if outcome.failure.is_some() {
                        failed.fetch_min(at, Ordering::Relaxed);
                    }
                    let mut all = events.lock();
                    for (name, count) in outcome.events {
                        *all.entry(name).or_default() += count;
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    ((failed != u64::MAX).then(|| Rng::new(first.wrapping_add(failed)).next()), events.into_inner())
}

/// Says what went wrong, in as few steps as can be found.
fn explain(seed: u64, mutant: Option<Mutant>) -> String {
    let all = sequence::steps(seed);
    let (steps, outcome) = sequence::shrink(seed, all.clone(), mutant);
    let reason = outcome.failure.unwrap_or_default();
    let story = outcome.story.join("\n");
    format!("seed {seed}, {} of {} steps: {reason}\nsteps: {steps:?}\n{story}", steps.len(), all.len())
}

#[test]
fn whatever_happens_the_invariants_hold() {
    let first = number("MODEL_SEED", SEED);
    let sequences = number("MODEL_SEQUENCES", SEQUENCES);
    let (failed, events) = search(first, sequences, None);
    eprintln!("{sequences} sequences from seed {first}:");
    events.iter().for_each(|(name, count)| eprintln!("{count:>8} {name}"));
    if let Some(seed) = failed {
        panic!("{}", explain(seed, None));
    }
    // A run that reaches little proves little.
    for name in [
        "order_paid",
        "order_cancelled",
        "order_payout_released",
        "order_refund_settled",
        "order_payout_frozen",
        "order_payout_unfrozen",
        "payment_unapplied",
        "payment_refund_unknown",
        "payment_refund_failed",
        "payment_capture_requested",
        "payment_chargeback_recorded",
        "gift_redeemed",
        "gift_credited",
        "gift_expired",
        "dispute_resolved",
        sequence::HELD_AND_DISPUTED,
        sequence::PORTIONS_SHORT,
        sequence::PORTIONS_BACK,
    ] {
        assert!(events.get(name).copied().unwrap_or(0) > sequences / 1_000, "{name} hardly ever happens: {events:?}");
    }
}

#[test]
fn every_planted_defect_is_caught() {
    let first = number("MODEL_SEED", SEED);
    for mutant in Mutant::ALL {
        let (failed, _) = search(first, MUTANT_SEQUENCES, Some(mutant));
        let Some(seed) = failed else { panic!("{mutant:?} survives {MUTANT_SEQUENCES} sequences") };
        eprintln!("{mutant:?}: {}", explain(seed, Some(mutant)));
    }
}
