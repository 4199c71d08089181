//! How well the parts of a service are, asked of probes and told by tasks.

use futures::future::{BoxFuture, join_all};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use utoipa::ToSchema;

/// How long a probe may take before its part counts as unhealthy.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer of a probe is believed.
const BELIEVED_FOR: Duration = Duration::from_millis(500);

/// From well to not working. The worst of the parts is the status of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// It works.
    Healthy,
    /// It works, but worse than it should.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// What a probe or a task says of its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How well it is.
    pub status: HealthStatus,
    /// Why, for people. Everyone may read it: no addresses, no names of hosts.
    pub message: String,
}

impl Verdict {
    /// It works.
    pub fn healthy() -> Self {
        Self { status: HealthStatus::Healthy, message: "ok".to_owned() }
    }

    /// It works, but worse than it should.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Degraded, message: message.into() }
    }

    /// It does not work.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Unhealthy, message: message.into() }
    }
}

/// One part of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthCheck {
    /// The part: `database`, `nats`, `relay`, …
    #[schema(example = "database")]
    pub name: String,
    /// How well it is.
    pub status: HealthStatus,
    /// Why, for people.
    #[schema(example = "ok")]
    pub message: String,
    /// How long the check took.
    #[schema(example = 2)]
    pub response_time_ms: u64,
}

/// How well a service is: the worst of its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthReport {
    /// The worst of the parts.
    pub status: HealthStatus,
    /// Every part.
    pub checks: Vec<HealthCheck>,
}

/// Whether a service without this part may be sent requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not ready while the part is unhealthy.
    Required,
    /// Ready all the same.
    NotRequired,
}

/// Says how well a part is.
pub type Probe = Box<dyn Fn() -> BoxFuture<'static, Verdict> + Send + Sync>;

struct Registered {
    name: String,
    readiness: Readiness,
    probe: Probe,
    believed_for: Duration,
    /// One caller asks, the others wait for its answer.
    believed: tokio::sync::Mutex<Option<(Instant, HealthCheck)>>,
}

/// Every part of a service that has a health. Clones share one list.
#[derive(Clone, Default)]
pub struct Health {
    parts: Arc<RwLock<Vec<Arc<Registered>>>>,
}

impl Health {
    /// No parts yet: healthy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `probe` how well `name` is, whenever someone wants to know.
    pub fn register<F, A>(&self, name: impl Into<String>, readiness: Readiness, probe: F)
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Verdict> + Send + 'static,
    {
        self.add(name.into(), readiness, Box::new(move || Box::pin(probe())), BELIEVED_FOR);
    }

    /// A part whose task tells how well it is.
    pub fn cell(&self, name: impl Into<String>, readiness: Readiness) -> StatusCell {
        let cell = StatusCell(Arc::new(Mutex::new(Verdict::healthy())));
        let told = cell.clone();
        let probe: Probe = Box::new(move || Box::pin(std::future::ready(told.get())));
        // Reading a cell costs nothing, so what it says is never old.
        self.add(name.into(), readiness, probe, Duration::ZERO);
        cell
    }

    fn add(&self, name: String, readiness: Readiness, probe: Probe, believed_for: Duration) {
        let believed = tokio::sync::Mutex::new(None);
        self.parts.write().push(Arc::new(Registered { name, readiness, probe, believed_for, believed }));
    }

    /// Removes a part that is no more, such as the old generation of a projection.
    pub fn forget(&self, name: &str) {
        self.parts.write().retain(|part| part.name != name);
    }

    /// How well every part is.
    pub async fn report(&self) -> HealthReport {
        self.report_of(|_| true).await
    }

    /// How well the parts are without which no request should come.
    pub async fn readiness(&self) -> HealthReport {
        self.report_of(|part| part.readiness == Readiness::Required).await
    }

    async fn report_of(&self, wanted: impl Fn(&Registered) -> bool) -> HealthReport {
        let parts: Vec<_> = self.parts.read().iter().filter(|part| wanted(part)).cloned().collect();
        let checks = join_all(parts.iter().map(|part| part.check())).await;
        let status = checks.iter().map(|check| check.status).max().unwrap_or(HealthStatus::Healthy);
        HealthReport { status, checks }
    }
}

impl Registered {
    async fn check(&self) -> HealthCheck {
        let mut believed = self.believed.lock().await;
        let started = Instant::now();
        if let Some((at, check)) = &*believed
            && started.duration_since(*at) < self.believed_for
        {
            return check.clone();
        }
        let verdict = tokio::time::timeout(PROBE_TIMEOUT, (self.probe)()).await;
        let Verdict { status, message } = verdict.unwrap_or_else(|_| Verdict::unhealthy("no answer within 2 s"));
        let response_time_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let check = HealthCheck { name: self.name.clone(), status, message, response_time_ms };
        *believed = Some((Instant::now(), check.clone()));
        check
    }
}

/// Where a background task says how well it is.
#[derive(Debug, Clone)]
pub struct StatusCell(Arc<Mutex<Verdict>>);

impl StatusCell {
    /// Says how well it is now.
    pub fn set(&self, status: HealthStatus, message: impl Into<String>) {
        *self.0.lock() = Verdict { status, message: message.into() };
    }

    /// Says that it works.
    pub fn healthy(&self) {
        *self.0.lock() = Verdict::healthy();
    }

    /// What was said last.
    pub fn get(&self) -> Verdict {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests;
