//! The clock of a development system goes on where it was: what has happened in its future must not lie ahead again.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::Duration;
use shared::runtime::{BoxError, Clock};
use tokio_util::sync::CancellationToken;

/// The file within the data directory: how many microseconds the clock is ahead of the machine's.
pub const FILE: &str = "clock";

/// Moves the clock to where it was when the file was written, if there is one.
pub fn restore(clock: &Clock, data_dir: &Path) -> Result<()> {
    let file = data_dir.join(FILE);
    if !file.exists() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let micros = text.trim().parse().with_context(|| format!("{} holds no number", file.display()))?;
    clock.set_offset(Duration::microseconds(micros));
    Ok(())
}

/// Writes down every move of the clock, until `shutdown`.
pub async fn keep(clock: Clock, data_dir: PathBuf, shutdown: CancellationToken) -> Result<(), BoxError> {
    let mut moves = clock.moves();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            moved = moves.changed() => moved?,
        }
        let micros = *moves.borrow_and_update();
        let new = data_dir.join(format!("{FILE}.new"));
        std::fs::write(&new, micros.to_string())?;
        std::fs::rename(&new, data_dir.join(FILE))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_that_was_moved_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (clock, shutdown) = (Clock::system(), CancellationToken::new());
        restore(&clock, dir.path()).unwrap();
        assert_eq!(clock.offset(), Duration::zero());
        let keeping = tokio::spawn(keep(clock.clone(), dir.path().to_owned(), shutdown.clone()));
        let kept = Duration::hours(25).num_microseconds().unwrap().to_string();
        let writing = async {
            // It may not have begun to watch yet; a move is never lost after that.
            while std::fs::read_to_string(dir.path().join(FILE)).ok().as_ref() != Some(&kept) {
                clock.set_offset(Duration::hours(25));
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), writing).await.unwrap();
        shutdown.cancel();
        keeping.await.unwrap().unwrap();
        let again = Clock::system();
        restore(&again, dir.path()).unwrap();
        assert_eq!(again.offset(), Duration::hours(25));
    }
}
