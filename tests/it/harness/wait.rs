//! Waiting for a condition, never for a time.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::time::Instant;

/// How long anything may take that should happen at once. It ends a test that hangs: who waits goes on at once when the
/// condition holds, so it is generous for a busy machine.
pub const SOON_SECS: u64 = 120;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// Whether `look` has an answer within the time; for conditions that something later may bring about too.
pub async fn within<T, E, Look, Looking>(secs: u64, mut look: Look) -> Result<T, E>
where
    Look: FnMut() -> Looking,
    Looking: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + Duration::from_secs(secs);
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(reason) if Instant::now() >= deadline => return Err(reason),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Waits until `look` has an answer; whatever it said last is in the panic.
#[track_caller]
pub fn eventually<T, E, Look, Looking>(deadline_secs: u64, look: Look) -> impl Future<Output = T>
where
    E: Display,
    Look: FnMut() -> Looking,
    Looking: Future<Output = Result<T, E>>,
{
    let caller = std::panic::Location::caller();
    async move {
        let found = within(deadline_secs, look).await;
        found.unwrap_or_else(|reason| panic!("{caller}: not within {deadline_secs} s: {reason}"))
    }
}
