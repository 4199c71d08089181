//! The circuit breaker: whoever is down is not asked for a while, and then first by one call alone.
//!
//! Not the crate recloser: it opens on a failure rate over a ring buffer (a full one), lets every call pass while half
//! open, cannot be forced open and does not tell how long it stays open. What is wanted here is a run of failures, one
//! probe at a time, and a `Retry-After`.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use shared::runtime::Clock;

use super::{CallError, ErrorClass};

/// When a breaker opens and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Counted failures in a row that open it.
    pub failures_to_open: u32,
    /// How long it stays open.
    pub open_for: Duration,
    /// Probes in a row that must succeed to close it.
    pub successes_to_close: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures_to_open: 5, open_for: Duration::from_secs(60), successes_to_close: 2 }
    }
}

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Lets all pass.
    Closed,
    /// Lets one pass at a time.
    HalfOpen,
    /// Lets none pass.
    Open,
}

impl BreakerState {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// What the end of a call tells about the provider's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works, whether or not it liked the request.
    Works,
    /// It does not.
    Fails,
    /// It will not, until a person acts.
    ForceOpen,
    /// Nothing.
    Nothing,
}

impl Verdict {
    /// The verdict that an answer of this class gives.
    pub fn of(class: ErrorClass) -> Self {
        match class {
            ErrorClass::NotSent | ErrorClass::OutcomeUnknown | ErrorClass::Transient => Self::Fails,
            ErrorClass::Config => Self::ForceOpen,
            ErrorClass::RateLimited { .. } | ErrorClass::Unlisted => Self::Nothing,
            // A refusal is business: whoever refuses is up.
            ErrorClass::Declined { .. }
            | ErrorClass::InvalidRequest
            | ErrorClass::StateConflict
            | ErrorClass::RefundDeferred { .. } => Self::Works,
        }
    }
}

/// A step from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Too many failures, or one that no retry can mend.
    Opened,
    /// The rest is over; the first probe may go.
    HalfOpened,
    /// The probe failed.
    OpenedAfterHalfOpen,
    /// The probes succeeded.
    Closed,
}

impl Transition {
    /// The state it leads to.
    pub fn state(self) -> BreakerState {
        match self {
            Self::Opened | Self::OpenedAfterHalfOpen => BreakerState::Open,
            Self::HalfOpened => BreakerState::HalfOpen,
            Self::Closed => BreakerState::Closed,
        }
    }
}

/// Told about every transition, outside the lock.
pub type OnTransition = Box<dyn Fn(Transition) + Send + Sync>;

/// A breaker. Share it by reference or `Arc`.
pub struct Breaker {
    settings: BreakerSettings,
    clock: Clock,
    machine: Mutex<Machine>,
    on_transition: OnTransition,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings, clock: Clock, on_transition: OnTransition) -> Arc<Self> {
        let machine = Mutex::new(Machine { phase: Phase::Closed { failures: 0 }, generation: 0 });
        Arc::new(Self { settings, clock, machine, on_transition })
    }

    /// Leave for one call, or how long there is none.
    pub fn acquire(self: &Arc<Self>) -> Result<Permit, CallError> {
        let (answer, transition) = {
            let mut machine = self.machine.lock();
            let before = machine.phase.state();
            let answer = machine.acquire(self.clock.now());
            let half_opened = before == BreakerState::Open && machine.phase.state() == BreakerState::HalfOpen;
            (answer, half_opened.then_some(Transition::HalfOpened))
        };
        self.tell(transition);
        match answer {
            Ok(generation) => Ok(Permit { breaker: Arc::clone(self), generation: Some(generation) }),
            Err(retry_after) => Err(CallError::Unavailable { retry_after }),
        }
    }

    /// What it does with calls now.
    pub fn state(&self) -> BreakerState {
        self.machine.lock().phase.state()
    }

    /// How long it lets nothing pass; none unless it is open. Open with its time over, it waits for a probe, and whoever
    /// asks may be that.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.machine.lock().phase {
            Phase::Open { until } => (until - self.clock.now()).to_std().ok().filter(|rest| !rest.is_zero()),
            Phase::Closed { .. } | Phase::HalfOpen { .. } => None,
        }
    }

    fn settle(&self, generation: u64, verdict: Verdict) {
        let transition = self.machine.lock().settle(generation, verdict, self.clock.now(), &self.settings);
        self.tell(transition);
    }

    fn tell(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            (self.on_transition)(transition);
        }
    }
}

/// Leave for one call. Dropped without a verdict (the caller went away) it says nothing about the provider.
pub struct Permit {
    breaker: Arc<Breaker>,
    generation: Option<u64>,
}

impl Permit {
    /// Tells how the call ended.
    pub fn settle(mut self, verdict: Verdict) {
        if let Some(generation) = self.generation.take() {
            self.breaker.settle(generation, verdict);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(generation) = self.generation.take() {
            self.breaker.settle(generation, Verdict::Nothing);
        }
    }
}

/// How long to wait while somebody else's probe is out.
const PROBE_REST: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed { failures: u32 },
    Open { until: DateTime<Utc> },
    HalfOpen { successes: u32, probing: bool },
}

impl Phase {
    fn state(self) -> BreakerState {
        match self {
            Self::Closed { .. } => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

/// The pure part. The generation counts the phases, so that a call which outlived its phase says nothing about the
/// next one.
struct Machine {
    phase: Phase,
    generation: u64,
}

impl Machine {
    fn acquire(&mut self, now: DateTime<Utc>) -> Result<u64, Duration> {
        match self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { until } if now < until => return Err((until - now).to_std().unwrap_or_default()),
            Phase::Open { .. } => self.enter(Phase::HalfOpen { successes: 0, probing: true }),
            Phase::HalfOpen { probing: true, .. } => return Err(PROBE_REST),
            Phase::HalfOpen { successes, probing: false } => {
                self.phase = Phase::HalfOpen { successes, probing: true };
            }
        }
        Ok(self.generation)
    }

    fn settle(
        &mut self,
        generation: u64,
        verdict: Verdict,
        now: DateTime<Utc>,
        settings: &BreakerSettings,
    ) -> Option<Transition> {
        if generation != self.generation {
            return None;
        }
        let open = Phase::Open { until: now + settings.open_for };
        match (self.phase, verdict) {
            (Phase::Open { .. }, _) | (Phase::Closed { .. }, Verdict::Nothing) => None,
            (Phase::Closed { .. }, Verdict::Works) => {
                self.phase = Phase::Closed { failures: 0 };
                None
            }
            (Phase::Closed { failures }, Verdict::Fails) if failures + 1 < settings.failures_to_open => {
                self.phase = Phase::Closed { failures: failures + 1 };
                None
            }
            (Phase::Closed { .. }, Verdict::Fails | Verdict::ForceOpen) => {
                self.enter(open);
                Some(Transition::Opened)
            }
            (Phase::HalfOpen { successes, .. }, Verdict::Works) if successes + 1 >= settings.successes_to_close => {
                self.enter(Phase::Closed { failures: 0 });
                Some(Transition::Closed)
            }
            (Phase::HalfOpen { successes, .. }, Verdict::Works) => {
                self.phase = Phase::HalfOpen { successes: successes + 1, probing: false };
                None
            }
            (Phase::HalfOpen { .. }, Verdict::Fails | Verdict::ForceOpen) => {
                self.enter(open);
                Some(Transition::OpenedAfterHalfOpen)
            }
            (Phase::HalfOpen { successes, .. }, Verdict::Nothing) => {
                self.phase = Phase::HalfOpen { successes, probing: false };
                None
            }
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}
