//! Waiting for a condition, never for a time.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::time::Instant;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// Waits until `look` has an answer; whatever it said last is in the panic.
#[track_caller]
pub fn eventually<T, E, Look, Looking>(deadline_secs: u64, mut look: Look) -> impl Future<Output = T>
where
    E: Display,
    Look: FnMut() -> Looking,
    Looking: Future<Output = Result<T, E>>,
{
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(deadline_secs);
        loop {
            match look().await {
                Ok(found) => return found,
                Err(reason) if Instant::now() >= deadline => {
                    panic!("{caller}: not within {deadline_secs} s: {reason}")
                }
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}
