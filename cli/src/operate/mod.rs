//! What operators do from a terminal: dead letters, projections, streams and flows, over HTTP.

mod client;
mod dlq;
mod follow;
mod health;
mod projection;
mod show;
mod stream;

pub use dlq::DlqArgs;
pub use health::HealthArgs;
pub use projection::ProjectionArgs;
pub use stream::{StreamArgs, TraceArgs};

use anyhow::Result;

/// `homefood dlq …`
pub async fn dlq(args: DlqArgs) -> Result<()> {
    dlq::run(args).await
}

/// `homefood projection …`
pub async fn projection(args: ProjectionArgs) -> Result<()> {
    projection::run(args).await
}

/// `homefood health`
pub async fn health(args: HealthArgs) -> Result<()> {
    health::run(args).await
}

/// `homefood stream …`
pub async fn stream(args: StreamArgs) -> Result<()> {
    stream::run(args).await
}

/// `homefood trace …`
pub async fn trace(args: TraceArgs) -> Result<()> {
    stream::trace(args).await
}
