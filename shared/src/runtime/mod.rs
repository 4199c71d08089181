//! What a service needs to run: clock, settings, logs, metrics, health, supervised tasks, the database pool.

pub mod clock;
pub mod correlation;
pub mod health;
pub mod jetstream;
pub mod metrics;
pub mod platform;
pub mod postgres;
pub mod program;
pub mod settings;
pub mod supervisor;
pub mod telemetry;

/// Any error at all, for tasks and probes whose failures are only reported.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub use clock::Clock;
pub use correlation::{Correlation, TraceParent};
pub use health::{Health, HealthStatus, StatusCell, Verdict};
pub use metrics::Metrics;
pub use platform::Platform;
pub use settings::{Secret, SettingsError, SharedSettings};
pub use supervisor::{Supervisor, shutdown_signal};
