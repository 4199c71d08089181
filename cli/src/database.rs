//! Which database a verb works on.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use shared::runtime::Secret;

use crate::{
    dev::session,
    exit::{self, Exit},
};

/// A database of its own choice, or that of a running `cargo dev`.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// The database, as anybody who may read the log; by default that of a running `cargo dev`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<Secret>,
    /// Where `cargo dev` keeps its data.
    #[arg(long, default_value_os_t = crate::dev::default_data_dir())]
    data_dir: PathBuf,
}

impl DatabaseArgs {
    /// Where it is.
    pub fn url(&self) -> Result<Secret> {
        let of_session =
            || Some(Secret::new(session::read(&self.data_dir)?.pointer("/database_url")?.as_str()?.to_owned()));
        let url = self.database_url.clone().or_else(of_session);
        Ok(url.ok_or_else(|| Exit::new(exit::USAGE, "say --database-url, or run `cargo dev`"))?)
    }

    /// This one.
    #[cfg(test)]
    pub fn of(url: &Secret) -> Self {
        Self { database_url: Some(url.clone()), data_dir: PathBuf::new() }
    }
}
