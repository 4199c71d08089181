//! `homefood migrate`: run by the owner of the database, before the services start.

use anyhow::{Context, Result};
use clap::Args;
use shared::runtime::{
    Secret,
    postgres::{PoolOptions, connect_pool, migrate},
};

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The database, as its owner.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Secret,
}

pub async fn run(args: MigrateArgs) -> Result<()> {
    let options = PoolOptions { statement_timeout: None, ..PoolOptions::new("homefood migrate", 1) };
    let db = connect_pool(&args.database_url, options).await.context("the database cannot be reached")?;
    migrate(&db).await.context("the database cannot be migrated")?;
    eprintln!("the database is at the newest migration");
    Ok(())
}
