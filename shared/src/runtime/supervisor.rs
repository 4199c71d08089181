//! Background tasks that are started again when they fail, and end together.

use futures::FutureExt;
use parking_lot::Mutex;
use std::{any::Any, collections::BTreeSet, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    BoxError,
    health::{Health, HealthStatus, Readiness, StatusCell},
};

/// The wait after a first failure; it doubles with each.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A task that ran this long has recovered: it is healthy again and its next wait is short.
const RECOVERED_AFTER: Duration = Duration::from_secs(10);

/// Keeps background tasks running until the program ends.
#[derive(Clone)]
pub struct Supervisor {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    health: Health,
    running: Arc<Mutex<BTreeSet<String>>>,
}

impl Supervisor {
    /// A supervisor without tasks; each task becomes the part `task:<name>` of `health`.
    pub fn new(health: Health) -> Self {
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        Self { tracker, shutdown, health, running: Arc::default() }
    }

    /// Cancelled when the program ends.
    pub fn token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs `task` until it answers Ok or the program ends. A task that fails or panics is started again.
    pub fn spawn<F, A>(&self, name: impl Into<String>, task: F)
    where
        F: FnMut(CancellationToken) -> A + Send + 'static,
        A: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.start(name.into(), Readiness::NotRequired, task);
    }

    /// Runs a task like [`Self::spawn`]. While it is down the service is unhealthy, and not ready for requests.
    pub fn spawn_required<F, A>(&self, name: impl Into<String>, task: F)
    where
        F: FnMut(CancellationToken) -> A + Send + 'static,
        A: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.start(name.into(), Readiness::Required, task);
    }

    fn start<F, A>(&self, name: String, readiness: Readiness, task: F)
    where
        F: FnMut(CancellationToken) -> A + Send + 'static,
        A: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        // What the task itself reports has its bare name.
        let cell = self.health.cell(format!("task:{name}"), readiness);
        let supervisor = self.clone();
        let down = match readiness {
            Readiness::Required => HealthStatus::Unhealthy,
            Readiness::NotRequired => HealthStatus::Degraded,
        };
        self.tracker.spawn(async move {
            supervisor.running.lock().insert(name.clone());
            supervisor.keep_running(&name, (&cell, down), task).await;
            supervisor.running.lock().remove(&name);
        });
    }

    async fn keep_running<F, A>(&self, name: &str, (cell, down): (&StatusCell, HealthStatus), mut task: F)
    where
        F: FnMut(CancellationToken) -> A,
        A: Future<Output = Result<(), BoxError>>,
    {
        let mut failures = 0;
        loop {
            let started = Instant::now();
            let Err(cause) = run_once(&mut task, self.token(), cell).await else { return };
            if self.shutdown.is_cancelled() {
                tracing::warn!(task = name, error = %cause, "task {name} failed while ending");
                return;
            }
            failures = if started.elapsed() >= RECOVERED_AFTER { 1 } else { failures + 1 };
            let wait = backoff(failures);
            tracing::error!(task = name, failures, error = %cause, "task {name} failed; starting it again in {wait:?}");
            // The cause may name hosts or data; the report is public, the log is not.
            cell.set(down, format!("failed {failures} times; starting again"));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shutdown.cancelled() => return,
            }
        }
    }

    /// Tells every task to end and waits for it. Answers the names of those that did not end in time.
    pub async fn shutdown(&self, deadline: Duration) -> Vec<String> {
        self.shutdown.cancel();
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        let late: Vec<String> = self.running.lock().iter().cloned().collect();
        tracing::warn!(tasks = ?late, "tasks did not end within {deadline:?}");
        late
    }
}

/// One run, with a panic turned into an error.
async fn run_once<F, A>(task: &mut F, token: CancellationToken, cell: &StatusCell) -> Result<(), BoxError>
where
    F: FnMut(CancellationToken) -> A,
    A: Future<Output = Result<(), BoxError>>,
{
    let mut run = std::pin::pin!(AssertUnwindSafe(async { task(token).await }).catch_unwind());
    let ended = tokio::select! {
        ended = &mut run => ended,
        () = tokio::time::sleep(RECOVERED_AFTER) => {
            if cell.get().message.ends_with("starting again") {
                cell.healthy();
            }
            run.await
        }
    };
    ended.unwrap_or_else(|panic| Err(format!("panicked: {}", panic_message(&*panic)).into()))
}

/// What a panic said.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Doubles with each failure, between half of it and all of it, so that tasks do not start in step.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let longest = BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

/// Waits until the process is asked to end (SIGINT, SIGTERM).
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

#[cfg(test)]
mod tests;
