//! A closed loop: every connection sends its next request when the last one is answered.

use std::{cell::RefCell, collections::BTreeMap, future::Future, net::SocketAddr, rc::Rc, time::Duration};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio::{sync::oneshot, task::LocalSet, time::Instant};

use super::wire::Wire;

/// The longest delay that is told apart, in microseconds.
const DELAY_US_MAX: u64 = 60_000_000;
/// How long the last requests of a load may take.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// When is measured: after the warm-up, for a while.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The first moment that counts.
    pub from: Instant,
    /// The first that does not any more.
    pub to: Instant,
}

impl Window {
    /// Begins after `warm_up` and lasts for `length`.
    pub fn after(warm_up: Duration, length: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, to: from + length }
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        (self.to - self.from).as_secs_f64()
    }
}

/// How long things of one kind took.
pub type Delays = Histogram<u64>;

/// An empty histogram of microseconds.
pub fn delays() -> Delays {
    Histogram::new_with_max(DELAY_US_MAX, 3).expect("the bounds are constants and in order")
}

/// What is counted while a load runs, by all its connections.
#[derive(Debug)]
pub struct Tally {
    window: Window,
    delays: RefCell<BTreeMap<&'static str, Delays>>,
    notes: RefCell<BTreeMap<&'static str, u64>>,
}

impl Tally {
    /// Counts what ends within `window`.
    pub fn new(window: Window) -> Self {
        Self { window, delays: RefCell::default(), notes: RefCell::default() }
    }

    /// Something of the kind `what` has just ended.
    pub fn ended(&self, what: &'static str, started: Instant) {
        let now = Instant::now();
        if now >= self.window.from && now < self.window.to {
            let took = now.duration_since(started).as_micros() as u64;
            self.delays.borrow_mut().entry(what).or_insert_with(delays).saturating_record(took);
        }
    }

    /// Something else worth a number.
    pub fn note(&self, what: &'static str) {
        let now = Instant::now();
        if now >= self.window.from && now < self.window.to {
            *self.notes.borrow_mut().entry(what).or_default() += 1;
        }
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.window.to
    }
}

/// What one connection does, again and again.
pub trait Script: 'static {
    /// Does it once.
    async fn turn(&mut self, wire: &mut Wire, tally: &Tally) -> Result<()>;
}

/// What came of a load.
#[derive(Debug)]
pub struct Loaded<S> {
    /// How long each kind of request took, within the window.
    pub delays: BTreeMap<&'static str, Delays>,
    /// What else was counted.
    pub notes: BTreeMap<&'static str, u64>,
    /// The scripts as they ended.
    pub scripts: Vec<S>,
}

/// Runs one script per connection until the window closes, on a thread of its own.
pub async fn run<S: Script + Send>(address: SocketAddr, window: Window, scripts: Vec<S>) -> Result<Loaded<S>> {
    let work = move || {
        let tally = Rc::new(Tally::new(window));
        let (local, work) = (LocalSet::new(), drive(address, Rc::clone(&tally), scripts));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let scripts = runtime.block_on(local.run_until(work))?;
        Ok(Loaded { delays: tally.delays.take(), notes: tally.notes.take(), scripts })
    };
    let limit = window.to.saturating_duration_since(Instant::now()) + LAST_ANSWERS;
    tokio::time::timeout(limit, on_own_thread(work)).await.context("requests are not answered")?
}

async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new().name("load".into()).spawn(move || drop(sender.send(work())))?;
    receiver.await.context("the load generator panicked")?
}

async fn drive<S: Script>(address: SocketAddr, tally: Rc<Tally>, scripts: Vec<S>) -> Result<Vec<S>> {
    let tasks: Vec<_> = scripts
        .into_iter()
        .map(|mut script| {
            let tally = Rc::clone(&tally);
            tokio::task::spawn_local(async move {
                let mut wire = Wire::connect(address).await?;
                while !tally.is_over() {
                    script.turn(&mut wire, &tally).await?;
                }
                anyhow::Ok(script)
            })
        })
        .collect();
    let mut done = Vec::with_capacity(tasks.len());
    for task in tasks {
        done.push(task.await.context("a script panicked")??);
    }
    Ok(done)
}

/// The same for what runs in this process: `workers` tasks do `work` until the window closes.
pub async fn run_in_process<F, W>(workers: usize, window: Window, work: F) -> Result<Delays>
where
    F: Fn(usize) -> W,
    W: Work,
{
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..workers {
        let mut work = work(worker);
        tasks.spawn(async move {
            let mut taken = delays();
            while Instant::now() < window.to {
                let started = Instant::now();
                work.once().await?;
                let now = Instant::now();
                if now >= window.from && now < window.to {
                    taken.saturating_record(now.duration_since(started).as_micros() as u64);
                }
            }
            anyhow::Ok(taken)
        });
    }
    let mut all = delays();
    while let Some(task) = tasks.join_next().await {
        all.add(task.context("a worker panicked")??).expect("all have the same bounds");
    }
    Ok(all)
}

/// What one worker of [`run_in_process`] does.
pub trait Work: Send + 'static {
    /// Does it once.
    fn once(&mut self) -> impl Future<Output = Result<()>> + Send;
}
