//! Where a server keeps its data, and for how long.

use std::path::PathBuf;

use anyhow::Result;

use crate::account::Account;
use crate::watchdog::ThrowAwayDir;

/// Where a server keeps its data, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In this directory, which stays.
    Keep(PathBuf),
    /// In a directory of its own that goes away with the server.
    ///
    /// It lies in `TMPDIR`: on a memory file system, test databases are made several times faster.
    ThrowAway,
}

impl Storage {
    /// The directory to use and the scratch directory beside it; they are one when nothing is kept.
    pub(crate) fn prepare(&self, account: &Account) -> Result<(PathBuf, ThrowAwayDir)> {
        let scratch = ThrowAwayDir::new(account)?;
        let dir = match self {
            Storage::Keep(dir) => account.reachable_dir(&std::path::absolute(dir)?)?,
            Storage::ThrowAway => scratch.path().to_path_buf(),
        };
        Ok((dir, scratch))
    }
}
